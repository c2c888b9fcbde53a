"""The evolve command: what it prints, where it writes, and what it refuses in one sentence."""

import contextlib
import json
import os
import pty
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve import search, task
from evolve.__main__ import main
from evolve.commands.machine import Machine
from evolve.execution import resources
from evolve.execution.local_executor import LocalExecutor
from evolve.records.journal import Journal, JournalError
from evolve.trial import GpuNotUsable

SHAPE = ["--population", "6", "--elites", "2", "--children", "2", "--generations", "1", "--tracking-uri", "none"]


def test_a_search_and_what_can_be_asked_of_it(simulated: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", *SHAPE]) == 0
    said = capsys.readouterr().out
    for word in (
        "recipe: fast",
        "verdict: ",
        "winner: ",
        "make dashboard",
        "final training: make train, or: evolve train runs/",
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
    for individual in family["individuals"]:  # stopped and failed trials are replayed, too
        assert main(["replay", "runs/latest", individual["uid"]]) == 0
    assert main(["resume", "runs/latest"]) == 0
    assert main(["resume", "runs/latest", "--generations", "2"]) == 0
    capsys.readouterr()
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["generation"] == 2


def test_final_training(simulated: Any, capsys: pytest.CaptureFixture[str]) -> None:
    main(["search", *SHAPE])
    capsys.readouterr()
    train = ["train", "runs/latest/winner.yaml", "--cpu", "--tracking-uri", "none"]
    assert main([*train, "--out", "final"]) == 0
    said = capsys.readouterr().out
    training = json.loads(Path("final/training.json").read_text())
    assert training["steps"] == 90
    assert training["scores"].keys() >= {"val/map50_95", "test/map50_95"}
    assert training["measurements"][-1]["step"] == 90
    assert "python -m model evaluate --weights" in said
    assert "python -m model predict IMAGE --weights" in said
    assert "python -m model export " in said
    assert main([*train, "--out", "final"]) == 2
    assert "holds a finished training already" in capsys.readouterr().err
    assert main([*train, "--out", "short", "--steps", "30"]) == 0
    assert json.loads(Path("short/training.json").read_text())["steps"] == 30


def test_dry_run_starts_nothing(simulated: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--dry-run", *SHAPE]) == 0
    said = capsys.readouterr().out
    # 6 x 10 steps, then ceil(6/3) = 2 x 20 and 2 x 60; 4 x 10 and 2 x 20 and 2 x 60: 420, and confirmations of 90:
    # 5 candidates x 3 seeds, winner and defaults x 3
    assert "steps in all: at most 2310" in said
    assert "21 full trainings (1890 of the steps): the best 5 with 3 fresh seeds to choose the winner, then" in said
    assert main(["search", "--dry-run", "--candidates", "1", *SHAPE]) == 0
    said = capsys.readouterr().out
    assert "steps in all: at most 960" in said
    assert "by 6 full trainings (540 of the steps): winner and defaults with 3 fresh seeds for the verdict" in said
    assert "10 trials compared at steps 10, 30, 90" in said
    assert not Path("runs").exists()


def test_seeding_by_the_defaults(simulated: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--seeding", "defaults", "--out", "s", *SHAPE]) == 0
    assert "6 individuals (the defaults and mutants of them), the best 2 kept" in capsys.readouterr().out
    assert main(["lineage", "s", "--json"]) == 0
    first = [
        individual for individual in json.loads(capsys.readouterr().out)["individuals"] if individual["generation"] == 0
    ]
    assert [one["parents"] for one in first] == [[], *[["g000-000"]] * 5]
    assert [one["operator"] for one in first] == ["defaults", *["gaussian"] * 5]
    assert main(["lineage", "s", "--trial", "g000-003"]) == 0
    assert "->" in capsys.readouterr().out  # the genes in which it differs from the defaults
    assert main(["resume", "s", "--generations", "2"]) == 0  # makes the same decisions on the first generation again
    assert main(["replay", "s", "g000-001"]) == 0
    capsys.readouterr()
    assert main(["search", "--seeding", "random", "--out", "r", *SHAPE]) == 0
    assert "6 individuals (the defaults and random ones)" in capsys.readouterr().out
    assert main(["search", "--out", "m", *SHAPE]) == 0  # mixed
    said = capsys.readouterr().out
    assert "6 individuals (the defaults, mutants of them and random ones)" in said
    assert "mutants of each (each the best of 30 by a model of the trials so far)" in said
    assert main(["lineage", "m", "--json"]) == 0
    individuals = json.loads(capsys.readouterr().out)["individuals"]
    assert [one["operator"] for one in individuals[:6]] == ["defaults", *["gaussian", "random"] * 2, "gaussian"]


@pytest.mark.parametrize("more", [["--dry-run"], []])
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        # an integer of 64 values, a step of 0.05 of them: 50 mutants of the one in the middle are not found
        (
            ["--seeding", "defaults"],
            "in 1000 draws, got only genomes that the search has already; expected a smaller --popul",
        ),
        (["--population", "65"], "expected at least as many different genomes as the population of 65, got 64"),
    ],
)
def test_a_first_generation_that_cannot_be_made_is_refused_before_anything_is_written(
    words: list[str], complaint: str, more: list[str], simulated: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    gene = "{scale: integer, low: 1, high: 64, default: 32}"
    recipe = "{population: 50, elites: 2, children: 2, generations: 1, mutation_strength: 0.05}"
    Path("small.yaml").write_text(
        f"name: small\ngenes:\n  train.subdivisions: {gene}\ntrial: {{train.steps: 90}}\nrecipe: {recipe}\n"
    )
    assert main(["search", "--space", "small.yaml", "--out", "s", *words, *more]) == 2
    said = capsys.readouterr()
    assert complaint in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not Path("s").exists()


def test_an_interrupted_latest_is_named(simulated: Any, capsys: pytest.CaptureFixture[str], undisturbed: Any) -> None:
    from evolve.records.journal import Journal, NewEvent, events

    Path("runs").mkdir()
    with Journal(Path("runs/old")) as journal:
        journal.append([NewEvent(event.kind, event.uid, event.payload) for event in events(undisturbed.journal)[:12]])
    Path("runs/latest").symlink_to("old")
    assert main(["search", "--dry-run", *SHAPE]) == 0
    assert "evolve resume runs/old" in capsys.readouterr().out
    assert main(["status"]) == 0
    said = capsys.readouterr().out
    assert "interrupted" in said
    assert " 0 running" in said  # no process trains, whatever the last event is


def test_a_latest_search_that_cannot_be_read_stops_no_new_one(
    simulated: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("runs/old").mkdir(parents=True)
    Path("runs/old/journal.db").write_bytes(b"no database" * 100)
    Path("runs/latest").symlink_to("old")
    assert main(["search", *SHAPE]) == 0
    assert "note: the latest search cannot be read: runs/latest/journal.db: expected" in capsys.readouterr().out
    assert Path("runs/latest").resolve().name.endswith("-s0")


def test_latest_points_to_a_search_that_exists(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def damaged(*_arguments: object, **_others: object) -> None:
        raise JournalError("no room for a journal")

    with monkeypatch.context() as patch:
        patch.setattr(search, "Journal", damaged)
        assert main(["search", *SHAPE]) == 2
    assert not Path("runs/latest").exists()
    assert main(["search", *SHAPE]) == 0
    assert Path("runs/latest/journal.db").is_file()


@pytest.mark.parametrize(
    ("error", "code", "complaint"),
    [
        (ValueError("a shape is wrong"), 1, "evolve: a shape is wrong{go_on} (see --debug)\n"),
        (FileNotFoundError(2, "No such file", "x"), 1, "No such file: 'x'{go_on} (see --debug)\n"),
        (KeyError("layer"), 1, "evolve: KeyError: 'layer'{go_on} (see --debug)\n"),
        (GpuNotUsable("no GPU; --cpu"), 2, "evolve: no GPU; --cpu\n"),
    ],
)
def test_an_error_in_the_work_is_no_wrong_input(
    error: Exception,
    code: int,
    complaint: str,
    simulated: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_arguments: object) -> None:
        raise error

    with monkeypatch.context() as patch:  # its workers do not start, so there is no search yet
        patch.setattr(Machine, "executor", broken)
        assert main(["search", "--out", "s", *SHAPE]) == code
        assert complaint.format(go_on="") in capsys.readouterr().err
        assert not Path("s").exists()
        assert not Path("runs").exists()
    with monkeypatch.context() as patch:
        patch.setattr(LocalExecutor, "poll", broken)
        assert main(["search", "--out", "s", *SHAPE]) == code
        assert complaint.format(go_on="; go on with: evolve resume s") in capsys.readouterr().err
    assert main(["resume", "s"]) == 0
    assert main(["search", "--out", "s/journal.db/x", *SHAPE]) == 2  # a wrong path is wrong input


def test_a_moved_search_says_where_its_weights_lie(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str | None] = []

    def prepare(request: Any, *, threads: int = 1) -> Any:
        asked.append(request.weights)
        prepared = simulated.prepare(request, threads=threads)
        path = None if request.weights in (None, "none") else Path(request.weights)
        fingerprint = None if path is None else path.read_text()
        weights = {"weights": None if path is None else str(path), "weights_fingerprint": fingerprint}
        return replace(prepared, description={**prepared.description, **weights})

    monkeypatch.setattr(task, "prepare", prepare)
    Path("base.keras").write_text("one")
    assert main(["search", "--out", "s", "--weights", "base.keras", *SHAPE]) == 0
    assert main(["resume", "s"]) == 0
    assert asked == ["base.keras"] * 2
    Path("base.keras").rename("moved.keras")
    capsys.readouterr()
    for words in (["resume", "s"], ["replay", "s", "g000-000"], ["train", "s/winner.yaml", "--out", "o"]):
        assert main(words) == 2
        assert "weights base.keras: expected the file" in capsys.readouterr().err
    assert main(["resume", "s", "--weights", "moved.keras"]) == 0
    assert main(["replay", "s", "g000-000", "--weights", "moved.keras"]) == 0
    assert (
        main(["train", "s/winner.yaml", "--out", "o", "--cpu", "--tracking-uri", "none", "--weights", "moved.keras"])
        == 0
    )
    assert "other weights" not in capsys.readouterr().out
    Path("moved.keras").write_text("two")
    assert main(["resume", "s", "--weights", "moved.keras"]) == 2
    assert "weights moved.keras: expected those that the search began from" in capsys.readouterr().err
    assert (
        main(["train", "s/winner.yaml", "--out", "p", "--cpu", "--tracking-uri", "none", "--weights", "moved.keras"])
        == 0
    )
    assert "note: it starts from other weights than in the search" in capsys.readouterr().out


def test_a_search_goes_on_on_another_cluster(simulated: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["search", "--out", "s", *SHAPE]) == 0
    machines: list[Machine] = []

    def local(machine: Machine, *_arguments: object) -> Any:
        machines.append(machine)
        return simulated.local()

    monkeypatch.setattr(Machine, "executor", local)
    assert main(["resume", "s", "--generations", "2", "--workers", "7", "--address", "head:6379"]) == 0
    assert [(machine.workers, machine.threads, machine.address) for machine in machines] == [(7, 1, "head:6379")]


@pytest.mark.parametrize(
    ("called", "path", "typed"),
    [
        (".venv/bin/evolve", "/usr/bin", ".venv/bin/evolve"),
        ("{here}/.venv/bin/evolve", "/usr/bin", ".venv/bin/evolve"),
        ("{here}/.venv/bin/evolve", "{here}/.venv/bin", "evolve"),  # the environment is active
        ("/opt/env/bin/evolve", "/usr/bin", "/opt/env/bin/evolve"),
        ("{here}/evolve/__main__.py", "/usr/bin", f"{sys.executable} -m evolve"),
        ("/usr/bin/pytest", "/usr/bin", "evolve"),
    ],
)
def test_commands_in_sentences_can_be_typed_as_they_are(
    called: str, path: str, typed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from evolve.process import terminal

    installed = tmp_path / ".venv/bin/evolve"
    installed.parent.mkdir(parents=True)
    installed.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path.format(here=tmp_path))
    monkeypatch.setattr(sys, "argv", [called.format(here=tmp_path)])
    assert terminal.command("evolve", "resume", Path("runs/x")) == f"{typed} resume runs/x"


def test_more_workers_than_gpus_are_refused_before_a_search_begins(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resources, "gpus_in_sight", lambda: ["one", "two"])
    assert main(["search", "--workers", "5", "--gpus-per-trial", "0.5"]) == 2
    assert "--workers 5: expected GPUs for 5 trials of 0.5 each, got 2 in sight" in capsys.readouterr().err
    assert main(["search", "--workers", "4", "--gpus-per-trial", "0.5", "--dry-run"]) == 0


def test_the_cursor_comes_back_in_every_case(undisturbed: Any, tmp_path: Path) -> None:
    def at_a_terminal(*words: str) -> tuple[int, str, str]:
        ours, theirs = pty.openpty()
        script = str(Path(__file__).with_name("simulated_command.py"))
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
        with subprocess.Popen(
            [sys.executable, script, *words], cwd=tmp_path, env=environment, stdout=theirs, stderr=subprocess.PIPE
        ) as process:
            os.close(theirs)
            shown = b""
            with contextlib.suppress(OSError):  # Linux reports the end of a terminal this way
                while piece := os.read(ours, 65536):
                    shown += piece
            os.close(ours)
            assert process.stderr is not None
            complaint = process.stderr.read().decode()
        return process.returncode, shown.decode(), complaint

    hide, show = "\x1b[?25l", "\x1b[?25h"
    code, said, complaint = at_a_terminal("search", "--out", "s", *SHAPE)
    assert (code, complaint) == (0, "")
    assert said.count(hide) == said.count(show) == 1  # there was a live display, and it was ended
    assert said.index(show) < said.index("verdict: ")
    code, said, complaint = at_a_terminal("resume", "s")  # the search is finished already
    assert (code, complaint, said.count(hide)) == (0, "", 0)
    code, said, complaint = at_a_terminal("resume", "s", "--generations", "0")
    assert (code, said) == (2, "")
    assert complaint == "evolve: s: expected --generations of at least 1, as the search has, got 0\n"
    with Journal(tmp_path / "s"):
        code, said, complaint = at_a_terminal("resume", "s")
    assert (code, said) == (2, "")
    assert "is being run by" in complaint


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
    (["search", "--seeding", "elites"], "argument --seeding: invalid choice: 'elites'"),
    (["search", "--candidates", "0"], "--candidates: expected a whole number of at least 1, got 0"),
    (["search", "--recipe", "nope"], "expected one of fast, seed, got 'nope'"),
    (["search", "--set", "loss.box_weight"], "--set loss.box_weight: expected gene=value"),
    (["search", "--address", "auto"], "--workers"),
    (["search", "--cpu", "--gpus-per-trial", "1"], "expected one of the two"),
    (["search", "--out", "file"], "--out file: expected a directory"),
    (["search", "--out", "held"], "evolve resume held"),
    (["search", "--address", "head", "--workers", "2"], "--address head: expected auto or HOST:PORT"),
    (["search", "--address", "127.0.0.1:70000", "--workers", "2"], "127.0.0.1:70000: expected auto or HOST:PORT"),
    (["search", "--address", "head:0", "--workers", "2"], "--address head:0: expected auto or HOST:PORT"),
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
    (["search", "--weights", "low.yaml"], "low.yaml"),
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
    """The real command, in a process that cannot import heavy packages."""
    heavy = ("tensorflow", "keras", "ray", "mlflow", "pandas", "scipy")
    blocked = f"import sys\nfor name in {heavy}: sys.modules[name] = None\n"
    code = f"{blocked}from evolve.__main__ import main\nsys.exit(main({list(words)!r}))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env={**os.environ}, timeout=60
    )


@pytest.mark.parametrize(
    "words", [["--help"], ["search", "--help"], ["status", "--json"], ["watch"], ["stop"], ["completion", "zsh"]]
)
def test_what_answers_at_once_loads_nothing_heavy(words: list[str], undisturbed: Any) -> None:
    directory = [str(undisturbed.journal.parent)] if words[0] in ("status", "watch", "stop") else []
    begun = time.monotonic()
    done = command(Path.cwd(), *words, *directory)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 20  # under a second on an idle machine; nothing here asserts a speed
    if words[0] == "status":
        assert json.loads(done.stdout)["state"] == "finished"


def test_debug_shows_the_traceback(simulated: Any) -> None:
    with pytest.raises(ValueError, match="elites"):
        main(["search", "--debug", "--population", "5", "--elites", "9"])
