"""Shows a search in MLflow: a thread reads the journal and sends what is new. The only file that imports mlflow.

The search never waits for it and never fails because of it. The journal is the outbox (records/feed.py): an outage, a
kill, a broken or lost tracking store costs only time. After any error the thread starts again from the last event
that the store has.
"""

import logging
import os
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

from evolve.file_names import MLFLOW_ARTIFACTS
from evolve.process import credentials
from evolve.records import champion, embedded_store, views
from evolve.records.feed import Feed, RunStore, Source, pause_seconds
from evolve.records.journal import is_held
from evolve.records.run_updates import EXPERIMENT, SEARCH_KEY, RunUpdate, key_of
from evolve.records.state import SearchState
from evolve.records.tracking_uri import DATABASES, SERVERS, check

SENT_TAG = "evolve.sent"  # tag of a search's run: id of the last event that has arrived with all before it
REBUILD_TAG = "evolve.rebuild"  # tag of the experiment in a newly created database: "pending", then "done"
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # MLflow's default of 7 blocks for four minutes; the thread retries itself
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # errors are reported here, once, and without a password
}
# A new connection each time: an open one would still write to a database that another process has renamed.
EMBEDDED_SETTINGS = {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"}
METRICS_PER_REQUEST, TAGS_PER_REQUEST = 800, 100  # limits of MLflow: 1,000 and 100, and 1,000 in all
# MLflow's error codes for a run that was deleted (perhaps with its experiment), or for a value that it rejects.
REFUSALS = frozenset({"INVALID_PARAMETER_VALUE", "INVALID_STATE", "BAD_REQUEST"})
GONE = "RESOURCE_DOES_NOT_EXIST"  # for a run that we created: the store was replaced
OUTAGES = ("mlflow", "sqlalchemy", "alembic", "requests", "urllib3")  # packages whose exceptions are not bugs of ours
LONGEST_VERSION, UNKNOWN_VERSION = 40, "an unknown version"  # characters: what answers may be no MLflow
REPAIRS = 3  # of the store in a row without a pause; if more are needed, repairing does not help

logger = logging.getLogger(__name__)


class MlflowTracker:
    """Shows the journal of one search in MLflow. `problem` is a sentence for the end of the command, or None.

    make_source: shows something else than a search, called `what`, and gets a function that opens a store by an id.
    ValueError if the address does not have the form of a tracking store's.
    """

    def __init__(
        self,
        journal_path: Path,
        uri: str,
        make_source: Callable[[Callable[[str], RunStore]], Source] | None = None,
        what: str = "search",
    ) -> None:
        check(uri)
        self._path = journal_path
        self._make_source, self._what = make_source, what
        self._uri = uri
        self._database = credentials.database_file(uri)
        self._outage: str | None = None
        self._feed: Source | None = None
        self._others: list[Path] | None = None  # other journals that a new database still lacks; None: not listed yet
        self._connected = False  # whether anything could be sent in this session
        self._logged: set[tuple[object, ...]] = set()  # exception types and code lines of bugs that are in the log
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mlflow-tracker", daemon=True)

    @property
    def problem(self) -> str | None:
        """What could not be sent, in one sentence; None if everything was."""
        server = f"MLflow at {credentials.public(self._uri)}"
        if self._outage:
            return f"{server} does not have everything of this {self._what}: {self._outage}"
        refused = {} if self._feed is None else self._feed.refused
        if refused:
            key, reason = next(iter(refused.items()))
            return f"{server} refused {len(refused)} runs, first {key}: {reason}; the next session sends them again"
        unshown = None if self._feed is None else self._feed.unshown
        if unshown is not None:
            return f"{server} does not show all: {_one_line(unshown, self._uri)}"
        unpresented = None if self._feed is None else self._feed.unpresented
        return None if unpresented is None else f"{server} has all runs, but {_one_line(unpresented, self._uri)}"

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
        tries = repairs = 0
        while True:
            last = self._closing.is_set()
            self._wake.clear()
            try:
                self._round(last)
                tries, repairs, self._outage = 0, 0, None
            except BaseException as error:  # no exception may end the thread
                self._feed, self._others = None, None
                self._outage = f"{type(error).__name__}: {_one_line(str(error), self._uri)}"
                self._report(error)
                if repairs < REPAIRS and self._repaired(error):
                    repairs += 1
                    continue
                tries += 1
            if last:
                return
            self._closing.wait(pause_seconds(tries))
            if not tries:
                self._wake.wait()

    def _round(self, last: bool) -> None:
        if self._feed is None:
            self._feed = self._make_source(self._open()) if self._make_source else self._feed_of(self._path)
        self._feed.send(last=last)
        self._connected = True
        if last:
            self._feed.send_artifacts()
        if self._database is not None:
            self._rebuild(self._database, last)

    def _feed_of(self, path: Path) -> Feed:
        return Feed(path, self._open(), self._report)

    def _open(self) -> Callable[[str], RunStore]:
        restore = not self._connected  # an experiment that is deleted while in use was deleted on purpose: it stays so
        return lambda search_id: _MlflowStore(self._uri, search_id, restore=restore)

    def _rebuild(self, database: Path, last: bool) -> None:
        """Send the other searches beside a newly created database too: one per round, all of them in the last round."""
        if self._others is None:
            store = _MlflowStore(self._uri, None)
            self._others = embedded_store.journals_beside(database) if store.lacks_others else []
            if store.lacks_others and not self._others:
                store.has_others()
        while self._others:
            try:
                with embedded_store.locked(database, embedded_store.LOCK_SECONDS if last else 0.0):
                    self._send_other(self._others[0])
            except TimeoutError:
                return  # another process sends one now
            del self._others[0]
            if not self._others:
                _MlflowStore(self._uri, None).has_others()
            if not last:
                return

    def _send_other(self, path: Path) -> None:
        if path.resolve() == self._path.resolve() or is_held(path.parent):
            return
        feed = self._feed_of(path)
        try:
            feed.send(last=True)
            feed.send_artifacts()
        except Exception as error:
            if _is_outage(error):
                raise
            self._report(error)  # a damaged journal, for instance: the others are still sent

    def _repaired(self, error: BaseException) -> bool:
        """Whether the store was replaced, so that the next try can be made at once."""
        if isinstance(error, _StoreLost):
            return True
        if self._database is None or not _is_outage(error):
            return False
        try:
            set_aside = embedded_store.rename_broken(self._database, time.time())
        except Exception:  # the repair is tried again later, as after any other outage
            return False
        if set_aside is None:
            return False
        reason, renamed = set_aside
        logger.warning(
            "%s cannot be used: %s. It is kept as %s, and a new one is made from the journals beside it",
            self._database,
            reason,
            renamed.name,
        )
        return True

    def _report(self, error: BaseException) -> None:
        """Log a bug once, with its traceback; failures of the store or the network are reported at the end instead."""
        if _is_outage(error):
            return
        where = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)[-1:]]
        bug = (type(error), *where)
        if bug not in self._logged:
            self._logged.add(bug)
            shown = credentials.hide("".join(traceback.format_exception(error)), self._uri).rstrip()
            logger.error("MLflow does not get everything of this %s, which goes on:\n%s", self._what, shown)


