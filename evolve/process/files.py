"""Files of this process: written whole or not at all, locked with a bound, found on the disk.

Imports nothing of ours, so that doctor works on a broken installation.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

POLL_SECONDS = 0.05  # between two tries of a lock


def nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    resolved = path.resolve()
    return next(folder for folder in (resolved, *resolved.parents) if folder.exists())


def write_durably(path: Path, text: str) -> None:
    """Write a file so that after a crash it has either its new or its old content."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    move_durably(temporary, path)


def move_durably(temporary: Path, path: Path) -> None:
    """Give a whole file its name, in place of any other, so that a crash does not undo it."""
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def lock(handle: IO[str], patience_seconds: float) -> bool:
    """Lock an open file; returns whether that was possible within the time. Closing the file releases the lock."""
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True
