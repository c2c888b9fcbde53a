"""Shows a search in MLflow: a thread that reads the journal and sends what is new. The only file that imports mlflow.

The search never waits for it and never fails because of it. The journal is the outbox: how far it has been sent
stands in a small file beside it, and sending something twice changes nothing, so an outage, a kill or a lost
tracking store costs nothing but time. After any error everything is rebuilt from the journal and tried again.
"""

import logging
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evolve.records.board import SEARCH_KEY, RunWrite, key_of
from evolve.records.cursor import Cursor
from evolve.records.journal import events
from evolve.records.projection import Projection
from evolve.records.tracking_uri import check

EXPERIMENT = "yolov4-evolve"
ARTIFACTS = ("space.yaml", "winner.yaml", "lineage.json", "generations.csv")
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # MLflow's own 7 block for four minutes; the thread has its own patience
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
PERIOD_SECONDS = 1.0  # between two rounds: events of a second go out together
LONGEST_PAUSE_SECONDS = 60.0  # between two tries in an outage
METRICS_PER_REQUEST, TAGS_PER_REQUEST = 800, 100  # limits of MLflow: 1,000 and 100, and 1,000 in all
REFUSALS = frozenset({"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE", "BAD_REQUEST"})


class MlflowTracker:
    """The journal of one search, shown in MLflow. `problem` is a sentence for the end, or None.

    ValueError for an address that is none of a tracking store, by its form.
    """

    def __init__(self, journal_path: Path, tracking_uri: str) -> None:
        check(tracking_uri)
        self._path = journal_path
        self._uri = tracking_uri
        self._outage: str | None = None
        self._refused: dict[str, str] = {}  # key of a run -> what MLflow said
        self._feed: _Feed | None = None
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mlflow-tracker", daemon=True)

    @property
    def problem(self) -> str | None:
        """What could not be shown, in one sentence; None when all was."""
        if self._outage:
            return f"MLflow at {_without_passwords(self._uri)} does not have everything of this search: {self._outage}"
        if self._refused:
            key, said = next(iter(self._refused.items()))
            return f"MLflow at {_without_passwords(self._uri)} refused {len(self._refused)} runs, first {key}: {said}"
        return None

    def start(self) -> None:
        """Begin; returns at once, whatever the state of the tracking server."""
        self._thread.start()

    def notify(self) -> None:
        """New events are in the journal; returns at once."""
        self._wake.set()

    def close(self, timeout_seconds: float) -> None:
        """Send what is left, but give up after the timeout; the rest is sent by the next session."""
        if self._thread.ident is None:
            return
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            self._outage = self._outage or f"it took longer than {timeout_seconds:g} seconds to send what was left"

    def _run(self) -> None:
        failures = 0
        while True:
            last = self._closing.is_set()
            self._wake.clear()
            try:
                self._round(last)
                failures, self._outage = 0, None
            except Exception as error:  # whatever happens to MLflow must not cost the search anything
                failures, self._outage = failures + 1, f"{type(error).__name__}: {_one_line(error)}"
                self._feed = None  # begin again from the cursor: what was half sent is sent again
            if last:
                return
            self._closing.wait(min(PERIOD_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS))
            if not failures:
                self._wake.wait()

    def _round(self, last: bool) -> None:
        if self._feed is None:
            self._feed = _Feed(self._path, self._uri)
        self._feed.send(self._refused)
        if last:
            self._feed.send_artifacts()


class _Feed:
    """From the journal to MLflow, from the cursor on."""

    def __init__(self, path: Path, uri: str) -> None:
        self._path = path
        self._uri = uri
        self._projection = Projection()
        self._store: _Store | None = None
        self._seen = 0  # id of the last event taken in
        self._cursor = Cursor(path.parent, uri)
        self._sent = self._cursor.read()

    def send(self, refused: dict[str, str]) -> None:
        """Take in what is new and send it; the cursor moves when all of it has arrived."""
        for event in events(self._path, after=self._seen):
            self._projection.apply(event)
            self._seen = event.id
            if self._store is None and self._projection.state is not None:
                self._store = _Store(self._uri, self._projection.state.search_id)
                if not self._store.knows(SEARCH_KEY):
                    self._sent = 0  # a new or emptied tracking store: it gets everything
            if event.id <= self._sent:
                self._projection.board.clear()
        if self._store is None or self._seen <= self._sent:
            return
        for write in self._projection.board.pending:
            said = self._store.write(write)
            if said is not None:
                refused[write.key] = said
        self._projection.board.clear()
        self._sent = self._seen
        self._cursor.write(self._sent)

    def send_artifacts(self) -> None:
        """The files of an ended search."""
        state = self._projection.state
        if self._store is None or state is None or state.phase not in ("finished", "failed"):
            return
        for name in ARTIFACTS:
            if (self._path.parent / name).is_file():
                self._store.add_file(SEARCH_KEY, self._path.parent / name)


