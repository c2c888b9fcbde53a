"""One training outside a search, through the same executor and objective: final training, and replay."""

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from evolve import confirm, fitness
from evolve.execution.attempt import measurement_to_plain
from evolve.execution.dispatch import dispatch, may_retry, next_attempt
from evolve.execution.executor import Ended, Executor, Lease, Measured
from evolve.execution.watch import Watched
from evolve.genetics import recipe as recipes
from evolve.genetics.genome import Genome
from evolve.records.journal import JournalError
from evolve.records.state import Confirmation, IndividualRecord, SearchState
from evolve.task import Task
from evolve.terminal import complain
from evolve.trial import Failure, Measurement, TrialSpec, failure_class
from evolve.trial_config import STEPS
from evolve.winner import Winner, WinnerError

WINNERS_DATA = ("fingerprint", "class_names", "anchors", "weights")  # every version has written them


@dataclass(frozen=True)
class Replayed:
    """An individual's result in the journal and the one it got now: a score, or a failure."""

    uid: str
    step: int
    journalled: float | None
    repeated: float | None
    failure_then: Failure | None  # its kind is "" if the journal does not say it
    failure: Failure | None  # of the repetition

    @property
    def equal(self) -> bool:
        """Whether it came out as it did: the very same number, or a failure for the same reason.

        Numbers in a reason (a step, a loss) may differ. Confirmations of earlier versions have no kind of failure.
        """
        then, now = self.failure_then, self.failure
        if then is None or now is None:
            return then is now and self.journalled == self.repeated
        return failure_class(then.kind or now.kind, then.reason) == failure_class(now.kind, now.reason)

    def to_plain(self) -> dict[str, object]:
        """As JSON holds it."""
        return {"uid": self.uid, "journalled": self.journalled, "repeated": self.repeated, "equal": self.equal}


def run_one(
    executor: Executor, spec: TrialSpec, show: Callable[[Measurement], None] = lambda _measurement: None
) -> tuple[list[Measurement], Failure | None]:
    """Run one spec to its end; its measurements by step, and why it failed, if it did."""
    waiting = deque([Lease(spec, attempt=1)])
    measured: dict[int, Measurement] = {}
    lost: Counter[str] = Counter()
    for event in dispatch(Watched(executor, note=complain), waiting):
        if isinstance(event, Measured):
            measured[event.measurement.step] = event.measurement
            show(event.measurement)
        elif isinstance(event, Ended) and event.failure is not None:
            if not may_retry(event.failure, lost[event.failure.kind]):
                return list(measured.values()), event.failure
            lost[event.failure.kind] += 1
            waiting.append(next_attempt(event.lease))
    return list(measured.values()), None


def final_spec(winner: Winner, task: Task, out: Path, steps: int | None = None) -> TrialSpec:
    """The winner's whole schedule (or one of another length), scored on val and, where there is one, test."""
    config = dict(winner.config)
    if steps is not None:
        config[STEPS] = steps
    split = confirm.split_of(task.description)
    return TrialSpec(
        uid=f"{winner.uid}/final",
        config=config,
        seed=winner.seed,
        stop_step=int(str(config[STEPS])),
        evaluate_splits=("val",) if split == "val" else ("val", split),
        checkpoint=out.resolve() / "detector.keras",
        post=winner.post,
    )


def with_winners_data(task: Task, winner: Winner) -> Task:
    """The task with the anchors that the winner was found with: they are part of what won.

    WinnerError if the file lacks a line on its data, or has anchors that the network cannot have.
    """
    if "anchors" not in task.factory.arguments:
        return task
    for name in WINNERS_DATA:
        if name not in winner.data:
            raise WinnerError(f"data: expected a line for {name}, as the file was written with, got none")
    anchors, count = winner.data["anchors"], len(cast(Sequence[object], task.factory.arguments["anchors"]))
    if not _are_anchors(anchors, count):
        raise WinnerError(f"data: anchors: expected {count} pairs of numbers above 0, got {str(anchors)[:80]}")
    return replace(task, factory=replace(task.factory, arguments={**task.factory.arguments, "anchors": anchors}))


def _are_anchors(value: object, count: int) -> bool:
    """Whether it is a list of so many widths and heights."""
    pairs = value if isinstance(value, list) and len(value) == count else [None]
    sizes = [size for pair in pairs for size in (pair if isinstance(pair, list) and len(pair) == 2 else [None])]
    return all(isinstance(size, int | float) and not isinstance(size, bool) and 0 < size < math.inf for size in sizes)


def replay(task: Task, state: SearchState, uid: str, executor: Executor) -> Replayed:
    """Train one individual of a search, or one of its confirmations, again from step 0, and compare its score.

    Of a confirmation that is fitness on validation: the test split is not read again.
    """
    record, step = record_of(state, uid), last_step(state, uid)
    run = state.confirmations.get(uid)
    seed = record.seed if run is None else run.seed
    spec = TrialSpec(uid, task.config_of(Genome(record.genome)), seed, step)
    measured, failure = run_one(executor, spec)
    if failure is None:
        repeated, failure = _scored(cast(Mapping[str, float], measurement_to_plain(measured[-1])["scores"]), task)
    else:
        repeated = None
    journalled, failure_then = _journalled(record, step) if run is None else _confirmed(run, task)
    return Replayed(uid, step, journalled, repeated, failure_then, failure)


def _journalled(record: IndividualRecord, step: int) -> tuple[float | None, Failure | None]:
    """The individual's score at the step, or why it failed on the way there."""
    if step in record.rungs:
        return record.rungs[step], None
    return None, Failure(record.kind or "", record.reason or "")


def _confirmed(run: Confirmation, task: Task) -> tuple[float | None, Failure | None]:
    """A confirmation's fitness, or why it failed."""
    return _scored(run.scores, task) if run.reason is None else (None, Failure(run.kind or "", run.reason))


def _scored(scores: Mapping[str, float], task: Task) -> tuple[float | None, Failure | None]:
    """Fitness of the scores; without a score that it is made of the trial has failed, as in a search."""
    try:
        return fitness.score(scores, task.space.fitness), None
    except ValueError as error:
        return None, Failure("crashed", str(error))


def record_of(state: SearchState, uid: str) -> IndividualRecord:
    """The individual of this uid, or of this confirmation; JournalError when there is none."""
    if uid in state.confirmations:
        return state.individuals[state.confirmations[uid].individual]
    if uid not in state.individuals:
        known = f"{next(iter(state.individuals), 'none')} to {next(reversed(state.individuals), 'none')}"
        raise JournalError(f"{uid}: expected the uid of an individual of search {state.search_id} ({known})")
    return state.individuals[uid]


def last_step(state: SearchState, uid: str) -> int:
    """The last step the individual's trial reached, or the one on the way to which it failed; a confirmation's end."""
    if uid in state.confirmations:
        return state.steps
    record = record_of(state, uid)
    reached = max(record.rungs, default=0)
    if record.reason is not None:
        return next(step for step in recipes.parse(state.recipe).rung_steps(state.steps) if step > reached)
    if reached == 0:
        raise JournalError(f"{uid}: expected a trial that reached a rung, this one is {record.status}")
    return reached
