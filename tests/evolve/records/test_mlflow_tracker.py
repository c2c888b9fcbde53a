"""What MLflow holds after a journal was projected: the tree of runs, their tags, curves and statuses; and outages."""

import contextlib
import itertools
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evolve.records.journal import Journal, NewEvent
from evolve.records.mlflow_tracker import SENT_TAG, MlflowTracker
from evolve.records.projection import Projection
from evolve.records.run_updates import EXPERIMENT

pytestmark = pytest.mark.medium  # MLflow: 3 s to import, 5 s to make its database
PATIENCE_SECONDS = 120.0

CREATED = {
    "search_id": "s1",
    "seed": 7,
    "steps": 90,
    "recipe_name": "fast",
    "recipe": {"name": "fast", "population": 3, "elites": 1, "generations": 1},
    "space": {"name": "tiny", "genes": {}},
    "data": {"path": "embedded", "fingerprint": "f00d", "class_names": ["0", "1"], "images": {"train": 4, "val": 2}},
    "objective": {"target": "x:y", "arguments": {}},
    "request": {},
    "threads": 1,
    "workers": 2,
    "versions": {"tensorflow": "2.21.0"},
}


def proposed(uid: str, parents: list[str], rate: float) -> NewEvent:
    generation, slot = int(uid[1:4]), int(uid[5:])
    operator = "gaussian" if parents else "random"
    place = {"generation": generation, "slot": slot, "parents": parents, "operator": operator, "seed": 11}
    return NewEvent("trial_proposed", uid, {**place, "genome": {"optimizer.learning_rate": rate, "augment.flip": True}})


def attempt(uid: str, number: int = 1) -> NewEvent:
    where = {"worker": "slot-0", "node": "here"}
    return NewEvent("attempt_started", uid, {"attempt": number, "start_step": 0, "stop_step": 90, **where})


def measured(uid: str, step: int, score: float) -> NewEvent:
    scores = {"val/map50_95": score}
    losses = {"box": 1.5, "total": 4.0}
    return NewEvent(
        "measured",
        uid,
        {"attempt": 1, "step": step, "losses": losses, "scores": scores, "seconds": {"train": 2.0}, "traces": 0},
    )


def rung(uid: str, step: int, score: float) -> NewEvent:
    return NewEvent("rung_reached", uid, {"step": step, "score": score, "share": step / 90})


def finished(uid: str, fitness: float) -> list[NewEvent]:
    return [
        attempt(uid),
        measured(uid, 90, fitness),
        rung(uid, 90, fitness),
        NewEvent("trial_finished", uid, finish(fitness)),
    ]


def finish(fitness: float) -> dict[str, object]:
    return {"fitness": fitness, "seconds": 2.0}


def confirmation(role: str, individual: str, number: int, score: float) -> NewEvent:
    payload = {"role": role, "individual": individual, "seed": number, "seconds": {"train": 2.0}, "reason": None}
    return NewEvent(
        "confirm_measured", f"{individual}/test-seed-{number}", {**payload, "scores": {"test/map50_95": score}}
    )


FIRST_HALF = [
    NewEvent("search_created", None, CREATED),
    NewEvent("generation_opened", None, {"generation": 0, "population": 3}),
    proposed("g000-000", [], 0.01),
    proposed("g000-001", [], 0.02),
    proposed("g000-002", [], 0.9),
    *finished("g000-000", 0.30),
    attempt("g000-001"),
    measured("g000-001", 30, 0.10),
    rung("g000-001", 30, 0.10),
    NewEvent("trial_stopped", "g000-001", {"step": 30}),
    attempt("g000-002"),
]
SECOND_HALF = [
    NewEvent(
        "trial_failed", "g000-002", {"kind": "diverged", "reason": "box is NaN", "traceback": "at x", "seconds": 1.0}
    ),
    NewEvent("generation_closed", None, {"generation": 0, "elites": ["g000-000"]}),
    NewEvent("generation_opened", None, {"generation": 1, "population": 2}),
    proposed("g001-000", ["g000-000"], 0.011),
    proposed("g001-001", ["g000-000"], 0.012),
    *finished("g001-000", 0.25),
    *finished("g001-001", 0.50),
    NewEvent("generation_closed", None, {"generation": 1, "elites": ["g001-001"]}),
    confirmation("winner", "g001-001", 0, 0.4),
    confirmation("winner", "g001-001", 1, 0.5),
    confirmation("defaults", "g000-000", 0, 0.3),
    NewEvent(
        "winner_chosen",
        "g001-001",
        {
            "split": "test",
            "confirmed": {"mean": 0.45, "interval": [0.4, 0.5], "seeds": 2},
            "defaults": {"mean": 0.3, "interval": None, "seeds": 1},
            "gain": {"mean": 0.15, "interval": [0.1, 0.2], "probability": 0.97},
            "verdict": "better than the defaults",
        },
    ),
    NewEvent("search_finished", None, {"verdict": "better than the defaults"}),
]


