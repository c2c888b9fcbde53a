"""Searches and trainings that start from Darknet's files: whole or partial, with masks of their own, cfg beside or not.

Expected: what the file holds, by hand; how anchors are dealt out, by the cfg's masks.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from data.digits import synthetic
from evolve import objective, starting_weights, task
from evolve.__main__ import main
from evolve.commands import task_request
from evolve.data_description import DataDescription
from evolve.task import InputError, TaskRequest
from evolve.trial import TrialSpec
from evolve.trial_config import TrialConfig
from model.config import YOLOV4_TINY, DetectorConfig
from model.darknet import cfg, convert, topology

ANCHORS = ((5.0, 6.0), (9.0, 11.0), (12.0, 16.0), (20.0, 24.0), (33.0, 40.0), (60.0, 80.0))
CUSTOM = replace(YOLOV4_TINY, width=0.125, masks="0,1,2/3,4,5")
UNEVEN = replace(YOLOV4_TINY, width=0.125, masks="0,1/5,2,3,4")
NAMES = tuple(str(digit) for digit in range(10))
Files = Callable[..., Path]


def numbers(config: DetectorConfig, layers: int | None = None) -> dict[str, NDArray[np.float32]]:
    """Weights that all differ."""
    rng = np.random.default_rng(0)
    return {
        part.name: rng.uniform(0.1, 0.2, convert.keras_shape(part)).astype(np.float32)
        for section in topology.sections(config, len(NAMES))[:layers]
        for part in section.stored
    }


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Writes files as Darknet does: mine_best.weights, or its first layers only, mine.cfg and mine.names."""

    def write(config: DetectorConfig = CUSTOM, name: str = "mine_best.weights", layers: int | None = None) -> Path:
        sections = topology.sections(config, len(NAMES))
        path = tmp_path / name
        convert.write(path, sections[:layers], numbers(config, layers))
        text = cfg.render(sections, height=64, width=64, anchors=ANCHORS)
        (tmp_path / "mine.cfg").write_text(text)
        (tmp_path / "mine.names").write_text("".join(f"{name}\n" for name in NAMES))
        return path

    return write


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("digits") / "set"
    return synthetic.write(root, seed=3, size=64, images={"train": 12, "val": 4, "test": 4}, digits="target")


def request(weights: Path, digits: Path, **changed: Any) -> TaskRequest:
    small = {"data": digits, "variant": "yolov4-tiny", "size": 64, "batch": 4, "steps": 4}
    return TaskRequest(**{**small, "weights": str(weights), "settings": {"detector.width": "0.125"}, **changed})


def test_a_darknet_file_is_described_with_its_cfg_and_names(files: Files) -> None:
    path = files()
    described = starting_weights.describe_weights(path, replace(CUSTOM), NAMES)
    assert described["weights_cfg"] == str(path.parent / "mine.cfg")
    assert described["taken_over"] == "all"
    others = starting_weights.describe_weights(path, CUSTOM, NAMES[::-1])
    assert others["taken_over"] == "all but the classes in the output maps"
    with pytest.raises(ValueError, match=r"weights of a network with detector\.variant yolov4, got yolov4-tiny"):
        starting_weights.describe_weights(path, DetectorConfig(width=0.125), NAMES)
    # the fingerprint depends on the cfg, which gives the numbers their meaning
    (path.parent / "mine.cfg").write_text((path.parent / "mine.cfg").read_text().replace("5,6,", "4,6,"))
    changed = starting_weights.describe_weights(path, CUSTOM, NAMES)
    assert changed["weights_fingerprint"] != described["weights_fingerprint"]


def test_the_task_has_the_masks_of_its_weights(files: Files, digits: Path) -> None:
    prepared = task.prepare(request(files(), digits))
    assert prepared.space.trial["detector.masks"] == "0,1,2/3,4,5"
    anchors = prepared.description["anchors"]
    assert len(anchors) == 6
    assert anchors[0] != [1.0, 1.0]  # the released masks leave the first of six unused
    areas = [width * height for width, height in anchors]
    assert areas == sorted(areas)
    said = [note for note in prepared.notes if note.startswith("weights:")]
    assert said[0] == "weights: from mine_best.weights: all"
    assert "its cfg is" in said[1]
    assert "mine.names" in said[1]
    own = task.prepare(request(files(), digits, settings={"detector.width": "0.125", "detector.masks": "1,2/3,4,5"}))
    assert own.space.trial["detector.masks"] == "1,2/3,4,5"
    assert own.description["taken_over"] == "all but the output maps, which have other numbers of anchors"
    with pytest.raises(ValueError, match=r"weights of a network with detector\.variant yolov4, got yolov4-tiny"):
        task.prepare(request(files(), digits, variant="yolov4"))


def test_a_cfg_elsewhere_is_named(files: Files, digits: Path, tmp_path: Path) -> None:
    path = files()
    (tmp_path / "elsewhere").mkdir()
    moved = Path(shutil.move(tmp_path / "mine.cfg", tmp_path / "elsewhere" / "their.cfg"))
    with pytest.raises(ValueError, match=r"mine_best\.weights: expected"):  # of another width than the released
        task.prepare(request(path, digits))
    prepared = task.prepare(request(path, digits, cfg=moved))
    assert prepared.description["weights_cfg"] == str(moved)
    assert prepared.factory.arguments["weights_cfg"] == str(moved)
    with pytest.raises(InputError, match=r"--cfg .*: expected --weights with a Darknet file beside it"):
        task.prepare(replace(request(path, digits, cfg=moved), weights=None))
    base = task.EMBEDDED_BASE
    with pytest.raises(ValueError, match=r"--cfg .*: expected beside a Darknet file \(\.weights\) alone"):
        task.prepare(TaskRequest(weights=str(base), cfg=moved))


