"""Picture files as people have them, through the readers: what is reported, and that boxes fit their pixels."""

import json
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.dataset import DatasetError, Example
from data.pictures.picture_files import read_picture
from data.sets import read

Make = Callable[..., Path]
BOX = (4, 8, 20, 14)  # in the stored picture of 40 x 30: the only bright patch
FORMATS = ("coco", "voc", "yolo")


def stored() -> np.ndarray:
    image = np.full((30, 40, 3), 20, np.uint8)
    image[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 230
    return image


def encoded(suffix: str = ".jpg", image: np.ndarray | None = None, options: Sequence[int] = ()) -> bytes:
    return cv2.imencode(suffix, stored() if image is None else image, list(options))[1].tobytes()


def with_orientation(value: int) -> bytes:
    jpeg = encoded(options=[cv2.IMWRITE_JPEG_QUALITY, 98])
    tag = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(tag) + 2) + tag + jpeg[2:]


def data_set(root: Path, kind: str, content: bytes, box: Sequence[float], size: tuple[int, int], name: str) -> Path:
    """Three splits with one picture each, of the same bytes. box: on a picture of this size (width, height)."""
    x1, y1, x2, y2 = box
    width, height = size
    stem = Path(name).stem
    for split in ("train", "val", "test"):
        folder = root / split
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        if kind == "yolo":
            line = f"0 {(x1 + x2) / 2 / width} {(y1 + y2) / 2 / height} {(x2 - x1) / width} {(y2 - y1) / height}\n"
            (folder / f"{stem}.txt").write_text(line)
        elif kind == "voc":
            (folder / f"{stem}.xml").write_text(
                f"<annotation><size><width>{width}</width><height>{height}</height></size><object><name>dog</name><bndbox>"
                f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object></annotation>"
            )
        else:
            document = {
                "images": [{"id": 1, "file_name": name, "width": width, "height": height}],
                "annotations": [{"image_id": 1, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}],
                "categories": [{"id": 1, "name": "dog"}],
            }
            (folder / "labels.json").write_text(json.dumps(document))
    if kind == "yolo":
        (root / "classes.txt").write_text("dog\n")
    return root


def assert_on_its_pixels(example: Example) -> None:
    """The bright patch of the decoded picture is where the box is."""
    image = read_picture(example.path)
    assert image.shape == (example.height, example.width, 3)
    rows, columns = np.nonzero(image.mean(axis=2) > 125)
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    np.testing.assert_allclose(example.boxes, [found], atol=1e-3)


# What an annotator sees who is shown the picture turned, by hand for the stored box (4, 8, 20, 14) in 40 x 30.
SEEN = {
    0: ((4, 8, 20, 14), (40, 30)),  # invalid: not turned
    1: ((4, 8, 20, 14), (40, 30)),
    3: ((20, 16, 36, 22), (40, 30)),  # x: 40-20, 40-4; y: 30-14, 30-8
    6: ((16, 4, 22, 20), (30, 40)),  # clockwise: x is 30-y, y is x
    8: ((8, 20, 14, 36), (30, 40)),  # counter-clockwise: x is y, y is 40-x
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("value", SEEN)
def test_boxes_that_were_drawn_on_the_turned_picture(tmp_path: Path, kind: str, value: int) -> None:
    box, size = SEEN[value]
    dataset = read.load(data_set(tmp_path, kind, with_orientation(value), box, size, "a.jpg"))
    (example,) = dataset.splits["train"]
    assert (example.width, example.height) == size
    assert_on_its_pixels(example)
    assert dataset.problems == ()


@pytest.mark.parametrize("kind", ["coco", "voc"])
@pytest.mark.parametrize("value", [6, 8])
def test_boxes_that_were_drawn_on_the_stored_picture_turn_with_it(tmp_path: Path, kind: str, value: int) -> None:
    # The labels say 40 x 30, which the picture has only before it is turned.
    dataset = read.load(data_set(tmp_path, kind, with_orientation(value), BOX, (40, 30), "a.jpg"))
    (example,) = dataset.splits["train"]
    assert (example.width, example.height) == (30, 40)
    assert_on_its_pixels(example)
    assert [p.kind for p in dataset.problems] == ["turned_boxes"] * 3


def grey_png(bits: int) -> bytes:
    image = stored()[:, :, 0]
    return encoded(".png", image.astype(np.uint16) * 257 if bits == 16 else image)


def palette_png() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    indices = (stored()[:, :, 0] > 125).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in indices)
    parts = [
        chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 30, 8, 3, 0, 0, 0)),
        chunk(b"PLTE", bytes([20, 20, 20, 230, 230, 230])),
        chunk(b"tRNS", bytes([0, 255])),
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def rgba_png() -> bytes:
    alpha = np.random.default_rng(0).integers(0, 256, (30, 40, 1), dtype=np.uint8)
    return encoded(".png", np.concatenate([stored(), alpha], axis=2))


KINDS = {
    "PNG named .jpg": ("a.jpg", encoded(".png")),
    "JPEG named .png": ("a.png", encoded(".jpg", options=[cv2.IMWRITE_JPEG_QUALITY, 98])),
    "upper case": ("A.PNG", encoded(".png")),
    "JPEG in capitals": ("A.JPEG", encoded(".jpg", options=[cv2.IMWRITE_JPEG_QUALITY, 98])),
    "RGBA": ("a.png", rgba_png()),
    "palette": ("a.png", palette_png()),
    "grey": ("a.png", grey_png(8)),
    "grey JPEG": ("a.jpg", encoded(".jpg", stored()[:, :, 0], [cv2.IMWRITE_JPEG_QUALITY, 98])),
    "16 bit": ("a.png", grey_png(16)),
    "16 bit colours": ("a.tiff", encoded(".tiff", stored().astype(np.uint16) * 257)),
    "progressive": ("a.jpg", encoded(options=[cv2.IMWRITE_JPEG_QUALITY, 98, cv2.IMWRITE_JPEG_PROGRESSIVE, 1])),
    "bmp": ("a.bmp", encoded(".bmp")),
    "webp": ("a.webp", encoded(".webp", options=[cv2.IMWRITE_WEBP_QUALITY, 101])),
    "dots": ("IMG.2019.jpg.rf.0a1b.png", encoded(".png")),
    "signs": ("# 1 & (2) 100% größe 강아지.png", encoded(".png")),
    "bytes of no encoding": ("a\udcb0\udca1.png", encoded(".png")),
}


