"""Where a path would lie on the disk. Imports nothing of ours, so that doctor works on a broken installation."""

from pathlib import Path


def nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    resolved = path.resolve()
    return next(folder for folder in (resolved, *resolved.parents) if folder.exists())
