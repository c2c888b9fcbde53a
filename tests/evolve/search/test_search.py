"""The loop on simulated trials: whatever happens on the way, the search ends like an undisturbed one."""

import sqlite3
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolve import search
from evolve.checks import resumable, versions
from evolve.checks.resumable import TaskChanged
from evolve.execution.executor import Ended, Lease, LeaseEvent, Measured
from evolve.execution.local_executor import LocalExecutor
from evolve.execution.watch import Patience
from evolve.process.signals import StopAsked
from evolve.records.events import Outcome
from evolve.records.journal import Journal, JournalError, NewEvent, events
from evolve.records.state import fold
from evolve.task import InputError
from evolve.trial import Failure, TrialSpec, TrialStatus

House = Undisturbed = Any  # the fixtures' classes live in conftest.py


def copy_of(journal: Path, directory: Path, count: int) -> Path:
    """A search directory whose journal ends after `count` events."""
    with Journal(directory) as writer:
        writer.append([NewEvent(event.kind, event.uid, event.payload) for event in events(journal)[:count]])
    return directory


def test_the_shape_of_a_search(house: House) -> None:
    state = house.run()
    assert state.phase == "finished"
    assert Counter(record.generation for record in state.individuals.values()) == {0: 8, 1: 6}
    assert {record.status for record in state.individuals.values()} == {
        TrialStatus.FINISHED,
        TrialStatus.STOPPED_EARLY,
        TrialStatus.FAILED,
    }
    children = Counter(record.parents for record in state.individuals.values() if record.generation == 1)
    assert children == {(elite,): 3 for elite in state.closed[0]}
    for record in state.individuals.values():
        assert (record.fitness is not None) == (90 in record.rungs) == (record.status is TrialStatus.FINISHED)
        assert (record.reason is not None) == (record.status is TrialStatus.FAILED)
    assert state.outcome is not None
    assert state.outcome.uid == state.best.uid == state.closed[1][0]


def test_one_seed_one_search(house: House) -> None:
    assert house.essence(house.run("one")) == house.essence(house.run("two"))


def test_no_state_is_left_behind(house: House) -> None:
    house.run()
    assert list((house.path / "search" / "trials").iterdir()) == []
    names = {path.name for path in (house.path / "search").iterdir()}
    assert names >= {"journal.db", "space.yaml", "winner.yaml", "lineage.json", "generations.csv"}


def test_state_that_a_kill_left_behind_goes_with_the_next_session(undisturbed: Undisturbed, tmp_path: Path) -> None:
    whole = events(undisturbed.journal)
    last = max(index for index, one in enumerate(whole) if one.kind == "confirm_measured")
    directory = copy_of(undisturbed.journal, tmp_path / "s", last)  # all confirmations but the last one are journalled
    confirmed = [str(event.uid).replace("/", ".") for event in whole if event.kind == "confirm_measured"]
    for name in ("g000-001", *confirmed):
        (directory / "trials" / name).mkdir(parents=True)
    seen: list[list[str]] = []

    def look(_spec: TrialSpec) -> None:
        seen.append(sorted(path.name for path in (directory / "trials").iterdir()))

    house = undisturbed.house
    search.resume(house.task(), directory, means=house.watched(house.failing(), before=look).means())
    assert seen == [confirmed[-1:]]


def test_state_stays_while_a_trial_can_go_on(house: House) -> None:
    """At each start the state folders on disk are those of trials that can still go on."""
    directory = house.path / "search"

    def look(_spec: TrialSpec) -> None:
        over = {"finished", "failed", "stopped_early"}
        state = fold(events(directory / "journal.db"))
        for path in (directory / "trials").glob("g*"):
            assert "." in path.name or state.individuals[path.name].status not in over

    watched = house.watched(before=look)
    search.run(house.task(), directory, recipe=house.recipe(), seed=5, means=watched.means())
    assert len(watched.started) > 14


