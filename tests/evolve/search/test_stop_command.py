"""evolve stop: the search begins nothing more, ends when its trials are at their rungs, and can be resumed."""

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from evolve import search
from evolve.__main__ import main
from evolve.commands import stop
from evolve.execution.dispatch import dispatch
from evolve.execution.executor import Ended, Lease, LeaseEvent, Measured, Started
from evolve.execution.watch import WatchedExecutor
from evolve.process.signals import StopAsked
from evolve.records import journal, stop_request
from evolve.records.journal import Journal, NewEvent
from evolve.records.state import fold
from evolve.records.stop_request import StopRequest
from evolve.trial import Failure, Measurement, TrialSpec

SIMULATED = str(Path(__file__).with_name("simulated_command.py"))
SHAPE = ["--population", "8", "--elites", "2", "--children", "3", "--generations", "1", "--tracking-uri", "none"]
PIECES = [("g000-003", 0, 10), ("g001-002", 0, 10)]


def asked_at(house: Any, directory: Path, piece: tuple[str, int, int], request: StopRequest) -> Any:
    """Run a search that is asked to stop while it trains this piece; what was trained."""

    def ask(spec: TrialSpec) -> None:
        if (spec.uid, spec.start_step, spec.stop_step) == piece:
            stop_request.ask(directory, request)

    watched = house.watched(house.failing(), before=ask)
    with pytest.raises(StopAsked, match=r"^evolve stop$"):
        search.run(house.task(), directory, recipe=house.recipe(), seed=5, means=watched.means())
    return watched


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("request_", list(StopRequest))
def test_a_search_that_was_stopped_ends_like_one_that_was_not(
    piece: tuple[str, int, int], request_: StopRequest, house: Any, undisturbed: Any, tmp_path: Path
) -> None:
    directory = tmp_path / "s"
    first = asked_at(house, directory, piece, request_)
    assert first.started[-1] == piece  # nothing more began
    state = fold(journal.events(directory / "journal.db"))
    assert (state.phase, state.reason) == ("interrupted", "evolve stop")
    assert not stop_request.is_waiting(directory)
    over = piece[2] in state.individuals[piece[0]].rungs or state.individuals[piece[0]].status == "failed"
    assert over == (request_ is StopRequest.DRAIN)
    second = house.watched(house.failing())
    whole = search.resume(house.task(), directory, means=second.means())
    assert house.essence(whole) == house.essence(undisturbed.state)
    assert (piece in second.started) == (request_ is StopRequest.NOW)  # draining trains nothing twice


def test_while_the_winner_is_confirmed(house: Any, undisturbed: Any, tmp_path: Path) -> None:
    directory = tmp_path / "s"
    uid = next(uid for uid in undisturbed.state.confirmations if uid.endswith("choice-seed-1"))
    asked_at(house, directory, (uid, 0, 90), StopRequest.DRAIN)
    assert uid in fold(journal.events(directory / "journal.db")).confirmations
    whole = search.resume(house.task(), directory, means=house.watched(house.failing()).means())
    assert house.essence(whole) == house.essence(undisturbed.state)


def test_a_request_from_before_a_session_is_not_meant_for_it(house: Any, undisturbed: Any, tmp_path: Path) -> None:
    directory = tmp_path / "s"
    asked_at(house, directory, PIECES[0], StopRequest.NOW)
    stop_request.ask(directory, StopRequest.NOW)
    whole = search.resume(house.task(), directory, means=house.watched(house.failing()).means())
    assert house.essence(whole) == house.essence(undisturbed.state)


def test_a_request_is_taken_once_and_an_unreadable_one_never(tmp_path: Path) -> None:
    assert stop_request.take(tmp_path) is None
    for request in StopRequest:
        stop_request.ask(tmp_path, request)
        assert [stop_request.take(tmp_path), stop_request.take(tmp_path)] == [request, None]
    (tmp_path / "stop-request").touch()  # by hand
    assert stop_request.take(tmp_path) is StopRequest.DRAIN
    (tmp_path / "stop-request").mkdir()
    assert stop_request.take(tmp_path) is None


class TwoSlots:
    """Events as the test gives them."""

    slots = 2

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.polls: deque[list[LeaseEvent]] = deque()

    def submit(self, lease: Lease) -> None:
        self.submitted.append(lease.spec.uid)

    def poll(self, timeout_seconds: float) -> Sequence[LeaseEvent]:
        return self.polls.popleft() if self.polls else []

    def end(self, lease: Lease, failure: Failure) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> "TwoSlots":
        return self

    def __exit__(self, *exc_info: object) -> None: ...


