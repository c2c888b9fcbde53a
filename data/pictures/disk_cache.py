"""Decoded, shrunk pictures on disk: made once per machine, memory-mapped, shared by all of its processes.

An entry is a folder for one row of pictures: `pixels`, all of them one after the other, and `records`, one each: the
picture's mean colour, the size of its file and a checksum over these and its pixels. Its name is a hash of all that
the pixels depend on: the data set's fingerprint, the files' names, the side they are shrunk to, the version of this
module and OpenCV's. So a changed data set is another entry, and no parameter of the augmentation is part of it.

Processes need no lock to fill an entry: whoever misses a picture decodes it and writes it, two at once write the same
bytes, and a record is valid only when its checksum fits what lies there. A lock is held while an entry is opened, made
or removed. Entries in use are never removed.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from data.pictures.memory_store import StoredPicture

FOLDER_VARIABLE = "YOLOV4_EVOLVE_CACHE"  # another folder, or "off"
GIGABYTES_VARIABLE = "YOLOV4_EVOLVE_CACHE_GB"
DEFAULT_GIGABYTES = 20.0

_VERSION = 4  # one more whenever decoding, shrinking or the layout of these files changes
_PIXELS, _RECORDS, _LOCK = "pixels", "records", "lock"
_UNFINISHED = ".new"  # made under the lock: one that is there when the lock is taken was left by a killed process
_SPARE_BYTES = 1 << 30  # left free on the disk

_RECORD = np.dtype([("checksum", "<u4"), ("ready", "<u4"), ("size", "<u4", 2), ("mean", "<f8", 3)])

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """One picture of an entry: its name, unique in it, and width and height as it is kept."""

    name: str
    width: int
    height: int

    @property
    def num_bytes(self) -> int:
        """Of its pixels."""
        return self.width * self.height * 3


@dataclass(frozen=True)
class SharedCache:
    """The cache of this machine, for one split of a data set. folder: None is no cache at all.

    fingerprint: of the pictures. It has to name the split too: files of two splits may have the same names and sizes.
    """

    fingerprint: str
    folder: Path | None
    max_bytes: int

    @classmethod
    def of(cls, fingerprint: str, split: str, environment: Mapping[str, str] = os.environ) -> "SharedCache":
        """For a split of the data set of that fingerprint: in the place that the environment names, or the user's."""
        gigabytes = environment.get(GIGABYTES_VARIABLE, "")
        try:
            max_bytes = round(float(gigabytes or DEFAULT_GIGABYTES) * 1e9)
        except (ValueError, OverflowError):
            raise ValueError(f"{GIGABYTES_VARIABLE}: expected a number of gigabytes, got {gigabytes!r}") from None
        return cls(f"{fingerprint}/{split}", folder_of(environment), max_bytes)

    def open(self, wanted: Sequence[Wanted], side: int) -> "Entry | None":
        """The entry of these pictures, or None where there can be none, with the reason in the log."""
        if self.folder is None:
            return None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _locked(self.folder):
                return self._open(self.folder, wanted, side)
        except OSError as error:
            _say_fallback(self.folder, error.strerror or str(error))
            return None

    def _open(self, root: Path, wanted: Sequence[Wanted], side: int) -> "Entry | None":
        shutil.rmtree(root / _UNFINISHED, ignore_errors=True)
        folder, num_bytes = root / _name(self.fingerprint, wanted, side), _num_bytes(wanted)
        if not _is_whole(folder, wanted):
            if num_bytes > self.max_bytes:  # can never fit: nothing of others has to go for it
                _say_fallback(root, _lacks(root, num_bytes, self.max_bytes) or "too large for the cache")
                return None
            _remove(folder)
            _make_room(root, self.max_bytes - num_bytes)
            lacking = _lacks(root, num_bytes, self.max_bytes)
            if lacking:
                _say_fallback(root, lacking)
                return None
            _make(root / _UNFINISHED, wanted)
            (root / _UNFINISHED).rename(folder)
        os.utime(folder)
        return Entry(folder, wanted)


