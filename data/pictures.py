"""The one place where picture files are read: whole (RGB), or only their size.

Pixels come as they are stored: an EXIF orientation is not applied, so that size, boxes and pixels agree.
"""

import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

# JPEG "start of frame" markers; C4, C8 and CC lie in their range and mean something else.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class PictureError(ValueError):
    """A picture file that cannot be read."""


class TruncatedPictureError(PictureError):
    """A picture file without its end."""


def is_picture(path: Path) -> bool:
    """Whether the name ends as a picture's does, upper case or lower."""
    return path.suffix.lower() in SUFFIXES


def pictures_in(folder: Path) -> list[Path]:
    """The picture files right in this folder, by name."""
    return sorted(path for path in folder.iterdir() if is_picture(path) and path.is_file())


def read_picture(path: Path) -> NDArray[np.uint8]:
    """The picture as uint8 [h, w, 3] RGB, whatever its file holds (grey and palette are expanded, alpha dropped)."""
    return _decode(_read_bytes(path), path)


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels; from the header for PNG and JPEG, by decoding otherwise.

    A PNG or JPEG that was cut short is a TruncatedPictureError: its header alone would look well.
    """
    content = _read_bytes(path)
    size = _png_size(content) or _jpeg_size(content)
    if size is None:
        height, width = _decode(content, path).shape[:2]
        return width, height
    if not _has_end(content):
        raise TruncatedPictureError(f"{path}: expected a whole picture, got a file that was cut short")
    return size


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: expected a picture, cannot read the file: {error.strerror}") from error
    if not content:
        raise PictureError(f"{path}: expected a picture, got an empty file")
    return content


def _decode(content: bytes, path: Path) -> NDArray[np.uint8]:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        # Not cv2.imread: it fails on names that the file system's code page cannot spell.
        image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
    except cv2.error as error:
        raise PictureError(f"{path}: expected a picture, got a file that OpenCV refuses: {error.err}") from error
    if image is None:
        raise PictureError(f"{path}: expected a picture, got a file that OpenCV cannot decode")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _has_end(content: bytes) -> bool:
    """Whether a PNG has its last chunk, or a JPEG its end marker after the last start of a scan; more may follow."""
    if content[:2] != b"\xff\xd8":
        return b"IEND\xaeB`\x82" in content
    # A preview in the header has an end of its own, and lies before the picture's scan. Within a scan FF D9 cannot
    # occur by chance: an FF in its data is followed by 00.
    return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")


def _png_size(content: bytes) -> tuple[int, int] | None:
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return (width, height) if width and height else None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Walk the segments to the start of frame. Every segment: FF, marker, two bytes of length, content."""
    if content[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # fill byte before a marker
            at += 1
        elif marker in _START_OF_FRAME:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return (width, height) if width and height else None
        else:
            at += 2 + struct.unpack(">H", content[at + 2 : at + 4])[0]
    return None
