"""What OpenCV's decoders report about a file while they decode it.

They report it on file descriptor 2 alone: a JPEG that lost its second half becomes a picture that is half grey, and a
line "Corrupt JPEG data: premature end of data segment" that names no file. So the descriptor is read while they work.
"""

import os
import re
import tempfile
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

Result = TypeVar("Result")

_ONE_AT_A_TIME = Lock()
_OF_DECODERS = re.compile(r"jpeg|jfif|sos parameters|libpng|tiff|webp|grfmt_|imgcodecs|imdecode|loadsave|bitstrm", re.I)
# Errors of libjpeg, libpng and OpenCV's TIFF decoder. Warnings (an unknown tag, an odd colour profile) do not count.
_COMPLAINT = re.compile(r"(?:Corrupt JPEG data: |(?=Premature end of JPEG)|libpng error: |TIFF_Error )(.+)")


def during(work: Callable[[], Result]) -> tuple[Result, str]:
    """(the result of the work, what decoders wrote to file descriptor 2 meanwhile).

    The descriptor belongs to the whole process: what others write there is held back until the work is done.
    """
    with _ONE_AT_A_TIME:
        try:
            caught = tempfile.TemporaryFile()  # noqa: SIM115 (closed below, after it was read)
            before = os.dup(2)
        except OSError:  # no disk takes the file, or the descriptor is closed
            return work(), ""
        os.dup2(caught.fileno(), 2)
        try:
            result = work()
        finally:
            os.dup2(before, 2)
            os.close(before)
            caught.seek(0)
            lines = caught.read().decode(errors="replace").splitlines()
            caught.close()
            others = [line for line in lines if line.strip() and not _OF_DECODERS.search(line)]
            if others:
                os.write(2, ("\n".join(others) + "\n").encode(errors="replace"))
    return result, "\n".join(lines)


def complaint(messages: str) -> str | None:
    """The first error that a decoder reports, in its own words; None if it reports none."""
    error = _COMPLAINT.search(messages)
    return " ".join(error[1].split()) if error else None
