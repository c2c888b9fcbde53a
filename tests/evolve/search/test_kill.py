"""A real process, killed at random moments: the resumed search ends the same, and trains nothing twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evolve.records.journal import JournalError, events, holds_search, is_held
from evolve.records.state import SearchState, fold

pytestmark = pytest.mark.medium  # a dozen processes, one after the other

COMMAND = [sys.executable, str(Path(__file__).with_name("simulated_command.py"))]
SHAPE = ["--population", "8", "--elites", "2", "--children", "3", "--generations", "1", "--seed", "5"]


def start(folder: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *words],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def new(folder: Path, **environment: str) -> subprocess.Popen[str]:
    return start(folder, "search", "--out", "s", "--tracking-uri", "none", *SHAPE, **environment)


def wait_for_events(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until the journal has `count` events or the process has ended."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if holds_search(folder / "s") and len(events(folder / "s" / "journal.db")) >= count:
            return
        time.sleep(0.005)


def state_of(folder: Path) -> SearchState:
    return fold(events(folder / "s" / "journal.db"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchState, list[str]]:
    """The undisturbed search and the pieces it trained."""
    folder = tmp_path_factory.mktemp("whole")
    process = new(folder, SIMULATED_LOG=str(folder / "log"))
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return state_of(folder), (folder / "log").read_text().splitlines()


def test_killed_again_and_again(whole: tuple[SearchState, list[str]], tmp_path: Path, house: Any) -> None:
    log = tmp_path / "log"
    environment = {"SIMULATED_LOG": str(log), "SIMULATED_SLEEP": "0.002"}
    kills = 0
    for count in (1, 12, 30, 61, 95, 123):
        process = start(tmp_path, "resume", "s", **environment) if count > 1 else new(tmp_path, **environment)
        wait_for_events(tmp_path, count, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL  # else the process had ended before
        if not holds_search(tmp_path / "s"):
            pytest.fail("killed before the first event: the test waits for one")
        assert not is_held(tmp_path / "s")
    assert kills >= 3
    process = start(tmp_path, "resume", "s", **environment)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    undisturbed, pieces = whole
    assert house.essence(state_of(tmp_path)) == house.essence(undisturbed)
    begun = Counter(log.read_text().splitlines())
    assert set(begun) == set(pieces)  # nothing lost
    assert begun.total() <= len(pieces) + kills  # a kill costs at most the piece that was being trained


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_stop(
    number: signal.Signals, whole: tuple[SearchState, list[str]], tmp_path: Path, house: Any
) -> None:
    process = new(tmp_path, SIMULATED_SLEEP="0.05")
    wait_for_events(tmp_path, 20, process)
    process.send_signal(number)
    said, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.splitlines()[-1].endswith("go on with: evolve resume s")
    assert complaint == ""
    assert state_of(tmp_path).phase == "interrupted"
    again = start(tmp_path, "resume", "s")
    again.communicate(timeout=120)
    assert again.returncode == 0
    assert house.essence(state_of(tmp_path)) == house.essence(whole[0])


def test_a_second_controller_is_refused_by_name(tmp_path: Path) -> None:
    first = new(tmp_path, SIMULATED_SLEEP="0.05")
    wait_for_events(tmp_path, 20, first)
    second = start(tmp_path, "resume", "s")
    _, complaint = second.communicate(timeout=60)
    assert second.returncode == 2
    assert f"pid {first.pid}" in complaint
    first.kill()
    first.communicate()


def test_a_search_killed_before_its_first_event_can_be_started_again(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "journal.db").touch()
    with pytest.raises(JournalError, match="got no event"):
        state_of(tmp_path)
    process = new(tmp_path)
    process.communicate(timeout=120)
    assert process.returncode == 0
