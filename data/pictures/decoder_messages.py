"""Messages that OpenCV's decoders write about a file while they decode it.

They write to file descriptor 2 alone: a JPEG that lost its second half becomes a picture that is half grey, and a line
"Corrupt JPEG data: premature end of data segment" that names no file. So the descriptor is read while they work.
"""

import os
import re
import tempfile
from collections.abc import Callable
from threading import Lock
from typing import TypeVar

Result = TypeVar("Result")

_LOCK = Lock()
_OF_DECODERS = re.compile(r"jpeg|jfif|sos parameters|libpng|tiff|webp|grfmt_|imgcodecs|imdecode|loadsave|bitstrm", re.I)
# Errors of libjpeg, libpng and OpenCV's TIFF decoder. Warnings (an unknown tag, an odd colour profile) do not count.
_COMPLAINT = re.compile(r"(?:Corrupt JPEG data: |(?=Premature end of JPEG)|libpng error: |TIFF_Error )(.+)")


def during(work: Callable[[], Result]) -> tuple[Result, str]:
    """Run the work; return (its result, what was written to file descriptor 2 meanwhile).

    The descriptor belongs to the whole process: lines that are no decoder's are written to it once the work is done.
    """
    with _LOCK:
        try:
            caught = tempfile.TemporaryFile()  # noqa: SIM115 (closed below, after it was read)
            before = os.dup(2)
        except OSError:  # no temporary file can be made, or the descriptor is closed
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
