"""What OpenCV's decoders say of a file while they decode it.

They say it on file descriptor 2 alone: a JPEG that lost its second half becomes a picture that is half grey, and a line
"Corrupt JPEG data: premature end of data segment" that names no file. So the descriptor is caught while they work.
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
# libjpeg, libpng and OpenCV's TIFF. What they call a warning (an unknown tag, an odd colour profile) is none here.
_COMPLAINT = re.compile(r"(?:Corrupt JPEG data: |(?=Premature end of JPEG)|libpng error: |TIFF_Error )(.+)")


def during(work: Callable[[], Result]) -> tuple[Result, str]:
    """(what the work returns, what decoders wrote to file descriptor 2 meanwhile).

    The descriptor is the whole process's: what others write there is held back until the work is done.
    """
    with _ONE_AT_A_TIME:
        try:
            before, said = os.dup(2), tempfile.TemporaryFile()  # noqa: SIM115 (closed below, once it was read)
        except OSError:  # nobody reads what is said, or no disk takes it
            return work(), ""
        os.dup2(said.fileno(), 2)
        try:
            result = work()
        finally:
            os.dup2(before, 2)
            os.close(before)
            said.seek(0)
            lines = said.read().decode(errors="replace").splitlines()
            said.close()
            others = [line for line in lines if line.strip() and not _OF_DECODERS.search(line)]
            if others:
                os.write(2, ("\n".join(others) + "\n").encode(errors="replace"))
    return result, "\n".join(lines)


def complaint(said: str) -> str | None:
    """The first thing that a decoder found wrong with a file, in its own words; None where it found nothing."""
    found = _COMPLAINT.search(said)
    return " ".join(found[1].split()) if found else None
