"""`python -m data check`: JSON, table, exit codes."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from data import __main__ as commands
from data import problems
from data.sets import check

Make = Callable[..., Path]
GOOD = "1 0.5 0.5 0.5 0.2\n"
DIRTY = {
    "train": {"a": GOOD + "7 0.5 0.5 0.5 0.2\nx\n", "b": ""},
    "val": {"c": GOOD},
    "test": {"d": GOOD},
}


def test_json(tmp_path: Path, make_yolo: Make, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["check", str(make_yolo(tmp_path, DIRTY)), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["format", "images", "boxes", "classes", "splits", "fingerprint", "problems"]
    assert document["format"] == "yolo"
    assert document["images"] == 4
    assert document["boxes"] == 3
    assert document["classes"] == ["cat", "dog"]
    assert document["splits"] == {"train": 2, "val": 1, "test": 1}
    assert [problem["kind"] for problem in document["problems"]] == [
        "class_out_of_range",
        "malformed_line",
        "empty_label_file",
    ]
    assert document["problems"][0]["file"] == "train/labels/a.txt"


def test_table(tmp_path: Path, make_yolo: Make, capsys: pytest.CaptureFixture[str]) -> None:
    dirty = DIRTY | {"train": {"0": "", **DIRTY["train"]}}  # an empty file is found first
    assert commands.main(["check", str(make_yolo(tmp_path, dirty))]) == 0
    shown = capsys.readouterr().out
    for words in ("5 images (train 3, val 1, test 1), 3 boxes", "cat, dog", "stops a search", "correct the class"):
        assert words in shown
    # What stops a search comes first; then each kind with its first files, whole on one line.
    assert shown.index("malformed_line ") < shown.index("empty_label_file ")
    assert "  train/labels/a.txt: line 2: expected a class from 0 to 1, got '7 0.5 0.5 0.5 0.2'\n" in shown


def test_only_the_first_files_of_many_are_shown(
    tmp_path: Path, make_yolo: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {f"{number}": "" for number in range(5)} | {"x": GOOD}
    root = make_yolo(tmp_path, {"train": labels, "val": {"c": GOOD}, "test": {"d": GOOD}})
    assert commands.main(["check", str(root)]) == 0
    shown = capsys.readouterr().out
    assert "  train/labels/2.txt: empty" in shown
    assert "  train/labels/3.txt: empty" not in shown
    assert "  ... and 2 more (--json lists all)" in shown


def test_more_boxes_than_training_takes_are_reported(tmp_path: Path, make_yolo: Make) -> None:
    lines = [f"1 {(i % 20 + 0.5) / 20} {(i // 20 + 0.5) / 20} .04 .04\n" for i in range(201)]
    few, many = "".join(lines[:200]), "".join(lines)
    root = make_yolo(tmp_path, {"train": {"a": few, "b": many}, "val": {"c": many}, "test": {"d": few}})
    (found,) = [p for p in check.check_dataset(root).problems if p.kind == "crowded_picture"]
    assert (found.file, found.detail) == ("train/images/b.png", "201 boxes, of which training takes 200")


def test_every_kind_that_the_room_names_is_described() -> None:
    named = set()
    for file in (Path(check.__file__).parents[1]).rglob("*.py"):
        named |= set(re.findall(r'(?:Problem|\.add|refuse)\(\s*"([a-z_]+)"', file.read_text(encoding="utf-8")))
    assert named == set(problems.KINDS)


@pytest.mark.parametrize("format", ["coco", "voc"])
def test_another_format_can_be_forced(
    tmp_path: Path, make_yolo: Make, capsys: pytest.CaptureFixture[str], format: str
) -> None:
    assert commands.main(["check", str(make_yolo(tmp_path, DIRTY)), "--format", format]) == 2
    assert "found none" in capsys.readouterr().err


def test_nothing_usable_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["check", str(tmp_path / "no"), "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["images"] == 0
    assert captured.err.splitlines() == [f"{tmp_path / 'no'}: expected the folder of a data set, got nothing there"]


def test_problems_are_listed_even_when_nothing_is_usable(
    tmp_path: Path, make_yolo: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_yolo(tmp_path, {"train": {"a": "x\n"}})
    assert commands.main(["check", str(root), "--json"]) == 2
    assert [p["kind"] for p in json.loads(capsys.readouterr().out)["problems"]] == ["malformed_line"]


def test_reading_loads_nothing_heavy() -> None:
    code = (
        "import sys, data.sets.check, data.batches.pipeline, data.digits.synthetic, data.sets.anchors\n"
        "print(sorted({'tensorflow', 'keras', 'ray', 'mlflow', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unforeseen_error_is_one_sentence_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "train/images")

    monkeypatch.setattr(check, "check_dataset", refused)
    assert commands.main(["check", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said == "PermissionError: [Errno 13] Permission denied: 'train/images'\n"
    with pytest.raises(PermissionError):
        commands.main(["check", str(tmp_path), "--debug"])
