"""EXIF orientation, against OpenCV's own turning of the same bytes."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.pictures import headers, orientation, picture_files


def with_exif(jpeg: bytes, value: int, order: str = "<") -> bytes:
    """The JPEG with an APP1 segment that holds one tag, the orientation (EXIF 2.3)."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, value, 0)
    tiff = mark + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)
    content = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


def patches(width: int = 48, height: int = 32) -> np.ndarray:
    """A picture without any symmetry, in blocks that JPEG keeps."""
    blocks = np.random.default_rng(3).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.repeat(np.repeat(blocks, 8, 0), 8, 1)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_pictures_are_turned_as_opencv_turns_them(tmp_path: Path, value: int, order: str) -> None:
    content = with_exif(cv2.imencode(".jpg", patches())[1].tobytes(), value, order)
    expected = cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    np.testing.assert_array_equal(picture_files.read_picture(path), expected)
    frame = picture_files.picture_info(path)
    assert (frame.height, frame.width) == expected.shape[:2]
    assert frame.stored_size == (48, 32)
    assert frame.orientation == value


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_invalid_orientation_is_upright(tmp_path: Path, value: int) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(with_exif(cv2.imencode(".jpg", patches())[1].tobytes(), value))
    frame = picture_files.picture_info(path)
    assert (frame.width, frame.height, frame.orientation) == (48, 32, 1)
    assert picture_files.read_picture(path).shape == (32, 48, 3)


@given(st.integers(1, 8), st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_box_goes_where_its_pixels_go(value: int, width: int, height: int, draw: st.DataObject) -> None:
    left = draw.draw(st.integers(0, width - 1))
    top = draw.draw(st.integers(0, height - 1))
    right, bottom = draw.draw(st.integers(left + 1, width)), draw.draw(st.integers(top + 1, height))
    image = np.zeros((height, width), dtype=np.uint8)
    image[top:bottom, left:right] = 1
    rows, columns = np.nonzero(orientation.turned_image(image, value))
    expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert orientation.turned_box((left, top, right, bottom), width, height, value) == expected


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_declared_sizes(suffix: str, channels: int) -> None:
    content = cv2.imencode(suffix, np.zeros((31, 47, channels), np.uint8))[1].tobytes()
    assert headers.declared_size(content) == (47, 31)


def test_the_size_of_a_lossless_webp_and_of_one_with_extras() -> None:
    lossless = cv2.imencode(".webp", np.zeros((31, 47, 3), np.uint8), [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    assert lossless[12:16] == b"VP8L"
    assert headers.declared_size(lossless) == (47, 31)
    extended = b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + (46).to_bytes(3, "little") + (30).to_bytes(3, "little")
    assert headers.declared_size(extended) == (47, 31)


STARTS = [
    b"",
    b"\xff\xd8",
    b"\xff\xd8\xff\xe1\0\x20Exif\0\0II*\0",
    b"\x89PNG\r\n\x1a\n",
    b"BM",
    b"RIFF",
    b"II*\0",
    b"MM\0*",
]


@given(st.sampled_from(STARTS), st.binary(max_size=200))
def test_no_bytes_break_the_headers(start: bytes, rest: bytes) -> None:
    size = headers.declared_size(start + rest)
    assert size is None or min(size) > 0
    assert 1 <= headers.orientation(start + rest) <= 8
