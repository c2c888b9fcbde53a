"""What COCO JSON files hold beside plain boxes: masks, other tasks, ids that contradict, several sets of labels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.dataset import Dataset, DatasetError
from data.readers import masks
from data.sets import check, read

Make = Callable[..., Path]
BOX = (90, 10, 12, 20, 6)
EDGES = [10, 12, 30, 18]
SPLITS = {"train": {"a": [BOX], "b": []}, "valid": {"c": [BOX]}, "test": {"d": [BOX]}}


def change(root: Path, split: str, edit: Callable[[dict[str, Any]], object]) -> None:
    path = root / split / "_annotations.coco.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def reported(dataset: Dataset) -> list[tuple[str, str]]:
    return [(p.kind, p.file) for p in dataset.problems]


# A mask of the box in 40 x 30, by hand: 10 columns of 30 and 12 pixels before it, then 20 columns of 6 in it and 24
# between, then 12 pixels and 10 columns.
COUNTS = [10 * 30 + 12, *[6, 24] * 19, 6, 12 + 10 * 30]
RLE = {"size": [30, 40], "counts": COUNTS}
# The same, compressed, by hand: a sign is 48 + five bits, or 80 + five bits where more follow, the lowest first; from
# the fourth number on, the difference to the one before the last. 312 is 24 + 9 * 32: "h9"; 6: "6"; 24: "h0"; then 37
# times the same again: "0"; 312 - 24 is 9 * 32: "P9".
PACKED = {"size": [30, 40], "counts": "h96h0" + "0" * 37 + "P9"}

SEGMENTATIONS = {
    "a polygon": [[10, 12, 30, 12, 30, 18, 10, 18]],
    "two polygons": [[10, 12, 20, 12, 20, 18], [18, 13, 30, 13, 30, 15]],
    "texts": [["10", "12", "30", "12", "30", "18"]],
    "a polygon without its second bracket": [10, 12, 30, 12, 30, 18],
    "points": [[[10, 12], [30, 12], [30, 18]]],
    "run lengths": RLE,
    "compressed run lengths": PACKED,
    "run lengths as texts": {"size": ["30", "40"], "counts": [str(count) for count in COUNTS]},
    "two masks": [{"size": [30, 40], "counts": [312, 6, 882]}, {"size": [30, 40], "counts": [29 * 30 + 12, 6, 312]}],
}
NO_BOXES = {
    "zeros": [0, 0, 0, 0],
    "no width": [10, 12, 0, 6],
    "none": None,
    "empty": [],
    "not there": ...,
    "not a number": [float("nan"), 12, 20, 6],
    "three numbers": [10, 12, 20],
}


@pytest.mark.parametrize("what", SEGMENTATIONS)
@pytest.mark.parametrize("lacking", NO_BOXES)
def test_the_box_of_a_segmentation(tmp_path: Path, make_coco: Make, what: str, lacking: str) -> None:
    def edit(document: dict[str, Any]) -> None:
        annotation = document["annotations"][0]
        annotation["segmentation"] = SEGMENTATIONS[what]
        annotation["bbox"] = NO_BOXES[lacking]
        if lacking == "not there":
            del annotation["bbox"]

    root = make_coco(tmp_path, SPLITS)
    change(root, "train", edit)
    dataset = read.load(root)
    assert dataset.splits["train"][0].boxes.tolist() == [EDGES]
    assert reported(dataset) == [("box_from_segmentation", "train/_annotations.coco.json")]
    assert dataset.problems[0].detail == (
        "no bbox with an area: the box around the polygons or the mask is used, 1 times; the first: a.png, "
        "annotations[0]"
    )


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        [],
        {},
        [[]],
        [[1, 2, 3]],
        [[1, 2, "x", 4]],
        [[float("nan"), 2, 3, 4]],
        {"size": [30, 40], "counts": "!"},
        {"size": [30, 40], "counts": "\u00e9"},
        {"size": [30, 40], "counts": "z" * 99},
        {"size": [30, 40], "counts": []},
        {"size": [30, 40], "counts": [1200]},
        {"size": [30, 40], "counts": [-3, 5]},
        {"size": [30, 40], "counts": [1.5, 5]},
        {"size": [30, 40], "counts": [0, 10**30]},
        {"size": [30, 40], "counts": {"a": 1}},
        {"size": [30], "counts": COUNTS},
        {"size": "x", "counts": COUNTS},
        {"size": [-30, 40], "counts": COUNTS},
        {"counts": COUNTS},
        [{"size": [30, 40], "counts": COUNTS}, {}],
    ],
)
def test_a_segmentation_without_a_box(tmp_path: Path, make_coco: Make, segmentation: object) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "train", lambda d: d["annotations"][0].update(bbox=[0, 0, 0, 0], segmentation=segmentation))
    change(root, "train", lambda d: d["annotations"].append({**d["annotations"][0], "bbox": BOX[1:]}))
    dataset = read.load(root)
    assert dataset.splits["train"][0].boxes.tolist() == [EDGES]
    assert reported(dataset) == [("zero_area_box", "train/_annotations.coco.json")]


@settings(max_examples=200)
@given(st.data())
def test_the_box_of_a_mask_is_that_of_its_pixels(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    pixels = np.array(data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width)))
    counts, value = [0], False
    for pixel in pixels:  # runs of zeros and ones in turn; a run may be cut by an empty one
        if pixel != value or data.draw(st.integers(0, 9)) == 0:
            counts += [1] if pixel != value else [0, 1]
            value = bool(pixel)
        else:
            counts[-1] += 1
    rows, columns = np.nonzero(pixels.reshape(width, height).T)  # run lengths go down the columns
    expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else None
    assert masks.box_around({"size": [height, width], "counts": counts}) == expected


def test_a_box_as_a_mapping(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "train", lambda d: d["annotations"][0].update(bbox={"x": 10, "y": 12, "width": 20, "height": 6}))
    dataset = read.load(root)
    assert dataset.splits["train"][0].boxes.tolist() == [EDGES]
    assert dataset.problems == ()


def test_a_crowds_mask_is_no_object(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS | {"train": {"a": [BOX, BOX]}})
    change(root, "train", lambda d: d["annotations"][1].update(bbox=None, segmentation=RLE, iscrowd=1))
    assert reported(read.load(root)) == [("crowd_box", "train/_annotations.coco.json")]


def document(annotations: object, name: str = "a.png", **more: object) -> str:
    return json.dumps({"images": [{"id": 1, "file_name": name}], "annotations": annotations} | more)


CATEGORIES = [{"id": 90, "name": "dog"}]
OTHER_TASKS = {
    "captions": (document([{"image_id": 1, "caption": "a dog"}]), "captions"),
    "captions with a category": (document([{"image_id": 1, "category_id": 0, "caption": "x"}]), "captions"),
    "panoptic": (document([{"image_id": 1, "segments_info": [{"id": 1, "category_id": 5}]}]), "panoptic"),
    "keypoints": (document([{"image_id": 1, "category_id": 7, "keypoints": [1, 2, 2]}]), "keypoints without boxes"),
    "labels": (document([{"image_id": 1, "category_id": 7}], categories=[{"id": 7, "name": "x"}]), "whole pictures"),
    "image info": (json.dumps({"images": [{"id": 1, "file_name": "a.png"}]}), "without annotations"),
    "results": (json.dumps([{"image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4], "score": 0.5}]), "results of"),
    "masks of a detector": (json.dumps([{"image_id": 1, "category_id": 7, "segmentation": RLE}]), "results of"),
}


@pytest.mark.parametrize("what", OTHER_TASKS)
@pytest.mark.parametrize("name", ["a.json", "z.json", "train/_a.json"])
def test_json_of_another_task_is_reported_and_left_alone(tmp_path: Path, make_coco: Make, what: str, name: str) -> None:
    root = make_coco(tmp_path, SPLITS)
    content, words = OTHER_TASKS[what]
    (root / name).write_text(content)
    dataset = read.load(root)
    assert dataset.class_names == ("cat", "dog")
    assert [len(e.boxes) for e in dataset.splits["train"]] == [1, 0]
    assert reported(dataset) == [("other_json", name)]
    assert words in dataset.problems[0].detail


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", "[1, 2]", '{"categories": [], "info": {}}', '{"images": [1], "x": 2}', '{"image_id": 3}', '"images"'],
)
def test_json_of_nothing_known_is_passed_over(tmp_path: Path, make_coco: Make, content: str) -> None:
    root = make_coco(tmp_path, SPLITS)
    (root / "notes.json").write_text(content)
    assert read.load(root).problems == ()


@pytest.mark.parametrize("task", ["person_keypoints", "stuff", "panoptic", "labels", "densepose"])
def test_boxes_of_another_task_beside_the_instances_are_left_alone(
    tmp_path: Path, make_picture: Callable[..., None], task: str
) -> None:
    (tmp_path / "annotations").mkdir()
    for number, stem in enumerate("abcd"):
        make_picture(tmp_path / "images" / f"{stem}.png", value=30 * number)
    images = [{"id": number, "file_name": f"{stem}.png"} for number, stem in enumerate("abcd")]
    boxes = [{"image_id": number, "category_id": 1, "bbox": [1, 1, 9, 9]} for number in range(4)]
    others = [{**each, "category_id": 99, "bbox": [0, 0, 40, 20]} for each in boxes]
    for name, annotations, categories in (
        ("instances_default", boxes, [{"id": 1, "name": "person"}]),
        (f"{task}_default", others, [{"id": 99, "name": "grass"}]),
    ):
        written = {"images": images, "annotations": annotations, "categories": categories}
        (tmp_path / "annotations" / f"{name}.json").write_text(json.dumps(written))
    dataset = read.load_own_splits(tmp_path)
    assert dataset.class_names == ("person",)
    assert reported(dataset) == [("other_json", f"annotations/{task}_default.json")]
    # Without instances, or where these have no boxes, they are what there is.
    (tmp_path / "annotations" / "instances_default.json").write_text(
        json.dumps({"images": images, "annotations": [], "categories": []})
    )
    assert "grass" in read.load_own_splits(tmp_path).class_names
    (tmp_path / "annotations" / "instances_default.json").unlink()
    assert read.load_own_splits(tmp_path).class_names == ("grass",)


def test_a_file_of_other_pictures_adds_no_classes(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    annotations = [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2]}]
    (root / "old.json").write_text(document(annotations, "elsewhere.png", categories=[{"id": 1, "name": "owl"}]))
    dataset = read.load(root)
    assert dataset.class_names == ("cat", "dog")
    assert [(p.kind, p.file, p.detail) for p in dataset.problems] == [
        ("missing_picture", "old.json", "none of the 1 pictures that it names is in the folder; skipped")
    ]


@pytest.mark.parametrize("id", [90, "90", 90.0])
def test_two_names_of_one_id_are_refused(tmp_path: Path, make_coco: Make, id: object) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "train", lambda d: d["categories"].append({"id": id, "name": "bird"}))
    with pytest.raises(
        DatasetError, match=r"coco\.json: categories: expected each id once, got 90 for 'dog' and for 'bird': give"
    ):
        read.load(root)
    assert check.check_dataset(root).error is not None


def test_one_name_of_two_ids_is_one_class_and_is_reported(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "train", lambda d: d["categories"].extend([{"id": 90, "name": "dog"}, {"id": 7, "name": "dog"}]))
    change(root, "train", lambda d: d["annotations"].append({"image_id": 7, "category_id": 7, "bbox": [1, 1, 9, 9]}))
    dataset = read.load(root)
    assert [dataset.class_names[number] for number in dataset.splits["train"][0].classes] == ["dog", "dog"]
    assert reported(dataset) == [("equal_class_names", "train/_annotations.coco.json")]


def test_names_that_differ_in_spelling_alone_are_reported(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "valid", lambda d: d.update(categories=[{"id": 90, "name": "Dog"}, {"id": 3, "name": "cat"}]))
    dataset = read.load(root)
    assert set(dataset.class_names) == {"cat", "dog", "Dog"}
    assert [(p.kind, p.detail) for p in dataset.problems] == [
        ("similar_class_names", "'dog' and 'Dog' are two classes")
    ]


def second(root: Path, boxes: list[list[float]], name: str = "dog") -> None:
    annotations = [{"image_id": 7, "category_id": 1, "bbox": box} for box in boxes]
    more = {"images": [{"id": 7, "file_name": "a.png"}], "categories": [{"id": 1, "name": name}]}
    (root / "train" / "v2.json").write_text(
        document(annotations) if not boxes else json.dumps(more | {"annotations": annotations})
    )


def test_two_files_with_other_boxes_for_one_picture_are_named(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    second(root, [[11, 12, 20, 6]])
    with pytest.raises(DatasetError) as caught:
        read.load(root)
    assert (
        "train/_annotations.coco.json: has boxes for 1 pictures that train/v2.json has boxes for too; they differ "
        "for 1 pictures, such as train/a.png: keep one of the two in the folder"
    ) in str(caught.value)
    findings = check.check_dataset(root)
    assert [(p.kind, p.file) for p in findings.problems] == [("label_sets", "train/_annotations.coco.json")]
    assert findings.boxes == 3  # of one set


def test_two_files_with_the_same_boxes_are_one(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    second(root, [[10, 12, 20, 6]])
    dataset = read.load(root)
    assert reported(dataset) == [("duplicate_annotation", "train/v2.json")]
    assert dataset.splits["train"][0].boxes.tolist() == [EDGES]


def test_files_of_other_classes_add_up(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    second(root, [[1, 1, 9, 9]], "owl")
    dataset = read.load(root)
    np.testing.assert_allclose(dataset.splits["train"][0].boxes, [EDGES, [1, 1, 10, 10]])
    assert dataset.problems == ()


def test_a_file_without_categories_takes_those_of_the_files_beside_it(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "valid", lambda d: d.pop("categories"))
    dataset = read.load(root)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.class_names[dataset.splits["val"][0].classes[0]] == "dog"
    assert [(p.kind, p.file, p.detail) for p in dataset.problems] == [
        (
            "missing_class_names",
            "valid/_annotations.coco.json",
            "no categories: names are taken from the files beside it",
        )
    ]


def test_but_not_where_these_call_an_id_by_two_names(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "valid", lambda d: d.pop("categories"))
    change(root, "test", lambda d: d.update(categories=[{"id": 90, "name": "owl"}]))
    assert "ids are used as names" in next(p for p in read.load(root).problems).detail


def test_a_category_whose_name_is_null_has_none(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    change(root, "train", lambda d: d["categories"][0].update(name=None))
    with pytest.raises(DatasetError, match="categories: expected a name for each, got an empty one"):
        read.load(root)


def test_categories_that_are_names_alone(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    for split in ("train", "valid", "test"):
        change(root, split, lambda d: d.update(categories=["cat", "dog"]))
    detail = next(p.detail for p in read.load(root).problems if p.kind == "missing_class_names")
    assert detail == "categories without ids: ids are used as names"


def test_annotations_of_no_picture_alone_are_named(tmp_path: Path, make_coco: Make) -> None:
    root = make_coco(tmp_path, SPLITS)
    for split in ("train", "valid", "test"):
        change(root, split, lambda d: [each.update(image_id="a.png") for each in d["annotations"]])
    with pytest.raises(DatasetError, match=r"usable box, got none: \d+ x orphan_annotation, .* no picture has the id"):
        read.load(root)