@pytest.mark.parametrize(
    ("what", "kind"),
    # JSON is text: it cannot name a file of no encoding.
    [(what, kind) for what in KINDS for kind in FORMATS if (what, kind) != ("bytes of no encoding", "coco")],
)
def test_pictures_of_all_kinds(tmp_path: Path, kind: str, what: str) -> None:
    name, content = KINDS[what]
    dataset = read.load(data_set(tmp_path, kind, content, BOX, (40, 30), name))
    assert dataset.problems == ()
    assert_on_its_pixels(dataset.splits["train"][0])


@pytest.mark.parametrize("kind", FORMATS)
def test_a_thermal_picture_of_16_bits_is_stretched_and_reported(tmp_path: Path, kind: str) -> None:
    warm = 7000 + stored()[:, :, 0].astype(np.uint16) * 8  # 7160 to 8840: as a camera of 14 bits writes a scene
    dataset = read.load(data_set(tmp_path, kind, encoded(".png", warm), BOX, (40, 30), "a.png"))
    assert_on_its_pixels(dataset.splits["train"][0])
    assert [(p.kind, p.file) for p in dataset.problems] == [
        ("narrow_range", f"{split}/a.png") for split in ("train", "val", "test")
    ]
    assert "7160 to 8840" in dataset.problems[0].detail


@pytest.mark.parametrize("kind", FORMATS)
def test_a_jpeg_that_was_cut_short(tmp_path: Path, kind: str) -> None:
    # OpenCV fills the rest with grey or refuses, by version and by call; we do neither.
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    root = data_set(tmp_path, kind, encoded(image=noise), BOX, (40, 30), "a.jpg")
    picture = root / "val" / "a.jpg"
    picture.write_bytes(picture.read_bytes()[:-200])
    with pytest.raises(DatasetError, match=r"val/a\.jpg: expected a whole picture"):
        read.load(root)
    with pytest.raises(DatasetError, match="split 'val': expected at least one usable labelled picture, got none"):
        read.load(root, strict=False)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_of_30_million_pixels(tmp_path: Path, kind: str) -> None:
    image = cv2.resize(stored(), (6320, 4740), interpolation=cv2.INTER_NEAREST)  # 158 times as wide and high
    content = encoded(image=image, options=[cv2.IMWRITE_JPEG_QUALITY, 60])
    box = [158 * edge for edge in BOX]
    dataset = read.load(data_set(tmp_path, kind, content, box, (6320, 4740), "a.jpg"))
    (example,) = dataset.splits["train"]
    assert example.width * example.height > 29_900_000
    np.testing.assert_allclose(example.boxes, [box], atol=1e-3)
    assert read_picture(example.path)[10 * 158, 10 * 158].mean() > 200


@pytest.mark.parametrize("kind", FORMATS)
def test_fractions_are_kept(tmp_path: Path, kind: str) -> None:
    box = (4.125, 8.0625, 20.75, 14.3)
    (example,) = read.load(data_set(tmp_path, kind, encoded(), box, (40, 30), "a.jpg")).splits["train"]
    np.testing.assert_allclose(example.boxes, [box], atol=1e-5)


@pytest.mark.parametrize("kind", FORMATS)
def test_class_names_with_spaces(tmp_path: Path, kind: str) -> None:
    root = data_set(tmp_path, kind, encoded(), BOX, (40, 30), "a.jpg")
    for file in root.rglob("*"):
        if file.suffix in (".xml", ".json") or file.name == "classes.txt":
            file.write_text(file.read_text().replace("dog", "traffic light (red)"))
    dataset = read.load(root)
    assert dataset.class_names == ("traffic light (red)",)
    assert dataset.splits["val"][0].classes.tolist() == [0]
    assert dataset.problems == ()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_no_picture_is_skipped(tmp_path: Path, kind: str) -> None:
    root = data_set(tmp_path, kind, encoded(), BOX, (40, 30), "a.jpg")
    (root / "train" / "a.jpg").write_bytes(b"<html>404</html>")
    with pytest.raises(
        DatasetError, match="split 'train': expected at least one usable labelled picture, got none"
    ) as caught:
        read.load(root)
    assert [(p.kind, p.file) for p in caught.value.problems] == [("broken_picture", "train/a.jpg")]


def test_a_tiff_of_several_pages_is_read_as_its_first_and_named_once(
    tmp_path: Path, make_yolo: Callable[..., Path]
) -> None:
    label = "1 0.5 0.5 0.5 0.2\n"
    root = make_yolo(tmp_path, {"train": {"a": label, "b": label}, "val": {"c": label}, "test": {"d": label}})
    (root / "train/images/a.png").unlink()
    pages = [np.full((30, 40, 3), value, np.uint8) for value in (90, 130, 170)]
    assert cv2.imwritemulti(str(root / "train/images/a.tif"), pages)
    dataset = read.load(root)
    assert [(problem.kind, problem.file) for problem in dataset.problems] == [("several_pages", "train/images/a.tif")]
    assert len(dataset.splits["train"][0].boxes) == 1