def write(directory: Path, entries: list[NewEvent], start: float = 1_800_000_000.0) -> Path:
    """A journal with one event a second."""
    ticks = itertools.count(start)
    with Journal(directory, clock=lambda: float(next(ticks))) as journal:
        for entry in entries:
            journal.append([entry])
    return journal.path


def project(path: Path, uri: str) -> MlflowTracker:
    tracker = MlflowTracker(path, uri)
    tracker.start()
    tracker.notify()
    tracker.close(PATIENCE_SECONDS)
    return tracker


class Shown:
    """What one search looks like in MLflow."""

    def __init__(self, uri: str, search_id: str) -> None:
        from mlflow import MlflowClient

        self.client: Any = MlflowClient(tracking_uri=uri)
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        runs = self.client.search_runs([experiment.experiment_id], f"tags.`evolve.search` = '{search_id}'")
        self.runs = {run.info.run_name: run for run in runs}
        assert len(self.runs) == len(runs), "one run a name"

    def parent(self, name: str) -> str:
        by_id = {run.info.run_id: one for one, run in self.runs.items()}
        return by_id[self.runs[name].data.tags["mlflow.parentRunId"]]

    def curve(self, name: str, metric: str) -> list[tuple[int, float]]:
        history = self.client.get_metric_history(self.runs[name].info.run_id, metric)
        return sorted((point.step, point.value) for point in history)

    def everything(self) -> dict[str, object]:
        return {
            name: (
                run.info.run_id,
                run.info.status,
                run.info.start_time,
                run.info.end_time,
                dict(run.data.tags),
                dict(run.data.params),
                {metric: self.curve(name, metric) for metric in run.data.metrics},
            )
            for name, run in self.runs.items()
        }


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("search")
    (made / "winner.yaml").write_text("genome: {}\n", encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def shown(uri: str, directory: Path) -> Shown:
    tracker = project(write(directory, FIRST_HALF + SECOND_HALF), uri)
    assert tracker.problem is None
    return Shown(uri, "s1")


def test_there_is_one_run_for_the_search_and_each_generation_trial_and_confirmation(shown: Shown) -> None:
    assert sorted(shown.runs) == [
        "g000-000",
        "g000-000/test-seed-0",
        "g000-001",
        "g000-002",
        "g001-000",
        "g001-001",
        "g001-001/test-seed-0",
        "g001-001/test-seed-1",
        "generation 000",
        "generation 001",
        "search s1",
    ]
    assert shown.parent("g000-002") == "generation 000"
    assert shown.parent("g001-001") == "generation 001"
    assert shown.parent("generation 001") == "search s1"
    assert shown.parent("g000-000/test-seed-0") == "g000-000"
    assert shown.parent("g001-001/test-seed-1") == "g001-001"
    assert "mlflow.parentRunId" not in shown.runs["search s1"].data.tags


def test_a_trial_says_where_it_comes_from(shown: Shown) -> None:
    tags = shown.runs["g001-001"].data.tags
    assert tags["evolve.trial_uid"] == "s1/g001-001"
    assert tags["evolve.parent_uid"] == "s1/g000-000"
    assert tags["evolve.parent_run_id"] == shown.runs["g000-000"].info.run_id
    experiment = shown.runs["search s1"].info.experiment_id
    page = f"#/experiments/{experiment}/runs/{tags['evolve.parent_run_id']}?workflowType=machine_learning"
    assert tags["mlflow.note.content"] == f"Bred from [g000-000]({page})."
    assert tags["evolve.operators"] == "gaussian"
    assert tags["generation"] == "001"
    assert "evolve.parent_uid" not in shown.runs["g000-000"].data.tags
    assert shown.runs["g001-001"].data.params == {"optimizer.learning_rate": "0.012", "augment.flip": "true"}


def test_a_trial_says_how_it_ended(shown: Shown) -> None:
    ends = {name: (run.info.status, run.data.tags.get("evolve.status_reason")) for name, run in shown.runs.items()}
    assert ends["g000-000"] == ("FINISHED", "full budget of 90 steps")
    assert ends["g000-001"] == ("FINISHED", "not promoted at step 30 of 90")
    assert ends["g000-002"] == ("FAILED", "diverged: box is NaN")
    assert ends["generation 000"][0] == ends["search s1"][0] == "FINISHED"
    assert shown.runs["g000-001"].data.tags["evolve.status"] == "stopped_early"


def test_curves_stand_at_their_steps(shown: Shown) -> None:
    assert shown.curve("g000-001", "val/map50_95") == [(30, 0.10)]
    assert shown.curve("g000-000", "loss/box") == [(90, 1.5)]
    assert shown.curve("g000-000", "rung_score") == [(90, 0.30)]
    assert shown.curve("g001-001", "fitness") == [(0, 0.50)]
    assert "fitness" not in shown.runs["g000-001"].data.metrics  # it did not reach the full budget


def test_generations_can_be_compared_on_the_search_run(shown: Shown) -> None:
    # generation 1 has fitness 0.25 and 0.50: median 0.375, 10 % quantile 0.25 + 0.1 * 0.25
    assert shown.curve("search s1", "gen/best") == [(0, 0.30), (1, 0.50)]
    assert shown.curve("search s1", "gen/best_so_far") == [(0, 0.30), (1, 0.50)]
    assert shown.curve("search s1", "gen/median") == [(0, 0.30), (1, 0.375)]
    assert [value for _, value in shown.curve("search s1", "gen/q10")] == pytest.approx([0.30, 0.275])
    assert shown.curve("search s1", "gen/failed") == [(0, 1.0), (1, 0.0)]
    metrics = shown.runs["generation 000"].data.metrics
    assert shown.curve("search s1", "gen/lower_quartile") == [(0, 0.30), (1, 0.3125)]  # 0.25 + 0.25 * 0.25
    assert shown.curve("search s1", "gen/upper_quartile") == [(0, 0.30), (1, 0.4375)]
    assert shown.runs["generation 001"].data.metrics["best_so_far"] == 0.50
    expected = {
        "trials": 3.0,
        "finished": 1.0,
        "stopped_early": 1.0,
        "failed": 1.0,
        "best": 0.30,
        "worker_seconds": 5.0,
        "worker_hours": 5.0 / 3600.0,
        "best_so_far": 0.30,
    }
    assert {name: metrics[name] for name in expected} == expected  # seconds: 2 + 2 + 1


def test_the_verdict_and_its_files_are_on_the_search_run(shown: Shown) -> None:
    run = shown.runs["search s1"]
    assert not [name for name in run.data.metrics if "candidates" in name or "test/" in name]
    assert run.data.metrics["confirm/gain/low"] == 0.1
    assert run.data.metrics["confirm/winner/mean"] == 0.45
    assert "better than the defaults" in run.data.tags["mlflow.note.content"]
    assert run.data.tags["evolve.winner"] == "s1/g001-001"
    assert run.data.params["data.images.train"] == "4"
    assert [file.path for file in shown.client.list_artifacts(run.info.run_id)] == ["winner.yaml"]


def test_times_are_those_of_the_events(shown: Shown) -> None:
    run = shown.runs["generation 000"]  # it opens with the 2nd event and closes with the 16th; one event per second
    assert (run.info.start_time, run.info.end_time) == (1_800_000_001_000, 1_800_000_015_000)


def test_a_trial_lasts_as_long_as_it_was_worked_on(shown: Shown) -> None:
    # each measurement took 2 s, the failed trial 1 s; the events from attempt to end took 3 s
    lasted = {name: run.info.end_time - run.info.start_time for name, run in shown.runs.items()}
    assert [lasted[f"g000-00{slot}"] for slot in (0, 1, 2)] == [2000, 2000, 1000]
    assert lasted["g001-001"] == lasted["g001-001/test-seed-0"] == 2000


def test_a_trial_that_waits_at_a_rung_is_scheduled_and_lasts_no_longer(shown: Shown, uri: str, tmp_path: Path) -> None:
    created = NewEvent("search_created", None, {**CREATED, "search_id": "s7"})
    waits = [measured("g000-002", 10, 0.1), rung("g000-002", 10, 0.1)]
    path = write(tmp_path, [created, *FIRST_HALF[1:], *waits])
    project(path, uri)
    run = Shown(uri, "s7").runs["g000-002"]
    assert (run.info.status, run.data.tags["evolve.status"]) == ("SCHEDULED", "proposed")
    assert run.info.end_time - run.info.start_time == 2000
    write(tmp_path, [attempt("g000-002", 2)], start=1_800_001_000.0)
    project(path, uri)
    assert Shown(uri, "s7").runs["g000-002"].info.status == "RUNNING"
    interrupted = NewEvent("search_interrupted", None, {"reason": "Ctrl-C"})
    write(tmp_path, [interrupted], start=1_800_002_000.0)
    project(path, uri)
    run = Shown(uri, "s7").runs["g000-002"]
    assert (run.info.status, run.info.end_time - run.info.start_time) == ("KILLED", 2000)


def test_a_confirmation_is_a_run_with_its_scores(shown: Shown) -> None:
    run = shown.runs["g001-001/test-seed-1"]
    assert run.info.status == "FINISHED"
    assert shown.curve("g001-001/test-seed-1", "test/map50_95") == [(90, 0.5)]
    tags = run.data.tags
    assert (tags["evolve.kind"], tags["evolve.role"], tags["evolve.seed"]) == ("confirmation", "winner", "1")
    assert (tags["evolve.trial_uid"], tags["evolve.confirmation_uid"]) == ("s1/g001-001", "s1/g001-001/test-seed-1")


def test_a_failed_confirmation_of_any_role_says_why(shown: Shown, uri: str, tmp_path: Path) -> None:
    payload = {"individual": "g000-000", "seed": 4, "seconds": {}, "scores": {}}
    failure = {"kind": "crashed", "reason": "no memory", "traceback": "at y"}
    of_an_opponent = {**payload, "role": "opponent", "individual": "hand-tuned", **failure}
    lost = {"attempt": 1, "stop_step": 90, "cause": "hung", "reason": "silent"}
    events = [
        NewEvent("search_created", None, {**CREATED, "search_id": "s8"}),
        *FIRST_HALF[1:],
        NewEvent("attempt_lost", "g000-000/choice-seed-0", lost),
        NewEvent("confirm_measured", "g000-000/choice-seed-0", {**payload, "role": "candidate", **failure}),
        NewEvent("confirm_measured", "hand-tuned/test-seed-0", of_an_opponent),
    ]
    assert project(write(tmp_path, events), uri).problem is None
    failed = Shown(uri, "s8")
    tags = failed.runs["g000-000/choice-seed-0"].data.tags
    assert failed.runs["g000-000/choice-seed-0"].info.status == "FAILED"
    assert (tags["evolve.status_reason"], tags["evolve.attempts_lost"]) == ("crashed: no memory", "1")
    assert "at y" in tags["mlflow.note.content"]
    assert failed.parent("hand-tuned/test-seed-0") == "search s8", "it is no individual of the search"
    assert failed.runs["hand-tuned/test-seed-0"].data.tags["evolve.role"] == "opponent"


def test_the_same_journal_again_changes_nothing(shown: Shown, uri: str, directory: Path) -> None:
    before = shown.everything()
    shown.client.set_tag(
        shown.runs["search s1"].info.run_id, SENT_TAG, "?"
    )  # as if the store did not know that it has the events
    assert project(directory / "journal.db", uri).problem is None
    assert Shown(uri, "s1").everything() == before


def test_a_second_session_sends_only_the_rest(
    shown: Shown, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = NewEvent("search_created", None, {**CREATED, "search_id": "s2"})
    interrupted = [NewEvent("search_interrupted", None, {"reason": "Ctrl-C"})]
    path = write(tmp_path, [created, *FIRST_HALF[1:], *interrupted])
    project(path, uri)
    half = Shown(uri, "s2")
    assert half.runs["search s2"].info.status == half.runs["g000-002"].info.status == "KILLED"
    assert half.runs["g000-002"].data.tags["evolve.status_reason"] == "search interrupted: Ctrl-C"

    resumed = [NewEvent("search_resumed", None, {"workers": 2, "generations": 1}), attempt("g000-002", 2)]
    write(tmp_path, resumed + SECOND_HALF, start=1_800_001_000.0)
    written = watch_writes(monkeypatch)
    assert project(path, uri).problem is None
    whole = Shown(uri, "s2")
    assert "trial/g000-000" not in written, "the first session sent it"
    assert {name.replace("s2", "s1") for name in whole.runs} == set(shown.runs)
    assert whole.runs["g000-002"].info.run_id == half.runs["g000-002"].info.run_id
    assert whole.runs["search s2"].info.status == "FINISHED"
    assert whole.curve("search s2", "gen/best") == shown.curve("search s1", "gen/best")


def watch_writes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from evolve.records import mlflow_tracker

    written: list[str] = []
    original = mlflow_tracker._MlflowStore.write

    def write_and_note(store: Any, write: Any) -> str | None:
        written.append(write.key)
        return original(store, write)

    monkeypatch.setattr(mlflow_tracker._MlflowStore, "write", write_and_note)
    return written


def test_an_emptied_tracking_store_gets_everything_again(shown: Shown, uri: str, directory: Path) -> None:
    for run in shown.runs.values():
        shown.client.set_tag(run.info.run_id, "evolve.search", "somebody else's")  # the tracker no longer finds it
    project(directory / "journal.db", uri)
    assert set(Shown(uri, "s1").runs) == set(shown.runs)


def test_a_run_that_was_deleted_by_hand_stops_nothing_and_is_said(shown: Shown, uri: str, tmp_path: Path) -> None:
    created = NewEvent("search_created", None, {**CREATED, "search_id": "s3"})
    path = write(tmp_path, [created, *FIRST_HALF[1:]])
    project(path, uri)
    client = shown.client
    client.delete_run(Shown(uri, "s3").runs["g000-002"].info.run_id)  # by hand, in the UI
    write(tmp_path, SECOND_HALF, start=1_800_001_000.0)
    problem = project(path, uri).problem
    assert problem is not None
    assert "trial/g000-002" in problem
    assert Shown(uri, "s3").runs["search s3"].info.status == "FINISHED"


@pytest.fixture
def refusing_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_server_that_refuses_costs_nothing_and_is_said_once(tmp_path: Path, refusing_port: int) -> None:
    path = write(tmp_path, FIRST_HALF)
    tracker = MlflowTracker(path, f"http://me:secret@127.0.0.1:{refusing_port}")
    tracker.start()
    tracker.notify()
    tracker.close(PATIENCE_SECONDS)
    assert tracker.problem is not None
    assert f"127.0.0.1:{refusing_port}" in tracker.problem
    assert "secret" not in tracker.problem


def test_a_server_that_never_answers_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answered, asked = threading.Event(), threading.Event()

    def ask(*_: object) -> None:
        asked.set()
        answered.wait(PATIENCE_SECONDS)  # as a request to that server

    monkeypatch.setattr(MlflowTracker, "_round", ask)
    tracker = MlflowTracker(write(tmp_path, FIRST_HALF), "http://127.0.0.1:1")
    tracker.start()
    tracker.notify()
    assert asked.wait(PATIENCE_SECONDS)
    tracker.notify()
    tracker.close(0.1)
    assert not answered.is_set()
    assert tracker.problem is not None
    assert "it took longer than 0.1 seconds" in tracker.problem
    answered.set()


def run_tracker(path: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> MlflowTracker:
    """A running tracker with short pauses between its tries."""
    from evolve.records import feed

    monkeypatch.setattr(feed, "PERIOD_SECONDS", 0.01)
    monkeypatch.setattr(feed, "LONGEST_PAUSE_SECONDS", 0.01)
    tracker = MlflowTracker(path, uri)
    tracker.start()
    return tracker


def wait_until(condition: Callable[[], object], tracker: MlflowTracker) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, tracker.problem
        tracker.notify()
        time.sleep(0.02)


def test_an_experiment_that_was_deleted_and_restored_lacks_nothing(
    shown: Shown, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = NewEvent("search_created", None, {**CREATED, "search_id": "s4"})
    path = write(tmp_path, [created, *FIRST_HALF[1:]])
    tracker = run_tracker(path, uri, monkeypatch)
    wait_until(lambda: "g000-002" in Shown(uri, "s4").runs, tracker)
    experiment = shown.client.get_experiment_by_name(EXPERIMENT).experiment_id
    shown.client.delete_experiment(experiment)  # by hand, in the UI
    write(tmp_path, SECOND_HALF, start=1_800_001_000.0)
    wait_until(lambda: "refused" in (tracker.problem or ""), tracker)
    assert shown.client.get_experiment(experiment).lifecycle_stage == "deleted", "it is not ours to restore now"
    shown.client.restore_experiment(experiment)
    tracker.close(PATIENCE_SECONDS)
    assert tracker.problem is None
    whole = Shown(uri, "s4")
    assert {name.replace("s4", "s1") for name in whole.runs} == set(shown.runs)
    for name, run in whole.runs.items():
        other = shown.runs[name.replace("s4", "s1")]
        assert (run.data.metrics, run.data.params) == (other.data.metrics, other.data.params)
        assert run.info.status == other.info.status
    assert whole.parent("g001-001") == "generation 001"


def test_what_a_server_refuses_with_5xx_or_a_lock_is_sent_later(
    shown: Shown, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, TEMPORARILY_UNAVAILABLE

    failures = [
        MlflowException("API request failed with error code 503 != 200", error_code=TEMPORARILY_UNAVAILABLE),
        MlflowException("(sqlite3.OperationalError) database is locked", error_code=TEMPORARILY_UNAVAILABLE),
        MlflowException("502 Bad Gateway", error_code=INTERNAL_ERROR),
        ConnectionResetError("connection reset by peer"),
        RuntimeError("a bug of a library"),
        SystemExit(1),
    ] * 3
    original = MlflowClient.log_batch

    def log_batch(self: Any, *words: Any, **named: Any) -> None:
        if failures:
            raise failures.pop()
        original(self, *words, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", log_batch)
    created = NewEvent("search_created", None, {**CREATED, "search_id": "s5"})
    tracker = run_tracker(write(tmp_path, [created, *FIRST_HALF[1:], *SECOND_HALF]), uri, monkeypatch)
    wait_until(lambda: not failures and tracker.problem is None, tracker)
    tracker.close(PATIENCE_SECONDS)
    assert tracker.problem is None
    whole = Shown(uri, "s5")
    assert {name.replace("s5", "s1") for name in whole.runs} == set(shown.runs)
    assert whole.curve("search s5", "gen/best") == shown.curve("search s1", "gen/best")


def test_more_tries_than_a_number_can_count_end_nothing(
    shown: Shown, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from evolve.records import mlflow_tracker

    tries = itertools.count(1)

    def fail(*_: object) -> None:
        if next(tries) <= 1100:  # 2.0 ** 1024 would overflow
            raise ValueError("a bug, with secret in it")

    monkeypatch.setattr(mlflow_tracker.embedded_store, "ensure_database", fail)
    created = NewEvent("search_created", None, {**CREATED, "search_id": "s6"})
    tracker = run_tracker(write(tmp_path, [created, *FIRST_HALF[1:]]), uri, monkeypatch)
    wait_until(lambda: "search s6" in Shown(uri, "s6").runs, tracker)
    tracker.close(PATIENCE_SECONDS)
    assert tracker.problem is None
    assert len([record for record in caplog.records if "a bug" in record.getMessage()]) == 1


START = """
import sys
from pathlib import Path
from evolve.records.mlflow_tracker import MlflowTracker
tracker = MlflowTracker(Path(sys.argv[1]), sys.argv[2])
tracker.start()
tracker.close(float(sys.argv[3]))
sys.exit(tracker.problem)
"""


def start(path: Path, uri: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", START, str(path), uri, str(PATIENCE_SECONDS)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow  # three processes that load MLflow at once
def test_several_first_searches_together_in_a_fresh_folder(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    names = ["a", "b", "c"]
    paths = [
        write(tmp_path / name, [NewEvent("search_created", None, {**CREATED, "search_id": name}), *FIRST_HALF[1:]])
        for name in names
    ]
    for process in [start(path, store) for path in paths]:
        assert process.communicate(timeout=PATIENCE_SECONDS)[1] == ""
        assert process.returncode == 0
    for name in names:
        assert sorted(Shown(store, name).runs)[:2] == ["g000-000", "g000-001"]


@pytest.mark.slow  # each process loads MLflow
@pytest.mark.parametrize("size", [0, 200_000, 600_000])
def test_a_kill_while_the_database_is_made(size: int, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    path = write(tmp_path / "s", FIRST_HALF)
    process = start(path, store)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        begun = [*tmp_path.glob(".mlflow.db.new-*/mlflow.db"), *tmp_path.glob("mlflow.db")]
        if begun and begun[0].stat().st_size >= size:
            break
    process.kill()
    process.communicate(timeout=60)
    assert project(path, store).problem is None
    assert "search s1" in Shown(store, "s1").runs
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mlflow.db.lock", "mlflow.db", "s"]


def test_a_broken_database_is_made_again_from_the_journals_beside_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    for name in ("a", "b"):
        created = NewEvent("search_created", None, {**CREATED, "search_id": name})
        assert project(write(tmp_path / name, [created, *FIRST_HALF[1:], *SECOND_HALF]), store).problem is None
    before = {name: Shown(store, name).everything() for name in ("a", "b")}
    broken = half_made_by_mlflow(tmp_path / "mlflow.db")
    created = NewEvent("search_created", None, {**CREATED, "search_id": "c"})
    assert project(write(tmp_path / "c", [created, *FIRST_HALF[1:]]), store).problem is None
    [kept] = tmp_path.glob("mlflow.db.broken-*")
    assert kept.read_bytes() == broken
    assert "search c" in Shown(store, "c").runs
    for name, runs in before.items():
        assert without_ids(Shown(store, name).everything()) == without_ids(runs)
    told = [record.getMessage() for record in caplog.records if "cannot be used" in record.getMessage()]
    assert len(told) == 1
    assert kept.name in told[0]
    marks = Shown(store, "c").client.get_experiment_by_name(EXPERIMENT).tags
    assert marks["evolve.rebuild"] == "done"


def half_made_by_mlflow(path: Path) -> bytes:
    """The database after a kill in MLflow's migrations: all later ones fail at a column that exists already."""
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR(256))")
        database.execute("CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32))")
        database.execute("ALTER TABLE metrics ADD COLUMN step BIGINT DEFAULT 0 NOT NULL")
    return path.read_bytes()


def without_ids(everything: dict[str, Any]) -> dict[str, Any]:
    """Everything except the ids that MLflow draws for each run."""
    links = {"evolve.parent_run_id", "mlflow.parentRunId", "mlflow.note.content"}
    return {
        name: (*rest, {tag: value for tag, value in tags.items() if tag not in links}, params, curves)
        for name, (_id, *rest, tags, params, curves) in everything.items()
    }


def test_a_tracker_that_was_never_started_closes(tmp_path: Path) -> None:
    tracker = MlflowTracker(tmp_path / "journal.db", "sqlite:///nowhere.db")
    tracker.close(1.0)
    assert tracker.problem is None


def test_telemetry_is_off(shown: Shown) -> None:
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert is_telemetry_disabled()


def test_projecting_is_pure(tmp_path: Path) -> None:
    path = write(tmp_path, FIRST_HALF + SECOND_HALF)
    first, second = Projection(), Projection()
    with Journal(path.parent) as journal:
        for event in journal.events():
            first.apply(event)
            second.apply(event)
    assert first.updates.pending == second.updates.pending
