"""Sends a training outside a search (`evolve train`) to a tracking store, as a run of its own.

A training has no journal: the numbers are kept in memory, in the same order after every interruption, and the store
holds how many of them have arrived. So sending something twice changes nothing here, too.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from evolve.records.feed import RunStore
from evolve.records.run_updates import SEARCH_KEY, MetricValue, RunUpdate, milliseconds


@dataclass
class TrainingRun:
    """What is shown of a training. The command fills it while the tracker's thread reads it."""

    id: str
    name: str
    began: float  # seconds since 1970
    tags: dict[str, str]
    params: dict[str, str]
    metrics: list[MetricValue] = field(default_factory=list)  # only appended to
    status: str = "RUNNING"  # FINISHED, FAILED, KILLED: as MLflow calls them
    ended: float | None = None  # seconds since 1970
    files: list[Path] = field(default_factory=list)  # to store with the run at its end

    def end(self, status: str, now: float) -> None:
        """Mark the training as over for this session."""
        self.ended, self.status = now, status


class TrainingFeed:
    """Sends one training to one store. refused: the run's key -> the store's last reason."""

    def __init__(self, run: TrainingRun, open_store: Callable[[str], RunStore]) -> None:
        self.refused: dict[str, str] = {}
        self.unshown: str | None = None
        self.unpresented: str | None = None  # a training has neither views nor an entry in the registry
        self._run = run
        self._store = open_store(run.id)
        self._sent = min(self._store.sent(), len(run.metrics))

    def send(self, *, last: bool = False) -> None:  # noqa: ARG002 (what was refused is tried again every time)
        """Send the numbers that the store lacks, and the status."""
        run, count = self._run, len(self._run.metrics)
        identity = {"evolve.kind": "training", "evolve.search": run.id}  # the id under which the store finds its runs
        update = RunUpdate(SEARCH_KEY, run.name, None, milliseconds(run.began), identity)
        update.metrics = run.metrics[self._sent : count]
        if self._sent == 0:
            update.tags, update.params = dict(run.tags), dict(run.params)
        if run.ended is None:
            update.reopen()
        else:
            update.end(run.status, milliseconds(run.ended))
        refusal = self._store.write(update)
        if refusal is not None:
            self.refused[SEARCH_KEY] = refusal
            return
        self.refused.clear()
        if count > self._sent:
            self._store.remember(count)
            self._sent = count

    def send_artifacts(self) -> None:
        """Send the files of a training that has ended."""
        for path in self._run.files:
            if path.is_file() and not self.refused:
                self._store.add_file(SEARCH_KEY, path)
