"""Reading picture files, whole and by their header."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.pictures.picture_files import (
    PictureError,
    TruncatedPictureError,
    decode,
    picture_info,
    picture_size,
    pictures_in,
    read_picture,
)


def write(path: Path, image: np.ndarray) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_size_and_pixels(tmp_path: Path, suffix: str, channels: int) -> None:
    path = write(tmp_path / f"größe #1{suffix}", np.full((31, 47, channels), 90, dtype=np.uint8))
    assert picture_size(path) == (47, 31)
    image = read_picture(path)
    assert image.shape == (31, 47, 3)
    np.testing.assert_allclose(image, 90, atol=3)


def test_channels_are_red_green_blue(tmp_path: Path) -> None:
    bgr = np.zeros((4, 4, 3), dtype=np.uint8)
    bgr[...] = (10, 20, 200)  # OpenCV writes blue first
    assert read_picture(write(tmp_path / "x.png", bgr))[0, 0].tolist() == [200, 20, 10]


def test_alpha_is_dropped(tmp_path: Path) -> None:
    path = write(tmp_path / "x.png", np.full((4, 5, 4), 80, dtype=np.uint8))
    assert read_picture(path).shape == (4, 5, 3)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\x00\x00"])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    for read in (read_picture, picture_size):
        with pytest.raises(PictureError, match=r"x\.jpg: expected a picture, got"):
            read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"x\.jpg: expected a picture, cannot read"):
        read_picture(tmp_path / "x.jpg")


def test_pictures_in_a_folder(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", "c.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "d.jpg").mkdir()
    assert [path.name for path in pictures_in(tmp_path)] == ["a.jpeg", "b.PNG"]


def stretched(path: Path) -> tuple[int, int] | None:
    return decode(path.read_bytes(), path)[1]


NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".png", []),
        (".jpg", []),
        (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        (".jpg", [cv2.IMWRITE_JPEG_RST_INTERVAL, 4]),
    ],
)
def test_a_picture_that_was_cut_short_is_reported(tmp_path: Path, suffix: str, options: list[int]) -> None:
    _, encoded = cv2.imencode(suffix, NOISE, options)
    whole, path = encoded.tobytes(), tmp_path / f"x{suffix}"
    path.write_bytes(whole + b"something after the end")
    assert picture_size(path) == (64, 64)
    for length in (len(whole) - 1, len(whole) * 9 // 10, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(TruncatedPictureError, match=r"x\..*: expected a whole picture"):
            picture_size(path)


def test_the_end_of_a_preview_is_not_the_end_of_the_picture(tmp_path: Path) -> None:
    preview, whole = (cv2.imencode(".jpg", picture)[1].tobytes() for picture in (NOISE[:8, :8], NOISE))
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    path = tmp_path / "x.jpg"
    path.write_bytes(whole[:2] + segment + whole[2:])
    assert picture_size(path) == (64, 64)
    path.write_bytes(whole[:2] + segment + whole[2:-100])
    with pytest.raises(TruncatedPictureError):
        picture_size(path)


def huge(suffix: str) -> bytes:
    """A file of a few bytes that declares 60,000 x 60,000 pixels (10 GB once decoded)."""
    if suffix == ".png":
        head = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
        ends = b"\0\0\0\0IEND\xaeB`\x82"
        return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + ends
    small = cv2.imencode(suffix, NOISE[:16, :16])[1].tobytes()
    if suffix == ".jpg":
        at = small.index(b"\xff\xc0") + 5
        return small[:at] + struct.pack(">HH", 60000, 60000) + small[at + 4 :]
    if suffix == ".bmp":
        return small[:18] + struct.pack("<ii", 60000, 60000) + small[26:]
    wide = small.index(struct.pack("<HHIHH", 256, 3, 1, 16, 0))
    small = small[: wide + 8] + struct.pack("<H", 60000) + small[wide + 10 :]
    high = small.index(struct.pack("<HHIHH", 257, 3, 1, 16, 0))
    return small[: high + 8] + struct.pack("<H", 60000) + small[high + 10 :]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif"])
def test_a_huge_declared_size_is_refused_before_memory_is_taken(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(huge(suffix))
    for read in (read_picture, picture_size):
        with pytest.raises(PictureError, match="at most 200 million pixels, got 60000x60000"):
            read(path)


def test_a_file_of_many_gigabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.jpg").open("wb") as file:
        file.truncate(8 << 30)  # a hole: no disk is used
    with pytest.raises(PictureError, match="at most 1024 MiB"):
        picture_size(tmp_path / "x.jpg")


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(cv2.imencode(".png", NOISE)[1].tobytes())
    assert picture_size(path) == (64, 64)
    np.testing.assert_array_equal(read_picture(path), NOISE[:, :, ::-1])


def test_a_palette_is_expanded(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0)  # 2 x 1 pixels, 8 bits, colour type 3: palette
    palette, pixels = bytes([250, 0, 10, 0, 130, 60]), zlib.compress(bytes([0, 1, 0]))
    parts = [chunk(b"IHDR", head), chunk(b"PLTE", palette), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    assert read_picture(tmp_path / "x.png").tolist() == [[[0, 130, 60], [250, 0, 10]]]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_of_16_bits_the_high_ones_stay(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"x{suffix}", np.array([[0, 0x0180, 0x7F00, 0xFF00, 0xFFFF]], dtype=np.uint16))
    np.testing.assert_allclose(read_picture(path)[0, :, 0], [0, 1, 127, 255, 255], atol=1)


THERMAL = np.linspace(7000, 9000, 30 * 40).reshape(30, 40).round().astype(np.uint16)  # a warm body at 14 bits


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_narrow_range_of_16_bits_is_stretched(tmp_path: Path, suffix: str) -> None:
    # Their high bytes are 27 to 35: nine shades would be left of two thousand.
    path = write(tmp_path / f"x{suffix}", THERMAL)
    image = read_picture(path)[:, :, 0]
    np.testing.assert_allclose(image, (THERMAL.astype(float) - 7000) / 2000 * 255, atol=0.51)
    assert stretched(path) == (7000, 9000)


def test_dead_pixels_do_not_stretch_the_range(tmp_path: Path) -> None:
    image = np.tile(THERMAL, (10, 10))  # 120,000 pixels, of which 4 may be dead at each end
    image[0, :4], image[1, :4] = 0, 65535
    path = write(tmp_path / "x.png", image)
    assert stretched(path) == (7000, 9000)
    assert (read_picture(path)[0, :4] == 0).all()
    assert (read_picture(path)[1, :4] == 255).all()


def test_more_dead_pixels_do_not_either_where_the_rest_is_narrow(tmp_path: Path) -> None:
    image = np.tile(THERMAL, (10, 10))  # 12 of 120,000 are a ten-thousandth
    image[0, :11], image[1, :11] = 0, 65535
    assert stretched(write(tmp_path / "x.png", image)) == (7000, 9000)


def test_a_small_hot_target_keeps_its_shades(tmp_path: Path) -> None:
    image = (7000 + np.arange(480 * 640).reshape(480, 640) % 3).astype(np.uint16)  # a background of three shades
    image[100:105, 200:205] = 9000 + np.arange(25).reshape(5, 5) * 10
    path = write(tmp_path / "x.png", image)
    low, high = stretched(path) or (0, 0)
    # at least 21 of its 25 pixels, 9000 to 9200, count: the background stays dark, and the target has its shades
    assert (low, high) == (7000, 9200)
    grey = read_picture(path)[:, :, 0]
    assert grey[0, :3].max() == 0
    target = 255 * (image[100:105, 200:205].astype(float) - 7000) / 2200
    np.testing.assert_allclose(grey[100:105, 200:205], np.minimum(target, 255), atol=0.51)


def test_colours_of_16_bits_are_stretched_alike(tmp_path: Path) -> None:
    colours = np.zeros((20, 20, 3), np.uint16)
    colours[:10], colours[10:] = (1000, 2000, 3000), (2000, 1000, 5000)  # blue, green, red
    image = read_picture(write(tmp_path / "x.png", colours))
    # 1000 becomes 0 and 5000 becomes 255: 64 for each thousand between
    assert image[0, 0].tolist() == [128, 64, 0]
    assert image[-1, 0].tolist() == [255, 0, 64]


@pytest.mark.parametrize("image", [np.full((9, 9), 8000, np.uint16), (THERMAL - 7000) * 20])
def test_one_shade_and_a_wide_range_keep_their_high_bytes(tmp_path: Path, image: np.ndarray) -> None:
    path = write(tmp_path / "x.png", image)
    np.testing.assert_array_equal(read_picture(path)[:, :, 0], image >> 8)
    assert stretched(path) is None


def test_a_file_that_changed_since_it_was_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.png", NOISE)
    digest = picture_info(path).digest
    np.testing.assert_array_equal(read_picture(path, digest), NOISE[:, :, ::-1])
    write(path, NOISE[::-1])  # as large, and in the same moment of a file system's clock
    with pytest.raises(PictureError, match=r"x\.png: expected the file that was read with its boxes, got one that"):
        read_picture(path, digest)
    assert picture_info(path).digest != digest


def tiff(*subfile_types: int) -> bytes:
    """A TIFF's header and its directories (TIFF 6.0, section 2), one with each NewSubfileType; it has no pixels."""
    content, entries = b"II*\0" + struct.pack("<I", 8), 3
    for index, kind in enumerate(subfile_types):
        tags = ((0x00FE, kind), (0x0100, 40), (0x0101, 30))
        directory = struct.pack("<H", entries) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        is_last = index == len(subfile_types) - 1
        content += directory + struct.pack("<I", 0 if is_last else len(content) + len(directory) + 4)
    return content


