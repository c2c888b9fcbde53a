"""MLflow runs as plain values: what is new about a search, its generations, its trials and its confirmations.

`RunUpdates` collects what MLflow does not have yet, one `RunUpdate` per run, so that many events become few
requests. "Run" is MLflow's word and stays in run_updates.py, projection.py, feed.py and mlflow_tracker.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from evolve.records.events import Confirmation
from evolve.records.state import SearchState

EXPERIMENT = "yolov4-evolve"  # name of MLflow's experiment with all searches
SEARCH_KEY = "search"
CONFIRMATION_KIND = "confirmation"


class MetricValue(NamedTuple):
    """One value of a metric."""

    name: str
    value: float
    step: int
    milliseconds: int  # since 1970


@dataclass
class RunUpdate:
    """What is new about one run. `identity`, `started` and `bred_from` are used only when the run is created."""

    key: str  # "search", "generation/001", "trial/g001-042", "confirmation/g001-042/test-seed-0"
    name: str
    parent: str | None  # key of the run above it in MLflow's tree
    started: int  # milliseconds since 1970
    identity: dict[str, str]  # tags that never change
    bred_from: tuple[str, ...] = ()  # keys of the trial runs of the individual's parents
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: list[MetricValue] = field(default_factory=list)
    status: str | None = None  # RUNNING, FINISHED, FAILED, KILLED; None: unchanged
    ended: int | None = None  # milliseconds since 1970

    def end(self, status: str, milliseconds: int) -> None:
        """Mark the run as over."""
        self.status, self.ended = status, milliseconds

    def reopen(self) -> None:
        """Mark the run as running again."""
        self.status, self.ended = "RUNNING", None


def key_of(tags: Mapping[str, str]) -> str | None:
    """The key of a run in MLflow, from its tags; None if the run is not ours."""
    kind = tags.get("evolve.kind")
    if kind in ("search", "training"):  # either is the only run at the top of its tree
        return SEARCH_KEY
    if kind == "generation" and "generation" in tags:
        return f"generation/{tags['generation']}"
    if kind == "trial" and "evolve.trial_uid" in tags:
        return trial_key(_without_search(tags["evolve.trial_uid"]))
    if kind == CONFIRMATION_KIND and "evolve.confirmation_uid" in tags:
        return f"{CONFIRMATION_KIND}/{_without_search(tags['evolve.confirmation_uid'])}"
    return None


def trial_key(uid: str) -> str:
    """The key of a trial's run."""
    return f"trial/{uid}"


def _without_search(uid: str) -> str:
    """The uid within its search, of one that begins with the search's id: s1/g001-042 -> g001-042."""
    return uid.partition("/")[2]


class RunUpdates:
    """The runs of one search; `pending` holds the updates that MLflow does not have yet."""

    def __init__(self) -> None:
        self._pending: dict[str, RunUpdate] = {}
        self._started: dict[str, int] = {}  # key -> milliseconds since 1970
        self._open: set[str] = set()  # keys of runs that have begun and not ended

    @property
    def pending(self) -> tuple[RunUpdate, ...]:
        """The pending updates, each after that of its parent run."""
        return tuple(self._pending.values())

    def clear(self) -> None:
        """Drop all pending updates: MLflow has them already."""
        self._pending.clear()

    def drop(self, key: str) -> None:
        """Drop the pending update of this run: MLflow has it now."""
        del self._pending[key]

    def search(self, state: SearchState) -> RunUpdate:
        """The update of the search's run."""
        identity = {
            "evolve.kind": "search",
            "evolve.search": state.search_id,
            "evolve.seed": str(state.seed),
            "generation": "-",  # sorts before the generations
        }
        return self._run(
            SEARCH_KEY, f"search {state.search_id}", None, identity, started=milliseconds(state.started_at)
        )

    def generation(self, state: SearchState, generation: int, now: int) -> RunUpdate:
        """The update of a generation's run."""
        identity = {
            "evolve.kind": "generation",
            "evolve.search": state.search_id,
            "generation": f"{generation:03d}",  # padded, so that text sorts as numbers do
        }
        key = f"generation/{generation:03d}"
        return self._run(key, f"generation {generation:03d}", SEARCH_KEY, identity, started=now)

    def trial(self, state: SearchState, uid: str, now: int) -> RunUpdate:
        """The update of a trial's run."""
        record = state.individuals[uid]
        parents = ",".join(f"{state.search_id}/{parent}" for parent in record.parents)
        identity = {
            "evolve.kind": "trial",
            "evolve.search": state.search_id,
            "generation": f"{record.generation:03d}",
            "evolve.trial_uid": f"{state.search_id}/{uid}",
            "evolve.operators": record.operator,
            "evolve.seed": str(record.seed),
        }
        if parents:
            identity["evolve.parent_uid"] = parents
        parent_run = f"generation/{record.generation:03d}"
        bred_from = tuple(trial_key(parent) for parent in record.parents)
        return self._run(trial_key(uid), uid, parent_run, identity, started=now, bred_from=bred_from)

    def confirmation(self, state: SearchState, event: Confirmation, now: int) -> RunUpdate:
        """The update of a confirmation's run: it is below its individual's, and ends with the event's time, `now`."""
        identity = {
            "evolve.kind": CONFIRMATION_KIND,
            "evolve.search": state.search_id,
            "evolve.confirmation_uid": f"{state.search_id}/{event.uid}",
            "evolve.role": event.role,
            "evolve.seed": str(event.seed),
        }
        parent = SEARCH_KEY
        if event.individual in state.individuals:
            parent = trial_key(event.individual)
            identity["evolve.trial_uid"] = f"{state.search_id}/{event.individual}"
            identity["generation"] = f"{state.individuals[event.individual].generation:03d}"
        began = now - milliseconds(sum(event.seconds.values()))
        return self._run(f"{CONFIRMATION_KIND}/{event.uid}", event.uid, parent, identity, started=began)

    def open_runs(self, state: SearchState, now: int) -> list[RunUpdate]:
        """The updates of the runs that have begun and not ended, the search's first."""
        open_runs = [self.search(state)]
        for key in sorted(self._open - {SEARCH_KEY}):
            kind, _, rest = key.partition("/")
            open_runs.append(
                self.generation(state, int(rest), now) if kind == "generation" else self.trial(state, rest, now)
            )
        return open_runs

    def close(self, run: RunUpdate, status: str, now: int) -> None:
        """End a run for good: no resume reopens it."""
        run.end(status, now)
        self._open.discard(run.key)

    def _run(
        self,
        key: str,
        name: str,
        parent: str | None,
        identity: dict[str, str],
        *,
        started: int,
        bred_from: tuple[str, ...] = (),
    ) -> RunUpdate:
        if key not in self._started:
            self._started[key] = started
            self._open.add(key)
        if key not in self._pending:
            self._pending[key] = RunUpdate(key, name, parent, self._started[key], identity, bred_from)
        return self._pending[key]


def milliseconds(seconds: float) -> int:
    """Seconds since 1970 as whole milliseconds, MLflow's unit."""
    return round(seconds * 1000)
