"""`evolve train` without a winner: the defaults of a space, once. The data set is read; the training is simulated."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from evolve import task
from evolve.__main__ import main
from evolve.commands import final_report, machine
from evolve.execution.local_executor import LocalExecutor
from evolve.task import TaskRequest
from evolve.trial import ObjectiveFactory

QUIET = ("--cpu", "--tracking-uri", "none")
SMALL = yaml.safe_load((task.SPACES / "yolov4_small.yaml").read_text())
DEFAULTS = {address: gene["default"] for address, gene in SMALL["genes"].items()}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A YOLO folder of one class; the commands run in an empty folder beside it, and train nothing."""
    root = tmp_path / "data"
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (root / split).mkdir(parents=True)
        cv2.imwrite(str(root / split / "a.png"), rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        (root / split / "a.txt").write_text("0 .5 .5 .5 .5\n")
    (root / "classes.txt").write_text("cat\n")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    # One gene that every space has, in a range that holds the presets' values too
    plain = {
        "name": "s",
        "genes": {"optimizer.momentum": {"scale": "linear", "low": 0.5, "high": 0.99, "default": 0.9}},
    }
    simulated = ObjectiveFactory("evolve.simulated:simulated_objective", {"space_plain": plain})
    monkeypatch.setattr(machine.Machine, "executor", lambda *_given: LocalExecutor(simulated))
    scores = {"map50_95": 0.25, "map50": 0.5, "map75": 0.125}
    answer = {**scores, "classes": [{"name": "cat", "truths": 1, "detections": 3, **scores}]}
    monkeypatch.setattr(final_report, "evaluate", lambda *_given: answer)
    return root


def record(out: str) -> dict[str, object]:
    plain: dict[str, object] = json.loads((Path(out) / "training.json").read_text())
    return plain


def test_the_defaults_of_the_space_are_trained(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(data), "--out", "o", *QUIET]) == 0
    trained = record("o")
    config = trained["config"]
    assert isinstance(config, dict)
    assert {address: config[address] for address in DEFAULTS} == DEFAULTS
    assert (trained["winner"], trained["seed"], trained["steps"]) == (None, 0, SMALL["trial"]["train.steps"])
    assert set(trained["scores"]) >= {"val/map50_95", "test/map50_95"}  # type: ignore[call-overload]
    assert "training of the defaults, without a search: 270 steps, seed 0" in capsys.readouterr().out


def test_what_is_asked_for_is_trained(data: Path) -> None:
    words = "--size 96 --batch 8 --steps 33 --seed 7 --set optimizer.momentum=0.9 --weights none"
    assert main(["train", "--data", str(data), "--out", "o", *QUIET, *words.split()]) == 0
    config, trained = record("o")["config"], record("o")
    expected = {"train.size": 96, "train.batch": 8, "train.steps": 33, "optimizer.momentum": 0.9}
    assert isinstance(config, dict)
    assert {address: config[address] for address in expected} == expected
    assert (trained["steps"], trained["seed"]) == (33, 7)