@pytest.mark.medium
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.0, 1.0))
def test_a_journal_cut_anywhere_goes_on_to_the_same_end(
    share: float, undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory
) -> None:
    house = undisturbed.house
    whole = events(undisturbed.journal)
    count = 1 + int(share * (len(whole) - 1))
    directory = copy_of(undisturbed.journal, tmp_path_factory.mktemp("cut"), count)
    watched = house.watched(house.failing())
    state = search.resume(house.task(), directory, means=watched.means())
    assert house.essence(state) == house.essence(undisturbed.state)
    # no piece with a result is trained again, and every other piece is trained once
    measured = {
        (event.uid, event.payload["step"])
        for event in whole[:count]
        if event.kind == "measured" and event.payload["scores"]
    }
    measured |= {(event.uid, 90) for event in whole[:count] if event.kind == "confirm_measured"}
    assert not measured & {(uid, stop) for uid, _, stop in watched.started}
    assert max(Counter(watched.started).values(), default=1) == 1
    decided = [event for event in events(directory / "journal.db") if event.kind in search_decisions]
    assert (
        max(
            Counter(
                (event.kind, event.uid, event.payload.get("generation"), event.payload.get("step")) for event in decided
            ).values()
        )
        == 1
    )


search_decisions = {
    "generation_opened",
    "trial_proposed",
    "rung_reached",
    "trial_stopped",
    "trial_finished",
    "trial_failed",
    "generation_closed",
    "confirm_measured",
    "winner_chosen",
}


def test_a_program_that_decides_otherwise_is_refused(undisturbed: Undisturbed, tmp_path: Path) -> None:
    house = undisturbed.house
    directory = copy_of(undisturbed.journal, tmp_path / "other", 40)
    with sqlite3.connect(directory / "journal.db") as journal:
        journal.execute(
            "UPDATE events SET payload = replace(payload, '\"slot\":3', '\"slot\":4') WHERE uid = 'g000-003'"
        )
    before = events(directory / "journal.db")
    with pytest.raises(JournalError, match=r"g000-003: .* trial_proposed has slot 3 now, 4 in the journal"):
        search.resume(house.task(), directory)
    assert events(directory / "journal.db") == before


def test_a_finished_search_that_cannot_go_on_keeps_its_outcome(undisturbed: Undisturbed, tmp_path: Path) -> None:
    house = undisturbed.house
    directory = copy_of(undisturbed.journal, tmp_path / "other", len(events(undisturbed.journal)))
    with sqlite3.connect(directory / "journal.db") as journal:
        journal.execute("UPDATE events SET payload = replace(payload, '\"slot\":3', '\"slot\":4')")
    with pytest.raises(JournalError, match="decides otherwise"):
        search.resume(house.task(), directory, generations=2)
    state = fold(events(directory / "journal.db"))
    assert (state.phase, state.generations) == ("finished", 1)
    assert state.outcome is not None


def test_a_finished_search_stays_as_it_is(undisturbed: Undisturbed) -> None:
    before = events(undisturbed.journal)
    state = search.resume(undisturbed.house.task(), undisturbed.journal.parent)
    assert state.phase == "finished"
    assert events(undisturbed.journal) == before


def test_a_finished_search_goes_on_to_more_generations(house: House) -> None:
    house.run("short")
    watched = house.watched(house.failing())
    longer = search.resume(house.task(), house.path / "short", generations=2, means=watched.means())
    whole_watched = house.watched(house.failing())
    recipe = house.recipe(generations=2)
    whole = search.run(house.task(), house.path / "long", recipe=recipe, seed=5, means=whole_watched.means())
    mine, theirs = house.essence(longer), house.essence(whole)
    assert mine["individuals"] == theirs["individuals"]
    assert mine["elites"] == theirs["elites"]
    assert longer.outcome is not None
    assert whole.outcome is not None
    assert (longer.outcome.looks, whole.outcome.looks) == (2, 1)  # a second verdict has a wider interval
    assert told_once(longer.outcome) == told_once(whole.outcome)
    trials = {piece for piece in watched.started if "/" not in piece[0]}
    assert all(uid.startswith("g002") for uid, _, _ in trials)
    with pytest.raises(InputError, match="at least 2, as the search has, got 1"):
        search.resume(house.task(), house.path / "short", generations=1)


def told_once(outcome: Outcome) -> object:
    """What does not depend on how many verdicts there were."""
    assert outcome.gain is not None
    return outcome.uid, outcome.confirmed, outcome.defaults, outcome.gain.mean, outcome.gain.pairs


def test_a_directory_with_a_search_is_refused(undisturbed: Undisturbed) -> None:
    house = undisturbed.house
    with pytest.raises(JournalError, match="evolve resume"):
        search.run(house.task(), undisturbed.journal.parent, recipe=house.recipe(), seed=5)


