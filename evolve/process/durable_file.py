"""Writes a file whole or not at all, even if the machine stops meanwhile."""

import os
from pathlib import Path


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
