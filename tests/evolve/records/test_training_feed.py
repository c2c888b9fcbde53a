"""A training in a tracking store: a run of its own, complete after any interruption, and sent twice it is the same."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from evolve import search
from evolve.commands.tracking import tracked_training
from evolve.records.run_updates import SEARCH_KEY, MetricValue, RunUpdate
from evolve.records.training_feed import TrainingFeed, TrainingRun


class Memory:
    """A store in memory; `refuses` is its reason to refuse, or None."""

    def __init__(self) -> None:
        self.updates: list[RunUpdate] = []
        self.number = 0
        self.refuses: str | None = None
        self.files: list[str] = []

    def sent(self) -> int:
        return self.number

    def remember(self, event: int) -> None:
        self.number = event

    def write(self, update: RunUpdate) -> str | None:
        if self.refuses is None:
            self.updates.append(update)
        return self.refuses

    def add_file(self, key: str, path: Path) -> None:
        self.files.append(f"{key}/{path.name}")


def numbers(*steps: int) -> list[MetricValue]:
    return [MetricValue("loss/total", 1.0 / step, step, 1000 * step) for step in steps]


def training() -> TrainingRun:
    return TrainingRun("training-1", "training o", 5.0, {"evolve.seed": "7"}, {"train.steps": "60"})


def test_each_number_is_sent_once_and_in_order() -> None:
    store, run = Memory(), training()
    feed = TrainingFeed(run, lambda _id: store)
    for step in (1, 2, 3):
        run.metrics += numbers(step)
        feed.send()
    again = TrainingFeed(run, lambda _id: store)  # another session, which has made the same list again
    again.send()
    run.metrics += numbers(4)
    again.send()
    assert [metric.step for update in store.updates for metric in update.metrics] == [1, 2, 3, 4]
    assert [update.params for update in store.updates] == [{"train.steps": "60"}, {}, {}, {}, {}]
    assert {update.status for update in store.updates} == {"RUNNING"}


def test_what_was_refused_is_sent_later() -> None:
    store, run = Memory(), training()
    feed = TrainingFeed(run, lambda _id: store)
    store.refuses = "the run is deleted"
    run.metrics += numbers(1)
    feed.send()
    assert feed.refused == {SEARCH_KEY: "the run is deleted"}
    store.refuses = None
    run.metrics += numbers(2)
    feed.send(last=True)
    assert feed.refused == {}
    assert [metric.step for update in store.updates for metric in update.metrics] == [1, 2]


def runs_of(database: Path) -> list[tuple[str, str, int]]:
    """Name, status and number of metrics of all runs in an MLflow database."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(
            "SELECT name, status, (SELECT count(*) FROM metrics m WHERE m.run_uuid = r.run_uuid) FROM runs r"
        ).fetchall()


@pytest.mark.medium
def test_in_mlflow_an_interrupted_training_is_one_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "STOPPED_PATIENCE_SECONDS", 120.0)
    monkeypatch.setattr(search, "TRACKER_PATIENCE_SECONDS", 120.0)
    database, uri = tmp_path / "mlflow.db", f"sqlite:///{tmp_path / 'mlflow.db'}"
    (tmp_path / "curve.csv").write_text("step\n")

    def stopped_session() -> None:
        first = training()
        with tracked_training(first, uri, tmp_path) as tracker:
            first.metrics += numbers(1, 2)
            tracker.notify()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_session()
    assert runs_of(database) == [("training o", "KILLED", 2)]
    second = training()
    second.metrics += numbers(1, 2)
    with tracked_training(second, uri, tmp_path) as tracker:
        second.metrics += numbers(3)
        tracker.notify()
        second.files.append(tmp_path / "curve.csv")
    assert runs_of(database) == [("training o", "FINISHED", 3)]
    assert len(list((tmp_path / "mlartifacts").rglob("curve.csv"))) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.medium
def test_a_store_that_is_away_stops_nothing_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = training()
    with tracked_training(run, "http://127.0.0.1:9", tmp_path) as tracker:
        run.metrics += numbers(1)
        tracker.notify()
    assert "http://127.0.0.1:9 does not have everything of this training: " in capsys.readouterr().err


def test_without_a_store_nothing_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tracked_training(training(), None, tmp_path) as tracker:
        tracker.notify()
    assert capsys.readouterr() == ("", "")
