"""Runs as plain values: what MLflow is to be told about a search, its generations and its trials.

A `Board` collects what has not arrived yet, one `RunWrite` per run, so that many events become few
requests. "Run" is MLflow's word and stays in board.py, projection.py and mlflow_tracker.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from evolve.records.state import SearchState

SEARCH_KEY = "search"


class Number(NamedTuple):
    """One value of a metric."""

    name: str
    value: float
    step: int
    milliseconds: int  # since 1970


@dataclass
class RunWrite:
    """What is new about one run. `identity` and `started` matter only when the run has to be created."""

    key: str  # "search", "generation/001", "trial/g001-042"
    name: str
    parent: str | None  # key of the run it hangs below
    started: int  # milliseconds since 1970
    identity: dict[str, str]  # tags that never change
    bred_from: tuple[str, ...] = ()  # keys of its parents' trial runs
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    numbers: list[Number] = field(default_factory=list)
    status: str | None = None  # RUNNING, FINISHED, FAILED, KILLED; None: unchanged
    ended: int | None = None  # milliseconds since 1970

    def end(self, status: str, milliseconds: int) -> None:
        """The run is over."""
        self.status, self.ended = status, milliseconds

    def reopen(self) -> None:
        """The run goes on."""
        self.status, self.ended = "RUNNING", None


def key_of(tags: Mapping[str, str]) -> str | None:
    """The key of a run that is in MLflow already, from its tags; None for a run that is not ours."""
    kind = tags.get("evolve.kind")
    if kind == "search":
        return SEARCH_KEY
    if kind == "generation" and "generation" in tags:
        return f"generation/{tags['generation']}"
    if kind == "trial" and "evolve.trial_uid" in tags:
        return f"trial/{tags['evolve.trial_uid'].rpartition('/')[2]}"
    return None


class Board:
    """The runs of one search; `pending` is what has come together and has not arrived yet."""

    def __init__(self) -> None:
        self._writes: dict[str, RunWrite] = {}
        self._started: dict[str, int] = {}
        self._open: set[str] = set()  # keys of runs that have begun and not ended

    @property
    def pending(self) -> tuple[RunWrite, ...]:
        """Writes in an order in which every run comes after the one it hangs below."""
        return tuple(self._writes.values())

    def clear(self) -> None:
        """All that was pending is known where it would go."""
        self._writes.clear()

    def drop(self, key: str) -> None:
        """What was pending of this run has arrived."""
        del self._writes[key]

    def search(self, state: SearchState) -> RunWrite:
        """The search's run."""
        identity = {"evolve.kind": "search", "evolve.search": state.search_id, "evolve.seed": str(state.seed)}
        return self._run(
            SEARCH_KEY, f"search {state.search_id}", None, identity, started=milliseconds(state.started_at)
        )

    def generation(self, state: SearchState, generation: int, now: int) -> RunWrite:
        """A generation's run."""
        identity = {
            "evolve.kind": "generation",
            "evolve.search": state.search_id,
            "generation": f"{generation:03d}",  # padded, so that text sorts as numbers do
        }
        key = f"generation/{generation:03d}"
        return self._run(key, f"generation {generation:03d}", SEARCH_KEY, identity, started=now)

    def trial(self, state: SearchState, uid: str, now: int) -> RunWrite:
        """A trial's run."""
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
        below = f"generation/{record.generation:03d}"
        bred_from = tuple(f"trial/{parent}" for parent in record.parents)
        return self._run(f"trial/{uid}", uid, below, identity, started=now, bred_from=bred_from)

    def open_runs(self, state: SearchState, now: int) -> list[RunWrite]:
        """The runs that have begun and not ended, the search's first."""
        found = [self.search(state)]
        for key in sorted(self._open - {SEARCH_KEY}):
            kind, _, rest = key.partition("/")
            found.append(
                self.generation(state, int(rest), now) if kind == "generation" else self.trial(state, rest, now)
            )
        return found

    def close(self, run: RunWrite, status: str, now: int) -> None:
        """A run is over for good."""
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
    ) -> RunWrite:
        if key not in self._started:
            self._started[key] = started
            self._open.add(key)
        if key not in self._writes:
            self._writes[key] = RunWrite(key, name, parent, self._started[key], identity, bred_from)
        return self._writes[key]


def milliseconds(seconds: float) -> int:
    """Seconds since 1970 as MLflow counts them."""
    return round(seconds * 1000)
