"""The .weights file: a header, then float32 numbers without names or padding, little endian (Darknet parser.c).

int32 major, minor, revision; then `seen`, the number of pictures trained on: uint64 from version 0.2 on, uint32 before.
The header is checked against the file's size. The floats are memory-mapped and read one array after the other.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.whole_files import written_whole

FLOAT = np.dtype("<f4")
VERSION = (0, 2, 5)  # what Darknet writes now
LARGEST_VERSION = 1000  # above it Darknet reads connected layers as transposed; no detector has one
LONGEST_HEADER = 20  # bytes
OTHER_KINDS = {
    b"PK\x03\x04": "a ZIP archive, as checkpoints (.keras) and PyTorch's files are",
    b"\x89HDF": "an HDF5 file, as Keras' .h5 is",
    b"version https://git": "a Git LFS pointer instead of the file: `git lfs pull` fetches it",
}


class WeightsError(ValueError):
    """A file is not a .weights file, or not one of this network; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Header:
    """The first bytes of a .weights file."""

    major: int
    minor: int
    revision: int
    seen: int  # number of pictures trained on; Darknet resumes at step seen / batch

    @property
    def size(self) -> int:
        """Length of the header in bytes."""
        return 20 if self.major * 10 + self.minor >= 2 else 16


@dataclass(frozen=True)
class WeightsFile:
    """An opened .weights file: its header, and its floats, memory-mapped from the disk."""

    path: Path
    header: Header
    floats: NDArray[np.float32]

    @property
    def count(self) -> int:
        """Number of floats after the header."""
        return int(self.floats.size)


def open_file(path: Path) -> WeightsFile:
    """Open a .weights file: checks its header and maps its floats without reading them into memory."""
    path = Path(path)
    if path.is_dir():
        raise WeightsError(f"{path}: expected a Darknet file (.weights), got a folder")
    if not path.is_file():
        raise WeightsError(f"{path}: expected a Darknet file (.weights), got nothing there")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = _header(path, file.read(LONGEST_HEADER), size)
        payload = size - header.size
        if payload % FLOAT.itemsize:
            raise WeightsError(
                f"{path}: expected a whole number of floats of 4 bytes after the header of {header.size} bytes, "
                f"got {payload} bytes"
            )
        floats = np.memmap(path, FLOAT, "r", header.size, (payload // FLOAT.itemsize,))
    except OSError as error:
        raise WeightsError(f"{path}: expected a file that can be read: {error.strerror or error}") from error
    return WeightsFile(path, header, floats)


def _header(path: Path, start: bytes, size: int) -> Header:
    if len(start) < 12:
        raise WeightsError(f"{path}: expected a header of 16 or 20 bytes and weights, got {size} bytes")
    _check_kind(path, start)
    major, minor, revision = struct.unpack("<3i", start[:12])
    if not (0 <= major <= LARGEST_VERSION and 0 <= minor <= LARGEST_VERSION):
        swapped = struct.unpack(">2i", start[:8])
        hint = "; its bytes are in the wrong order" if all(0 <= part <= 10 for part in swapped) else ""
        raise WeightsError(f"{path}: expected a version like 0.2 at its start, got {major}.{minor}{hint}")
    header = Header(major, minor, revision, 0)
    if size <= header.size:
        raise WeightsError(f"{path}: expected weights after the header of {header.size} bytes, got {size} bytes in all")
    form = "<Q" if header.size == 20 else "<I"
    return Header(major, minor, revision, struct.unpack(form, start[12 : header.size])[0])


def _check_kind(path: Path, start: bytes) -> None:
    """Raise WeightsError for files that are mistaken for weights: those of other programs, and text files."""
    got = next((kind for begin, kind in OTHER_KINDS.items() if start.startswith(begin)), None)
    if got is None and all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in start):
        got = f"a text that begins with {start.decode('ascii').split(chr(10))[0].strip()!r}"
    if got is not None:
        raise WeightsError(f"{path}: expected a Darknet file (.weights), got {got}")


def write_file(path: Path, arrays: Iterable[NDArray[np.float32]], *, seen: int = 0) -> int:
    """Write a header of version 0.2.5 and the arrays, whole or not at all; returns the number of bytes written."""
    with written_whole(path) as unfinished, unfinished.open("wb") as file:
        written = file.write(struct.pack("<3iQ", *VERSION, seen))
        for array in arrays:
            written += file.write(np.ascontiguousarray(array, FLOAT).tobytes())
    return written
