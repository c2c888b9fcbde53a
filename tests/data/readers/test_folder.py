"""Walking a folder, and which file a name means."""

import cProfile
import os
import pstats
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import pytest

from data.dataset import DatasetError
from data.readers import pairing, split_names, walking
from data.readers.folder import Folder
from data.sets import read

Make = Callable[..., Path]
GOOD = "1 0.5 0.5 0.5 0.2\n"


def made(root: Path, *places: str) -> Folder:
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(b"x")
    return walking.walk(root)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", "one/a.jpg"),
        ("a", "one/a.jpg"),
        ("A.JPG", "one/a.jpg"),
        ("a.png", "one/a.jpg"),  # converted since it was labelled
        ("../../etc/a.jpg", "one/a.jpg"),  # only the last part counts
        ("C:\\data\\a.jpg", "one/a.jpg"),
        ("x.y #1", "one/x.y #1.png"),
        ("x.y #1.png", "one/x.y #1.png"),
        ("x.png", None),
        ("", None),
        ("..", None),
        ("/", None),
        ("two/b.jpg", "two/b.jpg"),
        ("/elsewhere/two/b.jpg", "two/b.jpg"),
        ("/elsewhere/b.jpg", None),  # two of them, and nothing to choose by
    ],
)
def test_which_picture_a_name_means(tmp_path: Path, name: str, expected: str | None) -> None:
    folder = made(tmp_path, "one/a.jpg", "one/b.jpg", "one/x.y #1.png", "two/b.jpg")
    found = folder.find_picture(name)
    assert (str(found.relative_path) if found else None) == expected


@pytest.mark.parametrize(
    ("near", "expected"),
    [
        ("images/train", "images/train/1.jpg"),
        ("labels/train", "images/train/1.jpg"),
        ("images", None),
        ("annotations", None),
    ],
)
def test_the_nearest_of_several(tmp_path: Path, near: str, expected: str | None) -> None:
    folder = made(tmp_path, "images/train/1.jpg", "images/val/1.jpg")
    found = folder.find_picture("1", PurePosixPath(near))
    assert (str(found.relative_path) if found else None) == expected
    assert str(getattr(folder.find_picture("1.jpg", split="val"), "relative_path", None)) == "images/val/1.jpg"


@pytest.mark.parametrize(
    ("name", "split", "expected"),
    [
        ("1.jpg", "val", "valid/images/1.jpg"),
        ("/home/x/images/1.jpg", "val", "valid/images/1.jpg"),  # its folder is that of both
        ("train/images/1.jpg", "val", "train/images/1.jpg"),  # the name itself says more
        ("1.jpg", None, None),
    ],
)
def test_the_split_decides_where_the_name_does_not(
    tmp_path: Path, name: str, split: str | None, expected: str | None
) -> None:
    folder = made(tmp_path, "train/images/1.jpg", "valid/images/1.jpg")
    found = folder.find_picture(name, PurePosixPath("lists"), split)
    assert (str(found.relative_path) if found else None) == expected


@pytest.mark.parametrize(
    ("name", "near", "expected"),
    [
        ("film77/001.jpg", "", "images/film77/001.jpg"),
        ("/elsewhere/film77/001.jpg", "", "images/film77/001.jpg"),
        ("D:\\film77\\front\\002.jpg", "", "film77/front/002.jpg"),
        ("001", "Annotations/film77", "images/film77/001.jpg"),
        ("001.jpg", "", "001.jpg"),
        ("001.jpg", "elsewhere", None),
        ("film500/001.jpg", "elsewhere", None),
    ],
)
def test_a_frame_of_many_films_is_found_by_its_film(tmp_path: Path, name: str, near: str, expected: str | None) -> None:
    films = [place for i in range(300) for place in (f"images/film{i}/001.jpg", f"film{i}/front/002.jpg")]
    folder = made(tmp_path, "001.jpg", *films)
    found = folder.find_picture(name, PurePosixPath(near))
    assert (str(found.relative_path) if found else None) == expected


def test_letters_of_two_signs_are_those_of_one(tmp_path: Path) -> None:
    apart, composed = unicodedata.normalize("NFD", "größe 강아지"), unicodedata.normalize("NFC", "größe 강아지")
    folder = made(tmp_path, f"{apart}.jpg")
    assert folder.find_picture(f"{composed}.jpg") is not None
    assert folder.find_picture(apart) is not None


