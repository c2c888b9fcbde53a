"""Odd and hostile YAML wherever the command line accepts YAML: one short error at once, before anything begins."""

import subprocess
import sys
from pathlib import Path

import pytest

from evolve.__main__ import main

BILLION = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
SPACE = "name: mine\ngenes:\n  loss.box_weight: {scale: log, low: 0.5, high: 5.0, default: 1.0}\n"

SPACES = [
    (BILLION, "line 6: expected at most 100,000 values"),
    ("name: " + "[" * 20_000, "line 1: expected at most 32 levels of lists and mappings"),
    (SPACE + "trial:\n  <<: {train.size: 64}\n", "line 5: expected keys, got a merge (<<)"),
    (SPACE + "trial: {regularization.cmbn: no}\n", "regularization.cmbn: expected true or false, got 'no'"),
    (SPACE + "trial: {detector.sam: on}\n", "detector.sam: expected true or false, got 'on'"),
    (SPACE + "trial: {train.size: 1:30}\n", "train.size: expected a whole number, got '1:30'"),
    (SPACE + "trial: {train.batch: 010, train.subdivisions: 3}\n", "expected a divisor of the batch, 10, got 3"),
    (SPACE + "trial: {train.steps: 1_000}\n", "train.steps: expected a whole number, got '1_000'"),
    (SPACE + "trial: {optimizer.momentum: 0:59}\n", "optimizer.momentum: expected a number, got '0:59'"),
    (SPACE + "trial: {detector.variant: {a: b}}\n", "got {'a': 'b'}"),
    (SPACE + "fitness: {val/map50: yes}\n", "expected the weight of 'val/map50' to be a finite number, got 'yes'"),
    (SPACE + "recipe: 010\n", "expected a recipe's name, or a mapping with its name and changes, got 10"),
    (SPACE + f"recipe: [{', '.join(['x' * 100] * 5000)}]\n", " ... "),
]


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The error sentence of a command that refuses its input."""
    assert main(words) == 2
    sentence = capsys.readouterr().err
    assert len(sentence.splitlines()) == 1
    assert len(sentence) < 1100
    return sentence


@pytest.mark.parametrize(("text", "sentence"), SPACES, ids=range(len(SPACES)))
def test_a_space(
    text: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(text, encoding="utf-8")
    assert sentence in said(["search", "--cpu", "--dry-run", "--space", "mine.yaml"], capsys)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("regularization.cmbn=no", "regularization.cmbn: expected true or false, got 'no'"),
        ("train.size=1:30", "train.size: expected a whole number, got '1:30'"),
        ("train.size=010", "expected multiples of 32, got 10"),
        (
            "train.sizes=" + "[" * 20_000,
            "setting 'train.sizes': line 1: expected at most 32 levels of lists and mappings",
        ),
        ("train.size=<<: 64", "setting 'train.size': line 1: expected keys, got a merge (<<)"),
        ("train.size=0x" + "f" * 5000, "setting 'train.size': line 1: expected a whole number of at most 100 digits"),
    ],
)
def test_a_setting_of_the_command_line(
    setting: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in said(["search", "--cpu", "--dry-run", "--set", setting], capsys)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 20_000, "w.yaml: line 1: expected at most 32 levels of lists and mappings"),
        ("format: 1\nsearch:\n  <<: {id: x}\n", "w.yaml: line 3: expected keys, got a merge (<<)"),
        ("format: 1\nformat: 1\n", "w.yaml: line 2: expected each key once, got 'format' twice"),
        (f"format: 1\nsearch: {'x' * 900_000}\n", " ... "),
        ("#" * 2_000_000, "w.yaml: expected YAML of at most 1,048,576 bytes, got more"),
    ],
    ids=range(5),
)
def test_a_winner(
    text: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.yaml").write_text(text, encoding="utf-8")
    assert sentence in said(["train", "w.yaml", "--out", "o"], capsys)


def test_ten_lines_of_anchors_hold_nothing_up(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(BILLION + "format: *a9\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "evolve", "train", "w.yaml", "--out", "o"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,  # takes a second; an earlier version took minutes and gigabytes
    )
    assert done.returncode == 2
    assert done.stderr.startswith("evolve: w.yaml: line 6: expected at most 100,000 values, each alias counted")
