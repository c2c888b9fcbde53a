"""Where a search is tracked: the MLflow store of the flags, or of the search's journal."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evolve import search
from evolve.commands import search_folders
from evolve.file_names import CURVE_FILE
from evolve.process import credentials
from evolve.process.terminal import complain
from evolve.records import tracking_uri
from evolve.records.state import SearchState
from evolve.records.tracker import NullTracker, Tracker
from evolve.records.training_feed import TrainingFeed, TrainingRun

NO_TRACKING = "none"


class SearchTracking:
    """Makes the tracker of a search, and keeps it to report its problem at the end."""

    def __init__(self, uri: str | None) -> None:
        self._uri = uri  # None: no tracking
        self._tracker: Tracker | None = None

    def make(self, journal_path: Path) -> Tracker:
        """The tracker of this journal; its thread imports MLflow."""
        if self._uri is None:
            return NullTracker()
        from evolve.records.mlflow_tracker import MlflowTracker

        self._tracker = MlflowTracker(journal_path, self._uri)
        return self._tracker

    @property
    def problem(self) -> str | None:
        """What could not be shown, in one sentence; None if everything was."""
        return None if self._tracker is None else self._tracker.problem


@contextmanager
def tracked_training(run: TrainingRun, uri: str | None, folder: Path) -> Iterator[Tracker]:
    """Show a training in the store at the address (None: nowhere) while the block runs, and note what is missing there.

    Its end is recorded as FINISHED, KILLED after a stop signal, or FAILED.
    """
    tracker: Tracker = NullTracker()
    if uri is not None:
        from evolve.records.mlflow_tracker import MlflowTracker

        tracker = MlflowTracker(folder, uri, lambda open_store: TrainingFeed(run, open_store), "training")
    tracker.start()
    patience, status = search.TRACKER_PATIENCE_SECONDS, "FAILED"
    try:
        yield tracker
        status = "FINISHED" if run.ended is None else run.status
    except KeyboardInterrupt:
        patience, status = search.STOPPED_PATIENCE_SECONDS, "KILLED"
        raise
    finally:
        run.end(status, time.time())
        tracker.close(patience)
        if tracker.problem:
            complain(f"note: {tracker.problem}; {CURVE_FILE} has the curve")


def tracking_store(given: str | None) -> str | None:
    """The address of the store that a new search tracks to; None for no tracking. ValueError if it is not valid."""
    if given == NO_TRACKING:
        return None
    try:
        uri = search_folders.tracking_uri(given)
    except OSError as error:
        complain(f"note: not shown in MLflow: {search_folders.TRACKING_STORE}: {error}")
        return None
    tracking_uri.check(uri)
    return uri


def _tracking_if_possible(given: str | None) -> SearchTracking:
    """The tracking of an existing search; an invalid address gives a note, and the search goes on untracked."""
    if given == NO_TRACKING:
        return SearchTracking(None)
    try:
        uri = search_folders.tracking_uri(given)
        tracking_uri.check(uri)
    except OSError as error:
        complain(f"note: not shown in MLflow: {search_folders.TRACKING_STORE}: {error}")
        return SearchTracking(None)
    except ValueError as error:
        complain(f"note: not tracked: {error}")
        return SearchTracking(None)
    return SearchTracking(uri)


def unreachable_note(uri: str, what: str = "search") -> str | None:
    """A sentence if the tracking store cannot be written now, else None."""
    problem = tracking_uri.unreachable(uri)
    return None if problem is None else f"tracking store: {problem}; the {what} goes on without it, and sends it later"


def tracking_as_before(state: SearchState, given: str | None) -> SearchTracking:
    """The tracking of an existing search: to the given store, else to its earlier one; notes a missing password."""
    uri = given or state.request.tracking_uri
    if uri is not None and state.request.tracking_password:
        variables = credentials.missing_password_variables(credentials.with_password(uri, os.environ), os.environ)
        if variables and uri != NO_TRACKING:
            store, names = credentials.public(uri), " or ".join(variables)
            complain(f"note: no password of {store} is in the journal; give --tracking-uri again, or set {names}")
    return _tracking_if_possible(uri)
