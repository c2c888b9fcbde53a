"""The confirm stage: which of the best is the winner, and is it really better than the defaults, or was it luck?

The best of hundreds of noisy scores is too high on average. So the best few are trained again at full budget with
fresh seeds, the same ones for all, and their validation scores choose the winner (leaders.py). Then winner and
defaults are trained with other fresh seeds, the same ones for both, and scored on the test split: no other run sees it,
and no run of the verdict has chosen anything. One candidate needs no choice: then only the verdict's runs are made.
Confirmations are runs of the same individuals, outside fitness and selection. The winner's first one also tunes
NMS, on validation, for whoever uses the winner; all scores here have the same fixed NMS nevertheless.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evolve.checks import resumable
from evolve.execution import storage
from evolve.execution.attempt import measurement_to_plain
from evolve.execution.dispatch import dispatch, is_result, lost_attempt, may_retry, next_attempt
from evolve.execution.executor import Ended, Executor, Lease, Measured
from evolve.genetics.genome import DEFAULTS, Genome
from evolve.records.journal import Entry
from evolve.records.recorder import Recorder
from evolve.records.state import CANDIDATE, SearchState
from evolve.task import Task
from evolve.trial import Failure, Measurement, TrialSpec
from evolve.verdict import leaders

WINNER, OTHERS = "winner", "defaults"  # roles of the verdict's runs
_CONFIRM_STREAM = 0xC0F1  # first part of the key, where trials have their generation; two parts, where they have three


@dataclass(frozen=True)
class Run:
    """One confirmation: who is trained again, what for, and with which of the fresh seeds."""

    individual: str
    role: str
    place: int  # of the seed among those of its purpose
    seed: int

    @property
    def uid(self) -> str:
        """g001-042/choice-seed-0 or g001-042/test-seed-0."""
        purpose = "choice" if self.role == CANDIDATE else "test"
        return f"{self.individual}/{purpose}-seed-{self.place}"


def seeds(search_seed: int, count: int, taken: frozenset[int]) -> list[int]:
    """Fresh seeds, 0 to 2**31 - 1: keyed by the search's seed, none of them a trial's."""
    chosen: list[int] = []
    place = 0
    while len(chosen) < count:
        sequence = np.random.SeedSequence(search_seed, spawn_key=(_CONFIRM_STREAM, place))
        seed = int(sequence.generate_state(1, np.uint32)[0]) >> 1
        if seed not in taken and seed not in chosen:
            chosen.append(seed)
        place += 1
    return chosen


def split_of(data: dict[str, object]) -> str:
    """The split that the verdict is on: "test", or "val" where the data set has no test pictures."""
    images = data.get("images")
    return "test" if isinstance(images, dict) and images.get("test") else "val"


def choosing(state: SearchState) -> list[Run]:
    """The runs that choose the winner, seed by seed; none where there is one candidate."""
    among = leaders.candidates(state)
    fresh = _fresh(state)[1]
    every = [Run(uid, CANDIDATE, place, seed) for place, seed in enumerate(fresh) for uid in among]
    return every if len(among) > 1 else []


def judging(state: SearchState, winner: str) -> list[Run]:
    """The runs of the verdict, the winner's and the defaults' in turn."""
    roles = {winner: WINNER} if winner == DEFAULTS else {winner: WINNER, DEFAULTS: OTHERS}
    fresh = _fresh(state)[0]
    return [Run(uid, role, place, seed) for place, seed in enumerate(fresh) for uid, role in roles.items()]


def _fresh(state: SearchState) -> tuple[list[int], list[int]]:
    """The seeds of the verdict, and those of the choice."""
    count = int(str(state.recipe["confirm_seeds"]))
    found = seeds(state.seed, 2 * count, frozenset(record.seed for record in state.individuals.values()))
    return found[:count], found[count:]


class Plan:
    """The confirmations of a search that has nothing more to breed: which are still to run, and running them."""

    def __init__(self, task: Task, directory: Path, recorder: Recorder) -> None:
        self._task, self._directory, self._recorder = task, directory, recorder
        self._basis = resumable.basis(task)

    @property
    def pending(self) -> bool:
        """Whether anything is still to be trained."""
        return bool(self._left(choosing(self._state)) or self._left(self._judging()))

    def run(self, executor: Executor, tick: Callable[[], None]) -> None:
        """Train what is left of both stages; between them the winner is chosen, and that is journalled."""
        self._train(choosing(self._state), executor, tick)
        self.settle()
        self._train(self._judging(), executor, tick)

    def settle(self) -> str:
        """The winner; from now on the journal says so."""
        if self._state.choice is None and (found := leaders.choose(self._state)) is not None:
            payload = {"candidates": found.candidates, "noise": found.noise, "spread": found.spread}
            self._recorder.append("candidate_chosen", found.uid, **payload)
        return leaders.winner(self._state)

    @property
    def _state(self) -> SearchState:
        return self._recorder.state

    def _judging(self) -> list[Run]:
        return judging(self._state, leaders.winner(self._state))

    def _left(self, runs: Iterable[Run]) -> list[Run]:
        """Those that the journal has no result of."""
        return [run for run in runs if run.uid not in self._state.confirmations]

    def _train(self, runs: Iterable[Run], executor: Executor, tick: Callable[[], None]) -> None:
        """Run those that are left in parallel, and journal each result or failure."""
        left = {run.uid: run for run in self._left(runs)}
        waiting = deque(Lease(self._spec(run), attempt=1 + self._lost(uid)) for uid, run in left.items())
        spent: dict[str, dict[int, Mapping[str, float]]] = {
            uid: {} for uid in left
        }  # step -> seconds since the one before
        for event in dispatch(executor, waiting) if waiting else ():
            if isinstance(event, Measured):
                uid, measurement = event.lease.spec.uid, event.measurement
                spent[uid][measurement.step] = measurement.seconds
                if is_result(event):
                    self._record(left[uid], measurement, _total(spent[uid].values()))
            elif isinstance(event, Ended) and event.lease.spec.uid not in self._state.confirmations:
                uid = event.lease.spec.uid
                self._ended_early(left[uid], event, waiting, _total(spent[uid].values()))
            tick()

    def _ended_early(self, run: Run, event: Ended, waiting: deque[Lease], seconds: Mapping[str, float]) -> None:
        """The run is over without its result: try again, or it has failed."""
        failure = event.failure or Failure("crashed", "ended without its last measurement")
        if not may_retry(failure, self._state.lost.get((run.uid, self._task.steps, failure.kind), 0)):
            self._record(run, failure, seconds)
            return
        self._recorder.append("attempt_lost", run.uid, **lost_attempt(event.lease, failure))
        waiting.appendleft(next_attempt(event.lease))

    def _lost(self, uid: str) -> int:
        return sum(count for (of, _step, _cause), count in self._state.lost.items() if of == uid)

    def _spec(self, run: Run) -> TrialSpec:
        """One confirmation; the winner's first also tunes NMS, on what it finds on its own validation pictures."""
        splits = ("val",) if run.role == CANDIDATE else ("val", split_of(self._state.data))
        return TrialSpec(
            uid=run.uid,
            config=self._task.config_of(Genome(self._state.individuals[run.individual].genome)),
            seed=run.seed,
            stop_step=self._task.steps,
            evaluate_splits=tuple(dict.fromkeys(splits)),
            state_dir=storage.state_dir(self._directory, run.uid),
            basis=self._basis,
            tune_post=self._task.space.fitness if (run.role, run.place) == (WINNER, 0) else {},
        )

    def _record(self, run: Run, result: Measurement | Failure, seconds: Mapping[str, float]) -> None:
        payload: dict[str, object] = {"role": run.role, "individual": run.individual, "seed": run.seed}
        payload["seconds"] = dict(seconds)
        if isinstance(result, Failure):
            payload |= {"scores": {}, "kind": result.kind, "reason": result.reason, "traceback": result.traceback}
        else:
            payload |= {"scores": measurement_to_plain(result)["scores"], "reason": None}
            payload |= {} if result.post is None else {"post": result.post}
        self._recorder.ensure(Entry("confirm_measured", run.uid, payload))
        storage.drop(self._directory, run.uid)


def _total(pieces: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for seconds in pieces:
        for kind, number in seconds.items():
            total[kind] = total.get(kind, 0.0) + number
    return total
