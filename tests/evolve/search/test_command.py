"""The evolve command: what it prints, where it writes, and what it refuses in one sentence."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evolve import task
from evolve.__main__ import main
from evolve.commands import searching

SHAPE = ["--population", "6", "--elites", "2", "--children", "2", "--generations", "1", "--tracking-uri", "none"]


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The commands run on simulated trials, in an empty folder."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("simulated_command", Path(__file__).with_name("simulated_command.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "simulated_command", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(task, "prepare", module.prepare)
    monkeypatch.setattr(searching.Machine, "executor", module.local)
    monkeypatch.setenv("SIMULATED_FAILURES", "0.2")
    monkeypatch.chdir(tmp_path)
    return module


def test_a_search_and_what_can_be_asked_of_it(simulated: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", *SHAPE]) == 0
    said = capsys.readouterr().out
    for word in (
        "recipe: fast",
        "verdict: ",
        "winner: ",
        "make dashboard",
        "evolve train ",
        "winner g",
        "defaults g000-000",
    ):
        assert word in said
    directory = Path("runs/latest").resolve()
    assert directory.parent == Path("runs").resolve()
    assert directory.name.endswith("-s0")

    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "finished"
    assert main(["lineage", "runs/latest", "--json"]) == 0
    family = json.loads(capsys.readouterr().out)
    assert len(family["individuals"]) == 10
    assert main(["status"]) == main(["lineage"]) == 0
    assert "and its ancestors" in capsys.readouterr().out

    assert main(["winner", "--out", "winner.yaml"]) == 0
    assert Path("winner.yaml").read_text() == (directory / "winner.yaml").read_text()
    capsys.readouterr()
    assert main(["replay", "runs/latest", family["winner"]["uid"], "--json"]) == 0
    replayed = json.loads(capsys.readouterr().out)
    assert replayed == {
        "uid": family["winner"]["uid"],
        "journalled": family["winner"]["fitness"],
        "repeated": family["winner"]["fitness"],
        "equal": True,
    }
    for one in family["individuals"]:  # those that were stopped or failed come out as they did, too
        assert main(["replay", "runs/latest", one["uid"]]) == 0
    assert main(["resume", "runs/latest"]) == 0
    assert main(["resume", "runs/latest", "--generations", "2"]) == 0
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["generation"] == 2


def test_final_training(simulated: Any, capsys: pytest.CaptureFixture[str]) -> None:
    main(["search", *SHAPE])
    capsys.readouterr()
    assert main(["train", "runs/latest/winner.yaml", "--out", "final", "--cpu"]) == 0
    said = capsys.readouterr().out
    training = json.loads(Path("final/training.json").read_text())
    assert training["steps"] == 90
    assert training["scores"].keys() >= {"val/map50_95", "test/map50_95"}
    assert [one["step"] for one in training["measurements"]] == [45, 90]
    assert "python -m model evaluate --weights" in said
    assert "python -m model predict IMAGE --weights" in said
    assert main(["train", "runs/latest/winner.yaml", "--out", "final", "--cpu"]) == 2
    assert "holds a finished training already" in capsys.readouterr().err
    assert main(["train", "runs/latest/winner.yaml", "--out", "short", "--cpu", "--steps", "30"]) == 0
    assert json.loads(Path("short/training.json").read_text())["steps"] == 30


def test_dry_run_starts_nothing(simulated: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--dry-run", *SHAPE]) == 0
    said = capsys.readouterr().out
    # 6 x 10 steps, then ceil(6/3) = 2 x 20 and 2 x 60; 4 x 10 and 2 x 20 and 2 x 60; 6 confirmations of 90
    assert "at most 960" in said
    assert "10 trials compared at steps 10, 30, 90" in said
    assert not Path("runs").exists()


def test_an_interrupted_latest_is_named(simulated: Any, capsys: pytest.CaptureFixture[str], undisturbed: Any) -> None:
    from evolve.records.journal import Entry, Journal, events

    Path("runs").mkdir()
    with Journal(Path("runs/old")) as journal:
        journal.append([Entry(one.kind, one.uid, one.payload) for one in events(undisturbed.journal)[:12]])
    Path("runs/latest").symlink_to("old")
    assert main(["search", "--dry-run", *SHAPE]) == 0
    assert "evolve resume runs/old" in capsys.readouterr().out
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "interrupted" in said
    assert " 0 running" in said  # nobody trains, whatever the journal saw last


def test_when_all_trials_fail(
    simulated: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATED_FAILURES", "1")
    assert main(["search", "--out", "s", *SHAPE]) == 1
    assert "search failed: no individual reached its full budget: " in capsys.readouterr().err
    assert not Path("s/winner.yaml").exists()
    assert main(["status", "s", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "failed"
    assert main(["winner", "s"]) == 1


REFUSED = [
    (["search", "--population", "5", "--elites", "9"], "elites"),
    (["search", "--population", "0"], "--population: expected a whole number of at least 1, got 0"),
    (["search", "--recipe", "nope"], "expected one of fast, seed, got 'nope'"),
    (["search", "--set", "loss.box_weight"], "--set loss.box_weight: expected gene=value"),
    (["search", "--address", "auto"], "--workers"),
    (["search", "--cpu", "--gpus-per-trial", "1"], "expected one of the two"),
    (["search", "--out", "file"], "--out file: expected a directory"),
    (["search", "--out", "held"], "evolve resume held"),
    (["status", "nowhere"], "nowhere: expected the directory of a search, found no such directory"),
    (["status", "empty"], "empty: expected the directory of a search, found no search in it"),
    (["resume", "nowhere"], "nowhere"),
    (["replay", "held", "g009-001"], "g009-001: expected the uid of an individual"),
    (["train", "nothing.yaml", "--out", "o"], "nothing.yaml: expected a winner file"),
    (["resume", "held"], "begun from Python"),
    (["nonsense"], "nonsense"),
]


@pytest.mark.parametrize(
    ("words", "complaint"), REFUSED, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_wrong_input_is_one_sentence(
    words: list[str], complaint: str, simulated: Any, undisturbed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").touch()
    Path("empty").mkdir()
    Path("held").symlink_to(undisturbed.journal.parent)
    try:
        code = main(words)
    except SystemExit as stop:
        code = int(str(stop.code))
    said = capsys.readouterr().err
    assert code == 2
    assert complaint in said
    assert len(said.strip().splitlines()) == 1
    assert not Path("runs").exists()


REAL_REFUSED = [
    (["search", "--set", "loss.nonsense=1"], "loss.nonsense"),
    (["search", "--data", "nowhere"], "--data nowhere"),
    (["search", "--data", "empty"], "empty"),
    (["search", "--space", "low.yaml"], "low.yaml: gene 'loss.box_weight': expected low < high"),
    (["search", "--space", "unknown.yaml"], "'loss.nonsense' is no setting of a trial"),
    (["search", "--space", "nowhere.yaml"], "nowhere.yaml"),
    (["search", "--weights", "nowhere.keras"], "--weights nowhere.keras"),
    (["search", "--share", "2"], "--share"),
    (["search", "--size", "100"], "multiples of 32"),
]


@pytest.mark.parametrize(
    ("words", "complaint"), REAL_REFUSED, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_wrong_input_is_refused_before_tensorflow(words: list[str], complaint: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "runs").mkdir()
    gene = "{scale: log, low: 5.0, high: 0.5, default: 1.0}"
    (tmp_path / "low.yaml").write_text(f"name: low\ngenes:\n  loss.box_weight: {gene}\n")
    gene = "{scale: log, low: 0.5, high: 5.0, default: 1.0}"
    (tmp_path / "unknown.yaml").write_text(f"name: unknown\ngenes:\n  loss.nonsense: {gene}\n")
    done = command(tmp_path, "search", "--cpu", *words[1:])
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The real command, in a process that cannot import what is heavy."""
    heavy = ("tensorflow", "keras", "ray", "mlflow", "pandas", "scipy")
    blocked = f"import sys\nfor name in {heavy}: sys.modules[name] = None\n"
    code = f"{blocked}from evolve.__main__ import main\nsys.exit(main({list(words)!r}))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env={**os.environ}, timeout=60
    )


@pytest.mark.parametrize("words", [["--help"], ["search", "--help"], ["status", "--json"]])
def test_what_answers_at_once_loads_nothing_heavy(words: list[str], undisturbed: Any) -> None:
    directory = [str(undisturbed.journal.parent)] if words[0] == "status" else []
    begun = time.monotonic()
    done = command(Path.cwd(), *words, *directory)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 20  # under a second on an idle machine; nothing here asserts a speed
    if directory:
        assert json.loads(done.stdout)["state"] == "finished"


def test_debug_shows_the_traceback(simulated: Any) -> None:
    with pytest.raises(ValueError, match="elites"):
        main(["search", "--debug", "--population", "5", "--elites", "9"])