class Entry:
    """An open entry; it stays in place while this object lives. Usable by several threads."""

    def __init__(self, folder: Path, wanted: Sequence[Wanted]) -> None:
        self._wanted = tuple(wanted)
        self._offsets = np.cumsum([0, *(one.num_bytes for one in wanted)]).tolist()
        self._records_file = (folder / _RECORDS).open("r+b", buffering=0)
        fcntl.flock(self._records_file, fcntl.LOCK_SH)
        self._pixels_file = (folder / _PIXELS).open("r+b", buffering=0)
        self._pixels = np.memmap(self._pixels_file, dtype=np.uint8, mode="r")
        self._checked: dict[int, StoredPicture] = {}
        self._can_write = True
        self._lock = Lock()
        self._folder = folder

    def get(self, index: int) -> StoredPicture | None:
        """The picture, its pixels a view into the file, read only; None when it is not there yet."""
        picture = self._checked.get(index)
        if picture is None:
            picture = self._read(index)
            if picture is not None:
                self._checked[index] = picture
        return picture

    def put(self, index: int, picture: StoredPicture) -> bool:
        """Keep this picture for all processes; whether it could be done.

        A disk that refuses is said once; the entry then stays as it is.
        """
        one = self._wanted[index]
        if not self._can_write or picture.image.shape != (one.height, one.width, 3):
            return False
        pixels = np.ascontiguousarray(picture.image).tobytes()
        record = np.zeros((), dtype=_RECORD)
        record["ready"], record["size"], record["mean"] = 1, picture.size, picture.mean
        record["checksum"] = _checksum(record, pixels)
        try:
            # Not through the map: a full disk would end the process there, here it is an error.
            _write_at(self._pixels_file.fileno(), pixels, self._offsets[index])
            _write_at(self._records_file.fileno(), record.tobytes(), index * _RECORD.itemsize)
        except OSError as error:
            with self._lock:
                if self._can_write:
                    _say_fallback(self._folder, error.strerror or str(error))
                self._can_write = False
        return self._can_write

    def _read(self, index: int) -> StoredPicture | None:
        found = os.pread(self._records_file.fileno(), _RECORD.itemsize, index * _RECORD.itemsize)
        if len(found) != _RECORD.itemsize:
            return None
        record = np.frombuffer(found, dtype=_RECORD)[0]
        if record["ready"] != 1:
            return None
        one, start = self._wanted[index], self._offsets[index]
        image: NDArray[np.uint8] = self._pixels[start : start + one.num_bytes]
        if _checksum(record, image.data) != record["checksum"]:
            return None
        red, green, blue = record["mean"].tolist()
        width, height = record["size"].tolist()
        return StoredPicture(np.asarray(image).reshape(one.height, one.width, 3), (red, green, blue), (width, height))


def folder_of(environment: Mapping[str, str]) -> Path | None:
    """Where this machine keeps things; None where it keeps none."""
    named = environment.get(FOLDER_VARIABLE, "")
    if named.lower() == "off":
        return None
    if named:
        return Path(named).expanduser()
    base = environment.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "yolov4-evolve"
    except RuntimeError:  # no home folder can be told
        return None


def _name(fingerprint: str, wanted: Sequence[Wanted], side: int) -> str:
    depends = [_VERSION, cv2.__version__, fingerprint, side, [(one.name, one.width, one.height) for one in wanted]]
    return hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:32]


def _num_bytes(wanted: Sequence[Wanted]) -> int:
    return sum(one.num_bytes for one in wanted) + len(wanted) * _RECORD.itemsize


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Whoever opens, makes or removes entries waits here for its turn; a killed process's lock vanishes with it."""
    with (root / _LOCK).open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_whole(folder: Path, wanted: Sequence[Wanted]) -> bool:
    try:
        sizes = [(folder / name).stat().st_size for name in (_PIXELS, _RECORDS)]
    except OSError:
        return False
    return sizes == [sum(one.num_bytes for one in wanted), len(wanted) * _RECORD.itemsize]


def _make(folder: Path, wanted: Sequence[Wanted]) -> None:
    """Both files at their full length; the disk gives the room when something is written."""
    folder.mkdir()
    for name, length in (
        (_PIXELS, sum(one.num_bytes for one in wanted)),
        (_RECORDS, len(wanted) * _RECORD.itemsize),
    ):
        with (folder / name).open("wb") as file:
            file.truncate(length)


def _make_room(root: Path, max_bytes: int) -> None:
    """Remove entries that nobody uses, the longest unused ones first, until the rest takes up at most max_bytes."""
    entries = sorted(_entries(root), key=lambda entry: entry[0])
    total = sum(length for _, length, _ in entries)
    for _, length, folder in entries:
        if total <= max_bytes:
            return
        if _remove(folder):
            total -= length


def _entries(root: Path) -> Iterator[tuple[float, int, Path]]:
    """(last used, length, folder) of every entry."""
    for folder in root.iterdir():
        if folder.is_dir() and (folder / _RECORDS).exists():
            length = sum(file.stat().st_size for file in folder.iterdir())
            yield folder.stat().st_mtime, length, folder


def _remove(folder: Path) -> bool:
    """Whether it was removed (or not there): not while a process has it open."""
    try:
        with (folder / _RECORDS).open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        pass  # half an entry has no user
    except BlockingIOError:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _lacks(root: Path, num_bytes: int, max_bytes: int) -> str | None:
    """Why an entry of this length cannot be made, or None."""
    taken = sum(length for _, length, _ in _entries(root))
    if taken + num_bytes > max_bytes:
        return (
            f"expected {num_bytes / 1e9:.2f} GB to fit beside the {taken / 1e9:.2f} GB in use, "
            f"got a limit of {max_bytes / 1e9:.2f} GB ({GIGABYTES_VARIABLE})"
        )
    free = shutil.disk_usage(root).free
    if num_bytes + _SPARE_BYTES > free:
        return f"expected {(num_bytes + _SPARE_BYTES) / 1e9:.2f} GB of free disk, got {free / 1e9:.2f} GB"
    return None


def _checksum(record: np.void | NDArray[np.void], pixels: bytes | memoryview) -> int:
    """Over the rest of the record, then the pixels."""
    return zlib.crc32(pixels, zlib.crc32(record.tobytes()[4:]))


def _write_at(file: int, content: bytes, offset: int) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written


def _say_fallback(where: Path, reason: str) -> None:
    logger.warning("%s: pictures are not shared on disk, but kept in each process's memory: %s", where, reason)
