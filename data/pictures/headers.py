"""The size and the orientation of a picture, read from its file's header without decoding it.

Known are JPEG (ITU-T T.81), PNG, BMP, WebP and TIFF 6.0, recognized by content, never by the file's name. The
orientation is tag 0x0112 of EXIF 2.3. It is read from JPEG files alone, which are what cameras and telephones write.
"""

import struct
from collections.abc import Iterator

UPRIGHT = 1  # the orientation of a picture that is stored as it is to be seen

# JPEG "start of frame" markers; C4, C8 and CC are in their range but mean something else.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
_APP1 = 0xE1
_WIDTH_TAG, _HEIGHT_TAG, _ORIENTATION_TAG = 0x0100, 0x0101, 0x0112
_SUBFILE_TAG, _REDUCED = 0x00FE, 1  # this bit: a smaller version of another picture in the file
_WEBP_ANIMATION = 2  # this bit of the flags
_MAX_TAGS = 1000  # of one directory; a real one has a few dozen
_MAX_DIRECTORIES = 100

ImageSize = tuple[int, int]  # (width, height) in pixels


def declared_size(content: bytes) -> ImageSize | None:
    """(width, height) as the file's header declares them, both above 0; None if no known header declares them."""
    for find in (jpeg_size, png_size, _bmp_size, _webp_size, _tiff_size):
        size = find(content)
        if size is not None:
            return size if min(size) > 0 else None
    return None


_KINDS = (  # (offset, bytes there, what such a file is)
    (0, b"\xff\xd8", "a JPEG without a size in its header"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG without a size in its header"),
    (0, b"RIFF", "a WebP without a size in its header, or a film"),
    (0, b"II*\0", "a TIFF without a size, or one that was cut short"),
    (0, b"MM\0*", "a TIFF without a size, or one that was cut short"),
    (0, b"GIF8", "a GIF"),
    (4, b"ftypheic", "a HEIC photo"),
    (4, b"ftypheix", "a HEIC photo"),
    (4, b"ftypmif1", "a HEIF photo"),
    (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftypavis", "an AVIF film"),
    (4, b"ftyp", "a film or a photo of another format"),
    (4, b"jP  ", "a JPEG 2000 picture"),
    (4, b"JXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"version https://git-lfs", "a pointer of Git LFS (`git lfs pull` fetches the file)"),
    (0, b"version https://hawser", "a pointer of Git LFS (`git lfs pull` fetches the file)"),
)


def kind_of(content: bytes) -> str:
    """In words, what a file is that has no known picture's header."""
    for offset, mark, kind in _KINDS:
        if content[offset : offset + len(mark)] == mark:
            return kind
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if start.startswith((b"<svg", b"<?xml")):
        return "an SVG drawing, or other XML"
    if not content.strip(b"\0"):
        return "a file of zeros alone"
    return "a file without the header of one"


def orientation(content: bytes) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) if a JPEG gives none or an invalid one, such as the common 0."""
    for marker, start, end in _segments(content):
        if marker == _APP1 and content[start : start + 6] == b"Exif\0\0":
            value = _tags(content[start + 6 : end]).get(_ORIENTATION_TAG, UPRIGHT)
            return value if 1 <= value <= 8 else UPRIGHT
    return UPRIGHT


def jpeg_size(content: bytes) -> ImageSize | None:
    """(width, height) of a JPEG, from its start of frame; None if it has none."""
    for marker, start, _ in _segments(content):
        if marker in _START_OF_FRAME and start + 5 <= len(content):
            height, width = struct.unpack(">HH", content[start + 1 : start + 5])
            return (width, height) if width and height else None
    return None


def png_size(content: bytes) -> ImageSize | None:
    """(width, height) of a PNG, from its first chunk; None if it has none."""
    if content[:8] != b"\x89PNG\r\n\x1a\n" or content[12:16] != b"IHDR" or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return (width, height) if width and height else None


def holds_several(content: bytes) -> bool:
    """Whether the file holds more pictures of full size than its first: pages of a TIFF, frames of a WebP or PNG."""
    if png_size(content):
        return b"acTL" in content[: content.find(b"IDAT")]
    if content[8:16] == b"WEBPVP8X":
        return bool(content[20] & _WEBP_ANIMATION) if len(content) > 20 else False
    pages = _directories(content)
    next(pages, None)
    return any(not tags.get(_SUBFILE_TAG, 0) & _REDUCED for tags in pages)


def png_bits(content: bytes) -> int | None:
    """Bits per channel of a PNG; None for other files."""
    return content[24] if png_size(content) and len(content) > 24 else None


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start of its content, end of its content) of every JPEG segment before the scan.

    A segment is FF, a marker, two bytes of length (which count themselves), content.
    """
    if content[:2] != b"\xff\xd8":
        return
    offset = 2
    while offset + 4 <= len(content) and content[offset] == 0xFF:
        marker = content[offset + 1]
        if marker == 0xFF:  # fill byte before a marker
            offset += 1
            continue
        if marker == _START_OF_SCAN:
            return
        end = offset + 2 + max(2, struct.unpack(">H", content[offset + 2 : offset + 4])[0])
        yield marker, offset + 4, end
        offset = end


def _bmp_size(content: bytes) -> ImageSize | None:
    if content[:2] != b"BM" or len(content) < 26:
        return None
    if struct.unpack("<I", content[14:18])[0] == 12:  # the old header, whose sides are 16-bit numbers
        width, height = struct.unpack("<HH", content[18:22])
    else:
        width, height = struct.unpack("<ii", content[18:26])
    return abs(width), abs(height)  # a negative height means rows from top to bottom


def _webp_size(content: bytes) -> ImageSize | None:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP" or len(content) < 30:
        return None
    kind = content[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", content[26:30])
        return width & 0x3FFF, height & 0x3FFF  # the two highest bits scale
    if kind == b"VP8L":
        bits = struct.unpack("<I", content[21:25])[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        return int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1
    return None


def _tiff_size(content: bytes) -> ImageSize | None:
    tags = _tags(content)
    return (tags[_WIDTH_TAG], tags[_HEIGHT_TAG]) if {_WIDTH_TAG, _HEIGHT_TAG} <= tags.keys() else None


def _tags(content: bytes) -> dict[int, int]:
    """The whole numbers in the first directory of a TIFF or of EXIF, which has the same form; empty for others."""
    return next(_directories(content), {})


def _directories(content: bytes) -> Iterator[dict[int, int]]:
    """The whole numbers in each directory of a TIFF, one for each of its pictures, at most _MAX_DIRECTORIES."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    link = 4  # where the offset of the next directory is
    for _ in range(_MAX_DIRECTORIES):
        if order is None or link + 4 > len(content):
            return
        start = struct.unpack(f"{order}I", content[link : link + 4])[0]
        if start < 8 or start + 2 > len(content):
            return
        count = struct.unpack(f"{order}H", content[start : start + 2])[0]
        yield _values(content[start + 2 : start + 2 + 12 * min(count, _MAX_TAGS)], order)
        link = start + 2 + 12 * count


def _values(entries: bytes, order: str) -> dict[int, int]:
    """Tag -> whole number, of the entries of a directory, 12 bytes each."""
    values: dict[int, int] = {}
    for index in range(len(entries) // 12):
        entry = entries[12 * index : 12 * index + 12]
        tag, kind = struct.unpack(f"{order}HH", entry[:4])
        if kind == 3:  # SHORT
            values.setdefault(tag, struct.unpack(f"{order}H", entry[8:10])[0])
        elif kind == 4:  # LONG
            values.setdefault(tag, struct.unpack(f"{order}I", entry[8:12])[0])
    return values
