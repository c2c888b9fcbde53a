"""A label belongs to exactly one picture: masks, copies, names that tools changed, and what is left over.

Where a report is named the layout is the one that it describes.
"""

import json
import random
import urllib.parse
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.dataset import Dataset, DatasetError
from data.readers import pairing
from data.readers.claims import LabelFormat, Pairs
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder
from data.readers.split_names import compatible
from data.sets import check, read

Scene = Callable[..., None]
Label = Callable[[str, int], None]
N = 6


@pytest.fixture
def picture(tmp_path: Path, make_scene: Scene) -> Callable[..., None]:
    """A picture of this number at a path in the folder."""

    def write(place: str, number: int) -> None:
        make_scene(tmp_path / place, number)

    return write


@pytest.fixture
def label(tmp_path: Path) -> Label:
    """A label file with one box, whose height is the number in tenths of the picture, of 30 pixels."""

    def write(place: str, number: int) -> None:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"0 0.5 0.5 0.5 {(number % 9 + 1) / 10}\n")

    return write


@pytest.fixture
def annotation(tmp_path: Path, xml) -> Callable[..., None]:
    """The same box as XML."""

    def write(place: str, number: int, filename: str = "") -> None:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        half = 1.5 * (number % 9 + 1)
        text = xml(("cat", 10, 15 - half, 30, 15 + half))
        path.write_text(text.replace("<annotation>", f"<annotation><filename>{filename}</filename>"))

    return write


@pytest.fixture
def mask(tmp_path: Path) -> Callable[[str, int], None]:
    """A white rectangle on black."""

    def write(place: str, number: int) -> None:
        image = np.zeros((30, 40), np.uint8)
        image[5 : 6 + number % 20, 8:30] = 255
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())

    return write


def loaded(root: Path, format: str | None = None) -> Dataset:
    if not list(root.rglob("*.xml")):
        (root / "classes.txt").write_text("cat\ndog\n")
    return read.load_own_splits(root, format)


def joined(root: Path, dataset: Dataset) -> dict[str, list[int]]:
    """Path of a picture -> the numbers of its boxes."""
    return {
        e.path.relative_to(root).as_posix(): [round(float(h) / 3) - 1 for h in e.boxes[:, 3] - e.boxes[:, 1]]
        for examples in dataset.splits.values()
        for e in examples
    }


def kinds(dataset: Dataset) -> Counter[str]:
    return Counter(problem.kind for problem in dataset.problems)


def expected(pictures: str, numbers: range = range(N)) -> dict[str, list[int]]:
    """The pictures of these numbers, each with the box of its own number."""
    return {pictures.format(number): [number] for number in numbers}


# ---- Pictures that were made from pictures.


@pytest.mark.parametrize(
    ("pictures", "labels", "made"),
    [
        ("images/im{}.jpg", "labels/im{}.txt", "masks/im{}.png"),  # ultralytics/ultralytics, issues 815 and 10218
        ("images/im{}.jpg", "labels/im{}.txt", "images/masks/im{}.png"),
        ("images/im{}.jpg", "labels/im{}.txt", "labels/im{}.png"),  # semantic labels beside those of boxes
        ("images/im{}.jpg", "labels/im{}.txt", "masks/im{}_mask.png"),
        ("images/im{}.jpg", "labels/im{}.txt", "gt/im{}.png"),
        ("images/train/im{}.jpg", "labels/train/im{}.txt", "masks/train/im{}.png"),
        ("photos/im{}.jpg", "yolo/im{}.txt", "depth_maps/im{}.png"),
        ("data/im{}.jpg", "data/im{}.txt", "data/thumbs/im{}.jpg"),
        ("im{}.jpg", "im{}.txt", "im{}_mask.png"),
        ("im{}.jpg", "im{}.txt", "Im{}-DEPTH.png"),
        ("images/im{}.jpg", "labels/im{}.txt", "images/im{}_gt.png"),
        ("images/im{}.jpg", "labels/im{}.txt", "images/result_im{}.jpg"),
        ("train/images/im{}.jpg", "train/labels/im{}.txt", "train/visualizations/im{}.jpg"),
        ("images/im{}.jpg", "labels/im{}.txt", "segmentation/{}_gt.png"),
        ("images/im{}.jpg", "labels/im{}.txt", "runs/train/exp/train_batch{}.jpg"),
    ],
)
def test_masks_of_yolo_are_no_pictures(
    tmp_path: Path, picture, label: Label, mask, pictures: str, labels: str, made: str
) -> None:
    for number in range(N):
        picture(pictures.format(number), number)
        label(labels.format(number), number)
        mask(made.format(number), number)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected(pictures)
    assert kinds(dataset) == {"derived_file": N}
    if Path(made.format(0)).stem.lower().startswith("im0"):
        first = next(problem for problem in dataset.problems if problem.file == made.format(0))
        assert pictures.format(0) in first.detail


