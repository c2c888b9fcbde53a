"""A replay is equal if it gives the same score or fails for the same reason; both reasons are printed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve import replay, search
from evolve.__main__ import main
from evolve.execution.executor import Ended, LeaseEvent
from evolve.execution.local_executor import LocalExecutor
from evolve.records.journal import Journal, NewEvent, events
from evolve.records.state import fold
from evolve.trial import Failure, Measurement, TrialDiverged, TrialSpec

House = Any

FAILING = "g000-003"


def raising(error: Exception | None) -> Any:
    def before(spec: TrialSpec) -> None:
        if error is not None and (spec.uid == FAILING or spec.uid.startswith("g000-000/test-seed-1")):
            raise error

    return before


def searched(house: House, error: Exception) -> Any:
    watched = house.watched(before=raising(error))
    state = search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=watched.means())
    assert state.individuals[FAILING].reason is not None
    return state


def again(house: House, state: Any, uid: str, error: Exception | None) -> replay.Replayed:
    return replay.replay(house.task(), state, uid, LocalExecutor(house.watched(before=raising(error))))


THEN = RuntimeError("layer 7 has no weights")
NAN = TrialDiverged("the box loss is nan at step 3 of 90")


@pytest.mark.parametrize(
    ("then", "now", "equal"),
    [
        (THEN, RuntimeError("layer 7 has no weights"), True),
        (THEN, RuntimeError("layer 12 has no weights"), True),  # the same reason at another place
        (THEN, RuntimeError("no room left on the device"), False),
        (THEN, KeyError("layer 7 has no weights"), False),
        (THEN, NAN, False),
        (NAN, TrialDiverged("the box loss is nan at step 4 of 90"), True),
        (NAN, TrialDiverged("the objectness loss is nan at step 3 of 90"), False),
        (NAN, None, False),
        (ValueError("object at 0x7f3a2b"), ValueError("object at 0x55e1cd"), True),
    ],
)
@pytest.mark.parametrize("uid", [FAILING, "g000-000/test-seed-1"])
def test_failures_are_equal_for_one_reason(
    uid: str, then: Exception, now: Exception | None, equal: bool, house: House
) -> None:
    state = searched(house, then)
    replayed = again(house, state, uid, now)
    assert replayed.journalled is None
    assert replayed.equal is equal
    assert replayed.to_plain().keys() == {"uid", "journalled", "repeated", "equal"}
    assert replayed.failure_then is not None
    assert replayed.failure_then.reason.endswith(str(then))
    assert (replayed.failure is None) is (now is None)


def test_a_failure_that_was_a_score_is_not_equal(house: House) -> None:
    state = house.run()
    uid = next(uid for uid, one in state.individuals.items() if one.fitness is not None)
    watched = house.watched(before=lambda _spec: (_ for _ in ()).throw(RuntimeError("now it fails")))
    replayed = replay.replay(house.task(), state, uid, LocalExecutor(watched))
    assert (replayed.equal, replayed.repeated, replayed.failure_then) == (False, None, None)


def test_a_lost_worker_is_no_repetition_of_a_crash(house: House) -> None:
    class Losing(LocalExecutor):
        def poll(self, timeout_seconds: float) -> list[LeaseEvent]:
            lease = self._lease
            self._release()
            return (
                [] if lease is None else [Ended(lease, Failure("worker_lost", "RuntimeError: layer 7 has no weights"))]
            )

    state = searched(house, THEN)
    replayed = replay.replay(house.task(), state, FAILING, Losing(house.watched()))
    assert replayed.failure is not None
    assert (replayed.failure.kind, replayed.equal) == ("worker_lost", False)


def test_scores_without_a_number_fail_then_and_now(house: House) -> None:
    """As in a search, NaN is no score, and the trial has failed."""

    def nothing(spec: TrialSpec) -> Iterator[Measurement]:
        yield Measurement(spec.stop_step, {}, {f"{split}/map50_95": score for split in spec.evaluate_splits})

    score = 0.5
    watched = house.watched(nothing)
    means = watched.means()

    def broken(spec: TrialSpec) -> Iterator[Measurement]:
        for measurement in nothing(spec):
            bad = spec.uid == FAILING
            yield replace(measurement, scores={"val/map50_95": float("nan")}) if bad else measurement

    watched.inner = broken
    state = search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=means)
    assert "expected the score 'val/map50_95'" in str(state.individuals[FAILING].reason)
    replayed = replay.replay(house.task(), state, FAILING, LocalExecutor(house.watched(broken)))
    assert (replayed.equal, replayed.repeated) == (True, None)
    assert again(house, state, FAILING, RuntimeError("another reason")).equal is False


def test_a_confirmation_of_an_earlier_version_has_no_kind(house: House) -> None:
    state = searched(house, THEN)
    with Journal(house.path / "old") as journal:
        for event in events(house.path / "s" / "journal.db"):
            payload = {
                name: value for name, value in event.payload.items() if name != "kind" or "/" not in str(event.uid)
            }
            journal.append([NewEvent(event.kind, event.uid, payload)])
    old = fold(events(house.path / "old" / "journal.db"))
    uid = "g000-000/test-seed-1"
    assert (old.confirmations[uid].kind, state.confirmations[uid].kind) == (None, "crashed")
    assert again(house, old, uid, THEN).equal
    assert not again(house, old, uid, NAN).equal


def test_both_reasons_are_said(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = ["--population", "6", "--elites", "2", "--children", "2", "--generations", "1", "--tracking-uri", "none"]
    monkeypatch.setenv("SIMULATED_FAILURES", "0.5")
    assert main(["search", "--out", "s", *shape]) == 0
    state = fold(events(Path("s/journal.db")))
    record = next(record for record in state.individuals.values() if record.reason is not None)
    capsys.readouterr()
    assert main(["replay", "s", record.uid]) == 0
    reason = f"failed ({record.kind}: {record.reason})"
    assert f"journalled: {reason}; repeated: {reason}; equal: True" in capsys.readouterr().out
    monkeypatch.setenv("SIMULATED_FAILURES", "0")
    assert main(["replay", "s", record.uid]) == 1
    assert f"journalled: {reason}; repeated: 0." in capsys.readouterr().out
    assert main(["replay", "s", record.uid, "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out).keys() == {"uid", "journalled", "repeated", "equal"}
    assert reason in said.err