class _Store:
    """One search in one MLflow tracking store; knows which of its runs are there already."""

    def __init__(self, uri: str, search_id: str) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient  # seconds: only here, in the thread

        logging.getLogger("urllib3.connectionpool").setLevel(
            logging.ERROR
        )  # its retries would tear the progress display
        self._client: Any = MlflowClient(tracking_uri=uri)
        self._experiment = self._find_experiment(uri)
        self._ids = self._find_runs(search_id)

    def knows(self, key: str) -> bool:
        """Whether the run is there."""
        return key in self._ids

    def write(self, write: RunWrite) -> str | None:
        """Bring one run up to date; returns what MLflow said if it refuses this run for good."""
        from mlflow.exceptions import MlflowException

        try:
            self._write(write)
        except MlflowException as error:
            if error.error_code not in REFUSALS:
                raise
            return _one_line(error)
        return None

    def add_file(self, key: str, path: Path) -> None:
        """Keep a copy of a file with a run."""
        self._client.log_artifact(self._ids[key], str(path))

    def _write(self, write: RunWrite) -> None:
        run = self._ids.get(write.key) or self._create(write)
        for metrics, params, tags in _requests(write):
            self._client.log_batch(run, metrics=metrics, params=params, tags=tags)
        if write.ended is not None:
            self._client.set_terminated(run, write.status, write.ended)
        elif write.status is not None:
            self._client.update_run(run, write.status)

    def _create(self, write: RunWrite) -> str:
        tags = dict(write.identity)
        if write.parent in self._ids:
            tags["mlflow.parentRunId"] = self._ids[write.parent]
        bred_from = [self._ids[key] for key in write.bred_from if key in self._ids]
        if bred_from:
            tags["evolve.parent_run_id"] = ",".join(bred_from)
        run = self._client.create_run(self._experiment, write.started, tags, write.name)
        self._ids[write.key] = str(run.info.run_id)
        return self._ids[write.key]

    def _find_experiment(self, uri: str) -> str:
        found = self._client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            tags = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens for language models otherwise
            return str(self._client.create_experiment(EXPERIMENT, _artifact_location(uri), tags))
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _find_runs(self, search_id: str) -> dict[str, str]:
        from mlflow.entities import ViewType

        found: dict[str, str] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.`evolve.search` = '{search_id}'", ViewType.ALL, 1000, page_token=token
            )
            for run in page:
                key = key_of(run.data.tags)
                if key is not None:
                    found[key] = str(run.info.run_id)
            token = page.token
            if not token:
                return found


def _requests(write: RunWrite) -> Iterator[tuple[list[Any], list[Any], list[Any]]]:
    """Metrics, params and tags of one run, cut to what one request may hold."""
    from mlflow.entities import Metric, Param, RunTag

    metrics = [Metric(number.name, number.value, number.milliseconds, number.step) for number in write.numbers]
    params = [Param(name, value) for name, value in write.params.items()]
    tags = [RunTag(name, value) for name, value in write.tags.items()]
    while metrics or params or tags:
        yield metrics[:METRICS_PER_REQUEST], params[:TAGS_PER_REQUEST], tags[:TAGS_PER_REQUEST]
        metrics, params, tags = metrics[METRICS_PER_REQUEST:], params[TAGS_PER_REQUEST:], tags[TAGS_PER_REQUEST:]


def _artifact_location(uri: str) -> str | None:
    """Beside an embedded database; a server decides for itself."""
    if not uri.startswith("sqlite:///"):
        return None
    database = Path(uri.removeprefix("sqlite:///")).resolve()
    database.parent.mkdir(parents=True, exist_ok=True)
    return (database.parent / "mlartifacts").as_uri()


def _one_line(error: Exception) -> str:
    return " ".join(_without_passwords(str(error)).split())[:300]


def _without_passwords(text: str) -> str:
    return re.sub(r"//[^@/\s]*@", "//", text)
