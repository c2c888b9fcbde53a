"""Decoded, shrunk pictures on disk: made once per machine, memory-mapped, shared by all of its processes.

An entry is a folder for one sequence of pictures. Its file `pixels` holds all of them one after the other. Its file
`records` holds for each picture the mean colour, the width and height in its file, and a checksum over these and its
pixels. The folder's name is a hash of all that the pixels depend on: the data set's fingerprint, the files' names, the
side they are shrunk to, the version of this module and OpenCV's. So a changed data set gets another entry. No setting
of the augmentation is part of the name.

Processes need no lock to fill an entry. The one that misses a picture decodes it and writes it; two at once write the
same bytes; and a record is valid only if its checksum fits the stored pixels. A lock is held while an entry is opened,
made or removed. Entries in use are never removed.
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

_VERSION = 4  # increase it whenever decoding, shrinking or the layout of these files changes
_PIXELS, _RECORDS, _LOCK = "pixels", "records", "lock"
_UNFINISHED = ".new"  # made under the lock; if it exists when the lock is taken, a killed process left it
_SPARE_BYTES = 1 << 30  # left free on the disk

_RECORD = np.dtype([("checksum", "<u4"), ("ready", "<u4"), ("size", "<u4", 2), ("mean", "<f8", 3)])

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PictureKey:
    """One picture of an entry: its name, unique in the entry, and its stored width and height."""

    name: str
    width: int
    height: int

    @property
    def num_bytes(self) -> int:
        """Bytes of its pixels."""
        return self.width * self.height * 3


@dataclass(frozen=True)
class SharedCache:
    """The cache of this machine, for one split of a data set. folder: None if no cache is used.

    fingerprint: identifies the pictures and their split, since files of two splits may have the same names and sizes.
    """

    fingerprint: str
    folder: Path | None
    max_bytes: int

    @classmethod
    def for_split(cls, fingerprint: str, split: str, environment: Mapping[str, str] = os.environ) -> "SharedCache":
        """The cache for a split of the data set with this fingerprint; the environment may name folder and limit."""
        gigabytes = environment.get(GIGABYTES_VARIABLE, "")
        try:
            max_bytes = round(float(gigabytes or DEFAULT_GIGABYTES) * 1e9)
        except (ValueError, OverflowError):
            raise ValueError(f"{GIGABYTES_VARIABLE}: expected a number of gigabytes, got {gigabytes!r}") from None
        return cls(f"{fingerprint}/{split}", cache_folder(environment), max_bytes)

    def open(self, pictures: Sequence[PictureKey], side: int) -> "CacheEntry | None":
        """The entry of these pictures; None, with the reason in the log, if it cannot be made."""
        if self.folder is None:
            return None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _locked(self.folder):
                return self._open(self.folder, pictures, side)
        except OSError as error:
            _warn_fallback(self.folder, error.strerror or str(error))
            return None

    def _open(self, root: Path, pictures: Sequence[PictureKey], side: int) -> "CacheEntry | None":
        shutil.rmtree(root / _UNFINISHED, ignore_errors=True)
        folder, num_bytes = root / _name(self.fingerprint, pictures, side), _num_bytes(pictures)
        if not _is_whole(folder, pictures):
            if num_bytes > self.max_bytes:  # can never fit, so no other entry is removed for it
                _warn_fallback(root, _why_no_room(root, num_bytes, self.max_bytes) or "too large for the cache")
                return None
            _remove(folder)
            _make_room(root, self.max_bytes - num_bytes)
            reason = _why_no_room(root, num_bytes, self.max_bytes)
            if reason:
                _warn_fallback(root, reason)
                return None
            _make(root / _UNFINISHED, pictures)
            (root / _UNFINISHED).rename(folder)
        os.utime(folder)
        return CacheEntry(folder, pictures)


class CacheEntry:
    """An open entry; it is not removed while this object lives. Several threads may use it."""

    def __init__(self, folder: Path, pictures: Sequence[PictureKey]) -> None:
        self._keys = tuple(pictures)
        self._offsets = np.cumsum([0, *(picture.num_bytes for picture in pictures)]).tolist()
        self._records_file = (folder / _RECORDS).open("r+b", buffering=0)
        fcntl.flock(self._records_file, fcntl.LOCK_SH)
        self._pixels_file = (folder / _PIXELS).open("r+b", buffering=0)
        self._pixels = np.memmap(self._pixels_file, dtype=np.uint8, mode="r")
        self._checked: dict[int, StoredPicture] = {}
        self._can_write = True
        self._lock = Lock()
        self._folder = folder

    def get(self, index: int) -> StoredPicture | None:
        """The picture, its pixels a read-only view into the file; None if it is not stored yet."""
        picture = self._checked.get(index)
        if picture is None:
            picture = self._read(index)
            if picture is not None:
                self._checked[index] = picture
        return picture

    def put(self, index: int, picture: StoredPicture) -> bool:
        """Store this picture for all processes and return whether that worked.

        A disk that refuses is reported once; the entry then takes no more pictures.
        """
        key = self._keys[index]
        if not self._can_write or picture.image.shape != (key.height, key.width, 3):
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
                    _warn_fallback(self._folder, error.strerror or str(error))
                self._can_write = False
        return self._can_write

    def _read(self, index: int) -> StoredPicture | None:
        content = os.pread(self._records_file.fileno(), _RECORD.itemsize, index * _RECORD.itemsize)
        if len(content) != _RECORD.itemsize:
            return None
        record = np.frombuffer(content, dtype=_RECORD)[0]
        if record["ready"] != 1:
            return None
        key, start = self._keys[index], self._offsets[index]
        image: NDArray[np.uint8] = self._pixels[start : start + key.num_bytes]
        if _checksum(record, image.data) != record["checksum"]:
            return None
        red, green, blue = record["mean"].tolist()
        width, height = record["size"].tolist()
        return StoredPicture(np.asarray(image).reshape(key.height, key.width, 3), (red, green, blue), (width, height))


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """The folder of this machine's cache; None if it is switched off or no home folder is known."""
    chosen = environment.get(FOLDER_VARIABLE, "")
    if chosen.lower() == "off":
        return None
    if chosen:
        return Path(chosen).expanduser()
    base = environment.get("XDG_CACHE_HOME", "")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "yolov4-evolve"
    except RuntimeError:  # the home folder is unknown
        return None


