"""Reading picture files, whole and by their header."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from data.pictures import PictureError, TruncatedPictureError, picture_size, pictures_in, read_picture


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
def test_a_picture_that_was_cut_short_is_told(tmp_path: Path, suffix: str, options: list[int]) -> None:
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