class _StoreLost(Exception):
    """A run that the store had is missing: the store was emptied or replaced."""


class _MlflowStore:
    """One search in one MLflow tracking store; knows which of the search's runs exist there.

    search_id: None to look at the experiment only. restore: whether to restore our experiment if it was deleted; no
    new one could have its name.
    """

    def __init__(self, uri: str, search_id: str | None, *, restore: bool = False) -> None:
        self._uri = uri
        database = credentials.database_file(uri)
        for name, value in {**SETTINGS, **({} if database is None else EMBEDDED_SETTINGS)}.items():
            os.environ.setdefault(name, value)
        if database is not None:
            embedded_store.ensure_database(database, _make_database)
        from mlflow import MlflowClient  # seconds: only here, in the thread

        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its retries would tear the display
        self._client: Any = MlflowClient(tracking_uri=uri)
        self._experiment, self.lacks_others = self._find_experiment(uri, restore)
        self._ids: dict[str, str] = {}
        self._sent = 0
        self._version: str | None = None  # of MLflow where the store's pages are served; None: not asked yet
        if search_id is not None:
            self._find_runs(search_id)

    def sent(self) -> int:
        """The id of the last event that has arrived with all before it."""
        return self._sent

    def remember(self, event: int) -> None:
        """Store the event's id as a tag of the search's run; a run that was deleted by hand keeps its old tag."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.set_tag(self._ids[SEARCH_KEY], SENT_TAG, str(event))
        except MlflowException as error:
            if error.error_code not in REFUSALS:
                raise

    def has_others(self) -> None:
        """Note in the store that the other searches beside the database are in it."""
        self._client.set_experiment_tag(self._experiment, REBUILD_TAG, "done")

    def write(self, update: RunUpdate) -> str | None:
        """Bring one run up to date; returns MLflow's reason if it refuses this run for now, else None."""
        from mlflow.exceptions import MlflowException

        if update.parent is not None and update.parent not in self._ids:
            return f"{update.parent}, its parent, is not there"
        try:
            self._write(update)
        except MlflowException as error:
            if error.error_code == GONE and not self._is_deleted():
                raise _StoreLost(_one_line(str(error), self._uri)) from error
            if error.error_code not in REFUSALS | {GONE}:
                raise
            return _one_line(str(error), self._uri)
        return None

    def add_file(self, key: str, path: Path) -> None:
        """Store a copy of a file with a run."""
        self._client.log_artifact(self._ids[key], str(path))

    def show_views(self, state: SearchState) -> str | None:
        """Write the views that changed; returns why the store takes none, else None."""
        self._version = self._version or _served_version(self._uri)
        if not views.fits(self._version):
            return f"they are known to work with MLflow {views.SERIES} only, and this is {self._version}"
        stored = self._client.get_experiment(self._experiment).tags
        for tag, value in views.tags(state, self._ids).items():
            if views.may_replace(stored.get(tag), value):
                self._client.set_experiment_tag(self._experiment, tag, value)
        return None

    def register_winner(self, state: SearchState) -> None:
        """Register the winner as a model, if there is one."""
        winner = champion.of(state)
        if winner is not None:
            champion.register(self._client, self._ids[SEARCH_KEY], winner)

    def _write(self, update: RunUpdate) -> None:
        run = self._ids.get(update.key) or self._create(update)
        for metrics, params, tags in _requests(update):
            self._client.log_batch(run, metrics=metrics, params=params, tags=tags)
        if update.ended is not None:
            self._client.set_terminated(run, update.status, update.ended)
        elif update.status is not None:
            self._client.update_run(run, update.status)

    def _create(self, update: RunUpdate) -> str:
        tags = dict(update.identity)
        if update.parent in self._ids:
            tags["mlflow.parentRunId"] = self._ids[update.parent]
        parents = {key: self._ids[key] for key in update.bred_from if key in self._ids}
        if parents:
            tags["evolve.parent_run_id"] = ",".join(parents.values())
            links = [
                f"[{key.partition('/')[2]}]({views.run_link(self._experiment, run)})" for key, run in parents.items()
            ]
            tags["mlflow.note.content"] = f"Bred from {', '.join(links)}."
        run = self._client.create_run(self._experiment, update.started, tags, update.name)
        self._ids[update.key] = str(run.info.run_id)
        return self._ids[update.key]

    def _is_deleted(self) -> bool:
        """Whether the experiment is deleted: it can be restored with all its runs."""
        from mlflow.exceptions import MlflowException

        try:
            return bool(self._client.get_experiment(self._experiment).lifecycle_stage == "deleted")
        except MlflowException:
            return False

    def _find_experiment(self, uri: str, restore: bool) -> tuple[str, bool]:
        """The experiment's id, and whether the database is new and may lack other searches that were shown in it."""
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            tags = {"mlflow.experimentKind": "custom_model_development"}  # the UI opens for language models otherwise
            location = _artifact_location(uri)
            if location is not None:
                tags[REBUILD_TAG] = "pending"
            return str(self._client.create_experiment(EXPERIMENT, location, tags)), location is not None
        if restore and experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id), experiment.tags.get(REBUILD_TAG) == "pending"

    def _find_runs(self, search_id: str) -> None:
        from mlflow.entities import ViewType

        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.`evolve.search` = '{search_id}'", ViewType.ALL, 1000, page_token=token
            )
            for run in page:
                key = key_of(run.data.tags)
                if key is not None:
                    self._ids[key] = str(run.info.run_id)
                if key == SEARCH_KEY:
                    self._sent = _number(run.data.tags.get(SENT_TAG))
            token = page.token
            if not token:
                return


