"""Picture files are read here alone: whole (RGB), or only their header.

Pixels and sizes are those of the picture turned as the EXIF orientation of a JPEG says, as people see it. The readers
turn boxes that were drawn on the stored picture. Grey and palettes become three channels.

16 bits per channel become 8. These are the high ones, unless the picture uses so little of the range that only a few
shades would be left. (Thermal cameras write 12 or 14 bits into 16, and a scene may take up a hundredth of them.) Then
the picture's own range is stretched to 0..255, equally for all channels. One pixel in ten thousand, but at most four,
may lie beyond each end of that range: so many may be dead pixels, and more may be a small warm body far away.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data.pictures import headers, orientation

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".mpo", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff"}
)
# Picture formats that are not read: those of telephones and the web, and the raw formats of cameras.
_PHONES_AND_WEB = "heic heif hif avif gif apng jp2 j2k jpf jpx jxl jxr psd tga pcx exr pbm pgm ppm pnm pam dcm"
_CAMERAS = "raw dng cr2 cr3 crw nef nrw arw sr2 srf orf rw2 raf pef srw x3f 3fr iiq rwl gpr"
OTHER_SUFFIXES = frozenset(f".{name}" for name in f"{_PHONES_AND_WEB} {_CAMERAS}".split())

# More than any camera's. A file that declares more is refused before memory is taken for it.
MAX_PIXELS = 200_000_000
MAX_BYTES = 1 << 30

NARROW = 1 << 14  # of 65536 shades: what a thermal camera of 14 bits can fill at most
_DEAD_SHARE, _DEAD_AT_MOST = 1e-4, 4  # of the pixels


class PictureError(ValueError):
    """A picture file that cannot be read."""


class TruncatedPictureError(PictureError):
    """A picture file that was cut short."""


@dataclass(frozen=True)
class PictureInfo:
    """A picture file's header: width and height in pixels after turning, EXIF orientation, and the file's digest.

    holds_several: whether the file has more pages or frames than the one that is used, its first.
    """

    width: int
    height: int
    orientation: int
    digest: bytes
    holds_several: bool = False

    @property
    def stored_size(self) -> tuple[int, int]:
        """(width, height) before turning."""
        return orientation.turned_size(self.width, self.height, self.orientation)


def is_picture(path: Path) -> bool:
    """Whether the name ends like a picture's that can be read, in any case."""
    return path.suffix.lower() in SUFFIXES


def is_unread(path: Path) -> bool:
    """Whether the name ends like a picture's of a format that is not read: .heic, .gif and so on."""
    return path.suffix.lower() in OTHER_SUFFIXES


def pictures_in(folder: Path) -> list[Path]:
    """The picture files directly in this folder, by name."""
    return sorted(path for path in folder.iterdir() if is_picture(path) and path.is_file())


def read_picture(path: Path, digest: bytes | None = None) -> NDArray[np.uint8]:
    """The picture as uint8 [h, w, 3] RGB, whatever its file holds (grey and palette are expanded, alpha dropped).

    digest: of the file when its boxes were read; PictureError if it is another one now.
    """
    content = _read_bytes(path)
    if digest is not None:
        check_unchanged(path, content, digest)
    return orientation.turned_image(decode(content, path)[0], headers.orientation(content))


def check_unchanged(path: Path, content: bytes, digest: bytes) -> None:
    """PictureError if the file's content does not have this digest."""
    if digest_of(content) != digest:
        raise PictureError(f"{path}: expected the file that was read with its boxes, got one that changed since")