def test_a_dry_run_says_what_is_taken_over(
    files: Files, digits: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = files(name="mine.conv.29", layers=29)
    monkeypatch.chdir(tmp_path)
    words = ["search", "--data", str(digits), "--variant", "yolov4-tiny", "--set", "detector.width=0.125", "--dry-run"]
    shape = ["--population", "2", "--elites", "1", "--children", "1", "--generations", "0", "--steps", "40"]
    assert main([*words, *shape, "--cpu", "--workers", "1", "--weights", str(part)]) == 0
    said = capsys.readouterr().out
    assert "weights: from mine.conv.29: the layers that the file has, which ends before its output maps\n" in said
    assert main([*words, *shape, "--cpu", "--workers", "1", "--weights", str(tmp_path / "mine.cfg")]) == 2
    assert "mine.cfg: expected" in capsys.readouterr().err


def test_a_search_goes_on_with_the_cfg_that_it_began_with(tmp_path: Path) -> None:
    known = tmp_path / "their.cfg"
    known.touch()
    data = DataDescription({"weights": "w", "weights_cfg": str(known)})
    other = tmp_path / "other.cfg"
    assert task_request.cfg_as_before(data, None, None) == known
    assert task_request.cfg_as_before(data, None, other) == other
    assert task_request.cfg_as_before(data, "moved.weights", None) is None  # looked for beside them
    known.unlink()
    assert task_request.cfg_as_before(data, None, None) is None
    assert task_request.cfg_as_before(DataDescription({"weights": "w"}), None, None) is None


@pytest.mark.medium
@pytest.mark.parametrize("config", [CUSTOM, UNEVEN], ids=["custom", "uneven"])
def test_each_maps_sizes_move_by_the_anchors_of_its_mask(config: DetectorConfig, files: Files) -> None:
    path, given = files(config), numbers(config)
    masks = config.own_masks
    assert masks is not None
    wider = [(w * (2.0 + k), h) for k, (w, h) in enumerate(ANCHORS)]
    taken = starting_weights.base_weights(path, NAMES, wider, masks)
    assert taken.keys() == given.keys()
    for stride, mask in zip((16, 32), masks, strict=True):
        bias, old = (found[f"head{stride}_output/bias"].reshape(len(mask), 15) for found in (taken, given))
        np.testing.assert_allclose(bias[:, 2] - old[:, 2], [-np.log(2.0 + k) for k in mask], rtol=1e-4)
        np.testing.assert_array_equal(np.delete(bias, 2, axis=1), np.delete(old, 2, axis=1))
    others = starting_weights.base_weights(path, ["only"], ANCHORS, masks)
    assert others["head16_output/bias"].shape == (6 * len(masks[0]),)
    assert np.isnan(others["head16_output/kernel"].reshape(-1, len(masks[0]), 6)[..., 5]).all()
    assert np.isfinite(others["head16_output/kernel"].reshape(-1, len(masks[0]), 6)[..., :5]).all()


@pytest.mark.medium
def test_maps_of_other_numbers_of_anchors_and_of_no_anchors_start_fresh(files: Files) -> None:
    outputs = {f"head{stride}_output/{part}" for stride in (16, 32) for part in ("bias", "kernel")}
    given = numbers(UNEVEN)
    taken = starting_weights.base_weights(files(UNEVEN), NAMES, ANCHORS)  # to the released masks: three and three
    assert given.keys() - taken.keys() == outputs
    part = files(CUSTOM, "mine.conv.29", 29)
    taken = starting_weights.base_weights(part, NAMES, ANCHORS)
    assert taken.keys() == numbers(CUSTOM, 29).keys()
    for name, value in taken.items():
        np.testing.assert_array_equal(value, numbers(CUSTOM, 29)[name])


@pytest.mark.medium
@pytest.mark.parametrize("config", [CUSTOM, UNEVEN], ids=["custom", "uneven"])
def test_a_trial_trains_on_the_masks_and_keeps_them(
    config: DetectorConfig, files: Files, digits: Path, tmp_path: Path
) -> None:
    from model import checkpoint

    path = files(config)
    prepared = task.prepare(request(path, digits))
    train = objective.detection_objective(**prepared.factory.arguments)
    genome = prepared.space.defaults()
    spec = TrialSpec("darknet", prepared.config_of(genome), seed=1, stop_step=2, checkpoint=tmp_path / "out.keras")
    measured = list(train(spec))
    assert np.isfinite(measured[-1].losses["total"])
    assert TrialConfig.from_settings(spec.config).detector.masks == config.masks
    info = checkpoint.read_info(tmp_path / "out.keras")
    assert info.detector.masks == config.masks
    assert [list(pair) for pair in info.anchors] == prepared.description["anchors"]
    kept = checkpoint.read_weights(tmp_path / "out.keras")
    given = numbers(config)
    for name in ("head16_output/kernel", "head32_output/kernel", "tiny_top_conv/kernel"):
        assert kept[name].shape == given[name].shape
        assert np.abs(kept[name] - given[name]).max() < 0.05  # after two small steps it is near its start
    json.dumps(prepared.description)  # what the journal keeps
