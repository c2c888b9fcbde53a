"""Cfg and class names are found where Darknet puts them, and a note says what is assumed.

Expected: the names that Darknet's detector.c gives to weights, the folders of its README, and the numbers in the files.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from model.config import YOLOV4_TINY
from model.darknet import cfg, importer, topology, weights_length
from model.darknet.importer import DarknetDetector, DarknetOptions
from model.darknet.names import NamesError
from model.darknet.weights import WeightsError

MINE = replace(YOLOV4_TINY, width=0.125, masks="0,1,2/3,4,5")
ANCHORS = ((5.0, 6.0), (9.0, 11.0), (12.0, 16.0), (20.0, 24.0), (33.0, 40.0), (60.0, 80.0))
OBJ_DATA = "classes = 2\ntrain  = data/train.txt\nvalid  = data/test.txt\nnames = data/obj.names\nbackup = backup/\n"


def weights_of(path: Path, classes: int = 2, config: object = MINE, layers: int | None = None) -> Path:
    """A sparse .weights file of that network's length, all zeros."""
    sections = topology.sections(config, classes)[:layers]  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write((0).to_bytes(4, "little") + (2).to_bytes(4, "little") + bytes(12))
        file.truncate(20 + 4 * weights_length.count_floats(sections))
    return path


def cfg_of(path: Path, classes: int = 2, **changed: object) -> Path:
    """Its cfg without our comment, as other programs write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    config = replace(MINE, **changed)  # type: ignore[arg-type]
    path.write_text(cfg.render(topology.sections(config, classes), height=96, width=160, anchors=ANCHORS))
    return path


def names_of(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))
    return path


def look(path: Path, said: DarknetOptions = importer.NO_OPTIONS) -> DarknetDetector:
    return importer.read(path, said, with_numbers=False)


def check_mine(found: DarknetDetector, names: tuple[str, ...] = ("pot", "pan")) -> None:
    assert (found.anchors, found.height, found.width, found.config.masks) == (ANCHORS, 96, 160, "0,1,2/3,4,5")
    assert found.class_names == names


@pytest.mark.parametrize(
    "name",
    [
        *("mine_best.weights", "mine_last.weights", "mine_final.weights", "mine_1000.weights", "mine_ema.weights"),
        *("mine_BEST.weights", "mine_100.backup", "mine.conv.29", "Mine_last.weights"),
    ],
)
def test_weights_find_the_cfg_and_names_that_they_are_called_after(name: str, tmp_path: Path) -> None:
    path = weights_of(tmp_path / name)
    cfg_of(tmp_path / "mine.cfg")
    names_of(tmp_path / "mine.names", "pot", "pan")
    found = look(path)
    check_mine(found)
    assert found.note == f"{path}: its cfg is {tmp_path}/mine.cfg; its class names are those of {tmp_path}/mine.names"


def test_the_usual_place_needs_no_word_and_comes_first(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "mine_best.weights")
    cfg_of(tmp_path / "mine.cfg", classes=7)
    names_of(tmp_path / "mine.names", "other")
    cfg_of(tmp_path / "mine_best.cfg")
    names_of(tmp_path / "mine_best.names", "pot", "pan")
    found = look(path)
    check_mine(found)
    assert (found.note, found.open_options) == ("", ())


def test_darknet_calls_weights_after_the_cfg_up_to_its_first_dot(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "mine_best.weights")
    cfg_of(tmp_path / "mine.v2.cfg")
    names_of(tmp_path / "obj.names", "pot", "pan")
    check_mine(look(path))
    cfg_of(tmp_path / "mine.v3.cfg", masks="released")
    with pytest.raises(
        ValueError, match=r"expected one \.cfg file for it, got .*v2\.cfg and .*v3\.cfg, which differ; --cfg"
    ):
        look(path)
    check_mine(look(path, DarknetOptions(cfg=tmp_path / "mine.v2.cfg")))


@pytest.mark.parametrize("where", ["data/obj.data", "cfg/obj.data", "obj.data"])
def test_darknets_own_folders(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights_of(tmp_path / "backup" / "mine_best.weights")
    cfg_of(tmp_path / "cfg" / "mine.cfg")
    names_of(tmp_path / "data" / "obj.names", "pot", "pan")
    (tmp_path / where).write_text(OBJ_DATA)
    # Darknet's own lists lie there too
    names_of(tmp_path / "data" / "coco.names", *(f"{k}" for k in range(80)))
    names_of(tmp_path / "data" / "voc.names", "aeroplane", "bicycle")
    monkeypatch.chdir(tmp_path)
    found = look(Path("backup/mine_best.weights"))
    check_mine(found)
    names = "its class names are those of data/obj.names"
    assert found.note == f"backup/mine_best.weights: its cfg is cfg/mine.cfg; {names}"
    monkeypatch.chdir(tmp_path / "backup")
    check_mine(look(Path("mine_best.weights")))


def test_the_cfg_lies_above_the_backup_as_in_darknets_readme(tmp_path: Path) -> None:
    # build/darknet/x64: yolo-obj.cfg, data/obj.names, backup/yolo-obj_final.weights
    path = weights_of(tmp_path / "x64" / "backup" / "mine_final.weights")
    cfg_of(tmp_path / "x64" / "mine.cfg")
    names_of(tmp_path / "x64" / "data" / "obj.names", "pot", "pan")
    check_mine(look(path))
    other = weights_of(tmp_path / "x64" / "photos" / "mine_final.weights", 2, YOLOV4_TINY)
    assert look(other).cfg_path is None  # of folders with other names the one above is nobody's


def test_names_of_a_data_file_called_after_the_weights(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "mine_best.weights")
    cfg_of(tmp_path / "mine.cfg")
    names_of(tmp_path / "kitchen.txt", "pot", "pan")
    names_of(tmp_path / "obj.names", "left", "right")
    (tmp_path / "mine.data").write_text("classes=2\r\nnames = x64\\data\\kitchen.txt\r\n")  # of another machine
    check_mine(look(path))


def test_names_in_doubt_are_not_used_and_told(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "mine_best.weights")
    cfg_of(tmp_path / "mine.cfg")
    names_of(tmp_path / "obj.names", "one", "two", "three")
    found = look(path)
    assert found.class_names == ("class 0", "class 1")
    told = f"its classes are called 'class 0' to 'class 1', as {tmp_path}/obj.names has 3"
    assert found.note == f"{path}: its cfg is {tmp_path}/mine.cfg; {told}"
    assert found.open_options == ("--names",)
    names_of(tmp_path / "cfg" / "obj.names", "a", "b")
    names_of(tmp_path / "data" / "obj.names", "b", "a")
    found = look(path)
    assert found.class_names == ("class 0", "class 1")
    assert f"{tmp_path}/cfg/obj.names and {tmp_path}/data/obj.names differ" in found.note
    names_of(tmp_path / "data" / "obj.names", "a", "b")  # a copy is no doubt
    assert look(path).class_names == ("a", "b")


def test_a_lone_list_of_the_right_length_is_taken(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "mine_best.weights")
    cfg_of(tmp_path / "mine.cfg")
    names_of(tmp_path / "kitchen.names", "pot", "pan")
    found = look(path)
    check_mine(found)
    assert f"its class names are those of {tmp_path}/kitchen.names" in found.note
    names_of(tmp_path / "garden.names", "rake", "hoe")
    assert look(path).class_names == ("class 0", "class 1")


def test_names_called_after_the_weights_must_be_as_many(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "mine_best.weights")
    cfg_of(tmp_path / "mine.cfg")
    names_of(tmp_path / "mine.names", "a", "b", "c")
    words = r"mine\.names: expected 2 class names, as many as .*mine_best\.weights has classes, got 3; --names FILE"
    with pytest.raises(ValueError, match=words):
        look(path)
    names_of(tmp_path / "right.txt", "pot", "pan")
    check_mine(look(path, DarknetOptions(names=tmp_path / "right.txt")))
    with pytest.raises(ValueError, match=r"--names: expected 2 classes, as many as .*mine_best\.weights has, got 3"):
        look(path, DarknetOptions(names=tmp_path / "mine.names"))
    with pytest.raises(NamesError, match=r"--names .*mine\.cfg: expected one class name per line, got a cfg"):
        look(path, DarknetOptions(names=tmp_path / "mine.cfg"))


def test_without_a_cfg_what_is_assumed_is_said(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "lone_best.weights", 3, YOLOV4_TINY)
    found = look(path)
    assert found.config == YOLOV4_TINY
    assert found.note == (
        f"{path}: no cfg was found, so its anchors and masks are those of Darknet's yolov4-tiny.cfg "
        "(with yolov4-tiny-custom.cfg its boxes would differ), at 416x416 pixels; "
        "its classes are called 'class 0' to 'class 2'"
    )
    assert found.open_options == ("--cfg", "--names")
    names = names_of(tmp_path / "three.txt", "a", "b", "c")
    found = look(path, DarknetOptions(names=names, size=(96, 96)))
    assert found.note == (
        f"{path}: no cfg was found, so its anchors and masks are those of Darknet's yolov4-tiny.cfg "
        "(with yolov4-tiny-custom.cfg its boxes would differ)"
    )
    assert found.open_options == ("--cfg",)


def test_released_weights_have_cocos_classes_and_say_so(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "yolov4-tiny.weights", 80, YOLOV4_TINY)
    found = look(path)
    assert found.class_names[0] == "person"
    assert found.note == (
        f"{path}: no cfg was found, so its anchors and masks are those of Darknet's yolov4-tiny.cfg, "
        "at 416x416 pixels; its classes have COCO's names"
    )
    text = cfg.render(
        topology.sections(YOLOV4_TINY, 80), height=608, width=608, anchors=importer.ANCHORS["yolov4-tiny"]
    )
    (tmp_path / "yolov4-tiny.cfg").write_text(text)
    found = look(path)
    assert (found.class_names[0], found.height) == ("person", 608)
    assert found.note == f"{path}: its classes have COCO's names"
    # 80 classes with anchors of their own are somebody's, and nobody knows which
    (tmp_path / "yolov4-tiny.cfg").write_text(text.replace("344,319", "340,320"))
    assert look(path).class_names[0] == "class 0"


def test_a_cfg_of_another_name_beside_the_weights_is_not_passed_over(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "mine_best.weights", 2, YOLOV4_TINY)
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = mine\n")  # Python's, not Darknet's
    assert look(path).cfg_path is None
    other = cfg_of(tmp_path / "other.cfg", width=1.0)
    words = rf"expected a cfg called mine_best\.cfg or mine\.cfg beside it, got {other}; --cfg FILE names its cfg"
    with pytest.raises(ValueError, match=words):
        look(path)
    check_mine(look(path, DarknetOptions(cfg=other)), ("class 0", "class 1"))
    for number in range(5):  # Darknet's own folder has 87
        cfg_of(tmp_path / f"another{number}.cfg", width=1.0)
    with pytest.raises(ValueError, match=r"got .*another0\.cfg, .*another1\.cfg, .*another2\.cfg and 3 more; --cfg"):
        look(path)
    assert look(path, DarknetOptions(variant="yolov4-tiny")).cfg_path is None  # said to be the released network
    # to a file that ends before its output maps no anchors belong
    part = weights_of(tmp_path / "mine.conv.29", 2, YOLOV4_TINY, layers=29)
    assert look(part).loaded.num_classes is None


def test_weights_of_another_cfg_are_told_by_classes_and_network(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "mine_best.weights", 3)
    cfg_of(tmp_path / "mine.cfg")
    with pytest.raises(WeightsError, match=r"of yolov4-tiny with 2 classes, as .*mine\.cfg says, got .* with 3$"):
        look(path)
    full = cfg_of(tmp_path / "mine.cfg", width=1.0)
    weights_of(path, 80, replace(YOLOV4_TINY, width=1.0))
    with pytest.raises(WeightsError, match=rf"as {full} says, got those of yolov4-tiny with 80"):
        look(path)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match=r"floats for 2 classes, got 24,995: .* are missing, .* inside"):
        look(path)


def test_our_cfg_and_the_names_beside_it_must_agree(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "mine.weights")
    about = {"class_names": ["pot", "pan"]}
    text = cfg.render(topology.sections(MINE, 2), height=96, width=160, anchors=ANCHORS, about=about)
    (tmp_path / "mine.cfg").write_text(text)
    check_mine(look(path))
    names_of(tmp_path / "obj.names", "left", "right")  # anybody's: our cfg knows better
    check_mine(look(path))
    names_of(tmp_path / "mine.names", "pan", "pot")
    words = r"mine\.names: expected the class names of .*mine\.cfg, got others; --names FILE says which"
    with pytest.raises(ValueError, match=words):
        look(path)


def test_a_partial_file_needs_no_cfg(tmp_path: Path) -> None:
    # Darknet's yolov4-tiny.conv.29: the layers before the first output map
    path = weights_of(tmp_path / "yolov4-tiny.conv.29", 80, YOLOV4_TINY, layers=29)
    found = look(path)
    assert (found.config.variant, found.class_names, found.loaded.layers) == ("yolov4-tiny", (), 29)
    names_of(tmp_path / "obj.names", "pot", "pan")
    assert look(path).class_names == ("pot", "pan")


def test_folders_that_cannot_be_read_hold_nothing(tmp_path: Path) -> None:
    path = weights_of(tmp_path / "mine_best.weights", 2, YOLOV4_TINY)
    (tmp_path / "data").mkdir(mode=0o000)
    try:
        assert look(path).class_names == ("class 0", "class 1")
    finally:
        (tmp_path / "data").chmod(0o700)
    (tmp_path / "mine.cfg").symlink_to(tmp_path / "nowhere")
    assert look(path).cfg_path is None