def test_hidden_files_are_none_of_a_data_sets(tmp_path: Path) -> None:
    folder = made(tmp_path, "a.jpg", "._a.jpg", ".git/b.jpg", "__MACOSX/c.jpg")
    assert [str(file.relative_path) for file in folder.pictures] == ["a.jpg"]


def test_links_that_hold_themselves_are_not_followed(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path / "mine", {"train": {"a": GOOD}, "val": {"b": GOOD}, "test": {"c": GOOD}})
    (root / "train" / "again").symlink_to(root, target_is_directory=True)
    (root / "val" / "up").symlink_to("..", target_is_directory=True)
    (root / "test" / "disk").symlink_to("/", target_is_directory=True)
    (root / "test" / "self").symlink_to("self", target_is_directory=True)
    dataset = read.load(root)
    assert sum(len(examples) for examples in dataset.splits.values()) == 3
    assert sorted((p.kind, p.file) for p in dataset.problems) == [
        ("link_loop", "test/disk"),
        ("link_loop", "test/self"),
        ("link_loop", "train/again"),
        ("link_loop", "val/up"),
    ]


def test_a_linked_folder_elsewhere_is_read_once(tmp_path: Path, make_yolo: Make) -> None:
    store = make_yolo(tmp_path / "store", {"train": {"a": GOOD}, "val": {"b": GOOD}, "test": {"c": GOOD}})
    (store / "train" / "loop").symlink_to(store, target_is_directory=True)
    root = tmp_path / "mine"
    root.mkdir()
    (root / "data.yaml").write_text("names: [cat, dog]\n")
    for split in ("train", "val", "test"):
        (root / split).symlink_to(store / split, target_is_directory=True)
    (root / "valid again").symlink_to(store / "val", target_is_directory=True)
    assert [str(file.relative_path) for file in walking.walk(root).pictures] == [
        "test/images/c.png",
        "train/images/a.png",
        "val/images/b.png",
    ]
    dataset = read.load(root)
    assert {split: len(examples) for split, examples in dataset.splits.items()} == {"train": 1, "val": 1, "test": 1}
    assert [(p.kind, p.file) for p in dataset.problems] == [
        ("repeated_link", "valid again"),
        ("link_loop", "train/loop"),
    ]


def test_a_link_that_leads_to_nothing_is_reported(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path / "mine", {"train": {"a": GOOD}, "val": {"b": GOOD}, "test": {"c": GOOD}})
    (root / "train" / "images" / "d.png").symlink_to("/moved/d.png")
    (root / "more").symlink_to("../gone", target_is_directory=True)
    found = [(p.kind, p.file, p.detail) for p in read.load(root).problems]
    assert found == [
        ("broken_link", "more", f"leads to {(tmp_path / 'gone').resolve()}, where nothing is; skipped"),
        ("broken_link", "train/images/d.png", "leads to /moved/d.png, where nothing is; skipped"),
    ]


def test_a_folder_of_links_that_lead_to_nothing_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to("/moved/a.jpg")
    with pytest.raises(DatasetError, match=r"without pictures, and links that lead to nothing \(1, the first a.jpg\)"):
        read.load(tmp_path)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    made(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "b.jpg")  # reading it would wait for ever
    (tmp_path / "c.jpg").symlink_to("/dev/zero")
    (tmp_path / "d.jpg").symlink_to(tmp_path / "nothing")
    assert [str(file.relative_path) for file in walking.walk(tmp_path).pictures] == ["a.jpg"]


@pytest.mark.parametrize(
    ("place", "split"),
    [
        ("train/images/a.jpg", "train"),
        ("images/Valid/a.jpg", "val"),
        ("images/val2017/a.jpg", "val"),
        ("test/b/a.jpg", "test"),
        ("train/old/test/a.jpg", "test"),
        ("training_data/a.jpg", None),
        ("train.jpg", None),
    ],
)
def test_the_split_of_a_place(place: str, split: str | None) -> None:
    assert split_names.split_of_folder(PurePosixPath(place)) == split


@pytest.mark.parametrize(
    ("stem", "split"),
    [
        ("instances_val2017", "val"),
        ("train", "train"),
        ("my-test.coco", "test"),
        ("_annotations.coco", None),
        ("trainer", None),
    ],
)
def test_the_split_in_a_name(stem: str, split: str | None) -> None:
    assert split_names.split_from_words(stem) == split