def test_what_changed_is_refused_by_name(undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch) -> None:
    house, directory = undisturbed.house, undisturbed.journal.parent
    task = house.task()
    with pytest.raises(TaskChanged, match=r"search space: .*loss.box_weight"):
        search.resume(replace(task, space=task.space.with_gene_fixed("loss.box_weight", 1.0)), directory)
    with pytest.raises(TaskChanged, match="fingerprint was 'simulated', is 'other'"):
        search.resume(replace(task, description={**task.description, "fingerprint": "other"}), directory)
    search.resume(replace(task, description={**task.description, "path": "moved"}), directory)
    others = {**task.description, "weights": "base.keras", "weights_fingerprint": "beef"}
    with pytest.raises(
        TaskChanged, match=r"^weights base.keras: expected those .*\(none\), got others \(sha256 beef\)"
    ):
        search.resume(replace(task, description=others), directory)
    more_threads = replace(task.factory, arguments={"threads": 3})
    with pytest.raises(TaskChanged, match="threads of a trial: expected 1 as the search began with, got 3"):
        search.resume(replace(task, factory=more_threads), directory)
    monkeypatch.setattr(search.versions, "installed", lambda: {"tensorflow": "0.1"})
    with pytest.raises(TaskChanged, match=r"tensorflow: expected version .*, got 0.1"):
        search.resume(task, directory)


def test_when_all_trials_fail_the_search_fails_with_the_commonest_reason(house: House) -> None:
    def fail(spec: TrialSpec) -> None:
        raise ValueError("no such layer" if spec.uid != "g000-002" else "something rare")

    watched = house.watched(before=fail)
    state = search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=watched.means())
    assert state.phase == "failed"
    assert "ValueError: no such layer (7 of 8 trials)" in str(state.reason)
    assert not (house.path / "s" / "winner.yaml").exists()
    again = search.resume(house.task(), house.path / "s", means=watched.means())
    assert again.phase == "failed"
    assert len(watched.started) == 8


def test_numbers_in_a_reason_make_no_other_reason(house: House) -> None:
    def fail(spec: TrialSpec) -> None:
        slot = int(spec.uid[-3:])
        raise RuntimeError(f"loss {slot * 1.5e-7} at step {slot}" if slot > 2 else "something rarer")

    watched = house.watched(before=fail)
    state = search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=watched.means())
    # 8 individuals: slots 0 to 2 fail for the rarer reason, 3 to 7 for the other one
    assert str(state.reason).endswith(": RuntimeError: loss 4.5e-07 at step 3 (5 of 8 trials)")


def test_a_crashed_trial_fails_once_and_is_no_parent(house: House) -> None:
    def fail(spec: TrialSpec) -> None:
        if spec.uid.startswith("g000-000"):
            raise RuntimeError("boom")

    watched = house.watched(before=fail)
    state = search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=watched.means())
    record = state.individuals["g000-000"]
    assert (record.status, record.kind, record.reason) == (TrialStatus.FAILED, "crashed", "RuntimeError: boom")
    assert [piece for piece in watched.started if piece[0] == "g000-000"] == [("g000-000", 0, 10)]
    # mutants of the defaults in the first generation are bred before anyone is trained
    assert all("g000-000" not in one.parents for one in state.individuals.values() if one.generation)
    # the defaults fail in their confirmations too, and that is said
    assert [
        confirmation.reason for confirmation in state.confirmations.values() if confirmation.role == "defaults"
    ] == ["RuntimeError: boom"] * 3
    assert state.outcome is not None
    assert "not confirmed" in state.outcome.verdict
    assert "RuntimeError: boom" in state.outcome.verdict


class Losing(LocalExecutor):
    """Loses the worker of one individual a number of times."""

    def __init__(self, factory: object, uid: str, times: int) -> None:
        super().__init__(factory)  # type: ignore[arg-type]
        self.uid, self.times = uid, times

    def poll(self, timeout_seconds: float) -> list[LeaseEvent]:
        lease: Lease | None = self._lease
        if lease is not None and lease.spec.uid == self.uid and self.times:
            self.times -= 1
            self._release()
            return [Ended(lease, Failure("worker_lost", "its process died"))]
        return list(super().poll(timeout_seconds))


