"""A request to stop a search: a file in its directory, which only the process that runs this search looks for.

So no request reaches a wrong process, and it works from another machine or container too, where a process id means
nothing. Taking the request removes the file: that is how whoever asked knows that the search has seen it.
"""

from enum import StrEnum
from pathlib import Path

from evolve.file_names import STOP_FILE
from evolve.process.files import write_durably


class StopRequest(StrEnum):
    """How a search is to stop."""

    DRAIN = "drain"  # begin nothing more, and end when the trials that run have reached their rungs
    NOW = "now"  # as after Ctrl-C: the pieces that run are trained again on a resume


def ask(directory: Path, request: StopRequest) -> None:
    """Leave a request for the process that runs the search; OSError if the directory cannot be written."""
    write_durably(directory / STOP_FILE, request)


def take(directory: Path) -> StopRequest | None:
    """The request, which is removed; None if there is none or it cannot be removed: it would come up again for ever."""
    path = directory / STOP_FILE
    try:
        text = path.read_text(encoding="utf-8")
        path.unlink()
    except (OSError, UnicodeDecodeError):  # mostly: there is no such file
        return None
    return StopRequest.NOW if text.strip() == StopRequest.NOW else StopRequest.DRAIN


def is_waiting(directory: Path) -> bool:
    """Whether a request has not been taken yet."""
    return (directory / STOP_FILE).exists()


def withdraw(directory: Path) -> None:
    """Remove a request that nobody has taken."""
    (directory / STOP_FILE).unlink(missing_ok=True)
