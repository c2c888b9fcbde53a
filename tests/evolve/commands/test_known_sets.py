"""Known sets of a space on the command line: what flags do to them, what a search will cost, what a person reads."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from evolve import task
from evolve.__main__ import main
from evolve.commands import machine
from evolve.task import TaskRequest

SPACE = """
name: mine
genes:
  optimizer.learning_rate: {scale: log, low: 1e-4, high: 1e-2, default: 1.3e-3}
  loss.class_weight: {scale: linear, low: 0.5, high: 8.0, default: 1.0}
trial: {train.steps: 90, train.size: 64, train.sizes: [64], detector.width: 0.125, detector.depth: 0.34}
recipe: {name: fast, population: 4, elites: 2, children: 2, generations: 1, verdict: {seeds: auto, at_most: 8}}
known:
  hand-tuned: {optimizer.learning_rate: 2e-3, loss.class_weight: 3}
  last-year: {optimizer.learning_rate: 8e-4}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A space with two known sets, and a tiny data set; trials that are started at all fail the test."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (tmp_path / "data" / split).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "data" / split / "a.png"), rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        (tmp_path / "data" / split / "a.txt").write_text("0 .5 .5 .5 .5\n")
    (tmp_path / "data" / "classes.txt").write_text("cat\n")
    (tmp_path / "mine.yaml").write_text(SPACE)
    monkeypatch.chdir(tmp_path)

    def refuse(*_arguments: Any, **_more: Any) -> None:
        raise AssertionError("nothing may be started")

    monkeypatch.setattr(machine.Machine, "executor", refuse)
    return tmp_path


def prepare(folder: Path, **settings: str) -> task.Task:
    request = TaskRequest(data=folder / "data", space=folder / "mine.yaml", weights="none", settings=settings)
    return task.prepare(request)


def test_a_fixed_gene_is_reported_and_the_set_keeps_the_rest(folder: Path) -> None:
    assert prepare(folder).search_notes == ()
    prepared = prepare(folder, **{"optimizer.learning_rate": "5e-4"})
    assert prepared.space.known == {"hand-tuned": {"loss.class_weight": 3.0}}
    assert prepared.search_notes == (
        "known set hand-tuned: its value of optimizer.learning_rate gives way to the one that all trainings have",
        "known set last-year: its value of optimizer.learning_rate gives way to the one that all trainings have, "
        "and so it equals the defaults and is left out",
    )
    assert prepared.config_of(prepared.space.known_genome("hand-tuned"))["optimizer.learning_rate"] == 5e-4


def test_the_cost_is_told_before_anything_starts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """5 candidates x 3 seeds; winner, defaults and two known sets x 3 to 8 seeds: 27 to 47 trainings of 90 steps."""
    search = ["search", "--data", "data", "--space", "mine.yaml", "--weights", "none", "--cpu", "--dry-run"]
    assert main(search) == 0
    said = capsys.readouterr().out
    assert "confirmed at the end, by 27 to 47 full trainings (2430 to 4230 of the steps)" in said
    assert (
        "then winner, defaults, hand-tuned and last-year with 3 to 8 others for the verdict, as many as a gain of"
        in said
    )
    assert main([*search, "--set", "loss.class_weight=2"]) == 0
    assert "known set hand-tuned: its value of loss.class_weight gives way" in capsys.readouterr().out


def test_a_wrong_value_ends_with_2_and_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.yaml").write_text(SPACE.replace("loss.class_weight: 3}", "loss.class_weight: 9}"))
    assert main(["search", "--data", "data", "--space", "mine.yaml", "--cpu", "--dry-run"]) == 2
    assert capsys.readouterr().err == (
        "evolve: mine.yaml: known set 'hand-tuned': gene 'loss.class_weight': expected 0.5 to 8.0, got 9.0\n"
    )
    assert not (folder / "runs").exists()