def _name(fingerprint: str, pictures: Sequence[PictureKey], side: int) -> str:
    depends = [
        _VERSION,
        cv2.__version__,
        fingerprint,
        side,
        [(picture.name, picture.width, picture.height) for picture in pictures],
    ]
    return hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:32]


def _num_bytes(pictures: Sequence[PictureKey]) -> int:
    return sum(picture.num_bytes for picture in pictures) + len(pictures) * _RECORD.itemsize


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the lock under which entries are opened, made and removed; it is released if the process is killed."""
    with (root / _LOCK).open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _is_whole(folder: Path, pictures: Sequence[PictureKey]) -> bool:
    try:
        sizes = [(folder / name).stat().st_size for name in (_PIXELS, _RECORDS)]
    except OSError:
        return False
    return sizes == [sum(picture.num_bytes for picture in pictures), len(pictures) * _RECORD.itemsize]


def _make(folder: Path, pictures: Sequence[PictureKey]) -> None:
    """Create both files at their full length; disk space is taken only when something is written."""
    folder.mkdir()
    for name, length in (
        (_PIXELS, sum(picture.num_bytes for picture in pictures)),
        (_RECORDS, len(pictures) * _RECORD.itemsize),
    ):
        with (folder / name).open("wb") as file:
            file.truncate(length)


def _make_room(root: Path, max_bytes: int) -> None:
    """Remove unused entries, the least recently used first, until the others take up at most max_bytes."""
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
    """Remove an entry unless a process has it open; whether it is gone."""
    try:
        with (folder / _RECORDS).open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        pass  # an entry without records has no user
    except BlockingIOError:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _why_no_room(root: Path, num_bytes: int, max_bytes: int) -> str | None:
    """Why an entry of this length cannot be made; None if it can."""
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
    """The checksum of the pixels and of the record without its checksum."""
    return zlib.crc32(pixels, zlib.crc32(record.tobytes()[4:]))


def _write_at(file: int, content: bytes, offset: int) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(file, rest, offset)
        rest, offset = rest[written:], offset + written


def _warn_fallback(folder: Path, reason: str) -> None:
    logger.warning("%s: pictures are not shared on disk, but kept in each process's memory: %s", folder, reason)
