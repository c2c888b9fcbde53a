"""Waits for an exclusive lock on an open file, with a bound."""

import fcntl
import time
from typing import IO

POLL_SECONDS = 0.05


def acquire(handle: IO[str], patience_seconds: float) -> bool:
    """Lock the file; returns whether that was possible within the time. Closing the file releases the lock."""
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