def test_draining_waits_for_all_that_runs_and_for_its_events() -> None:
    leases = [Lease(TrialSpec(uid=f"g000-00{slot}", config={}, seed=0, stop_step=9), 1) for slot in range(3)]
    inner = TwoSlots()
    watched = WatchedExecutor(inner)
    events = dispatch(watched, deque(leases))
    result = Measurement(9, {}, {"val/map50_95": 0.1}, {})
    inner.polls += [[Started(leases[0], "a", "n"), Started(leases[1], "b", "n")]]
    next(events)
    assert watched.steps == {"g000-000": 0, "g000-001": 0}
    watched.drain()
    inner.polls += [[Measured(leases[0], result), Ended(leases[0], None)], [Measured(leases[1], result)]]
    drained = []
    seen = [next(events) for _ in range(4)]
    drained.append(watched.is_drained)
    inner.polls += [[Ended(leases[1], Failure("crashed", "oh"))]]
    seen += [next(events)]
    drained.append(watched.is_drained)  # the failure has only been handed out just now
    assert next(events) is None
    drained.append(watched.is_drained)
    assert drained == [False, False, True]
    assert [type(event) for event in seen] == [Started, Measured, Ended, Measured, Ended]
    assert inner.submitted == ["g000-000", "g000-001"]


def at(directory: Path, undisturbed: Any, count: int, *more: NewEvent) -> Path:
    """A search directory with so many events of the undisturbed search; nobody runs it."""
    with Journal(directory) as written:
        first = journal.events(undisturbed.journal)[:count]
        written.append([*(NewEvent(event.kind, event.uid, event.payload) for event in first), *more])
    return directory


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stop, "SEEN_SECONDS", 0.3)
    monkeypatch.setattr(stop, "DRAIN_SECONDS", 0.3)
    monkeypatch.setattr(stop, "POLL_SECONDS", 0.05)


def test_where_there_is_nothing_to_stop(undisturbed: Any, impatient: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody runs them. The lock names a living process, to which nothing happens."""
    bystander = subprocess.Popen(["sleep", "60"])
    whole = len(journal.events(undisturbed.journal))
    for name, count, said in (
        ("done", whole, "done: this search has finished already; there is nothing to stop\n"),
        ("dead", 20, "dead: no process runs this search; go on with: evolve resume dead\n"),
    ):
        directory = at(Path(name), undisturbed, count)
        host = journal.last_writer(directory).partition(",")[0]
        (directory / "lock").write_text(f"{host}, pid {bystander.pid}")
        assert main(["stop", name]) == 0
        assert capsys.readouterr().out == said
        assert not stop_request.is_waiting(directory)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_search_that_does_not_look(undisturbed: Any, impatient: None, capsys: pytest.CaptureFixture[str]) -> None:
    at(Path("s"), undisturbed, 20)
    with Journal(Path("s")):
        assert main(["stop", "s"]) == 1
    captured = capsys.readouterr()
    assert re.fullmatch(r"s: asked to stop; run by host \S+, pid \d+\n", captured.out)
    assert "runs this search, but has not taken the request within 0 s" in captured.err
    assert stop_request.is_waiting(Path("s"))  # it stops as soon as it looks


def test_a_search_of_another_machine_that_nobody_runs(
    undisturbed: Any, impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (at(Path("s"), undisturbed, 20) / "lock").write_text("host far, pid 7")
    assert main(["stop", "s"]) == 1
    said = capsys.readouterr().err
    assert (
        "the lock of host far, pid 7 does not show here; if nobody runs this search, go on with: evolve resume s"
        in said
    )
    assert not stop_request.is_waiting(Path("s"))


def test_a_search_that_drains_for_long(
    undisturbed: Any, impatient: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at(Path("s"), undisturbed, 20)
    until = stop._until

    def taken(condition: Callable[[], bool], patience_seconds: float) -> bool:
        stop_request.take(Path("s"))
        return until(condition, patience_seconds)

    monkeypatch.setattr(stop, "_until", taken)
    with Journal(Path("s")):
        assert main(["stop", "s"]) == 1
    captured = capsys.readouterr()
    running = [
        record.uid
        for record in fold(journal.events(Path("s/journal.db"))).individuals.values()
        if record.status == "running"
    ]
    assert f"it ends when its running trials ({', '.join(running)}) are at their next rung" in captured.out
    assert "trained again on a resume: evolve stop s --now\n" in captured.err


@pytest.mark.medium
@pytest.mark.parametrize("flags", [[], ["--now"]])
def test_a_search_in_another_process(flags: list[str], tmp_path: Path) -> None:
    def start(*words: str, sleep: str = "0.1") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, SIMULATED, *words],
            cwd=tmp_path,
            env={**os.environ, "SIMULATED_SLEEP": sleep},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    process = start("search", "--out", "s", *SHAPE, sleep="0.5")
    assert process.stdout is not None
    try:
        while "generation 0" not in process.stdout.readline():
            assert process.poll() is None
        stopped = start("stop", "s", *flags)
        said, complaint = stopped.communicate(timeout=120)
        assert (stopped.returncode, complaint) == (0, "")
        assert said.splitlines()[-1] == "s: stopped; go on with: evolve resume s"
        assert f"pid {process.pid}" in said.splitlines()[0]
        out, complaint = process.communicate(timeout=60)
        assert (process.returncode, complaint) == (130, "")
        assert out.splitlines()[-1] == "stopped; nothing that was finished is lost; go on with: evolve resume s"
        assert (" asked to stop: nothing more begins" in out) == (not flags)
        resumed = start("resume", "s", sleep="0")
        out, complaint = resumed.communicate(timeout=120)
        assert (resumed.returncode, complaint) == (0, "")
    finally:
        process.kill()
        process.wait()
