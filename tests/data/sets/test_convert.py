"""The same boxes in three formats, and writers whose folders read back as what was written."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import __main__ as commands
from data.dataset import Dataset, Example
from data.sets import convert, read

Make = Callable[..., Path]
SHARED = Path(__file__).resolve().parents[3] / "../shared/datasets"
GOOD = "1 0.5 0.5 0.5 0.2\n"

# Class and edges in pixels of pictures of 40 x 30; a picture without boxes in train.
TRUTH = {
    "train": {"a": [("dog", 10, 12, 30, 18), ("cat", 1.25, 2.5, 3.75, 4.125)], "b": [], "e": [("cat", 0, 0, 40, 30)]},
    "val": {"c": [("dog", 0.333, 0.667, 39.1, 29.9)]},
    "test": {"d": [("cat", 7.7, 8.8, 9.9, 11.1)]},
}


def boxes(dataset: Dataset) -> dict[str, dict[str, list[tuple[str, list[float]]]]]:
    """Split -> stem -> (class name, edges) of each box."""
    return {
        split: {
            e.path.stem: [(dataset.class_names[c], b) for c, b in zip(e.classes, e.boxes.tolist(), strict=True)]
            for e in examples
        }
        for split, examples in dataset.splits.items()
    }


def assert_equal(one: Dataset, other: Dataset) -> None:
    """Equal splits, stems, classes and negatives, boxes to 1e-3 pixel."""
    first, second = boxes(one), boxes(other)
    assert {split: list(found) for split, found in first.items()} == {s: list(f) for s, f in second.items()}
    for split, found in first.items():
        for stem, labelled in found.items():
            assert [name for name, _ in labelled] == [name for name, _ in second[split][stem]]
            if labelled:
                np.testing.assert_allclose(
                    [box for _, box in labelled], [box for _, box in second[split][stem]], atol=1e-3
                )


@pytest.fixture
def in_three_formats(tmp_path: Path, make_voc: Make, make_yolo: Make, make_coco: Make, xml: Callable[..., str]) -> Path:
    """TRUTH, written by hand in each format."""
    annotations = {stem: xml(*found) for pictures in TRUTH.values() for stem, found in pictures.items()}
    make_voc(tmp_path / "voc", annotations, {split: "\n".join(found) for split, found in TRUTH.items()})
    lines, documents = {}, {}
    for split, pictures in TRUTH.items():
        lines[split] = {
            stem: "".join(
                f"{['cat', 'dog'].index(name)} {(x1 + x2) / 80} {(y1 + y2) / 60} {(x2 - x1) / 40} {(y2 - y1) / 30}\n"
                for name, x1, y1, x2, y2 in found
            )
            for stem, found in pictures.items()
        }
        documents[split] = {
            stem: [({"cat": 3, "dog": 90}[name], x1, y1, x2 - x1, y2 - y1) for name, x1, y1, x2, y2 in found]
            for stem, found in pictures.items()
        }
    make_yolo(tmp_path / "yolo", lines)
    make_coco(tmp_path / "coco", documents)
    return tmp_path


def test_the_same_boxes_in_three_formats_are_the_same_examples(in_three_formats: Path) -> None:
    read_by = {name: read.load(in_three_formats / name) for name in ("coco", "voc", "yolo")}
    assert {name: dataset.format for name, dataset in read_by.items()} == {name: name for name in read_by}
    expected = {
        split: {stem: [(name, list(edges)) for name, *edges in found] for stem, found in pictures.items()}
        for split, pictures in TRUTH.items()
    }
    for dataset in read_by.values():
        assert dataset.class_names == ("cat", "dog")
        found = boxes(dataset)
        assert {split: set(pictures) for split, pictures in found.items()} == {s: set(p) for s, p in expected.items()}
        for split, pictures in expected.items():
            for stem, labelled in pictures.items():
                for (name, box), (came, came_box) in zip(labelled, found[split][stem], strict=True):
                    assert name == came
                    np.testing.assert_allclose(came_box, box, atol=1e-3)


@pytest.mark.parametrize("source", ["coco", "voc", "yolo"])
@pytest.mark.parametrize("to", ["coco", "voc", "yolo"])
def test_every_writer_keeps_what_every_reader_read(in_three_formats: Path, source: str, to: str) -> None:
    convert.convert_dataset(in_three_formats / source, in_three_formats / "new" / "place", to)
    written, original = read.load(in_three_formats / "new" / "place"), read.load(in_three_formats / source)
    assert written.format == to
    assert written.class_names == original.class_names
    assert {p.kind for p in written.problems} <= {"empty_label_file"}
    assert_equal(original, written)


@pytest.mark.parametrize("to", ["coco", "voc", "yolo"])
def test_classes_without_boxes_and_their_order_stay(tmp_path: Path, make_yolo: Make, to: str) -> None:
    names = ["zebra", "a: b", "no", "größe µ", "강아지", "a <b> & 'c'", "# 1"]
    source = make_yolo(tmp_path / "x", {"train": {"a": "1 .5 .5 .2 .2\n2 .2 .2 .2 .2\n"}}, f"names: {names!r}\n")
    convert.convert_dataset(source, tmp_path / "y", to)
    assert read.load_own_splits(tmp_path / "y").class_names == tuple(names)


@pytest.mark.parametrize("to", ["coco", "voc", "yolo"])
def test_pictures_of_one_name_are_all_kept(
    tmp_path: Path, make_yolo: Make, make_picture: Callable[..., None], to: str
) -> None:
    splits = {
        "train": {"1": GOOD, "#1 Größe. a.b": GOOD, " 2 ": GOOD},
        "val": {"1": GOOD},
        "test": {"1": GOOD, "0": GOOD},
    }
    source = make_yolo(tmp_path / "x", splits)
    make_picture(source / "train" / "images" / "1.jpg")  # the same stem, with a label of its own
    (source / "train" / "labels" / "1.jpg.txt").write_text(GOOD)
    convert.convert_dataset(source, tmp_path / "y", to)
    written = read.load(tmp_path / "y")
    assert {split: len(examples) for split, examples in written.splits.items()} == {"train": 4, "val": 1, "test": 2}
    assert all(len(e.boxes) == 1 for examples in written.splits.values() for e in examples)
    assert written.problems == ()


def test_file_names_that_lists_cannot_hold_are_changed(tmp_path: Path, make_yolo: Make) -> None:
    source = make_yolo(tmp_path / "x", {"train": {"a\nb": GOOD, "c\udcff": GOOD}})
    for to in ("coco", "voc", "yolo"):
        convert.convert_dataset(source, tmp_path / to, to)
        found = read.load_own_splits(tmp_path / to).splits["train"]
        assert sorted(e.path.stem for e in found) == ["a_b", "c_"]
        assert all(len(e.boxes) == 1 for e in found)


def test_a_folder_with_files_is_refused(tmp_path: Path, make_yolo: Make, capsys: pytest.CaptureFixture[str]) -> None:
    source = make_yolo(tmp_path / "x", {"train": {"a": GOOD}})
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "thesis.txt").write_text("mine")
    assert commands.main(["convert", str(source), str(tmp_path / "y"), "--to", "coco"]) == 2
    assert "expected a new or empty folder, got one with files" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "y").iterdir()] == ["thesis.txt"]
    with pytest.raises(ValueError, match="outside"):
        convert.convert_dataset(source, source / "coco", "coco")
    assert sorted(p.name for p in source.iterdir()) == ["data.yaml", "train"]


def test_an_empty_folder_is_filled_and_what_is_left_out_is_reported(
    tmp_path: Path, make_yolo: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_yolo(tmp_path / "x", {"train": {"a": GOOD + "9 .5 .5 .1 .1\n"}, "val": {"b": GOOD}})
    (tmp_path / "y").mkdir()
    assert commands.main(["convert", str(source), str(tmp_path / "y"), "--to", "voc"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'y'}: voc from yolo, images: train 1, val 1, 2 boxes\n"
    assert captured.err == f"{source}: 1 class_out_of_range (`python -m data check` lists them)\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x", "y"]  # nothing half done stays


def test_a_failed_conversion_leaves_nothing(tmp_path: Path, make_yolo: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_yolo(tmp_path / "x", {"train": {"a": GOOD}})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("data.writers.files.shutil.copyfile", full)
    with pytest.raises(OSError, match="No space"):
        convert.convert_dataset(source, tmp_path / "y", "voc")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_class_name_of_two_lines_is_refused(tmp_path: Path, make_yolo: Make) -> None:
    source = make_yolo(tmp_path / "x", {"train": {"a": GOOD}}, 'names: ["a\\nb", c]\n')
    with pytest.raises(ValueError, match="without control characters"):
        convert.convert_dataset(source, tmp_path / "y", "voc")


EDGES = st.tuples(*[st.floats(0, 1, width=32)] * 4).map(lambda f: (min(f[:2]), min(f[2:]), max(f[:2]), max(f[2:])))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(EDGES.filter(lambda e: e[2] - e[0] > 0.01 and e[3] - e[1] > 0.01), min_size=1, max_size=4),
    st.sampled_from(["coco", "voc", "yolo"]),
    st.sampled_from([(40, 30), (1, 7), (2999, 4001)]),
)
def test_any_box_survives_a_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    make_picture: Callable[..., None],
    edges: list[tuple[float, float, float, float]],
    to: str,
    size: tuple[int, int],
) -> None:
    root = tmp_path_factory.mktemp("trip")
    make_picture(root / "a.png", *size)
    placed = (np.array(edges) * [size[0], size[1], size[0], size[1]]).astype(np.float32)
    if len(np.unique(placed.round(2), axis=0)) < len(placed):
        return  # duplicates are dropped, as they should be
    if (placed.max(axis=1) <= 1.01).any():
        return  # a sliver within the first pixel looks like shares of the picture where it is all there is
    example = Example(root / "a.png", *size, placed, np.zeros(len(placed), np.int32))
    (root / "out").mkdir()
    convert.WRITERS[to](Dataset(root, "made", ("cat",), {"train": (example,)}, (), ""), root / "out")
    (back,) = read.load_own_splits(root / "out").splits["train"]
    np.testing.assert_allclose(back.boxes, placed, atol=1e-3)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not on this machine")
@pytest.mark.parametrize("to", ["coco", "voc", "yolo"])
@pytest.mark.parametrize("name", ["bccd", "thermal-cheetah"])
def test_real_data_sets_survive(tmp_path: Path, name: str, to: str) -> None:
    original = convert.convert_dataset(SHARED / name, tmp_path / "new", to)
    written = read.load(tmp_path / "new")
    assert written.class_names == original.class_names
    if to == "voc":  # pictures of three folders now share one
        assert {s: len(e) for s, e in written.splits.items()} == {s: len(e) for s, e in original.splits.items()}
    assert_equal(original, written)


@pytest.fixture
def with_ignored(tmp_path: Path, make_picture: Callable[..., None]) -> Dataset:
    """A COCO folder of one picture: an object, a difficult one and a crowd."""
    make_picture(tmp_path / "coco" / "train" / "a.png")
    boxes = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
    marks: list[dict[str, int]] = [{}, {"ignore": 1}, {"iscrowd": 1}]
    document = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"image_id": 1, "category_id": 2, "bbox": box, **mark} for box, mark in zip(boxes, marks, strict=True)
        ],
    }
    (tmp_path / "coco" / "train" / "_annotations.coco.json").write_text(json.dumps(document))
    return read.load_own_splits(tmp_path / "coco")


DIFFICULT, CROWD = ([5, 6, 12, 14], 1, False), ([9, 10, 20, 22], 1, True)


@pytest.mark.parametrize(
    ("way", "kept", "left_out"),
    [
        (["coco"], [DIFFICULT, CROWD], []),
        (["voc"], [DIFFICULT], ["crowds: 1 left out, as the format voc cannot mark them"]),
        (["voc", "coco", "voc"], [DIFFICULT], []),
        (
            ["yolo"],
            [],
            [
                "difficult objects: 1 left out, as the format yolo cannot mark them",
                "crowds: 1 left out, as the format yolo cannot mark them",
            ],
        ),
    ],
)
def test_ignored_boxes_stay_ignored_or_are_left_out_with_a_word(
    with_ignored: Dataset,
    tmp_path: Path,
    way: list[str],
    kept: list[tuple[list[int], int, bool]],
    left_out: list[str],
) -> None:
    source = with_ignored.root
    for number, to in enumerate(way):
        target = tmp_path / f"new{number}"
        written = convert.convert_dataset(source, target, to)
        source = target
    assert [p.detail for p in written.problems if p.kind == "unmarkable_box"] == left_out
    (example,) = read.load_own_splits(source).splits["train"]
    assert example.boxes.tolist() == [[1, 2, 4, 6]]  # as a plain box none of them would stay what it is
    ignored = example.ignored
    rows = zip(ignored.boxes.tolist(), ignored.classes.tolist(), ignored.crowd.tolist(), strict=True)
    assert list(rows) == kept


def test_a_crowd_is_written_as_pycocotools_reads_it(with_ignored: Dataset, tmp_path: Path) -> None:
    convert.convert_dataset(with_ignored.root, tmp_path / "new", "coco")
    annotations = json.loads((tmp_path / "new" / "annotations" / "instances_train.json").read_text())["annotations"]
    assert [(a["iscrowd"], a.get("ignore", 0), a["id"]) for a in annotations] == [(0, 0, 1), (0, 1, 2), (1, 0, 3)]


@pytest.mark.parametrize("to", convert.WRITERS)
def test_every_format_says_what_it_can_mark(to: str) -> None:
    assert len(convert.CAN_MARK[to]) == 2