def _number(text: str | None) -> int:
    """The number in a tag; 0 if it is no number, as anybody may have changed it."""
    return int(text) if text is not None and text.isdecimal() else 0


def _requests(update: RunUpdate) -> Iterator[tuple[list[Any], list[Any], list[Any]]]:
    """Metrics, params and tags of one run, split into requests within MLflow's limits."""
    from mlflow.entities import Metric, Param, RunTag

    metrics = [Metric(metric.name, metric.value, metric.milliseconds, metric.step) for metric in update.metrics]
    params = [Param(name, value) for name, value in update.params.items()]
    tags = [RunTag(name, value) for name, value in update.tags.items()]
    while metrics or params or tags:
        yield metrics[:METRICS_PER_REQUEST], params[:TAGS_PER_REQUEST], tags[:TAGS_PER_REQUEST]
        metrics, params, tags = metrics[METRICS_PER_REQUEST:], params[TAGS_PER_REQUEST:], tags[TAGS_PER_REQUEST:]


def _served_version(uri: str) -> str:
    """The version of MLflow that shows this store: a server says its own; a database is shown by the one installed."""
    import mlflow
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    kind = uri.partition(":")[0].partition("+")[0]
    if kind in SERVERS:
        answer = http_request(get_default_host_creds(uri), "/version", "GET")
        known = answer.status_code == HTTPStatus.OK
        return str(answer.text).strip()[:LONGEST_VERSION] if known else UNKNOWN_VERSION
    return str(mlflow.__version__) if kind in DATABASES else UNKNOWN_VERSION


def _make_database(path: Path) -> None:
    """Create a database with all of MLflow's tables."""
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=f"{credentials.SQLITE}{path}").search_experiments(max_results=1)


def _artifact_location(uri: str) -> str | None:
    """The artifact folder beside an embedded database; None for a server, which has its own."""
    database = credentials.database_file(uri)
    return None if database is None else (database.resolve().parent / MLFLOW_ARTIFACTS).as_uri()


def _is_outage(error: BaseException) -> bool:
    """Whether the error comes from the store or the network, not from a bug of ours."""
    return isinstance(error, OSError | sqlite3.Error | _StoreLost) or type(error).__module__.startswith(OUTAGES)


def _one_line(text: str, uri: str) -> str:
    return " ".join(credentials.hide(text, uri).split())[:300]
