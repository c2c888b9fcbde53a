"""A detector from .weights and .cfg files, and back: names, anchors, sizes, and what the files lack."""

from pathlib import Path

import numpy as np
import pytest

from model.checkpoint import DetectorInfo
from model.config import YOLOV4_TINY, DetectorConfig
from model.darknet import cfg, convert, exporter, importer, topology, weights_length
from model.darknet.cfg import CfgError
from model.darknet.importer import DarknetOptions
from model.darknet.weights import WeightsError

SMALL = DetectorConfig(width=0.05, depth=0.1, sam=True)
NAMES = ("ring", "häkchen", "dot 3")
OWN_ANCHORS = tuple((float(k), k + 0.25) for k in range(1, 10))


@pytest.fixture
def given(golden: Path) -> dict[str, np.ndarray]:
    from seeded import weights

    found: dict[str, np.ndarray] = weights(topology.sections(SMALL, 3), 1)
    return found


def test_three_files_hold_a_detector(tmp_path: Path, given: dict[str, np.ndarray]) -> None:
    path = tmp_path / "mine.weights"
    files = exporter.write(path, DetectorInfo(NAMES, OWN_ANCHORS, (64, 96), "letterbox", SMALL), given)
    assert [file.name for file in files] == ["mine.weights", "mine.cfg", "mine.names"]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(file.name for file in files)
    assert (tmp_path / "mine.names").read_text(encoding="utf-8") == "ring\nhäkchen\ndot 3\n"
    found = importer.read(path)
    assert (found.config, found.class_names, found.anchors) == (SMALL, NAMES, OWN_ANCHORS)
    assert (found.height, found.width, found.fit) == (64, 96, "letterbox")
    assert found.loaded.missing == ()
    assert (found.cfg_path, found.note) == (tmp_path / "mine.cfg", "")
    for name, values in given.items():
        np.testing.assert_array_equal(found.loaded.weights[name], values)
    exporter.write(path, DetectorInfo(NAMES, OWN_ANCHORS, 64, "stretch", SMALL), given)  # ours may be replaced


def test_the_variant_follows_from_the_length(tmp_path: Path) -> None:
    sections = topology.sections(YOLOV4_TINY, 2)
    path = tmp_path / "tiny.weights"
    zeros = {p.name: np.zeros(convert.keras_shape(p), np.float32) for s in sections for p in s.stored}
    convert.write(path, sections, zeros)
    found = importer.read(path, DarknetOptions(size=(320, 512)))
    assert (found.config.variant, found.class_names) == ("yolov4-tiny", ("class 0", "class 1"))
    assert (found.height, found.width, found.fit) == (320, 512, "stretch")
    assert found.anchors == importer.ANCHORS["yolov4-tiny"]
    assert found.sections == sections
    with path.open("ab") as file:
        file.write(b"\0\0\0\0")
    words = r"it ends inside layer 69 .*; and of yolov4-tiny: expected .*: 1 are left over after 2 classes"
    with pytest.raises(WeightsError, match=words):
        importer.read(path)
    path.unlink()  # 24 MB


def test_a_partial_file_needs_class_names(tmp_path: Path, given: dict[str, np.ndarray]) -> None:
    sections = topology.sections(SMALL, 3)
    exporter.write(tmp_path / "whole.weights", DetectorInfo(NAMES, OWN_ANCHORS, 64, "stretch", SMALL), given)
    path = tmp_path / "mine.conv.20"
    floats = weights_length.count_floats(sections[:20])
    path.write_bytes((tmp_path / "whole.weights").read_bytes()[: 20 + 4 * floats])
    (tmp_path / "two.txt").write_text("a\nb\n")
    found = importer.read(
        path, DarknetOptions(cfg=tmp_path / "whole.cfg", names=tmp_path / "two.txt"), other_classes=True
    )
    assert found.class_names == ("a", "b")
    assert {section.name for section in found.loaded.missing} == {s.name for s in sections[20:] if s.stored}


def test_a_cfg_and_its_weights_must_agree(tmp_path: Path, given: dict[str, np.ndarray]) -> None:
    path = tmp_path / "mine.weights"
    exporter.write(path, DetectorInfo(NAMES, OWN_ANCHORS, 64, "stretch", SMALL), given)
    other = tmp_path / "other.cfg"
    other.write_text(exporter.render(SMALL, ("a", "b"), OWN_ANCHORS, height=64, width=64), encoding="utf-8")
    with pytest.raises(
        WeightsError, match=r"expected weights of yolov4 with 2 classes, as .* got those of yolov4 with 3"
    ):
        importer.read(path, DarknetOptions(cfg=other))
    with pytest.raises(ValueError, match=r"--classes: expected 3, as .*mine\.cfg says, got 5"):
        importer.read(path, DarknetOptions(num_classes=5))
    with pytest.raises(ValueError, match=r"--variant: expected yolov4, as .*mine\.cfg says, got yolov4-tiny"):
        importer.read(path, DarknetOptions(variant="yolov4-tiny"))
    other.write_text("[net]\n", encoding="utf-8")
    with pytest.raises(CfgError, match="expected \\[yolo\\] sections"):
        importer.read(path, DarknetOptions(cfg=other))


def test_what_darknet_cannot_be_told_is_refused(tmp_path: Path, given: dict[str, np.ndarray]) -> None:
    weighted = DetectorConfig(shortcut="per_feature", shortcut_gain=2.0)
    with pytest.raises(ValueError, match=r"detector.shortcut_gain: expected 1, as Darknet has no key for it, got 2\.0"):
        exporter.render(weighted, NAMES, OWN_ANCHORS, height=64, width=64)
    for names in (("a\nb",), ("",)):
        with pytest.raises(ValueError, match="class names: expected each on one line"):
            exporter.write(tmp_path / "x.weights", DetectorInfo(names, OWN_ANCHORS, 64, "stretch", SMALL), given)
    with pytest.raises(ValueError, match=r"expected a name that ends in \.weights"):
        exporter.write(tmp_path / "x.bin", DetectorInfo(NAMES, OWN_ANCHORS, 64, "stretch", SMALL), given)


@pytest.mark.parametrize("name", ["mine.cfg", "mine.names"])
def test_files_of_others_are_not_overwritten(tmp_path: Path, given: dict[str, np.ndarray], name: str) -> None:
    (tmp_path / name).write_text("[net]\n", encoding="utf-8")
    with pytest.raises(ValueError, match="one that would be overwritten"):
        exporter.write(tmp_path / "mine.weights", DetectorInfo(NAMES, OWN_ANCHORS, 64, "stretch", SMALL), given)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "[net]\n"


def test_the_whole_text_of_a_training(tmp_path: Path) -> None:
    settings = {"train.steps": 9000, "optimizer.freeze_share": 0.1, "augment.cutmix_prob": 0.25}
    text = exporter.render(SMALL, NAMES, OWN_ANCHORS, height=64, width=64, settings=settings)
    assert "\n# augment.cutmix_prob 0.25: no key; Darknet has 0.0\n" in text
    found = cfg.parse(text)
    assert found.net["max_batches"] == "9000"
    frozen = [place for place, (_, keys) in enumerate(found.sections) if "stopbackward" in keys]
    assert [topology.sections(SMALL, 3)[place].name for place in frozen] == ["backbone_stage5_transition"]
    assert found.sections[frozen[0]][1]["stopbackward"] == "900"
