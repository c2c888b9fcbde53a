"""What every reader promises. A new reader joins by a line in LAYOUTS; a layout of a known format may have one too.

Expected boxes are by hand, in pictures of 40 x 30 pixels. Folders are written by the writer of the format, or here.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from data.config import FORMATS
from data.dataset import Dataset, DatasetError, Example
from data.problems import KINDS
from data.sets import read
from data.sets.convert import WRITERS
from data.sets.read import READERS

Make = Callable[..., Path]

CLASSES = ("cat", "dog", "no one")
# split -> name of a picture -> (class, edges in pixels) of its objects
CONTENT: dict[str, dict[str, list[tuple[int, list[float]]]]] = {
    "train": {"anna": [(1, [10, 12, 30, 18]), (0, [8, 21, 12, 24])], "blank": []},
    "val": {"carl": [(0, [15, 7.5, 25, 22.5])]},
    "test": {"dora": [(1, [8, 6, 16, 12])]},
}


def write_darknet(dataset: Dataset, folder: Path) -> None:
    """obj.data, which alone names the classes, and a list for each split; each label is beside its picture."""
    home = folder / "data"
    (home / "obj").mkdir(parents=True)
    keys = {"train": "train", "val": "valid", "test": "test"}
    lists = "".join(f"{keys[split]} = data/{split}.txt\n" for split in dataset.splits)
    (home / "obj.data").write_text(f"classes = {len(CLASSES)}\n{lists}names = data/animals.txt\nbackup = backup/\n")
    (home / "animals.txt").write_text("".join(f"{name}\n" for name in dataset.class_names))
    for split, examples in dataset.splits.items():
        (home / f"{split}.txt").write_text("".join(f"data/obj/{example.path.name}\n" for example in examples))
        for example in examples:
            (home / "obj" / example.path.name).write_bytes(example.path.read_bytes())
            lines = []
            for (left, top, right, bottom), label in zip(example.boxes, example.classes, strict=True):
                centre, sides = ((left + right) / 80, (top + bottom) / 60), ((right - left) / 40, (bottom - top) / 30)
                lines.append(f"{label} {centre[0]} {centre[1]} {sides[0]} {sides[1]}\n")
            (home / "obj" / f"{example.path.stem}.txt").write_text("".join(lines))


def letters_in_second_line(text: str) -> str:
    first, second = text.splitlines()
    return f"{first}\n{second.replace('.', 'x')}\n"


def no_name_in_second_object(text: str) -> str:
    return text.replace("<name>cat</name>", "<name></name>")


def text_as_second_box(text: str) -> str:
    document = json.loads(text)
    document["annotations"][1]["bbox"] = "all of it"
    return json.dumps(document)


@dataclass(frozen=True)
class Layout:
    """A form in which a reader gets a data set.

    write: writes a data set into an empty folder. label: the file with the objects of `anna`. spoil: its text, with the
    second object damaged. position: how a message names that object.
    """

    format: str
    write: Callable[[Dataset, Path], None]
    label: str
    spoil: Callable[[str], str]
    position: str


LAYOUTS = {
    "coco": Layout("coco", WRITERS["coco"], "annotations/instances_train.json", text_as_second_box, "annotations[1]"),
    "voc": Layout("voc", WRITERS["voc"], "Annotations/anna.xml", no_name_in_second_object, "object 2"),
    "yolo": Layout("yolo", WRITERS["yolo"], "train/labels/anna.txt", letters_in_second_line, "line 2"),
    "darknet": Layout("yolo", write_darknet, "data/obj/anna.txt", letters_in_second_line, "line 2"),
}


@pytest.fixture
def original(tmp_path: Path, make_picture: Make) -> Dataset:
    """Three splits, a picture without objects, several boxes in one, a class without any box."""

    def example(split: str, stem: str) -> Example:
        path = tmp_path / "original" / f"{stem}.png"
        make_picture(path, value=20 * len(stem) + len(split))
        objects = CONTENT[split][stem]
        boxes = np.array([edges for _, edges in objects], np.float32).reshape(-1, 4)
        return Example(path, 40, 30, boxes, np.array([label for label, _ in objects], np.int32))

    splits = {split: tuple(example(split, stem) for stem in stems) for split, stems in CONTENT.items()}
    return Dataset(tmp_path / "original", "by hand", CLASSES, splits, (), "")


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> Layout:
    return LAYOUTS[request.param]


@pytest.fixture
def folder(layout: Layout, original: Dataset, tmp_path: Path) -> Path:
    """The data set in this layout."""
    target = tmp_path / "written"
    target.mkdir()
    layout.write(original, target)
    return target


def content_of(dataset: Dataset) -> dict[str, dict[str, list[tuple[int, list[float]]]]]:
    """The data set in the form of CONTENT, edges to a thousandth of a pixel."""
    return {
        split: {
            example.path.stem: [
                (label, [round(edge, 3) for edge in box])
                for label, box in zip(example.classes.tolist(), example.boxes.tolist(), strict=True)
            ]
            for example in examples
        }
        for split, examples in dataset.splits.items()
    }


def test_every_format_has_a_reader_a_writer_a_line_here_and_is_offered_by_the_commands() -> None:
    assert set(READERS) == set(WRITERS) == set(FORMATS) == {layout.format for layout in LAYOUTS.values()}


def test_pictures_boxes_classes_and_splits_are_those_that_were_written(layout: Layout, folder: Path) -> None:
    assert read.detect(folder) == layout.format
    found = read.load_own_splits(folder)
    assert (found.format, found.root, found.class_names) == (layout.format, folder, CLASSES)
    assert content_of(found) == CONTENT
    for example in (example for examples in found.splits.values() for example in examples):
        assert (example.width, example.height) == (40, 30)
        assert (example.boxes.dtype, example.classes.dtype) == (np.float32, np.int32)


def test_a_label_without_objects_is_a_picture_without_objects(folder: Path) -> None:
    found = read.load_own_splits(folder)
    blank = next(example for example in found.splits["train"] if example.path.stem == "blank")
    assert blank.boxes.shape == (0, 4)
    assert {KINDS[problem.kind][0] for problem in found.problems} <= {"note"}


@pytest.mark.parametrize(
    "names", [("Training", "valid", "testing"), ("train2017", "val2017", "test2017"), ("train", "validation", "test")]
)
def test_splits_under_other_names_are_train_val_and_test(folder: Path, names: tuple[str, str, str]) -> None:
    new_name = dict(zip(CONTENT, names, strict=True))

    def respelled(text: str) -> str:
        return re.sub(r"(?<![a-z])(train|val|test)(?![a-z])", lambda word: new_name[word[0]], text)

    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.suffix in (".yaml", ".data"):
            values = re.sub(r"(?<=[:=]) .*", lambda value: respelled(value[0]), path.read_text())
            path.write_text(values)  # keys have names of their own
        path.rename(path.with_name(respelled(path.name)))
    assert content_of(read.load_own_splits(folder)) == CONTENT


def test_a_damaged_object_is_named_with_its_file_and_its_place_there(layout: Layout, folder: Path) -> None:
    label = folder / layout.label
    label.write_text(layout.spoil(label.read_text()))
    with pytest.raises(DatasetError) as caught:
        read.load_own_splits(folder)
    assert str(label) in str(caught.value)
    assert layout.position in str(caught.value)
    found = read.load_own_splits(folder, strict=False)
    (problem,) = [problem for problem in found.problems if KINDS[problem.kind][0] != "note"]
    assert problem.file == layout.label
    assert layout.position in problem.detail
    assert content_of(found)["val"] == CONTENT["val"]


def test_a_picture_that_is_gone_is_named(folder: Path) -> None:
    (picture,) = folder.rglob("anna.png")
    picture.unlink()
    found = read.load_own_splits(folder, strict=False)
    assert "anna" not in content_of(found)["train"]
    assert any("anna" in problem.file + problem.detail for problem in found.problems)


def test_a_picture_that_no_label_or_list_knows_is_named(folder: Path, make_picture: Make) -> None:
    (picture,) = folder.rglob("anna.png")
    make_picture(picture.with_name("stranger.png"), value=200)
    found = read.load_own_splits(folder, strict=False)
    assert any("stranger" in problem.file for problem in found.problems)
    assert all(content_of(found)[split][stem] == boxes for split in CONTENT for stem, boxes in CONTENT[split].items())


def test_a_split_that_is_not_needed_is_named_but_not_read(folder: Path) -> None:
    found = read.load_own_splits(folder, needed=("val",))
    assert content_of(found) == {"val": CONTENT["val"]}
    assert set(found.unread_splits) == {"train", "test"}


def test_reading_is_repeatable_and_changes_nothing(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    first, second = read.load_own_splits(folder), read.load_own_splits(folder)
    assert first.fingerprint == second.fingerprint
    assert first.problems == second.problems
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_another_box_or_picture_is_another_fingerprint(
    layout: Layout, original: Dataset, folder: Path, tmp_path: Path, make_picture: Make
) -> None:
    first = read.load_own_splits(folder).fingerprint
    (picture,) = folder.rglob("dora.png")
    make_picture(picture, value=201)
    assert read.load_own_splits(folder).fingerprint != first
    original.splits["test"][0].boxes[0, 0] += 2
    (tmp_path / "moved").mkdir()
    layout.write(original, tmp_path / "moved")
    assert read.load_own_splits(tmp_path / "moved").fingerprint != first


@pytest.mark.parametrize("name", READERS)
def test_a_folder_without_its_labels_is_refused_by_name(name: str, tmp_path: Path, make_picture: Make) -> None:
    make_picture(tmp_path / "pictures" / "a.png")
    with pytest.raises(DatasetError, match="pictures") as caught:
        read.load_own_splits(tmp_path / "pictures", name)
    assert "\n" not in str(caught.value)