@pytest.mark.parametrize(
    ("pictures", "annotations", "made"),
    [
        # tensorflow/models, issues 2875 and 4185: Oxford-IIIT Pet
        ("images/Abyssinian_{}.jpg", "annotations/xmls/Abyssinian_{}.xml", "annotations/trimaps/Abyssinian_{}.png"),
        ("JPEGImages/im{}.jpg", "Annotations/im{}.xml", "SegmentationClass/im{}.png"),  # VOC's own kit
        ("pictures/im{}.jpg", "xml/im{}.xml", "a_first/im{}.png"),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_trimaps_of_voc_are_no_pictures(
    tmp_path: Path, picture, annotation, mask, pictures: str, annotations: str, made: str, named: bool
) -> None:
    for number in range(N):
        picture(pictures.format(number), number)
        annotation(annotations.format(number), number, Path(pictures.format(number)).name if named else "")
        mask(made.format(number), number)
    (tmp_path / made.format("0")).with_name("._hidden.png").write_bytes(b"Mac OS X")
    dataset = loaded(tmp_path)
    assert dataset.format == "voc"
    assert joined(tmp_path, dataset) == expected(pictures)
    assert kinds(dataset) == {"derived_file": N}


def test_the_filename_tells_a_picture_from_a_mask_in_a_folder_of_any_name(
    tmp_path: Path, picture, annotation, mask
) -> None:
    for number in range(N):
        picture(f"one/im{number}.jpg", number)
        mask(f"two/im{number}.png", number)
        annotation(f"three/im{number}.xml", number, f"im{number}.jpg")
    assert joined(tmp_path, loaded(tmp_path)) == expected("one/im{}.jpg")


@pytest.mark.parametrize("folder", ["runs/detect/exp", "runs/segment/predict2", "predictions", "images/checked"])
def test_drawn_predictions_are_no_pictures(tmp_path: Path, picture, label: Label, folder: str) -> None:
    for number in range(N):
        picture(f"images/im{number}.jpg", number)
        label(f"labels/im{number}.txt", number)
        image = cv2.imread(str(tmp_path / f"images/im{number}.jpg"))
        cv2.rectangle(image, (10, 5), (30, 25), (0, 0, 255), 1)
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / f"im{number}.jpg").write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected("images/im{}.jpg")
    assert kinds(dataset) == {"derived_file": N}


@pytest.mark.parametrize("drawn", [False, True])
@pytest.mark.parametrize("folder", ["runs/detect/exp", "my predictions"])
def test_predicted_labels_are_not_truth_beside_labels(
    tmp_path: Path, picture, label: Label, folder: str, drawn: bool
) -> None:
    for number in range(N):
        picture(f"images/im{number}.jpg", number)
        label(f"labels/im{number}.txt" if number < 4 else f"{folder}/labels/im{number}.txt", number)
        if drawn:
            picture(f"{folder}/im{number}.jpg", number)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected("images/im{}.jpg", range(4)) | {
        "images/im4.jpg": [],
        "images/im5.jpg": [],
    }
    assert kinds(dataset) == {"derived_file": 2 + N * drawn, "missing_label_file": 2}


def test_predicted_labels_alone_are_read_and_reported(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"images/im{number}.jpg", number)
        label(f"runs/detect/predict/labels/im{number}.txt", number)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected("images/im{}.jpg")
    assert [(p.kind, p.file) for p in dataset.problems] == [("output_labels", "runs/detect/predict/labels")]


@pytest.mark.parametrize("root", ["images/", ""])
def test_pictures_without_objects_that_have_the_names_of_others(
    tmp_path: Path, picture, label: Label, root: str
) -> None:
    # ultralytics/ultralytics, issue 20440
    for number in range(N):
        picture(f"{root}dogs/{number}.jpg", number)
        label(f"{'labels/' if root else ''}dogs/{number}.txt", number)
        picture(f"{root}not_dogs/{number}.jpg", number + 50)
    dataset = loaded(tmp_path)
    negatives = {f"{root}not_dogs/{number}.jpg": [] for number in range(N)}
    assert joined(tmp_path, dataset) == expected(root + "dogs/{}.jpg") | negatives
    assert kinds(dataset) == {"missing_label_file": N}


def test_masks_that_people_wear_are_pictures(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        for folder, more in (("mask", 0), ("no_mask", 3)):
            picture(f"images/{folder}/{number}.jpg", number + 50 * more)
            label(f"labels/{folder}/{number}.txt", number + more)
    masked = {f"images/mask/{number}.jpg": [number] for number in range(N)}
    bare = {f"images/no_mask/{number}.jpg": [(number + 3) % 9] for number in range(N)}
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == masked | bare
    assert dataset.problems == ()


def test_pictures_without_objects_in_a_folder_of_worn_masks_are_pictures(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"images/mask/{number}.jpg", number)
        label(f"labels/mask/{number}.txt", number)
    picture("images/mask/nobody.jpg", 70)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected("images/mask/{}.jpg") | {"images/mask/nobody.jpg": []}


@pytest.mark.parametrize("pictures", ["images/im{}.jpg", "data/obj/im{}.jpg"])
@pytest.mark.parametrize("stray", ["chart.png", "predictions.jpg", "logo.png"])
def test_pictures_above_the_folders_of_pictures_are_not_used(
    tmp_path: Path, picture, label: Label, pictures: str, stray: str
) -> None:
    # What Darknet leaves in the folder that it is started in
    for number in range(N):
        picture(pictures.format(number), number)
        label(pictures.replace("images", "labels").replace("jpg", "txt").format(number), number)
    picture(stray, 70)
    picture("background/1.jpg", 71)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected(pictures) | {"background/1.jpg": []}
    assert [p.file for p in dataset.problems if p.kind == "unlisted_picture"] == [stray]


def test_thumbnails_of_a_network_disk_are_hidden(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"im{number}.jpg", number)
        label(f"im{number}.txt", number)
        picture(f"@eaDir/im{number}.jpg/SYNOPHOTO_THUMB_M.jpg", number)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected("im{}.jpg")
    assert dataset.problems == ()


def test_originals_beside_an_export_of_other_names_are_no_pictures_without_objects(
    tmp_path: Path, picture, label: Label
) -> None:
    for number in range(N):
        stem = f"im{number}_jpg.rf.{number:032x}"
        picture(f"train/images/{stem}.jpg", number)
        label(f"train/labels/{stem}.txt", number)
        picture(f"train/originals/im{number}.jpg", number)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == {f"train/images/im{n}_jpg.rf.{n:032x}.jpg": [n] for n in range(N)}
    assert kinds(dataset) == {"derived_file": N}


@pytest.mark.parametrize("copy", ["im{} (1).jpg", "im{} - Copy.jpg", "im{}_150x150.jpg", "im{}copy.jpg"])
@pytest.mark.parametrize("same", [True, False])
def test_a_copy_without_a_label_is_no_picture_without_objects(
    tmp_path: Path, picture, label: Label, copy: str, same: bool
) -> None:
    for number in range(N):
        picture(f"images/im{number}.jpg", number)
        label(f"labels/im{number}.txt", number)
        picture("images/" + copy.format(number), number if same else number + 50)
    known = same and copy != "im{}copy.jpg"
    dataset = loaded(tmp_path)
    others = {} if known else {f"images/{copy.format(number)}": [] for number in range(N)}
    assert joined(tmp_path, dataset) == expected("images/im{}.jpg") | others
    assert kinds(dataset) == {"derived_file" if known else "missing_label_file": N}


def test_a_name_of_a_million_letters_is_like_no_other(tmp_path: Path, picture) -> None:
    picture("images/im0.jpg", 0)
    picture("images/im1.jpg", 1)
    coco(tmp_path, "im0.jpg", "im" * 500_000)
    assert kinds(loaded(tmp_path, "coco")) == {"missing_picture": 1, "unlisted_picture": 1}


def test_pictures_in_a_folder_of_masks_alone_are_pictures(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"masks/images/{number}.jpg", number)
        label(f"masks/labels/{number}.txt", number)
    assert joined(tmp_path, loaded(tmp_path)) == expected("masks/images/{}.jpg")


# ---- Two pictures, one label.


@pytest.mark.parametrize(
    ("pictures", "labels"),
    [("images/im{}.jpg", "labels/im{}.txt"), ("im{}.jpg", "im{}.txt"), ("a/im{}.jpg", "b/im{}.txt")],
)
@pytest.mark.parametrize("other", [".png", ".jpeg", ".PNG"])
def test_of_two_suffixes_the_usual_one_has_the_label(
    tmp_path: Path, picture, label: Label, pictures: str, labels: str, other: str
) -> None:
    # cvat-ai/cvat, issue 7523; ryouchinsa/Rectlabel-support, issue 84
    for number in range(N):
        picture(pictures.format(number), number)
        label(labels.format(number), number)
    second = pictures.format(0).removesuffix(".jpg") + other
    picture(second, 77)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected(pictures)
    assert [(p.kind, p.file) for p in dataset.problems] == [("duplicate_stem", second)]
    assert labels.format(0) in dataset.problems[0].detail


def test_a_folder_that_holds_every_picture_twice(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"images/im{number}.jpg", number)
        picture(f"images/im{number}.png", number)
        label(f"labels/im{number}.txt", number)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected("images/im{}.jpg")
    assert kinds(dataset) == {"duplicate_stem": N}


@pytest.mark.parametrize(
    ("pictures", "labels", "masks", "kind"),
    [
        ("im{}.jpg", "im{}.txt", "im{}.png", "duplicate_stem"),
        ("images/im{}.png", "labels/im{}.txt", "images/im{}.bmp", "duplicate_stem"),
        ("one/im{}.jpg", "two/im{}.txt", "three/im{}.png", "derived_file"),
        ("one/im{}.jpg", "one/im{}.txt", "two/im{}.jpg", "derived_file"),
    ],
)
def test_a_mask_is_known_by_its_few_colours(
    tmp_path: Path, picture, label: Label, pictures: str, labels: str, masks: str, kind: str
) -> None:
    for number in range(N):
        picture(pictures.format(number), number)
        label(labels.format(number), number)
        image = np.full((30, 40), 255 * (number % 2), np.uint8)
        path = tmp_path / masks.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected(pictures)
    assert kinds(dataset) == {kind: N}


def test_copies_in_two_folders_are_one_picture(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"jpg/im{number}.jpg", number)
        picture(f"png/im{number}.png", number)
        label(f"boxes/im{number}.txt", number)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected("jpg/im{}.jpg")
    assert kinds(dataset) == {"derived_file": N}


def test_two_pictures_of_one_name_that_nothing_tells_apart_have_no_label(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"images/im{number}.{'jpg' if number % 2 else 'png'}", number)
        label(f"labels/im{number}.txt", number)
    picture("images/im0.jpg", 77)
    picture("images/im1.png", 78)  # as many of each suffix, and they show other things
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == {
        f"images/im{number}.{'jpg' if number % 2 else 'png'}": [number] for number in range(2, N)
    }
    assert sorted((p.kind, p.file) for p in dataset.problems) == [
        ("duplicate_stem", "images/im0.jpg"),
        ("duplicate_stem", "images/im0.png"),
        ("duplicate_stem", "images/im1.jpg"),
        ("duplicate_stem", "images/im1.png"),
        ("missing_picture", "labels/im0.txt"),
        ("missing_picture", "labels/im1.txt"),
    ]
    assert any("fits images/im0.jpg and images/im0.png equally well" in p.detail for p in dataset.problems)


def test_a_label_that_names_the_suffix_belongs_to_that_picture(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"images/im{number}.jpg", number)
        picture(f"images/im{number}.png", number + 50)
        label(f"labels/im{number}.jpg.txt", number)
        label(f"labels/im{number}.png.txt", number + 1)
    dataset = loaded(tmp_path)
    png = {f"images/im{number}.png": [number + 1] for number in range(N)}
    assert joined(tmp_path, dataset) == expected("images/im{}.jpg") | png
    assert dataset.problems == ()


def test_the_filename_of_an_annotation_tells_the_suffix(tmp_path: Path, picture, annotation) -> None:
    for number in range(N):
        picture(f"images/im{number}.jpg", number)
        annotation(f"xml/im{number}.xml", number, f"im{number}.{'png' if number == 0 else 'jpg'}")
    picture("images/im0.png", 77)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected("images/im{}.jpg", range(1, N)) | {"images/im0.png": [0]}
    assert [(p.kind, p.file) for p in dataset.problems] == [("duplicate_stem", "images/im0.jpg")]


@pytest.mark.parametrize(
    ("one", "other", "labels"),
    [
        ("visible/im{}.jpg", "infrared/im{}.jpg", "Annotations/im{}.xml"),  # two cameras, one set of labels
        ("images/a/im{}.jpg", "images/b/im{}.jpg", "labels/im{}.txt"),  # HumanSignal/label-studio, issues 6438, 7096
        ("train/im{}.jpg", "val/im{}.jpg", "labels/im{}.txt"),
    ],
)
def test_a_label_for_two_sets_of_pictures_is_refused_and_both_are_named(
    tmp_path: Path, picture, label: Label, annotation, one: str, other: str, labels: str
) -> None:
    for number in range(N):
        picture(one.format(number), number)
        picture(other.format(number), number + 50)
        (annotation if labels.endswith("xml") else label)(labels.format(number), number)
    with pytest.raises(DatasetError, match=r"fits .* equally well") as caught:
        loaded(tmp_path)
    assert {one.format(0), other.format(0)} <= set(str(caught.value).split())
    assert check.check_dataset(tmp_path).error is not None


def test_a_list_decides_between_two_sets_of_pictures(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"jpgs/im{number}.jpg", number)
        picture(f"pngs/im{number}.png", number)
        label(f"labels/im{number}.txt", number)
    (tmp_path / "train.txt").write_text("".join(f"pngs/im{number}.png\n" for number in range(N)))
    (tmp_path / "data.yaml").write_text("train: train.txt\nnames: [cat, dog]\n")
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected("pngs/im{}.png")


# ---- Two labels, one picture.


def test_a_second_set_of_labels_is_named(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"images/im{number}.jpg", number)
        label(f"labels/im{number}.txt", number)
        label(f"labels_v2/im{number}.txt", number + 1)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected("images/im{}.jpg")
    assert [(p.kind, p.file, p.detail) for p in dataset.problems] == [
        (
            "duplicate_annotation",
            f"labels_v2/im{number}.txt",
            f"fits the picture images/im{number}.jpg, which has the label labels/im{number}.txt; not used",
        )
        for number in range(N)
    ]


@pytest.mark.parametrize("both", [N, 2])
def test_two_sets_of_labels_that_fit_equally_stop_a_search(tmp_path: Path, picture, label: Label, both: int) -> None:
    for number in range(N):
        picture(f"photos/im{number}.jpg", number)
        label(f"alice/im{number}.txt", number)
        if number < both:
            label(f"bob/im{number}.txt", number + 1)
    with pytest.raises(DatasetError, match=r"alice/im0\.txt .*bob/im0\.txt"):
        loaded(tmp_path)
    if both < N:
        dataset = read.load_own_splits(tmp_path, strict=False)
        assert joined(tmp_path, dataset) == expected("photos/im{}.jpg", range(both, N))  # no true negatives
        assert kinds(dataset) == {"ambiguous_label": 3 * both}


def test_texts_of_another_kind_are_no_second_labels(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"photos/im{number}.jpg", number)
        label(f"boxes/im{number}.txt", number)
        (tmp_path / "captions").mkdir(exist_ok=True)
        (tmp_path / f"captions/im{number}.txt").write_text("a cat on a mat\n")
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected("photos/im{}.jpg")
    assert dataset.problems == ()


def test_folders_of_one_name_but_for_the_words_for_pictures_and_labels_belong_together(
    tmp_path: Path, picture, label: Label
) -> None:
    for folder, more in (("a", 0), ("b", 3)):
        for number in range(N):
            picture(f"images_{folder}/{number}.jpg", number + 50 * more)
            label(f"labels_{folder}/{number}.txt", number + more)
    assert joined(tmp_path, loaded(tmp_path)) == {
        f"images_{folder}/{number}.jpg": [(number + more) % 9]
        for folder, more in (("a", 0), ("b", 3))
        for number in range(N)
    }


# ---- Names that tools changed.


@pytest.mark.parametrize(
    ("pictures", "labels"),
    [
        ("images/IMG_{}.JPG", "labels/img_{}.txt"),  # roboflow/roboflow-python: its test set chess
        ("images/im{}.jpg", "labels/im{}.jpg.txt"),
        ("images/im{}.webp.jpg", "labels/im{}.txt"),  # pylabel-project/pylabel, issue 49
        ("obj/im{}.jpg", "obj/im{}.xml.txt"),  # pjreddie/darknet, issue 1726
        ("obj/im{}.jpg.jpg", "obj/im{}.jpg.txt"),  # pjreddie/darknet, issue 944
        ("images/Capture_d\u00e9cran {}.jpg", "labels/" + urllib.parse.quote("Capture_d\u00e9cran") + "%20{}.txt"),
        ("images/a b {}.jpg", "labels/files%5Csub%2Fa%20b%20{}.txt"),
        ("Images/IMG {}.JPEG", "Labels/Img%20{}.jpeg.TXT"),
        ("images/100% {}.jpg", "labels/100% {}.txt"),
    ],
)
def test_another_spelling_of_a_name(tmp_path: Path, picture, label: Label, pictures: str, labels: str) -> None:
    for number in range(N):
        picture(pictures.format(number), number)
        label(labels.format(number), number)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected(pictures)
    assert dataset.problems == ()


MARK = "{0:04x}ab1f"
HASH = "{0:032x}"


@pytest.mark.parametrize(
    ("pictures", "labels"),
    [
        ("images/im{0}.jpg", f"labels/{MARK}-im{{0}}.txt"),  # HumanSignal/label-studio, issue 5438
        ("images/my im{0}.jpg", f"labels/{MARK}__my_im{{0}}.txt"),
        (f"images/{MARK}-im{{0}}.jpg", "labels/im{0}.txt"),
        ("images/im{0}.jpg", f"labels/im{{0}}_jpg.rf.{HASH}.txt"),  # Roboflow
        (f"images/my-im{{0}}_png.rf.{HASH}.jpg", "labels/my im{0}.txt"),
        ("images/im{0}.jpg", "labels/0{0}2d9ea2-a2a7-4a13-8d57-138404fcca2a_im{0}.txt"),
    ],
)
def test_a_tools_marks(tmp_path: Path, picture, label: Label, pictures: str, labels: str) -> None:
    for number in range(N):
        picture(pictures.format(number), number)
        label(labels.format(number), number)
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset) == expected(pictures)
    assert kinds(dataset) == {"likely_name": N}
    assert pictures.format(0) in dataset.problems[0].detail


@pytest.mark.parametrize(
    ("pictures", "labels"),
    [
        (["im.jpg"], ["1a2b3c4d-im.txt", "9f8e7d6c-im.txt"]),
        (["1a2b3c4d-im.jpg", "9f8e7d6c-im.jpg"], ["im.txt"]),
        (["im_jpg.rf.0123456789abcdef.jpg"], ["im_jpg.rf.fedcba9876543210.txt"]),  # another version: turned, it may be
        (["20240131-im.jpg"], ["im.txt"]),  # a date is no mark
        (["IMG.jpg", "img.jpg"], ["Img.txt"]),
        (["batch_im.jpg"], ["im.txt"]),
    ],
)
def test_a_name_that_may_be_another_is_not_joined_and_both_are_named(
    tmp_path: Path, picture, label: Label, pictures: list[str], labels: list[str]
) -> None:
    for number in range(N):
        picture(f"images/other{number}.jpg", number)
        label(f"labels/other{number}.txt", number)
    for number, name in enumerate(pictures):
        picture(f"images/{name}", number + 60)
    for name in labels:
        label(f"labels/{name}", 8)
    dataset = read.load_own_splits(tmp_path, strict=False)
    assert not any(8 in numbers for numbers in joined(tmp_path, dataset).values())
    reported = " ".join(f"{problem.file} {problem.detail}" for problem in dataset.problems)
    assert all(name.removesuffix(".jpg") in reported for name in (*pictures, *labels))


def test_an_annotation_of_another_name_is_joined_by_its_filename(tmp_path: Path, picture, annotation) -> None:
    # weecology/DeepForest, issue 157; tensorflow/models, issue 5023
    for number in range(N):
        picture(f"images/DSC_{number:04}.jpg", number)
        annotation(f"anns/{number}.xml", number, f"C:\\me\\DSC_{number:04}.jpg" if number % 2 else f"DSC_{number:04}")
    dataset = read.load_own_splits(tmp_path)
    assert dataset.format == "voc"
    assert joined(tmp_path, dataset) == {f"images/DSC_{number:04}.jpg": [number] for number in range(N)}
    assert dataset.problems == ()


def test_lists_name_such_an_annotation_or_its_picture(tmp_path: Path, picture, annotation) -> None:
    for number in range(N):
        picture(f"JPEGImages/DSC_{number}.jpg", number)
        annotation(f"Annotations/x{number}.xml", number, f"DSC_{number}.jpg")
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    (tmp_path / "ImageSets/Main/train.txt").write_text("x0\nx1\nDSC_2\nx3\n")
    (tmp_path / "ImageSets/Main/val.txt").write_text("x4\nx5\n")
    dataset = read.load_own_splits(tmp_path)
    assert [e.path.stem for e in dataset.splits["train"]] == ["DSC_0", "DSC_1", "DSC_2", "DSC_3"]
    assert dataset.problems == ()


def test_a_stem_comes_before_a_filename_that_was_not_changed(tmp_path: Path, picture, annotation) -> None:
    for number in range(N):  # frames that were numbered anew
        picture(f"images/{number}.jpg", number)
        annotation(f"anns/{number}.xml", number, f"{number - 1}.jpg")
    assert joined(tmp_path, loaded(tmp_path)) == expected("images/{}.jpg")


def test_one_filename_in_every_annotation_joins_none(tmp_path: Path, picture, annotation) -> None:
    for number in range(N):
        picture(f"images/DSC_{number}.jpg", number)
        annotation(f"anns/{number}.xml", number, "DSC_0.jpg")
    with pytest.raises(DatasetError, match=r"anns/0\.xml fits images/DSC_0\.jpg, as anns/1\.xml and"):
        loaded(tmp_path)


# ---- What is left over.


def test_what_is_left_is_named_with_its_likeliest_partner(tmp_path: Path, picture, label: Label) -> None:
    for number in range(N):
        picture(f"images/frame_{number:06}.jpg", number)
        label(f"labels/frame_{number:06}.txt" if number < 4 else f"labels/frame_{number}.txt", number)
    dataset = loaded(tmp_path)
    assert [(p.kind, p.file, p.detail) for p in dataset.problems] == [
        (
            "missing_label_file",
            f"labels/frame_{number:06}.txt",
            f"no label file (the likeliest is labels/frame_{number}.txt): read as a picture without objects",
        )
        for number in (4, 5)
    ] + [
        (
            "missing_picture",
            f"labels/frame_{number}.txt",
            f"no picture 'frame_{number}' (the likeliest is images/frame_{number:06}.jpg); skipped",
        )
        for number in (4, 5)
    ]


def test_so_is_what_is_left_of_voc(tmp_path: Path, picture, annotation) -> None:
    for number in range(N):
        picture(f"JPEGImages/im-{number}.jpg", number)
        annotation(f"Annotations/im-{number}.xml" if number else "Annotations/im_0.xml", number)
    details = {p.kind: p.detail for p in loaded(tmp_path).problems}
    assert details == {
        "missing_picture": "no picture 'im_0' (the likeliest is JPEGImages/im-0.jpg); skipped",
        "missing_annotation": "no im-0.xml (the likeliest is Annotations/im_0.xml); skipped",
    }


def test_a_label_does_not_go_to_a_picture_in_another_films_folder(tmp_path: Path, picture, label: Label) -> None:
    for film in range(3):
        for number in range(4):
            picture(f"images/film{film}/{number:03}.jpg", number + 10 * film)
            label(f"labels/film{film}/{number:03}.txt", number)
    (tmp_path / "images/film1/003.jpg").unlink()
    (tmp_path / "labels/film2/003.txt").unlink()
    dataset = loaded(tmp_path)
    assert joined(tmp_path, dataset)["images/film2/003.jpg"] == []
    assert sorted((p.kind, p.file) for p in dataset.problems) == [
        ("missing_label_file", "labels/film2/003.txt"),
        ("missing_picture", "labels/film1/003.txt"),
    ]


def coco(root: Path, *names: str) -> None:
    """An entry for each name, with one box whose height is the number in the name."""
    heights = [3 * (number % 9 + 1) for number in range(len(names))]
    document = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "annotations": [
            {"image_id": number, "category_id": 1, "bbox": [10, 1, 20, height]} for number, height in enumerate(heights)
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (root / "labels.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    "name",
    ["..\\/..\\/upload\\/1\\/{:04x}ab1f-im{}.jpg", "images%2Fim{1}.jpg", "IM{1}.JPG", "im{1}_jpg.rf.{:032x}.jpg"],
)
def test_names_in_a_json_that_tools_changed(tmp_path: Path, picture, name: str) -> None:
    for number in range(N):
        picture(f"images/im{number}.jpg", number)
    names = [name.replace("{1}", str(n)).replace("{}", str(n)).replace("{:04x}", f"{n:04x}") for n in range(N)]
    coco(tmp_path, *(each.replace("{:032x}", f"{number:032x}") for number, each in enumerate(names)))
    assert joined(tmp_path, loaded(tmp_path, "coco")) == expected("images/im{}.jpg")


def test_an_entry_does_not_take_the_picture_of_another(tmp_path: Path, picture) -> None:
    for number in range(N):
        picture(f"images/im{number}.jpg", number)
    coco(tmp_path, *(f"im{number}.jpg" for number in range(N)), "im0.png")
    dataset = loaded(tmp_path, "coco")
    assert joined(tmp_path, dataset) == expected("images/im{}.jpg")
    assert [(p.kind, p.detail) for p in dataset.problems] == [
        ("missing_picture", "'im0.png': images/im0.jpg belongs to another entry; skipped")
    ]


def test_two_entries_that_may_mean_one_picture_have_none(tmp_path: Path, picture) -> None:
    for number in range(3):
        picture(f"images/im{number}.jpg", number)
    coco(tmp_path, "im0.jpg", "im1.jpg", "1a2b3c4d-im2.jpg", "9f8e7d6c-im2.jpg")
    dataset = loaded(tmp_path, "coco")
    assert joined(tmp_path, dataset) == expected("images/im{}.jpg", range(2))
    assert kinds(dataset) == {"missing_picture": 2, "unlisted_picture": 1}


def test_an_entry_means_the_picture_and_not_its_mask(tmp_path: Path, picture, mask) -> None:
    for number in range(N):
        picture(f"images/im{number}.png", number)
        mask(f"masks/im{number}.png", number)
    coco(tmp_path, *(f"im{number}.png" for number in range(N)))
    dataset = loaded(tmp_path, "coco")
    assert joined(tmp_path, dataset) == expected("images/im{}.png")
    assert kinds(dataset) == {"unlisted_picture": N}


PLACES = st.lists(
    st.tuples(
        st.sampled_from(
            ["", "images", "labels", "a", "b", "train", "val", "masks", "images/a", "labels/a", "runs/detect"]
        ),
        st.sampled_from(["1", "2", "A", "a", "1a2b3c4d-1", "1_jpg.rf.0123456789abcdef", "1.jpg", "%31", "1_mask"]),
        st.sampled_from([".jpg", ".png", ".txt", ".TXT"]),
    ),
    max_size=25,
    unique=True,
)


@given(PLACES, st.randoms(use_true_random=False))
def test_whatever_lies_where_a_label_has_one_picture_and_a_picture_one_label(
    places: list[tuple[str, str, str]], chance: random.Random
) -> None:
    files = [
        DatasetFile(Path(folder, file), PurePosixPath(folder, file), Path("/x", folder, file))
        for folder, name, suffix in places
        for file in (name + suffix,)
    ]

    def paired() -> Pairs:
        ordered = sorted(files, key=lambda file: file.relative_path.parts)
        pictures = tuple(file for file in ordered if file.suffix != ".txt")
        labels = tuple(file for file in ordered if file.suffix == ".txt")
        return pairing.pair(Folder(Path("/x"), pictures, labels), labels, LabelFormat("labels"))

    pairs = paired()
    assert {label: picture for picture, label in pairs.label_of.items()} == pairs.picture_of
    for outcome in (pairs.ties, pairs.surplus):
        assert not pairs.picture_of.keys() & outcome.keys()
    for picture, label in pairs.label_of.items():
        assert compatible(picture.folder, label.folder)
    chance.shuffle(files)
    assert paired() == pairs
