"""A search of a data set with labels in two formats: trials, too, read the format that was named.

The commands read the real data set here; what their trials train is simulated.
"""

import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.dataset import DatasetError
from evolve import task
from evolve.__main__ import main
from evolve.commands import final_report, machine
from evolve.execution.local_executor import LocalExecutor
from evolve.task import InputError, TaskRequest
from evolve.trial import ObjectiveFactory

XML = (
    "<annotation><object><name>dog</name><bndbox>"
    "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
)


@pytest.fixture
def two_formats(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (tmp_path / split).mkdir()
        cv2.imwrite(str(tmp_path / split / "a.png"), rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        (tmp_path / split / "a.txt").write_text("0 .5 .5 .5 .5\n")
        (tmp_path / split / "a.xml").write_text(XML)
    (tmp_path / "classes.txt").write_text("cat\n")
    return tmp_path


@pytest.mark.parametrize(("format", "class_name"), [("voc", "dog"), ("yolo", "cat")])
def test_the_format_that_was_named_is_read(two_formats: Path, format: str, class_name: str) -> None:
    prepared = task.prepare(TaskRequest(data=two_formats, format=format, weights="none"))
    assert (prepared.description["format"], prepared.description["class_names"]) == (format, [class_name])
    assert prepared.factory.arguments["format"] == format


def test_without_a_format_the_two_are_named(two_formats: Path) -> None:
    with pytest.raises(DatasetError, match="got voc and yolo labels for its pictures: choose one with --format"):
        task.prepare(TaskRequest(data=two_formats, weights="none"))


def test_a_format_needs_data() -> None:
    with pytest.raises(InputError, match="--format voc: expected --data beside it"):
        task.prepare(TaskRequest(format="voc"))


QUIET = ("--cpu", "--tracking-uri", "none")


@pytest.fixture
def factories(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> list[ObjectiveFactory]:
    """The objective factories of the commands, in order; the trials themselves are simulated, in an empty folder."""
    monkeypatch.chdir(tmp_path_factory.mktemp("work"))
    given: list[ObjectiveFactory] = []

    def executor(_machine: object, factory: ObjectiveFactory, *_others: object) -> LocalExecutor:
        given.append(factory)
        return LocalExecutor(ObjectiveFactory("evolve.simulated:simulated_objective", {}))

    monkeypatch.setattr(machine.Machine, "executor", executor)
    scores = {"map50_95": 0.25, "map50": 0.5, "map75": 0.125}
    monkeypatch.setattr(final_report, "evaluate", lambda *_given: {**scores, "classes": []})
    return given


def search_of(data: Path) -> list[str]:
    """A search of the data set in a folder s beside, as words of the command."""
    shape = "--population 4 --elites 1 --children 1 --generations 0 --candidates 1 --recipe seed"
    return ["search", "--data", str(data), *f"--cpu --steps 90 --weights none --tracking-uri none {shape}".split()]


def test_every_command_that_is_printed_reads_the_named_format(
    two_formats: Path,
    factories: list[ObjectiveFactory],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*search_of(two_formats), "--format", "yolo", "--out", "s"]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("final training: ")]
    assert f"--data {two_formats} --format yolo --out " in line
    assert main(["resume", "s", "--generations", "1"]) == 0
    assert main(["replay", "s", "g000-001"]) == 0
    capsys.readouterr()
    assert main(["train", *shlex.split(line.partition("evolve train ")[2]), *QUIET]) == 0
    said = capsys.readouterr().out
    assert f"--data {two_formats} --format yolo --split test" in said
    # the data set's own path implies its format; another path may be another data set, whose format is unknown
    assert main(["train", "s/winner.yaml", "--data", f"{two_formats}/train/..", "--out", "o", *QUIET]) == 0
    assert {factory.arguments["format"] for factory in factories} == {"yolo"}
    assert len(factories) == 5
    two_formats.rename(two_formats.with_name("moved"))
    moved = str(two_formats.with_name("moved"))
    assert main(["train", "s/winner.yaml", "--data", moved, "--out", "p", *QUIET]) == 2
    assert "choose one with --format" in capsys.readouterr().err
    assert main(["winner", "s", "--out", "w.yaml"]) == 0
    assert "w.yaml --data DIR --out DIR" in capsys.readouterr().out  # DIR may be another data set with a single format


def test_a_format_that_nobody_named_is_not_printed_for_training(
    two_formats: Path,
    factories: list[ObjectiveFactory],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for path in two_formats.glob("*/*.xml"):
        path.unlink()
    assert main([*search_of(two_formats), "--out", "s"]) == 0
    assert main(["winner", "s", "--out", "w.yaml"]) == 0
    assert "--format" not in capsys.readouterr().out
    assert factories[0].arguments["format"] == "yolo"
