"""A real `evolve train` process on simulated pieces: killed or asked to stop, it goes on to the same end."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.medium  # several processes, one after the other

SIMULATED = Path(__file__).parents[1] / "search" / "simulated_command.py"
TRAIN = ["train", "--data", ".", "--out", "o", "--cpu", "--tracking-uri", "none"]
STEPS = 90  # in pieces of two
PATIENCE_SECONDS = 120.0


class Commands:
    """Starts commands in a folder; none of them outlives the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "SIMULATED_FAILURES": "0", "SIMULATED_LOG": "log", **environment}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, str(SIMULATED), *(words or TRAIN)]
        self.started.append(subprocess.Popen(command, cwd=self.folder, env=environment, text=True, **pipes))  # type: ignore[call-overload]
        return self.started[-1]

    def wait_for_pieces(self, process: subprocess.Popen[str], count: int) -> None:
        """Wait until that many pieces have begun, in all processes of the folder together."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        log = self.folder / "log"
        while not log.exists() or len(log.read_text().splitlines()) < count:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def finish(self) -> str:
        """Run the command to its end; returns what it prints."""
        said, complaint = (process := self.start()).communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, complaint
        return said

    def outcome(self) -> dict[str, object]:
        """What must be equal in equal trainings: no times."""
        out = self.folder / "o"
        record = json.loads((out / "training.json").read_text())
        for measurement in record["measurements"]:
            del measurement["seconds"]
        rows = [row.split(",") for row in (out / "curve.csv").read_text().splitlines()]
        detectors = {name: (out / name).read_text() for name in ("detector.keras", "best.keras")}
        kept = {name: record[name] for name in ("scores", "best", "last", "steps", "seed", "measurements")}
        return {**kept, **detectors, "curve": [[row[0], *row[2:]] for row in rows]}


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    commands = Commands(tmp_path_factory.mktemp("undisturbed"))
    commands.finish()
    return commands.outcome()


def test_killed_again_and_again(commands: Commands, undisturbed: dict[str, object]) -> None:
    randomness = random.Random(0)
    kills, begun = 0, 0
    for _ in range(4):
        process = commands.start(SIMULATED_SLEEP="0.01")
        begun += randomness.randint(1, 9)
        commands.wait_for_pieces(process, begun)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        begun = len((commands.folder / "log").read_text().splitlines())
    assert kills == 4
    said = commands.finish()
    assert f" of {STEPS}: going on" in said
    assert commands.outcome() == undisturbed
    log = (commands.folder / "log").read_text().splitlines()
    assert len(set(log)) == STEPS / 2
    assert len(log) <= STEPS / 2 + kills  # a kill costs at most the piece that was being trained
    assert sorted(path.name for path in (commands.folder / "o").iterdir()) == [
        "best.keras",
        "curve.csv",
        "detector.keras",
        "training.json",
    ]


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_asked_to_stop_it_says_from_which_step_it_goes_on(
    number: signal.Signals, name: str, commands: Commands, undisturbed: dict[str, object]
) -> None:
    process = commands.start(SIMULATED_SLEEP="0.05")
    commands.wait_for_pieces(process, 4)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    step = int(complaint.partition("goes on from step ")[2].split()[0])
    assert complaint == f"evolve: stopped by {name}; the same command goes on from step {step} of {STEPS}\n"
    assert 6 <= step < STEPS
    assert f"--out o: holds this training at step {step} of {STEPS}: going on" in commands.finish()
    assert commands.outcome() == undisturbed


def test_stopped_while_it_is_scored_it_only_scores_again(commands: Commands, undisturbed: dict[str, object]) -> None:
    process = commands.start(SIMULATED_SCORING="60")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (commands.folder / "scoring").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"goes on from step {STEPS} of {STEPS}" in complaint
    pieces = len((commands.folder / "log").read_text().splitlines())
    commands.finish()
    assert len((commands.folder / "log").read_text().splitlines()) == pieces
    assert commands.outcome() == undisturbed


def test_another_request_is_refused_and_a_second_process_too(commands: Commands) -> None:
    first = commands.start(SIMULATED_SLEEP="0.2")
    commands.wait_for_pieces(first, 3)
    second = commands.start()
    _, complaint = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 2
    assert "--out o: expected a folder in which no process trains, but one does: host" in complaint
    assert f"pid {first.pid}" in complaint
    first.kill()
    first.communicate()
    other = commands.start(*TRAIN, "--seed", "3")
    _, complaint = other.communicate(timeout=PATIENCE_SECONDS)
    assert other.returncode == 2
    assert "--out o: holds an unfinished training of another request: seed was 0, is 3; expected the same" in complaint


def test_a_training_that_diverges_keeps_its_best_and_says_where_it_was(commands: Commands) -> None:
    process = commands.start(SIMULATED_FAILURES="1")
    _, complaint = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "evolve: training failed after step " in complaint
    assert not (commands.folder / "o" / "training.json").exists()
    assert (commands.folder / "o" / "curve.csv").exists()