@pytest.mark.parametrize(
    ("subfile_types", "several"),
    [((0,), False), ((0, 0), True), ((2, 2), True), ((0, 1), False), ((0, 1, 1), False), ((0, 1, 0), True)],
)
def test_smaller_versions_of_a_tiffs_first_page_are_no_pages(
    tmp_path: Path, subfile_types: tuple[int, ...], several: bool
) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(tiff(*subfile_types))
    info = picture_info(path)
    assert (info.width, info.height, info.holds_several) == (40, 30, several)


def test_a_tiff_whose_directories_are_a_circle_or_lead_out_of_it_is_read_in_the_end(tmp_path: Path) -> None:
    for last in (8, 1 << 30, 5):
        path = tmp_path / "x.tif"
        path.write_bytes(tiff(0, 1)[:-4] + struct.pack("<I", last))
        assert picture_size(path) == (40, 30)


@pytest.mark.parametrize("suffix", [".tif", ".webp", ".png"])
@pytest.mark.parametrize("count", [1, 2])
def test_files_of_several_pages_or_frames(tmp_path: Path, suffix: str, count: int) -> None:
    pillow = pytest.importorskip("PIL.Image", reason="Pillow writes the files with several pages or frames")
    first, *others = (pillow.fromarray(np.full((30, 40, 3), 60 * n, np.uint8)) for n in range(1, count + 1))
    path = tmp_path / f"x{suffix}"
    first.save(path, save_all=count > 1, **({"append_images": others} if others else {}))
    assert picture_info(path).holds_several == (count > 1)
    np.testing.assert_allclose(read_picture(path), 60, atol=3)  # the first one