def test_a_preset_is_trained(data: Path) -> None:
    words = ["--preset", "darknet", "--variant", "yolov4-tiny", "--steps", "20"]
    assert main(["train", "--data", str(data), "--out", "o", *QUIET, *words]) == 0
    config = record("o")["config"]
    assert isinstance(config, dict)
    # the cfg's numbers, of the reference
    assert (config["detector.variant"], config["augment.jitter"], config["regularization.sat_prob"]) == (
        "yolov4-tiny",
        0.3,
        0.0,
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "--out", "o"], "expected WINNER.yaml, or --data DIR to train without a search, got neither"),
        (["train", "--data", "nowhere", "--out", "o"], "--data nowhere: expected a folder"),
        (["train", "--data", "DATA", "--out", "o", "--set", "loss.boxes=1"], "no gene or trial setting of that name"),
        (["train", "--data", "DATA", "--out", "o", "--size", "100"], "train.sizes: expected multiples of 32, got 100"),
        (["train", "--data", "DATA", "--out", "../data/classes.txt"], "expected a folder or nothing there"),
    ],
)
def test_wrong_input_leaves_nothing(
    data: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main([str(data) if word == "DATA" else word for word in words] + [*QUIET]) == 2
    assert sentence in capsys.readouterr().err
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("flag", ["--space s.yaml", "--preset darknet", "--size 96", "--set a=1", "--seed 0"])
def test_a_winners_file_says_what_is_trained(data: Path, capsys: pytest.CaptureFixture[str], flag: str) -> None:
    shape = "--population 3 --elites 1 --children 1 --generations 0 --candidates 1 --recipe seed --steps 30"
    assert main(["search", "--data", str(data), "--out", "s", *QUIET, *shape.split()]) == 0
    capsys.readouterr()
    assert main(["train", "s/winner.yaml", "--out", "o", *QUIET, *flag.split()]) == 2
    said = f"{flag.split()[0]}: expected it without WINNER.yaml: the file says what is trained"
    assert said in capsys.readouterr().err
    assert not Path("o").exists()


def test_without_a_start_the_schedule_is_darknets(data: Path) -> None:
    """README of Darknet: 2000 steps a class, at least 6000, of batch 64; the small space's batch is 16."""

    def steps(**asked: object) -> int:
        return task.prepare(TaskRequest(data=data, **asked)).steps  # type: ignore[arg-type]

    assert steps() == 270  # fine-tuning from the shipped base
    assert steps(weights="none") == 6000 * 64 / 16
    assert steps(variant="yolov4-tiny") == 6000 * 64 / 16
    assert steps(weights="none", batch=32) == 6000 * 64 / 32
    assert steps(weights="none", steps=50) == 50
    assert steps(weights="none", settings={"train.steps": "60"}) == 60
    assert steps(weights="none", space=task.SMALL_SPACE) == 270  # a space that was named says what it says
    # ... but its length is one of fine-tuning, and these flags leave nothing to start from
    assert steps(variant="yolov4-tiny", space=task.SMALL_SPACE) == 6000 * 64 / 16
    assert steps(preset="darknet", space=task.SMALL_SPACE) == 6000 * 64 / 16
    assert steps(settings={"detector.width": "0.25"}, space=task.SMALL_SPACE) == 6000 * 64 / 16
    assert steps(size=96, space=task.SMALL_SPACE) == 270  # the base fits every size
    assert steps(variant="yolov4-tiny", share=0.1) == 600 * 64 / 16


def test_a_space_may_train_longer_at_the_end_than_in_its_trials(data: Path, tmp_path: Path) -> None:
    text = task.SMALL_SPACE.read_text() + "final_steps: 400\n"
    (tmp_path / "mine.yaml").write_text(text.replace("train.steps: 270", "train.steps: 30"))
    plain = ["--data", str(data), "--space", str(tmp_path / "mine.yaml"), *QUIET]
    assert main(["train", *plain, "--out", "o"]) == 0
    assert record("o")["steps"] == 400
    assert main(["train", *plain, "--out", "p", "--steps", "20"]) == 0
    assert record("p")["steps"] == 20
    assert main(["train", *plain, "--out", "set", "--set", "train.steps=20"]) == 0
    assert record("set")["steps"] == 20
    assert main(["train", *plain, "--out", "longer", "--set", "train.steps=500"]) == 0
    assert record("longer")["steps"] == 500
    shape = "--population 3 --elites 1 --children 1 --generations 0 --candidates 1 --recipe seed"
    assert main(["search", *plain, "--out", "s", *shape.split()]) == 0
    assert max(step for rungs in evolve_lineage("s") for step in rungs) == 30
    assert main(["train", "s/winner.yaml", *QUIET, "--out", "q"]) == 0
    assert record("q")["steps"] == record("q")["config"]["train.steps"] == 400  # type: ignore[index]
    assert main(["train", "s/winner.yaml", *QUIET, "--out", "r", "--steps", "50"]) == 0
    assert record("r")["steps"] == 50
    assert main(["winner", "s", "--format", "darknet", "--out", "s.cfg"]) == 0
    assert "max_batches=400" in Path("s.cfg").read_text().replace(" ", "")


def evolve_lineage(directory: str) -> list[list[int]]:
    """The steps of the rungs of each individual."""
    plain = json.loads((Path(directory) / "lineage.json").read_text())
    return [[rung["step"] for rung in individual["rungs"]] for individual in plain["individuals"]]


def test_a_space_for_training_from_scratch_keeps_its_length(data: Path, tmp_path: Path) -> None:
    text = task.SMALL_SPACE.read_text().replace("detector.width: 0.125", "detector.width: 0.25")
    (tmp_path / "mine.yaml").write_text(text.replace("train.steps: 270", "train.steps: 900"))
    asked = TaskRequest(data=data, space=tmp_path / "mine.yaml")
    assert task.prepare(asked).steps == 900
    assert task.prepare(replace(asked, size=96)).steps == 900


def test_the_embedded_task_with_another_network_takes_darknets_schedule() -> None:
    """Its 80 steps start from the shipped base; it has 10 classes."""
    assert task.prepare(TaskRequest(variant="yolov4-tiny")).steps == 2000 * 10 * 64 / 16
    assert task.prepare(TaskRequest()).steps == 80
