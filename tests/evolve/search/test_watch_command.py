"""evolve watch: shows what the search itself shows, ends with it, and notices that nobody runs it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.__main__ import main
from evolve.commands import watch
from evolve.process import terminal
from evolve.records import journal, progress
from evolve.records.journal import Event, Journal
from evolve.records.state import begin

SIMULATED = str(Path(__file__).with_name("simulated_command.py"))
SHAPE = ["--population", "8", "--elites", "2", "--children", "3", "--generations", "1", "--tracking-uri", "none"]
TIMED = re.compile(r"\d\d:\d\d:\d\d ")


def write(journal_: Journal, events: list[Event]) -> None:
    """Add events with their own times."""
    journal_._connection.executemany(
        "INSERT INTO events (time, kind, uid, payload) VALUES (?, ?, ?, ?)",
        [(event.time, event.kind, event.uid, json.dumps(event.payload)) for event in events],
    )


def shown(events: list[Event]) -> list[str]:
    """The log of a search that writes these events."""
    lines: list[str] = []
    display, state = progress.PlainDisplay(lines.append), begin(events[0])
    for event in events[1:]:
        state.apply(event)
        display.show(event, state)
    return lines


class Elsewhere:
    """A search that goes on whenever the watcher sleeps."""

    def __init__(self, directory: Path, events: list[Event]) -> None:
        self.directory, self.left = directory, list(events)
        self.now = 0.0
        self.lines: list[str] = []
        self.journal = Journal(directory)
        self.advance(5)

    def advance(self, count: int) -> None:
        """Write so many events and the rest of their transaction: trials are stopped together."""
        while count < len(self.left) and self.left[count].kind == "trial_stopped":
            count += 1
        write(self.journal, self.left[:count])
        del self.left[:count]

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.left:
            self.advance(7)

    def follow(self) -> tuple[Any, str]:
        display = progress.PlainDisplay(self.lines.append)
        return watch.follow(self.directory, display, self.sleep, lambda: self.now)


def test_it_shows_what_the_search_shows(undisturbed: Any, tmp_path: Path) -> None:
    whole = journal.events(undisturbed.journal)
    elsewhere = Elsewhere(tmp_path, whole)
    state, gone = elsewhere.follow()
    assert (state.phase, gone) == ("finished", "")
    assert elsewhere.lines == shown(whole)
    assert elsewhere.now % watch.POLL_SECONDS == 0  # it slept while nothing was new
    assert elsewhere.now > 0


def test_a_search_that_was_killed(undisturbed: Any, tmp_path: Path) -> None:
    whole = journal.events(undisturbed.journal)
    elsewhere = Elsewhere(tmp_path, whole[:40])

    def kill(_seconds: float) -> None:
        elsewhere.advance(40)  # what it wrote last is shown, too
        elsewhere.journal.close()

    elsewhere.sleep = kill  # type: ignore[method-assign]
    state, gone = elsewhere.follow()
    assert (state.phase, gone) == ("running", "its process has ended without a word")
    assert elsewhere.lines == shown(whole[:40])


def test_it_ends_when_nobody_reads_it_any_more(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `evolve watch | head -n1`."""
    errors: list[Exception] = []
    monkeypatch.setattr(terminal, "_write_errors", errors)
    elsewhere = Elsewhere(tmp_path, journal.events(undisturbed.journal))

    def close_the_pipe(_seconds: float) -> None:
        assert not errors
        errors.append(BrokenPipeError())
        elsewhere.advance(1)

    elsewhere.sleep = close_the_pipe  # type: ignore[method-assign]
    state, gone = elsewhere.follow()
    assert (state.phase, gone) == ("running", "")


def test_a_search_whose_lock_does_not_show_is_believed_to_run_for_a_day(
    undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "FAR_POLL_SECONDS", 60.0)  # a day of looks every 5 s takes a minute
    elsewhere = Elsewhere(tmp_path, journal.events(undisturbed.journal)[:40])
    elsewhere.journal.close()
    (tmp_path / "lock").write_text("host far, pid 7")
    elsewhere.left = []
    state, gone = elsewhere.follow()
    assert state.last_id == 5
    assert re.fullmatch(r"no event for \d\d\.\d h, and no lock shows here of host far, pid 7", gone)
    assert 24 * 3600 <= elsewhere.now <= 2 * 24 * 3600
    notes = [line for line in elsewhere.lines if "no lock shows here" in line]
    assert [line.partition(" no ")[2] for line in notes[:3]] == [
        f"event for {words}, and no lock shows here of host far, pid 7, which ran it"
        for words in ("10 min", "20 min", "40 min")
    ]
    assert len(notes) < 10


@pytest.mark.parametrize(
    ("phase", "code", "said"),
    [
        ("finished", 0, r"verdict: .*\nwinner: s/winner\.yaml\n$"),
        ("interrupted", 1, r"the search is interrupted \(SIGTERM\); go on with: evolve resume s\n$"),
        (
            "killed",
            1,
            r"the search is interrupted \(its process has ended without a word\); go on with: evolve resume s",
        ),
        ("failed", 1, r"evolve: search failed: no individual reached its full budget"),
    ],
)
def test_how_it_ends(
    phase: str,
    code: int,
    said: str,
    undisturbed: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = journal.events(undisturbed.journal)
    ends = {
        "finished": whole,
        "interrupted": [*whole[:20], Event(21, whole[20].time, "search_interrupted", None, {"reason": "SIGTERM"})],
        "failed": [
            *whole[:20],
            Event(21, whole[20].time, "search_failed", None, {"reason": "no individual reached its full budget"}),
        ],
        "killed": whole[:20],
    }
    with Journal(Path("s")) as journal_:
        write(journal_, ends[phase])
    assert main(["watch", "s"]) == code
    captured = capsys.readouterr()
    assert re.search(said, captured.out if code == 0 else captured.err), captured


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_where_there_is_no_search(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    for command in ("watch", "stop"):
        assert main([command, name]) == 2
        assert capsys.readouterr().err.startswith(f"evolve: {name}: expected the directory of a search, found no ")


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts evolve on simulated trials in a process; it does not outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def begin_(*words: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, SIMULATED, *words],
            cwd=tmp_path,
            env={**os.environ, **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield begin_
    for process in started:
        process.kill()
        process.wait()


def wait_for(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 120
    while not (journal.holds_search(folder) and len(journal.events(folder / "journal.db")) >= count):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.medium
def test_beside_a_search_that_runs(start: Start, tmp_path: Path) -> None:
    search = start("search", "--out", "s", *SHAPE, SIMULATED_SLEEP="0.1")
    wait_for(tmp_path / "s", 15)
    first, second = start("watch", "s"), start("watch", "s")
    assert first.stdout is not None
    assert " generation 0 of 1: " in first.stdout.readline()
    first.send_signal(signal.SIGINT)
    _, complaint = first.communicate(timeout=60)
    assert first.returncode == 130
    assert complaint == "stopped watching; the search goes on; watch it with: evolve watch s\n"
    own, _ = search.communicate(timeout=120)
    followed, complaint = second.communicate(timeout=60)
    assert (search.returncode, second.returncode, complaint) == (0, 0, "")
    events = [line for line in own.splitlines() if TIMED.match(line) and "starting 2 workers" not in line]
    # the search's first line has the date, which the watcher has in its own first line
    assert [re.sub(r" \d{4}-\d\d-\d\d ", " ", line) for line in followed.splitlines()[:-2]] == events
    assert followed.splitlines()[-2:] == [line for line in own.splitlines() if line.startswith(("verdict", "winner: "))]