@pytest.mark.parametrize(("times", "status"), [(3, "finished"), (4, "failed")])
def test_a_lost_worker_is_replaced_three_times(house: House, times: int, status: str) -> None:
    watched = house.watched()
    means = search.Means(make_executor=lambda _id: Losing(watched, "g000-000", times))
    recipe = house.recipe("seed")
    state = search.run(house.task(), house.path / "s", recipe=recipe, seed=5, means=means)
    record = state.individuals["g000-000"]
    assert (str(record.status), state.lost) == (status, {("g000-000", 90, "worker_lost"): 3})
    if status == "failed":
        assert (record.kind, record.reason) == ("worker_lost", "its process died")


class LosingEachPiece(LocalExecutor):
    """Loses the worker of every piece of one individual, or of one confirmation, a number of times."""

    def __init__(self, factory: object, uid: str, times: int) -> None:
        super().__init__(factory)  # type: ignore[arg-type]
        self.uid, self.times = uid, times
        self.lost: Counter[tuple[str, int, str]] = Counter()

    def poll(self, timeout_seconds: float) -> list[LeaseEvent]:
        lease: Lease | None = self._lease
        if lease is not None and lease.spec.uid == self.uid:
            piece = (lease.spec.uid, lease.spec.stop_step, "worker_lost")
            if self._reports is None and self.lost[piece] < self.times:
                self.lost[piece] += 1
                self._release()
                return [Ended(lease, Failure("worker_lost", "its process died"))]
        return list(super().poll(timeout_seconds))


def test_lost_workers_are_counted_by_piece_and_those_of_confirmations_are_journalled(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    house, winner = undisturbed.house, undisturbed.state.outcome.uid
    for name, uid, pieces in (
        ("a", winner, {(winner, step, "worker_lost"): 3 for step in (10, 30, 90)}),
        ("b", f"{winner}/test-seed-0", {(f"{winner}/test-seed-0", 90, "worker_lost"): 3}),
    ):
        watched = house.watched(house.failing())
        means = search.Means(make_executor=lambda _id, w=watched, u=uid: LosingEachPiece(w, u, 3))
        state = search.run(house.task(), tmp_path / name, recipe=house.recipe(), seed=5, means=means)
        assert house.essence(state) == house.essence(undisturbed.state)
        assert state.lost == pieces
        assert fold(events(tmp_path / name / "journal.db")).lost == pieces


class Hanging(LocalExecutor):
    """Lets the trial of one individual or confirmation hang after its first measurement, a number of times."""

    def __init__(self, factory: object, uid: str, times: int) -> None:
        super().__init__(factory)  # type: ignore[arg-type]
        self.uid, self.times = uid, times
        self.moved = False

    def poll(self, timeout_seconds: float) -> list[LeaseEvent]:
        lease: Lease | None = self._lease
        if lease is None or lease.spec.uid != self.uid or not self.times:
            return list(super().poll(timeout_seconds))
        if self.moved:
            time.sleep(0.01)
            return []
        events = list(super().poll(timeout_seconds))
        self.moved = any(isinstance(event, Measured) for event in events)
        return events

    def end(self, lease: Lease, failure: Failure) -> None:
        super().end(lease, failure)
        self.times -= 1
        self.moved = False


HASTE = Patience(factor=2.0, least_seconds=0.1, unknown_seconds=5.0)  # simulated trials report in milliseconds


@pytest.mark.parametrize("where", ["", "/test-seed-0"])
def test_a_trial_that_hangs_once_changes_nothing(where: str, undisturbed: Undisturbed, tmp_path: Path) -> None:
    house = undisturbed.house
    uid = f"{undisturbed.state.outcome.uid}{where}"
    watched = house.watched(house.failing())
    means = watched.means(patience=HASTE)
    means = replace(means, make_executor=lambda _id: Hanging(watched, uid, 1))
    state = search.run(house.task(), tmp_path / "s", recipe=house.recipe(), seed=5, means=means)
    assert house.essence(state) == house.essence(undisturbed.state)
    [lost] = [event for event in events(tmp_path / "s" / "journal.db") if event.kind == "attempt_lost"]
    assert (lost.uid, lost.payload["cause"]) == (uid, "hung")
    assert str(lost.payload["reason"]).startswith("no sign of life for 0 s after step ")


def test_a_trial_that_hangs_twice_has_failed_and_the_search_goes_on(house: House) -> None:
    watched = house.watched()
    means = replace(watched.means(patience=HASTE), make_executor=lambda _id: Hanging(watched, "g000-003", 9))
    state = search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=means)
    record = state.individuals["g000-003"]
    assert (record.status, record.kind, record.attempts) == (TrialStatus.FAILED, "hung", 2)
    assert str(record.reason).startswith("no sign of life for 0 s after step 5 of 10 (the longest silence before was")
    assert state.phase == "finished"


