"""Class names of YOLO data sets in several files, and in the forms that people write."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data.dataset import Dataset, DatasetError
from data.sets import read

Make = Callable[..., Path]
CAT, DOG, COW = ("0 .2 .5 .2 .2\n", "1 .5 .5 .2 .2\n", "2 .8 .5 .2 .2\n")
BOTH = CAT + DOG
DARKNET = "classes = 2\ntrain = train.txt\nnames = obj.names\n"


def classes_of(dataset: Dataset) -> dict[str, list[str]]:
    return {
        split: [dataset.class_names[number] for e in found for number in e.classes]
        for split, found in dataset.splits.items()
    }


@pytest.fixture
def make(tmp_path: Path, make_picture: Callable[..., None]) -> Callable[..., Path]:
    """Pictures in train and valid with their labels beside them, as labelImg leaves them; files: path -> text."""

    def make(files: dict[str, str], labels: str = BOTH) -> Path:
        for number, (split, stems) in enumerate((("train", "abc"), ("valid", "de"))):
            for stem in stems:
                make_picture(tmp_path / split / f"{stem}.jpg", value=20 + 40 * number)
                (tmp_path / split / f"{stem}.txt").write_text(labels)
        for place, text in files.items():
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place).write_text(text)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("files", "one", "other"),
    [
        ({"train/classes.txt": "cat\ndog\n", "valid/classes.txt": "dog\ncat\n"}, "train/classes.txt", "valid/classes"),
        ({"data.yaml": "names: [cat, dog]\n", "classes.txt": "dog\ncat\n"}, "data.yaml", "classes.txt"),
        ({"data.yaml": "names: [cat, dog]\n", "train/classes.txt": "dog\ncat\n"}, "data.yaml", "train/classes.txt"),
        ({"data.yaml": "names: [cat, dog]\n", "obj.names": "cat\ncow\n"}, "data.yaml", "obj.names"),
        ({"data.yaml": "names: [cat, dog]\n", "obj.data": DARKNET, "obj.names": "dog\ncat\n"}, "data.yaml", "obj."),
        ({"obj.data": DARKNET, "obj.names": "dog\ncat\n", "classes.txt": "cat\ndog\n"}, "obj.data", "classes.txt"),
        ({"data.yaml": "names: [cat, dog]\n", "old.yaml": "names: [dog, cat]\nnc: 2\n"}, "data.yaml", "old.yaml"),
        ({"mine.names": "cat\ndog\n", "yours.names": "dog\ncat\n"}, "mine.names", "yours.names"),
        ({"data.yaml": "names: [cat, dog]\n", "train/Classes.TXT": "dog\ncat\n"}, "data.yaml", "train/Classes.TXT"),
        ({"meta/classes.txt": "cat\ndog\n", "config/obj.names": "dog\ncat\n"}, "config/obj.names", "meta/classes.txt"),
        ({"_darknet.labels": "cat\ndog\n", "classes.txt": "dog\ncat\n"}, "_darknet.labels", "classes.txt"),
    ],
)
def test_lists_of_another_order_are_refused_by_both_names(
    make: Callable[..., Path], files: dict[str, str], one: str, other: str
) -> None:
    root = make(files | {"train.txt": "train/a.jpg\ntrain/b.jpg\ntrain/c.jpg\n"})
    with pytest.raises(DatasetError, match="expected one list of classes, got two that disagree") as caught:
        read.load_own_splits(root)
    assert one in str(caught.value)
    assert other in str(caught.value)
    assert "class " in str(caught.value)
    with pytest.raises(DatasetError, match="two that disagree"):
        read.load_own_splits(root, strict=False)


@pytest.mark.parametrize(
    "files",
    [
        {"train/classes.txt": "cat\ndog\n", "valid/classes.txt": "cat\ndog\n"},
        {"data.yaml": "names: [Cat, black dog]\n", "classes.txt": "cat\nblack_dog\n"},  # only spelled otherwise
        {"data.yaml": "names: ['0', '1']\n", "classes.txt": "cat\ndog\n"},  # numbers name nothing
        {"data.yaml": "names: [cat, dog]\n", "notes/classes.txt": "dog\ncat\n"},  # on no label's way
        {"classes.txt": "cat\ndog\n", "predefined_classes.txt": "dog\nperson\ncat\n"},  # labelImg's own
        {"obj.data": DARKNET, "obj.names": "cat\ndog\n", "coco.names": "person\nbicycle\n"},  # Darknet's own
        {"obj.names": "cat\ndog\n", "coco.names": "person\nbicycle\n"},
        {"data.yaml": "names: [cat, dog]\n", "old.yaml": "names: {broken\nnc: 2\n"},
    ],
)
def test_lists_that_do_not_contradict(make: Callable[..., Path], files: dict[str, str]) -> None:
    dataset = read.load_own_splits(make(files | {"train.txt": "train/a.jpg\ntrain/b.jpg\ntrain/c.jpg\n"}))
    assert [name.lower()[:3] for name in dataset.class_names] in (["cat", "dog"], ["cat", "bla"])
    assert {p.kind for p in dataset.problems} <= {"unlisted_picture"}


def test_a_list_that_ends_earlier_agrees_and_the_longer_one_names_what_is_used(make: Callable[..., Path]) -> None:
    files = {"train/classes.txt": "cat\ndog\n", "valid/classes.txt": "cat\ndog\ncow\nowl\n"}
    dataset = read.load_own_splits(make(files, BOTH + COW))
    assert dataset.class_names == ("cat", "dog", "cow")  # owl is only in the second list, and nobody drew one
    assert classes_of(dataset)["train"] == ["cat", "dog", "cow"] * 3
    assert dataset.problems == ()


def test_settings_without_names_take_those_of_a_list(make: Callable[..., Path]) -> None:
    dataset = read.load_own_splits(make({"data.yaml": "nc: 2\n", "classes.txt": "cat\ndog\n"}))
    assert dataset.class_names == ("cat", "dog")
    assert dataset.problems == ()


def test_settings_without_names_and_a_list_of_another_length(make: Callable[..., Path]) -> None:
    for settings in ("nc: 3\n", "names: ['0', '1', '2']\n"):
        with pytest.raises(DatasetError, match=r"data\.yaml: expected as many classes as classes\.txt names, 2, got 3"):
            read.load(make({"data.yaml": settings, "classes.txt": "cat\ndog\n"}))


@pytest.mark.parametrize(
    "yaml",
    [
        'nc: "2"\nnames: [cat, dog]\n',
        "nc: 2.0\nnames: [cat, dog]\n",
        "nc: ' 2 '\nnames: [cat, dog]\n",
        "nc:\nnames: [cat, dog]\n",
        "names: {'0': cat, '1': dog}\n",
        "names: {1: dog, 0: cat}\n",
        "names: {0.0: cat, 1.0: dog}\n",
        "names: {cat: 0, dog: 1}\n",
        "names: {dog: '1', cat: '0'}\n",
        "names:\n  - 0: cat\n  - 1: dog\n",
        "names: cat, dog\n",
        "names: \"['cat', 'dog']\"\n",
        "nc: 2\nnames: cat dog\n",
        "nc: 2\nnames: 'cat,dog'\n",
    ],
)
def test_forms_of_names_and_counts(make: Callable[..., Path], yaml: str) -> None:
    dataset = read.load_own_splits(make({"data.yaml": yaml}))
    assert dataset.class_names == ("cat", "dog")
    assert dataset.problems == ()


@pytest.mark.parametrize(
    "yaml", ["names: traffic light\nnc: 1\n", "names: ['traffic light']\n", 'names: "traffic light"\nnc: "1"\n']
)
def test_one_name_of_two_words(make: Callable[..., Path], yaml: str) -> None:
    assert read.load_own_splits(make({"data.yaml": yaml}, CAT)).class_names == ("traffic light",)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ('nc: "3"\nnames: [cat, dog]\n', "nc: expected 2, the number of names, got '3'"),
        ("nc: two\nnames: [cat, dog]\n", "nc: expected 2, the number of names, got 'two'"),
        ("nc: 2.5\nnames: [cat, dog]\n", "nc: expected 2, the number of names, got 2.5"),
        ("nc: true\nnames: [cat, dog]\n", "nc: expected 2, the number of names, got True"),
        ("names: {0: cat, 2: dog}\n", "names: expected the numbers 0 to 1 as keys, got 0, 2"),
        ("names: {1: cat, 2: dog}\n", "names: expected the numbers 0 to 1 as keys, got 1, 2"),
        ("names: {cat: 1, dog: 2}\n", "names: expected the numbers 0 to 1 as keys, got 'cat', 'dog'"),
        ("names: {cat: [1], dog: 2}\n", "names: expected the numbers 0 to 1 as keys, got 'cat', 'dog'"),
        ("names: {cat: x, dog: y}\n", "names: expected the numbers 0 to 1 as keys, got 'cat', 'dog'"),
        ("names: 0:cat 1:dog\n", "names: expected a list of class names, got '0:cat 1:dog'"),
        ("nc: 3\nnames: cat, dog\n", "names: expected a list of class names, got 'cat, dog'"),
        ("names: cat dog\n", "names: expected a list of class names, got 'cat dog'"),
        ("names: obj.names\nnc: 2\n", "names: expected a list of class names, got 'obj.names'"),
        ("nc: two\n", "names: expected a list of class names, got None"),
        ("train: train\n", "names: expected the class names, or how many classes there are, got neither"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(make: Callable[..., Path], yaml: str, message: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read.load_own_splits(make({"data.yaml": yaml}))
    assert message in str(caught.value)


@pytest.mark.parametrize("settings", ["train: train\nval: valid\n", "names:\n"])
def test_settings_that_say_nothing_of_classes_take_the_list(make: Callable[..., Path], settings: str) -> None:
    dataset = read.load_own_splits(make({"data.yaml": settings, "classes.txt": "cat\ndog\n"}))
    assert dataset.class_names == ("cat", "dog")
    assert dataset.problems == ()


def test_darknets_settings_whose_names_are_elsewhere(make: Callable[..., Path]) -> None:
    files = {"obj.data": DARKNET.replace("obj.names", "/home/x/gone.names"), "train.txt": "train/a.jpg\n"}
    assert read.load_own_splits(make(files | {"classes.txt": "cat\ndog\n"})).class_names == ("cat", "dog")


def test_darknets_settings_mean_the_names_whose_folder_they_say(make: Callable[..., Path]) -> None:
    lists = {"data/train.txt": "train/a.jpg\n", "data/other/obj.names": "cat\ndog\n", "cfg/obj.names": "dog\ncat\n"}
    settings = DARKNET.replace("obj.names", "/home/x/cfg/obj.names")
    assert read.load_own_splits(make(lists | {"data/obj.data": settings})).class_names == ("dog", "cat")


def test_names_beside_darknets_settings_do_not_replace_those_that_they_name(make: Callable[..., Path]) -> None:
    lists = {"data/train.txt": "train/a.jpg\n", "data/obj.names": "cat\ndog\n", "cfg/obj.names": "dog\ncat\n"}
    with pytest.raises(DatasetError, match=r"'dog' in data/obj.data and 'cat' in data/obj.names"):
        read.load(make(lists | {"data/obj.data": DARKNET.replace("obj.names", "cfg/obj.names")}))


def test_darknets_settings_whose_list_is_here_rather_than_those_of_its_public_data_sets(
    make: Callable[..., Path],
) -> None:
    public = "classes = 80\ntrain = /home/pjreddie/data/coco/trainvalno5k.txt\nnames = data/coco.names\n"
    mine = "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n"
    files = {"cfg/coco.data": public, "data/coco.names": "person\nbicycle\n", "data/obj.names": "cat\ndog\n"}
    dataset = read.load_own_splits(make(files | {"data/obj.data": mine, "data/train.txt": "train/a.jpg\n"}))
    assert dataset.class_names == ("cat", "dog")
    assert [example.path.name for example in dataset.splits["train"]] == ["a.jpg"]


def test_keys_of_darknets_settings_in_any_case(make: Callable[..., Path]) -> None:
    files = {"obj.data": "Classes = 2\nTrain = train.txt\nNames = cfg/mine.names\n", "train.txt": "train/a.jpg\n"}
    assert read.load_own_splits(make(files | {"cfg/mine.names": "cat\ndog\n"})).class_names == ("cat", "dog")


def test_a_list_of_names_in_any_case(make: Callable[..., Path]) -> None:
    assert read.load_own_splits(make({"Classes.txt": "cat\ndog\n"})).class_names == ("cat", "dog")


@pytest.mark.parametrize(
    "text", ["0 cat\n1 dog\n", "0: cat\n1: dog\n", "0,cat\n1,dog\n", "0\tcat\n1\tdog\n", "1 dog\n0 cat\n"]
)
def test_a_list_with_numbers_before_the_names(make: Callable[..., Path], text: str) -> None:
    assert read.load_own_splits(make({"classes.txt": text})).class_names == ("cat", "dog")


def test_a_comment_above_the_names_is_no_class(make: Callable[..., Path]) -> None:
    with pytest.raises(
        DatasetError, match=r"classes.txt: expected a class name on each line, got the comment '# mine'"
    ):
        read.load(make({"classes.txt": "# mine\ncat\ndog\n"}))


@pytest.mark.parametrize("text", ["1 cat\n2 dog\n", "0 cat\ndog\n"])
def test_other_numbers_are_part_of_the_names(make: Callable[..., Path], text: str) -> None:
    assert read.load_own_splits(make({"classes.txt": text})).class_names == tuple(text.splitlines())


@pytest.mark.parametrize("classes", ["2", "2.0", '"2"', "two"])
def test_the_count_of_darknets_settings(make: Callable[..., Path], classes: str) -> None:
    files = {
        "obj.data": DARKNET.replace("= 2", f"= {classes}"),
        "obj.names": "cat\ndog\n",
        "train.txt": "train/a.jpg\n",
    }
    if classes in ("2", "2.0"):
        assert read.load_own_splits(make(files)).class_names == ("cat", "dog")
    else:
        with pytest.raises(DatasetError, match="classes: expected 2, as many as names, got"):
            read.load_own_splits(make(files))
