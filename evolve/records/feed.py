"""From one journal to one tracking store: what the store lacks is sent, and what it refuses is kept and sent again.

How far the journal has been sent stands in the store itself, so that a store that was emptied, made again or put back
from a copy gets what it lacks. It moves when all up to there has arrived; sending something twice changes nothing.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from evolve.records.board import SEARCH_KEY, RunWrite
from evolve.records.journal import Event, events
from evolve.records.projection import Projection

ARTIFACTS = ("space.yaml", "winner.yaml", "lineage.json", "generations.csv")
PERIOD_SECONDS = 1.0  # between two rounds: events of a second go out together
LONGEST_PAUSE_SECONDS = 60.0  # between two tries of what was refused, or in an outage
DOUBLINGS = 16  # of the pause, at most: a power of all tries of a long outage is no number any more


class Store(Protocol):
    """The runs of one search in a tracking store."""

    def sent(self) -> int:
        """The id of the last event that has arrived with all before it; 0 where the search is not known."""
        ...

    def remember(self, event: int) -> None:
        """Keep that number."""
        ...

    def write(self, write: RunWrite) -> str | None:
        """Bring one run up to date; what the store says if it refuses this run for now."""
        ...

    def add_file(self, key: str, path: Path) -> None:
        """Keep a copy of a file with a run."""
        ...


def pause_seconds(tries: int) -> float:
    """How long to wait after so many failed tries: doubled each time, up to a minute."""
    return min(PERIOD_SECONDS * 2.0 ** min(tries, DOUBLINGS), LONGEST_PAUSE_SECONDS)


class Feed:
    """What one journal has to tell one store. refused: key of a run -> what the store said last."""

    def __init__(
        self,
        path: Path,
        open_store: Callable[[str], Store],
        report: Callable[[Exception], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refused: dict[str, str] = {}
        self.unshown: str | None = None  # the first event that could not be projected, and why
        self._path, self._open_store, self._report, self._clock = path, open_store, report, clock
        self._projection = Projection()
        self._store: Store | None = None
        self._seen = 0  # id of the last event taken in
        self._sent = 0
        self._tries, self._again_at = 0, 0.0  # of what was refused

    def send(self, *, last: bool = False) -> None:
        """Take in what is new and send it; last: also what was refused a moment ago."""
        for event in events(self._path, after=self._seen):
            self._take(event)
            self._seen = event.id
        if self._store is None:
            return
        self._write_pending(self._store, last or self._clock() >= self._again_at)
        if not self.refused and self.unshown is None and self._seen > self._sent:
            self._store.remember(self._seen)
            self._sent = self._seen

    def send_artifacts(self) -> None:
        """The files of a search that has ended."""
        state = self._projection.state
        if self._store is None or state is None or state.phase not in ("finished", "failed"):
            return
        for name in ARTIFACTS:
            if (self._path.parent / name).is_file():
                self._store.add_file(SEARCH_KEY, self._path.parent / name)

    def _take(self, event: Event) -> None:
        if self._projection.state is None:
            self._projection.apply(event)
        else:
            try:
                self._projection.apply(event)
            except Exception as error:  # of our own making: this event is not shown, those after it are
                if self.unshown is None:
                    self.unshown = f"event {event.id} ({event.kind}): {type(error).__name__}: {error}"
                self._report(error)
        if self._store is None and self._projection.state is not None:
            self._store = self._open_store(self._projection.state.search_id)
            self._sent = self._store.sent()
        if event.id <= self._sent:
            self._projection.board.clear()

    def _write_pending(self, store: Store, again: bool) -> None:
        board = self._projection.board
        for write in board.pending:
            if write.key in self.refused and not again:
                continue  # what is new of it waits with the rest
            said = store.write(write)
            if said is None:
                board.drop(write.key)
                self.refused.pop(write.key, None)
            else:
                self.refused[write.key] = said
        if not self.refused:
            self._tries = 0
        elif again:
            self._tries += 1
            self._again_at = self._clock() + pause_seconds(self._tries)