def test_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DatasetError, match="a folder without pictures"):
        walking.walk(tmp_path)


def calls(root: Path, expected: int) -> int:
    """How many function calls the reading of this folder takes: a measure of work that no busy machine changes."""
    profile = cProfile.Profile()
    dataset = profile.runcall(read.load_own_splits, root)
    assert [len(examples) for examples in dataset.splits.values()] == [expected]
    assert dataset.problems == ()
    return pstats.Stats(profile).total_calls  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["coco", "voc", "yolo", "list"])
@pytest.mark.parametrize("films", [False, True])  # as many folders as pictures in each, with the same names
def test_work_grows_with_the_number_of_files_and_not_with_its_square(
    tmp_path: Path, make_picture: Callable[..., None], xml: Callable[..., str], kind: str, films: bool
) -> None:
    counted = {}
    for number in (200, 1600):
        root = tmp_path / f"{number}"
        side = round(number**0.5)
        names = [f"film{i // side}/{i % side:04d}" if films else f"{i:04d}" for i in range(number)]
        make_picture(tmp_path / "one.png")
        for name in names:
            (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            os.link(tmp_path / "one.png", root / "images" / f"{name}.png")
        write_labels(root, kind, names, xml(("dog", 1, 1, 9, 9)))
        counted[number] = calls(root, number)
    assert counted[1600] < 8.8 * counted[200]


@pytest.mark.parametrize("kind", ["voc", "yolo"])
def test_pictures_and_labels_are_paired_once_though_the_format_is_detected_first(
    tmp_path: Path, make_picture: Callable[..., None], xml: Callable[..., str], monkeypatch, kind: str
) -> None:
    for number, name in enumerate("abcd"):
        make_picture(tmp_path / f"images/{name}.png", value=40 * number)
    write_labels(tmp_path, kind, "abcd", xml(("dog", 1, 1, 9, 9)))
    paired: list[object] = []  # the labels of each pairing; a format without any pairs nothing
    pair = pairing.pair

    def counted(folder: Folder, labels: Sequence[object], *rest: object, **named: object) -> object:
        paired.append(labels)
        return pair(folder, labels, *rest, **named)

    monkeypatch.setattr(pairing, "pair", counted)
    assert len(read.load_own_splits(tmp_path).splits["train"]) == 4
    assert len([labels for labels in paired if labels]) == 1


def test_so_does_the_work_with_pictures_that_nobody_lists(tmp_path: Path, make_voc: Make, xml) -> None:
    counted = {}
    for number in (10, 40):  # films of as many frames
        root = make_voc(tmp_path / f"{number}", dict.fromkeys("ab", xml(("dog", 1, 1, 9, 9))), {"train": "a\nb\n"})
        for i in range(number**2):
            frame = root / "films" / f"{i // number}" / f"{i % number}.jpg"
            frame.parent.mkdir(parents=True, exist_ok=True)
            os.link(root / "JPEGImages" / "a.jpg", frame)
        profile = cProfile.Profile()
        dataset = profile.runcall(read.load_own_splits, root)
        assert [p.kind for p in dataset.problems] == ["unlisted_picture"] * number**2
        counted[number] = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    assert counted[40] < 17 * counted[10]


def write_labels(root: Path, kind: str, names: Sequence[str], xml: str) -> None:
    number = len(names)
    if kind == "coco":
        images = ",".join(f'{{"id": {i}, "file_name": "{name}.png"}}' for i, name in enumerate(names))
        boxes = ",".join(f'{{"image_id": {i}, "category_id": 1, "bbox": [1, 1, 9, 9]}}' for i in range(number))
        document = f'{{"images": [{images}], "annotations": [{boxes}], "categories": [{{"id": 1, "name": "dog"}}]}}'
        (root / "train.json").write_text(document)
        return
    labels = root / ("Annotations" if kind == "voc" else "labels")
    labels.mkdir()
    for name in names:
        (labels / name).parent.mkdir(exist_ok=True)
        (labels / f"{name}.{'xml' if kind == 'voc' else 'txt'}").write_text(xml if kind == "voc" else GOOD)
    if kind != "voc":
        (root / "classes.txt").write_text("cat\ndog\n")
    if kind == "list":
        (root / "train.txt").write_text("".join(f"/x/{name}.png\n" for name in names))