def test_each_way_of_losing_an_attempt_has_its_own_budget(house: House) -> None:
    """After three dead workers, a hang is still retried once: each kind of failure has its own number of retries."""

    class Both(Hanging):
        deaths = 3

        def poll(self, timeout_seconds: float) -> list[LeaseEvent]:
            lease: Lease | None = self._lease
            if lease is not None and lease.spec.uid == self.uid and self.deaths:
                self.deaths -= 1
                self._release()
                return [Ended(lease, Failure("worker_lost", "its process died"))]
            return super().poll(timeout_seconds)

    watched = house.watched()
    means = replace(watched.means(patience=HASTE), make_executor=lambda _id: Both(watched, "g000-000", 1))
    state = search.run(house.task(), house.path / "s", recipe=house.recipe("seed"), seed=5, means=means)
    assert state.individuals["g000-000"].status is TrialStatus.FINISHED
    assert state.lost == {("g000-000", 90, "worker_lost"): 3, ("g000-000", 90, "hung"): 1}
    assert fold(events(house.path / "s" / "journal.db")).lost == state.lost


@pytest.mark.parametrize("where", ["g000-002", "/test-seed-1"])
def test_what_no_trial_can_help_interrupts_the_search_and_fails_no_trial(
    where: str, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    house = undisturbed.house

    def full(spec: TrialSpec) -> None:
        if where in spec.uid:
            raise OSError(28, "No space left on device")

    watched = house.watched(house.failing(), before=full)
    with pytest.raises(OSError, match="No space left"):
        search.run(house.task(), tmp_path / "s", recipe=house.recipe(), seed=5, means=watched.means())
    state = fold(events(tmp_path / "s" / "journal.db"))
    assert (state.phase, state.reason) == ("interrupted", "OSError: [Errno 28] No space left on device")
    assert not any("No space" in str(record.reason) for record in state.individuals.values())
    assert not any("No space" in str(confirmation.reason) for confirmation in state.confirmations.values())
    state = search.resume(house.task(), tmp_path / "s", means=house.watched(house.failing()).means())
    assert house.essence(state) == house.essence(undisturbed.state)


def test_being_asked_to_stop_leaves_a_search_that_goes_on(undisturbed: Undisturbed, tmp_path: Path) -> None:
    house = undisturbed.house
    sentences: list[str] = []

    class Display(search.Display):
        def interrupted(self, directory: Path) -> None:
            phase = fold(events(directory / "journal.db")).phase
            sentences.append(phase)

    def stop(spec: TrialSpec) -> None:
        if len(watched.started) == 5:
            raise StopAsked("Ctrl-C")

    watched = house.watched(house.failing(), before=stop)
    means = watched.means(display=Display())
    with pytest.raises(KeyboardInterrupt):
        search.run(house.task(), tmp_path / "s", recipe=house.recipe(), seed=5, means=means)
    assert sentences == ["running"]  # the sentence is shown before anything else happens
    interrupted = fold(events(tmp_path / "s" / "journal.db"))
    assert (interrupted.phase, interrupted.reason) == ("interrupted", "Ctrl-C")
    go_on = house.watched(house.failing())
    state = search.resume(house.task(), tmp_path / "s", means=go_on.means())
    assert house.essence(state) == house.essence(undisturbed.state)


def test_a_broken_executor_ends_the_session_and_not_the_search(undisturbed: Undisturbed, tmp_path: Path) -> None:
    house = undisturbed.house

    def broken(_search_id: str) -> LocalExecutor:
        raise ConnectionError("no cluster there")

    means = search.Means(make_executor=broken)
    with pytest.raises(ConnectionError):
        search.run(house.task(), tmp_path / "s", recipe=house.recipe(), seed=5, means=means)
    assert not (tmp_path / "s").exists()  # the search has not begun
    directory = copy_of(undisturbed.journal, tmp_path / "t", 40)
    with pytest.raises(ConnectionError):
        search.resume(house.task(), directory, means=means)
    state = fold(events(directory / "journal.db"))
    assert (state.phase, state.reason) == ("interrupted", "ConnectionError: no cluster there")


def test_being_asked_to_stop_while_the_workers_start_leaves_a_search_that_goes_on(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    house = undisturbed.house
    said: list[Path] = []

    class Display(search.Display):
        def interrupted(self, directory: Path) -> None:
            said.append(directory)

    def stopped(_search_id: str) -> LocalExecutor:
        raise StopAsked("SIGTERM")

    means = search.Means(make_executor=stopped, display=Display())
    with pytest.raises(StopAsked):
        search.run(house.task(), tmp_path / "s", recipe=house.recipe(), seed=5, means=means)
    assert said == [tmp_path / "s"]
    state = fold(events(tmp_path / "s" / "journal.db"))
    assert (state.phase, state.reason) == ("interrupted", "SIGTERM")
    state = search.resume(house.task(), tmp_path / "s", means=house.watched(house.failing()).means())
    assert house.essence(state) == house.essence(undisturbed.state)


def test_the_workers_end_before_the_tracker_takes_its_time(house: House) -> None:
    ended: list[str] = []

    class Executor(LocalExecutor):
        def close(self) -> None:
            ended.append("executor")

    class Tracker(search.NullTracker):
        def close(self, timeout_seconds: float) -> None:
            ended.append("tracker")

    watched = house.watched()
    means = search.Means(make_executor=lambda _id: Executor(watched), make_tracker=lambda _path: Tracker())
    search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=means)
    assert ended[:2] == ["executor", "tracker"]


def test_a_piece_of_another_search_is_not_taken_over(house: House) -> None:
    """The results of another search, whose journal was removed, are still in the directory."""
    directory, task = house.path / "s", house.task()

    def stop(spec: TrialSpec) -> None:
        if spec.uid == "g000-004":
            raise KeyboardInterrupt

    def again(task: object) -> list[str]:
        """The uids that a search trains in the directory until it is stopped at the first rung."""
        for path in directory.glob("journal.db*"):
            path.unlink()
        watched = house.watched(before=stop)
        with pytest.raises(KeyboardInterrupt):
            search.run(task, directory, recipe=house.recipe(), seed=5, means=watched.means())
        return [uid for uid, _, _ in watched.started]

    every = [f"g000-00{slot}" for slot in range(5)]
    directory.mkdir()
    assert again(task) == every
    assert again(task) == every[4:]  # the same search: its finished pieces are used
    moved = replace(task, description={**task.description, "path": "elsewhere"})
    assert again(moved) == every[4:]
    description, factory = task.description, task.factory
    for other in (
        replace(task, description={**description, "fingerprint": "other pictures"}),
        replace(task, description={**description, "anchors": [[9.0, 8.0]]}),
        replace(task, description={**description, "weights": "w.keras", "weights_fingerprint": "other weights"}),
        replace(task, factory=replace(factory, arguments={"noise": 0.5})),
    ):
        assert again(other) == every
        assert again(other) == every[4:]


def test_a_piece_of_other_versions_or_threads_is_not_taken_over(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    before = resumable.basis(house.task())
    assert resumable.basis(house.task(threads=2)) != before
    installed = versions.installed()
    monkeypatch.setattr(versions, "installed", lambda: {**installed, "code": "another commit", "mlflow": "0"})
    assert resumable.basis(house.task()) == before
    for name in ("tensorflow", "keras", "numpy", "opencv-python"):
        monkeypatch.setattr(versions, "installed", lambda name=name: {**installed, name: "0.1"})
        assert resumable.basis(house.task()) != before


def test_a_tracker_is_told_and_closed(house: House) -> None:
    calls: list[str] = []

    class Tracker:
        def start(self) -> None:
            calls.append("start")

        def notify(self) -> None:
            calls.append("notify")

        def close(self, timeout_seconds: float) -> None:
            calls.append("close")

    watched = house.watched()
    means = watched.means(make_tracker=lambda _path: Tracker())
    search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=means)
    assert (calls[0], calls[-2:]) == ("start", ["notify", "close"])
    calls.clear()
    search.resume(house.task(), house.path / "s", means=means)
    assert calls == ["start", "notify", "close"]  # for a finished search: only to send what is missing
    untracked = search.run(house.task(), house.path / "t", recipe=house.recipe(), seed=5, means=house.watched().means())
    tracked = fold(events(house.path / "s" / "journal.db"))
    assert house.essence(tracked) == house.essence(untracked)
