"""Which pictures are train, val and test: settings, lists and folders as people have them, and the same one for two.

Where a report is named the layout is the one that it describes.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from data.dataset import Dataset, DatasetError, Problem
from data.sets import read

Scene = Callable[..., None]
Make = Callable[..., Path]
GOOD = "1 0.5 0.5 0.5 0.2\n"
NAMES = "names: [cat, dog]\n"


@pytest.fixture
def pairs(make_scene: Scene) -> Callable[..., None]:
    """Pictures im0.jpg ... of these numbers with their labels, in two folders."""

    def write(pictures: Path, labels: Path, numbers: Iterable[int]) -> None:
        labels.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            make_scene(pictures / f"im{number}.jpg", number)
            (labels / f"im{number}.txt").write_text(GOOD)

    return write


def lines(numbers: Iterable[int], folder: str = "data/obj") -> str:
    return "".join(f"{folder}/im{number}.jpg\n" for number in numbers)


def splits(dataset: Dataset) -> dict[str, list[int]]:
    """Split -> the numbers of its pictures."""
    return {split: sorted(int(e.path.stem[2:]) for e in found) for split, found in dataset.splits.items()}


def counts(dataset: Dataset) -> dict[str, int]:
    return {split: len(found) for split, found in dataset.splits.items()}


def reported(dataset: Dataset, *kinds: str) -> list[Problem]:
    """The problems of these kinds; all but the cut without any."""
    return [p for p in dataset.problems if p.kind in kinds or (not kinds and p.kind != "split_cut")]


def darknet(root: Path, pairs: Callable[..., None], data: str, **lists: str) -> None:
    """data/obj with 12 pictures, data/obj.data, data/obj.names, and lists in data."""
    pairs(root / "data/obj", root / "data/obj", range(12))
    (root / "data/obj.data").write_text(f"classes = 2\n{data}names = data/obj.names\nbackup = backup/\n")
    (root / "data/obj.names").write_text("cat\ndog\n")
    for name, text in lists.items():
        (root / "data" / f"{name}.txt").write_text(text)


def test_darknets_readme_names_test_txt_for_valid(tmp_path: Path, pairs) -> None:
    # AlexeyAB/darknet, README, and its issues 2220 and 1685
    settings = "train  = data/train.txt\nvalid  = data/test.txt\n"
    darknet(tmp_path, pairs, settings, train=lines(range(8)), test=lines(range(8, 12)))
    own = read.load_own_splits(tmp_path)
    assert splits(own) == {"train": list(range(8)), "val": [8, 9, 10, 11]}
    assert reported(own) == []
    assert counts(read.load(tmp_path)) == {"train": 7, "val": 4, "test": 1}


@pytest.mark.parametrize(
    "valid", ["train.txt", "data/train.txt", "./data/../data/train.txt", "D:\\me\\train.txt", "copy.txt", "link.txt"]
)
def test_one_list_for_train_and_valid_is_train(tmp_path: Path, pairs, valid: str) -> None:
    # AlexeyAB/darknet, README: "if you haven't validation images, just copy train.txt to valid.txt"
    darknet(tmp_path, pairs, f"train = data/train.txt\nvalid = {valid}\n", train=lines(range(12)))
    (tmp_path / "data/copy.txt").write_text(lines(range(11, -1, -1)))
    (tmp_path / "data/link.txt").symlink_to("train.txt")
    dataset = read.load(tmp_path)
    assert counts(dataset) == {"train": 8, "val": 2, "test": 2}
    assert sum(len(e.boxes) for found in dataset.splits.values() for e in found) == 12
    (same,) = reported(dataset, "same_pictures")
    assert (same.file, same.detail) == (
        "data/obj.data",
        "train and val are the same 12 pictures: read as train; val is cut from train",
    )
    assert reported(dataset, "in_two_splits") == []


@pytest.mark.parametrize(
    "settings",
    [
        "path: ../datasets/coco128  # root\ntrain: images/train2017\nval: images/train2017\ntest:  # optional\n",
        "train: images/train2017\nval: ./images/train2017/\n",
        "path: /content/nowhere\ntrain: images/train2017\nval: [images/train2017]\n",
        "train: images/train2017\nval: images/again\n",
    ],
)
def test_coco128_names_one_folder_for_both(tmp_path: Path, pairs, settings: str) -> None:
    # ultralytics/yolov5, issues 1758, 7200, 5242 and 8773
    pairs(tmp_path / "images/train2017", tmp_path / "labels/train2017", range(12))
    (tmp_path / "images/again").symlink_to("train2017")
    (tmp_path / "coco128.yaml").write_text(settings + NAMES)
    dataset = read.load(tmp_path)
    assert counts(dataset) == {"train": 8, "val": 2, "test": 2}
    assert [p.kind for p in reported(dataset, "same_pictures", "in_two_splits")] == ["same_pictures"]


A, B, ALL = list(range(8)), [8, 9, 10, 11], list(range(12))


@pytest.mark.parametrize(
    ("train", "val", "test", "expected", "kinds"),
    [
        ("images/a", "images/b", "images/b", {"train": A, "test": B}, {"same_pictures"}),
        ("images/a", "images/b", "images/a", {"train": A, "val": B}, {"same_pictures"}),
        ("images", "images", "images", {"train": ALL}, {"same_pictures"}),
        ("images", "images/b", None, {"train": A, "val": B}, {"in_two_splits"}),  # a folder in the other
        ("images/a", "images", None, {"train": A, "val": B}, {"in_two_splits"}),
        ("images", "two.txt", None, {"train": ALL[2:], "val": [0, 1]}, {"in_two_splits"}),  # a list in a folder
        ("images/b", "images/a", "images", {"train": B, "val": A}, {"in_two_splits", "same_pictures"}),
        ("images/a", "two.txt", "images/b", {"train": A[2:], "val": [0, 1], "test": B}, {"in_two_splits"}),
        (
            "images/a",
            "images/b",
            "most.txt",
            {"train": [0, 1], "val": B, "test": [2, 3, 4, 5, 6, 7]},
            {"in_two_splits"},
        ),
        ("images/a", "nearly.txt", None, {"train": A}, {"same_pictures"}),  # what it has beside is of neither
    ],
)
def test_all_combinations(
    tmp_path: Path, pairs, train: str, val: str, test: str | None, expected: dict[str, list[int]], kinds: set[str]
) -> None:
    pairs(tmp_path / "images/a", tmp_path / "labels/a", A)
    pairs(tmp_path / "images/b", tmp_path / "labels/b", B)
    (tmp_path / "two.txt").write_text(lines([0, 1], "./images/a"))
    (tmp_path / "most.txt").write_text(lines(range(2, 12), "./images/a"))
    (tmp_path / "nearly.txt").write_text(lines(A, "images/a") + "images/a/im0.jpg\n")
    settings = {"train": train, "val": val} | ({"test": test} if test else {})
    (tmp_path / "data.yaml").write_text(NAMES + "".join(f"{key}: {path}\n" for key, path in settings.items()))
    dataset = read.load_own_splits(tmp_path)
    assert splits(dataset) == expected
    assert {p.kind for p in reported(dataset)} - {"unlisted_picture"} == kinds
    everyone = [number for found in splits(dataset).values() for number in found]
    assert len(everyone) == len(set(everyone))


def test_lists_that_differ_in_a_picture_are_one_list(tmp_path: Path, pairs) -> None:
    darknet(
        tmp_path, pairs, "train = train.txt\nvalid = valid.txt\n", train=lines(range(12)), valid=lines(range(1, 12))
    )
    dataset = read.load_own_splits(tmp_path)  # else train would be one picture
    assert splits(dataset) == {"train": ALL}
    assert [p.kind for p in reported(dataset)] == ["same_pictures"]


@pytest.mark.parametrize("test", ["", "test: ../test/images\n"])
def test_val_is_the_folder_called_test(tmp_path: Path, pairs, test: str) -> None:
    for split, numbers in (("train", A), ("test", B)):
        pairs(tmp_path / split / "images", tmp_path / split / "labels", numbers)
    (tmp_path / "data.yaml").write_text(f"train: ../train/images\nval: ../test/images\n{test}{NAMES}")
    held_out = "test" if test else "val"  # named for both it is test: what is scored last
    assert splits(read.load_own_splits(tmp_path)) == {"train": A, held_out: B}


def test_settings_that_name_another_folder_than_the_one_of_the_name_mean_it(tmp_path: Path, pairs) -> None:
    for split, numbers in (("train", A), ("valid", [8, 9]), ("test", [10, 11])):
        pairs(tmp_path / split / "images", tmp_path / split / "labels", numbers)
    (tmp_path / "data.yaml").write_text(f"train: ../train/images\nval: ../test/images\ntest: ../valid/images\n{NAMES}")
    assert splits(read.load_own_splits(tmp_path)) == {"train": A, "val": [10, 11], "test": [8, 9]}


def test_lists_found_by_name_that_are_copies(tmp_path: Path, pairs) -> None:
    pairs(tmp_path / "images", tmp_path / "labels", range(12))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    for name in ("train", "val", "test"):
        (tmp_path / f"{name}.txt").write_text(lines(range(12), "images"))
    dataset = read.load_own_splits(tmp_path)
    assert splits(dataset) == {"train": ALL}
    assert [p.kind for p in reported(dataset)] == ["same_pictures", "same_pictures"]


def test_coco_jsons_of_the_same_pictures(tmp_path: Path, make_coco: Make) -> None:
    box = (90, 10, 12, 20, 6)
    root = make_coco(tmp_path, {"train": {f"im{i}": [box] for i in range(12)}})
    for split in ("val", "test"):
        (tmp_path / f"instances_{split}.json").write_bytes((root / "train/_annotations.coco.json").read_bytes())
    dataset = read.load_own_splits(root)
    assert splits(dataset) == {"train": ALL}
    assert [p.kind for p in reported(dataset)] == ["same_pictures", "same_pictures"]


VOC_ALL = "".join(f"im{i}\n" for i in range(12))


@pytest.mark.parametrize(
    ("lists", "expected", "kinds"),
    [
        ({"train": VOC_ALL, "val": VOC_ALL}, {"train": ALL}, ["same_pictures"]),
        ({"trainval": VOC_ALL, "val": VOC_ALL}, {"train": ALL}, ["same_pictures"]),
        ({"trainval": VOC_ALL, "val": "im8\n", "test": "im9\n"}, {"train": [*A, 10, 11], "val": [8], "test": [9]}, []),
        ({"train": VOC_ALL, "val": ""}, {"train": ALL}, ["missing_split"]),
        ({"Train": "im0\nim1\n", "Validation": "im2.jpg\n"}, {"train": [0, 1], "val": [2]}, ["unlisted_picture"] * 9),
        (
            {"train": "im0\nim1\nim2\n", "val": "im3\nim4\n", "test": "im3\nim4\n"},
            {"train": [0, 1, 2], "test": [3, 4]},
            ["same_pictures"] + ["unlisted_picture"] * 7,
        ),
    ],
)
def test_voc_lists(
    tmp_path: Path, make_voc: Make, xml, lists: dict[str, str], expected: dict[str, list[int]], kinds: list[str]
) -> None:
    root = make_voc(tmp_path, {f"im{i}": xml(("dog", 1, 1, 9, 9)) for i in range(12)}, lists)
    dataset = read.load_own_splits(root)
    assert splits(dataset) == expected
    assert [p.kind for p in reported(dataset)] == kinds


def test_voc_lists_beside_the_annotations_with_columns(tmp_path: Path, make_scene: Scene, xml) -> None:
    # Oxford-IIIT Pet: tensorflow/models, issues 2875 and 4185
    (tmp_path / "annotations/xmls").mkdir(parents=True)
    for number in range(12):
        make_scene(tmp_path / f"images/im{number}.jpg", number)
        (tmp_path / f"annotations/xmls/im{number}.xml").write_text(xml(("cat", 1, 1, 9, 9)))
    (tmp_path / "annotations/trainval.txt").write_text("".join(f"im{i} 1 1 1\n" for i in A))
    (tmp_path / "annotations/test.txt").write_text("".join(f"im{i} 1 1 1\n" for i in B))
    assert splits(read.load_own_splits(tmp_path)) == {"train": A, "test": B}


def test_cvats_subsets(tmp_path: Path, pairs) -> None:
    # cvat-ai/cvat, issue 4122; open-edge-platform/datumaro, issue 565
    for subset, numbers in (("Train", A), ("Validation", [8, 9]), ("Test", [10, 11])):
        pairs(tmp_path / f"obj_{subset}_data", tmp_path / f"obj_{subset}_data", numbers)
        (tmp_path / f"{subset}.txt").write_text(lines(numbers, f"data/obj_{subset}_data"))
    named = "".join(f"{subset} = data/{subset}.txt\n" for subset in ("Train", "Validation", "Test"))
    (tmp_path / "obj.names").write_text("cat\ndog\n")
    for settings in (f"classes = 2\n{named}names = data/obj.names\n", "classes = 2\nnames = data/obj.names\n"):
        (tmp_path / "obj.data").write_text(settings)
        assert splits(read.load_own_splits(tmp_path)) == {"train": A, "val": [8, 9], "test": [10, 11]}
    (tmp_path / "obj.data").unlink()
    (tmp_path / "data.yaml").write_text(f"{NAMES}path: .\nTrain: Train.txt\nValidation: Validation.txt\n")
    assert splits(read.load_own_splits(tmp_path)) == {"train": A, "val": [8, 9], "test": [10, 11]}


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("train.list", "val.list"),
        ("Train.txt", "Validation.txt"),
        ("autosplit_train.txt", "autosplit_val.txt"),  # ultralytics/yolov5, issue 1579
        ("2007_train.txt", "2007_val.txt"),  # pjreddie/darknet, issue 611
        ("training_list.txt", "validation_list.txt"),
        ("train2017.lst", "val2017.lst"),
    ],
)
def test_names_of_lists(tmp_path: Path, pairs, train: str, val: str) -> None:
    pairs(tmp_path / "images", tmp_path / "labels", range(12))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / train).write_text(lines(A, "/home/me/images"))
    (tmp_path / val).write_text(lines(B, "'images").replace(".jpg", ".jpg'"))
    dataset = read.load_own_splits(tmp_path)
    assert splits(dataset) == {"train": A, "val": B}
    assert reported(dataset) == []


def test_darknets_own_lists_end_in_list(tmp_path: Path, pairs) -> None:
    darknet(tmp_path, pairs, "train = /home/me/darknet/data/t.list\nvalid = data/coco_val_5k.list\n")
    (tmp_path / "data/t.list").write_text(lines(A))
    (tmp_path / "data/coco_val_5k.list").write_text(lines(B))
    assert splits(read.load_own_splits(tmp_path)) == {"train": A, "val": B}


def test_of_lists_for_several_years_all_count(tmp_path: Path, pairs) -> None:
    pairs(tmp_path / "images", tmp_path / "labels", range(12))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    for name, numbers in (("2007_train", A[:4]), ("2012_train", A[4:]), ("2007_test", B)):
        (tmp_path / f"{name}.txt").write_text(lines(numbers, "images"))
    assert splits(read.load_own_splits(tmp_path)) == {"train": A, "test": B}


@pytest.mark.parametrize(
    ("train", "val", "labels"),
    [
        ("images/Train", "images/Validation", "labels/{}"),
        ("train_images", "val_images", "{}_labels"),
        ("images_train", "images_valid", "labels_{}"),
        ("trainset", "testset/../valset", "{}"),
        ("images/train2017", "images/val2017", "labels/{}2017"),
    ],
)
def test_names_of_folders(tmp_path: Path, pairs, train: str, val: str, labels: str) -> None:
    for folder, split, numbers in ((train, "train", A), (val, "val", B)):
        own = tmp_path / folder
        (tmp_path / "testset").mkdir(exist_ok=True)
        pairs(own, own if labels == "{}" else tmp_path / labels.format(split), numbers)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    dataset = read.load_own_splits(tmp_path)
    assert splits(dataset) == {"train": A, "val": B}
    assert sum(len(e.boxes) for found in dataset.splits.values() for e in found) == 12


def test_the_folders_of_the_labels_tell_the_split_too(tmp_path: Path, pairs) -> None:
    pairs(tmp_path / "images", tmp_path / "labels/train", A)
    pairs(tmp_path / "images", tmp_path / "labels/val", B)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert splits(read.load_own_splits(tmp_path)) == {"train": A, "val": B}


@pytest.mark.parametrize("settings", [f"path: .\ntrain: images/train\nval: images/val\nnc: 2\n{NAMES}", NAMES])
@pytest.mark.parametrize("empty", ["images/val", "images/Validation"])
def test_an_empty_val_is_cut_from_train(tmp_path: Path, pairs, settings: str, empty: str) -> None:
    # bnsreenu/digitalsreeni-image-annotator, issue 83; ultralytics/yolov5, issue 273
    pairs(tmp_path / "images/train", tmp_path / "labels/train", range(12))
    (tmp_path / empty).mkdir()
    (tmp_path / "labels/val").mkdir()
    (tmp_path / "data.yaml").write_text(settings.replace("images/val", empty))
    dataset = read.load(tmp_path)
    assert counts(dataset) == {"train": 8, "val": 2, "test": 2}
    assert [(p.kind, p.file) for p in reported(dataset)] == [("missing_split", empty)]


def test_an_empty_list_for_valid_is_cut_from_train(tmp_path: Path, pairs) -> None:
    # AlexeyAB/darknet, issue 2998
    darknet(tmp_path, pairs, "train = train.txt\nvalid = valid.txt\n", train=lines(range(12)), valid="\n")
    dataset = read.load(tmp_path)
    assert counts(dataset) == {"train": 8, "val": 2, "test": 2}
    assert [(p.kind, p.file) for p in reported(dataset)] == [("missing_split", "data/valid.txt")]


def test_an_empty_val_whose_labels_are_there_has_lost_its_pictures(tmp_path: Path, pairs) -> None:
    pairs(tmp_path / "images/train", tmp_path / "labels/train", range(8))
    pairs(tmp_path / "gone", tmp_path / "labels/val", B)
    for number in B:
        (tmp_path / f"gone/im{number}.jpg").unlink()
    (tmp_path / "images/val").mkdir()
    (tmp_path / "data.yaml").write_text(f"train: images/train\nval: images/val\n{NAMES}")
    with pytest.raises(DatasetError, match=r"for split 'val', found none, but 4 label files for them"):
        read.load(tmp_path)


def test_a_list_of_ghosts_is_refused(tmp_path: Path, pairs) -> None:
    ghosts = "data/obj/ghost1.jpg\ndata/obj/ghost2.jpg\n"
    darknet(tmp_path, pairs, "train = train.txt\nvalid = valid.txt\n", train=lines(range(12)), valid=ghosts)
    with pytest.raises(DatasetError, match=r"valid\.txt: expected a list of pictures for split 'val', got 2 lines"):
        read.load(tmp_path)


@pytest.mark.parametrize("settings", ["", "train: images/train\nval: images/val\ntest: images/test\n"])
def test_a_test_set_without_any_label_is_none(tmp_path: Path, pairs, make_scene: Scene, settings: str) -> None:
    for split, numbers in (("train", A), ("val", B)):
        pairs(tmp_path / "images" / split, tmp_path / "labels" / split, numbers)
    for number in range(20, 24):
        make_scene(tmp_path / f"images/test/im{number}.jpg", number)
    (tmp_path / "data.yaml").write_text(settings + NAMES)
    dataset = read.load_own_splits(tmp_path)
    assert splits(dataset) == {"train": A, "val": B}
    assert [p.kind for p in reported(dataset)] == ["missing_split"] + ["unlisted_picture"] * 4


def test_lists_in_a_folder_of_their_own(tmp_path: Path, pairs) -> None:
    pairs(tmp_path / "images", tmp_path / "labels", range(12))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/train.txt").write_text(lines(A, "images"))
    (tmp_path / "splits/val.txt").write_text(lines(B, "images"))
    assert splits(read.load_own_splits(tmp_path)) == {"train": A, "val": B}


def test_settings_beside_the_folder_that_their_path_means(tmp_path: Path, pairs) -> None:
    # As ultralytics' coco128.yaml and coco128.zip are in one folder
    pairs(tmp_path / "coco128/images/train2017", tmp_path / "coco128/labels/train2017", range(12))
    settings = "path: ../datasets/coco128\ntrain: images/train2017\nval: images/train2017\n"
    (tmp_path / "coco128.yaml").write_text(settings + NAMES)
    dataset = read.load_own_splits(tmp_path)
    assert splits(dataset) == {"train": ALL}
    assert [p.kind for p in reported(dataset)] == ["mended_path", "same_pictures"]


def test_a_folder_that_is_missing_is_not_that_of_another_split(tmp_path: Path, pairs) -> None:
    pairs(tmp_path / "val/images", tmp_path / "val/labels", range(12))
    (tmp_path / "data.yaml").write_text(f"train: ../train/images\nval: ../val/images\n{NAMES}")
    with pytest.raises(DatasetError, match=r"train: expected a folder, got '\.\./train/images', which does not exist"):
        read.load(tmp_path)


def test_a_tools_training_is_no_train_split(tmp_path: Path, pairs) -> None:
    pairs(tmp_path / "images", tmp_path / "labels", range(12))
    pairs(tmp_path / "runs/train/exp", tmp_path / "runs/val/exp/labels", range(12, 14))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert splits(read.load_own_splits(tmp_path)) == {"train": ALL}


def test_the_labels_of_a_picture_called_test_are_no_list(tmp_path: Path, pairs) -> None:
    pairs(tmp_path / "images", tmp_path / "labels", range(12))
    for number in range(12):  # 1.jpg: what the label's line begins with
        (tmp_path / f"images/im{number}.jpg").rename(tmp_path / f"images/{number if number else 'test'}.jpg")
        (tmp_path / f"labels/im{number}.txt").rename(tmp_path / f"labels/{number if number else 'test'}.txt")
    (tmp_path / "labels/classes.txt").write_text("cat\ndog\n")
    dataset = read.load_own_splits(tmp_path)
    assert counts(dataset) == {"train": 12}
    assert reported(dataset) == []


@pytest.mark.parametrize("form", ["{}_data", "VisDrone-{}", "1_{}"])
def test_folders_that_may_be_splits_and_are_read_as_train_are_told(tmp_path: Path, pairs, form: str) -> None:
    (tmp_path / "data.yaml").write_text(NAMES)
    for split, numbers in (("train", range(8)), ("val", range(8, 11)), ("test", range(11, 13))):
        pairs(tmp_path / form.format(split) / "images", tmp_path / form.format(split) / "labels", numbers)
    dataset = read.load_own_splits(tmp_path)
    assert counts(dataset) == {"train": 13}
    assert [(p.kind, p.file, p.detail) for p in dataset.problems] == [
        ("unclear_split", form.format("test"), "may be meant as test: its 2 pictures are read as train"),
        ("unclear_split", form.format("val"), "may be meant as val: its 3 pictures are read as train"),
    ]


def test_a_voc_folder_that_may_be_a_split_is_told(tmp_path: Path, make_scene: Scene, xml) -> None:
    for number in range(6):
        folder = tmp_path / ("train_data" if number < 4 else "val_data")
        make_scene(folder / f"im{number}.jpg", number)
        (folder / f"im{number}.xml").write_text(xml(("cat", 10, 12, 30, 18)))
    dataset = read.load_own_splits(tmp_path)
    assert [(p.kind, p.file) for p in dataset.problems] == [("unclear_split", "val_data")]


def test_a_coco_json_of_no_split_beside_that_of_train_is_told(tmp_path: Path, make_scene: Scene) -> None:
    for name, numbers in (("train", range(4)), ("minival", range(4, 6))):
        for number in numbers:
            make_scene(tmp_path / f"images/im{number}.jpg", number)
        document = {
            "images": [{"id": number, "file_name": f"im{number}.jpg"} for number in numbers],
            "categories": [{"id": 1, "name": "cat"}],
            "annotations": [{"image_id": n, "category_id": 1, "bbox": [10, 12, 20, 6]} for n in numbers],
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    dataset = read.load_own_splits(tmp_path)
    detail = "its name says no split, unlike that of train.json: its 2 pictures are read as train"
    assert [(p.kind, p.file, p.detail) for p in dataset.problems] == [("unclear_split", "minival.json", detail)]


def test_a_val_folder_without_usable_pictures_is_not_called_empty(tmp_path: Path, pairs, make_scene: Scene) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    pairs(tmp_path / "images/train", tmp_path / "labels", range(6))
    for number in range(3):  # each label fits two pictures
        make_scene(tmp_path / f"images/val/im{number}.jpg", number + 20)
    dataset = read.load_own_splits(tmp_path)
    assert splits(dataset) == {"train": [3, 4, 5]}
    assert [p.detail for p in reported(dataset, "missing_split")] == ["val: none of its pictures can be used"]