def digest_of(content: bytes) -> bytes:
    """The sha256 of a picture file's length and content."""
    total = sha256(str(len(content)).encode())
    total.update(content)
    return total.digest()


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels after turning; raises as picture_info does."""
    info = picture_info(path)
    return info.width, info.height


def picture_info(path: Path) -> PictureInfo:
    """ImageSize, orientation and digest, from the header alone. Damage after it is found by data/pictures/looks.py.

    PictureError if the file is no picture; TruncatedPictureError for a JPEG, PNG or WebP that was cut short, whose
    header is intact all the same.
    """
    content = _read_bytes(path)
    size = _size(content, path)
    if not _has_end(content):
        raise TruncatedPictureError(f"{path}: expected a whole picture, got a file that was cut short")
    turn = headers.orientation(content)
    return PictureInfo(*orientation.turned_size(*size, turn), turn, digest_of(content), headers.holds_several(content))


def _size(content: bytes, path: Path) -> headers.ImageSize:
    """(width, height) as stored; PictureError if the header has none, or the picture is too large to decode."""
    size = headers.declared_size(content)
    if size is None:
        kind = headers.kind_of(content)
        raise PictureError(f"{path}: expected a picture, got {kind} (JPEG, PNG, BMP, WebP and TIFF are read)")
    if size[0] * size[1] > MAX_PIXELS:
        raise PictureError(
            f"{path}: expected a picture of at most {MAX_PIXELS // 10**6} million pixels, got {size[0]}x{size[1]}"
        )
    return size


def _read_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PictureError(f"{path}: expected a picture of at most {MAX_BYTES >> 20} MiB, got a larger file")
        content = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: expected a picture, cannot read the file: {error.strerror}") from error
    if not content:
        raise PictureError(f"{path}: expected a picture, got an empty file")
    return content


def decode(content: bytes, path: Path) -> tuple[NDArray[np.uint8], tuple[int, int] | None]:
    """(RGB as stored; the 16-bit shades that became 0 and 255, None if nothing was stretched).

    PictureError, which names the path, if the file cannot be decoded.
    """
    _size(content, path)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        # Not cv2.imread: it fails on names that the file system's code page cannot spell.
        image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
    except cv2.error as error:
        raise PictureError(f"{path}: expected a picture, got a file that OpenCV refuses: {error.err}") from error
    if image is None:
        raise PictureError(f"{path}: expected a picture, got a file that OpenCV cannot decode")
    if image.dtype not in (np.uint8, np.uint16):
        raise PictureError(f"{path}: expected a picture of 8 or 16 bits per channel, got {image.dtype}")
    eight, stretched = _eight_bits(image) if image.dtype == np.uint16 else (image, None)
    return np.asarray(cv2.cvtColor(eight, cv2.COLOR_BGR2RGB), dtype=np.uint8), stretched


def _eight_bits(image: NDArray[np.uint16]) -> tuple[NDArray[np.uint8], tuple[int, int] | None]:
    """16 bits -> (8 bits; the shades that became 0 and 255, None if the high bits were taken)."""
    counts = np.zeros(1 << 16, np.int64)
    for row in image:  # row by row, since counting takes eight bytes per value
        counts += np.bincount(row.ravel(), minlength=1 << 16)
    channels = image[0, 0].size
    darker, values = counts.cumsum(), np.arange(1 << 16)
    share = int(image.size // channels * _DEAD_SHARE)
    for dead in (min(share, _DEAD_AT_MOST) * channels, share * channels):
        low, high = (int(np.searchsorted(darker, count)) for count in (dead + 1, image.size - dead))
        if 0 < high - low < NARROW:
            shades = ((values - low) * (255 / (high - low))).round().clip(0, 255)
            return shades.astype(np.uint8)[image], (low, high)
    return (values >> 8).astype(np.uint8)[image], None


def _has_end(content: bytes) -> bool:
    """Whether a PNG has its last chunk, a WebP its full length, and a JPEG an end after its last start of a scan.

    More bytes may follow. True for other formats, whose files do not say where they end.
    """
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return b"IEND\xaeB`\x82" in content
    if content[:4] == b"RIFF":
        return len(content) >= 8 + int.from_bytes(content[4:8], "little")
    if content[:2] != b"\xff\xd8":
        return True
    # A preview in the header has a scan and an end of its own, inside a segment that is stepped over. Within a scan
    # FF D9 cannot occur by chance: an FF in its data is followed by 00. What follows the end (phones append films) may
    # hold anything.
    offset = 2
    while content[offset : offset + 1] == b"\xff" and offset + 4 <= len(content):
        marker = content[offset + 1]
        if marker == 0xDA:  # start of the first scan
            return content.find(b"\xff\xd9", offset) >= 0
        if marker == 0xFF:  # a fill byte
            offset += 1
        else:
            offset += 2 + int.from_bytes(content[offset + 2 : offset + 4], "big")
    return content.rfind(b"\xff\xd9") > content.rfind(b"\xff\xda")
