"""From one journal to one tracking store: sends what the store lacks, and sends again what the store refused.

The store itself holds the id of the last event that has arrived together with all before it. So a store that was
emptied, recreated or restored from a copy gets what it lacks. Sending something twice changes nothing.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from evolve.file_names import GENERATIONS_FILE, LINEAGE_FILE, LINEAGE_PAGE, REPORT_PAGE, SPACE_FILE, WINNER_FILE
from evolve.records import views
from evolve.records.journal import Event, events
from evolve.records.projection import Projection
from evolve.records.run_updates import SEARCH_KEY, RunUpdate
from evolve.records.state import SearchState

ARTIFACTS = (SPACE_FILE, WINNER_FILE, LINEAGE_FILE, GENERATIONS_FILE, LINEAGE_PAGE, REPORT_PAGE)
PERIOD_SECONDS = 1.0  # between two rounds: the events of a second are sent together
LONGEST_PAUSE_SECONDS = 60.0  # between two tries, after a refusal or in an outage
DOUBLINGS = 16  # of the pause, at most: 2.0 ** tries would overflow in a long outage


class RunStore(Protocol):
    """The runs of one search in a tracking store."""

    def sent(self) -> int:
        """The id of the last event that has arrived with all before it; 0 if the store does not know the search."""
        ...

    def remember(self, event: int) -> None:
        """Store the id of the last event that has arrived with all before it."""
        ...

    def write(self, update: RunUpdate) -> str | None:
        """Bring one run up to date; returns the store's reason if it refuses this run for now, else None."""
        ...

    def add_file(self, key: str, path: Path) -> None:
        """Store a copy of a file with a run."""
        ...

    def show_views(self, state: SearchState) -> str | None:
        """Bring the ready-made views of the search up to date; returns why the store takes none, else None."""
        ...

    def register_winner(self, state: SearchState) -> None:
        """Register the winner as a model, if there is one."""
        ...


class Source(Protocol):
    """What is shown in a store: it sends what is new, and keeps what the store refused for the next time."""

    refused: dict[str, str]  # key of a run -> the store's last reason
    unshown: str | None  # what could not be shown because of a bug of ours, with its error
    unpresented: str | None  # what the store lacks beside the runs, and why

    def send(self, *, last: bool = False) -> None:
        """Send what is new. last: there is no next time."""
        ...

    def send_artifacts(self) -> None:
        """Send the files, if what is shown has ended."""
        ...


def pause_seconds(tries: int) -> float:
    """The pause after this number of failed tries: doubled each time, up to a minute."""
    return min(PERIOD_SECONDS * 2.0 ** min(tries, DOUBLINGS), LONGEST_PAUSE_SECONDS)


class Feed:
    """Sends one journal to one store. refused: key of a run -> the store's last reason."""

    def __init__(
        self,
        path: Path,
        open_store: Callable[[str], RunStore],
        report: Callable[[Exception], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused: dict[str, str] = {}
        self.unshown: str | None = None  # the first event that could not be projected, with its error
        self.unpresented: str | None = None  # why the store lacks views, or the winner in its registry
        self._path, self._open_store, self._report, self._clock = path, open_store, report, clock
        self._projection = Projection()
        self._store: RunStore | None = None
        self._seen = 0  # id of the last event that was projected
        self._sent = 0  # id of the last event that the store has with all before it
        self._presented: object = None  # what views and registry were last brought up to date with
        self._tries, self._again_at = 0, 0.0  # tries of refused updates, and the time of the next one

    def send(self, *, last: bool = False) -> None:
        """Project the new events and send them. last: try refused updates once more without waiting for the pause."""
        for event in events(self._path, after=self._seen):
            self._take(event)
            self._seen = event.id
        if self._store is None:
            return
        self._write_pending(self._store, last or self._clock() >= self._again_at)
        if not self.refused and self.unshown is None and self._seen > self._sent:
            self._store.remember(self._seen)
            self._sent = self._seen
        self._present(self._store, last)

    def send_artifacts(self) -> None:
        """Send the files of a search that has ended."""
        state = self._projection.state
        if self._store is None or state is None or state.phase not in ("finished", "failed"):
            return
        for name in ARTIFACTS:
            if (self._path.parent / name).is_file():
                self._store.add_file(SEARCH_KEY, self._path.parent / name)

    def _present(self, store: RunStore, last: bool) -> None:
        """Bring views and registry up to date if they may have changed. last: also if an earlier try failed.

        They stand beside the runs, so a store that refuses them gets the runs all the same.
        """
        state = self._projection.state
        if state is None or SEARCH_KEY in self.refused:
            return
        subject = (state.outcome, views.line(state))
        if subject == self._presented and not (last and self.unpresented):
            return
        self._presented, self.unpresented = subject, None
        try:
            reason = store.show_views(state)
            self.unpresented = reason and f"no ready-made views: {reason}"
        except Exception as error:
            self._lack("views", error)
        try:
            store.register_winner(state)
        except Exception as error:
            self._lack("registered model of the winner", error)

    def _lack(self, what: str, error: Exception) -> None:
        self._report(error)
        self.unpresented = f"no {what}: {type(error).__name__}: {error}"

    def _take(self, event: Event) -> None:
        if self._projection.state is None:
            self._projection.apply(event)
        else:
            try:
                self._projection.apply(event)
            except Exception as error:  # a bug of ours: this event is not shown, those after it are
                if self.unshown is None:
                    self.unshown = f"event {event.id} ({event.kind}): {type(error).__name__}: {error}"
                self._report(error)
        if self._store is None and self._projection.state is not None:
            self._store = self._open_store(self._projection.state.search_id)
            self._sent = self._store.sent()
        if event.id <= self._sent:
            self._projection.updates.clear()

    def _write_pending(self, store: RunStore, retry_refused: bool) -> None:
        updates = self._projection.updates
        for update in updates.pending:
            if update.key in self.refused and not retry_refused:
                continue  # it waits, together with what came since
            refusal = store.write(update)
            if refusal is None:
                updates.drop(update.key)
                self.refused.pop(update.key, None)
            else:
                self.refused[update.key] = refusal
        if not self.refused:
            self._tries = 0
        elif retry_refused:
            self._tries += 1
            self._again_at = self._clock() + pause_seconds(self._tries)
