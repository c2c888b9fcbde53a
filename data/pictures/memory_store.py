"""Decoded pictures in memory: a file is decoded when it is first asked for, shrunk, and kept while there is room."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from data.pictures.picture_files import read_picture


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """A decoded picture, shrunk to the store's side.

    image: uint8 [h, w, 3] RGB. mean: its mean colour, RGB. size: (width, height) in the file, before shrinking.
    """

    image: NDArray[np.uint8]
    mean: tuple[float, float, float]
    size: tuple[int, int]


def stored_size(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) in the store: the longer side is shrunk to at most `side`; nothing is enlarged."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


class PictureStore:
    """Pictures in memory; the least recently used are dropped once they take up more than `capacity_bytes`."""

    def __init__(
        self, side: int, capacity_bytes: int, read: Callable[[Path, bytes | None], NDArray[np.uint8]] = read_picture
    ) -> None:
        self._side = side
        self._capacity = capacity_bytes
        self._read = read
        self._pictures: OrderedDict[Path, StoredPicture] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, path: Path, digest: bytes | None = None) -> StoredPicture:
        """The picture of this file, decoded unless it is in memory.

        digest: of the file when its boxes were read; PictureError if a file that is decoded has another one.
        """
        with self._lock:
            picture = self._pictures.get(path)
            if picture is not None:
                self._pictures.move_to_end(path)
                return picture
        picture = self._load(path, digest)  # outside the lock: two threads may decode at once
        with self._lock:
            if path not in self._pictures:
                self._pictures[path] = picture
                self._bytes += picture.image.nbytes
            while self._bytes > self._capacity:
                _, dropped = self._pictures.popitem(last=False)
                self._bytes -= dropped.image.nbytes
        return picture

    def forget(self, path: Path) -> None:
        """Drop the picture of this file, for example because the disk cache holds it now."""
        with self._lock:
            dropped = self._pictures.pop(path, None)
            if dropped is not None:
                self._bytes -= dropped.image.nbytes

    @property
    def kept_bytes(self) -> int:
        """Bytes of pixels held now."""
        return self._bytes

    def _load(self, path: Path, digest: bytes | None) -> StoredPicture:
        image = self._read(path, digest)
        height, width = image.shape[:2]
        shrunk = stored_size(width, height, self._side)
        if shrunk != (width, height):
            image = np.asarray(cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        red, green, blue, _ = cv2.mean(image)
        return StoredPicture(image, (red, green, blue), (width, height))
