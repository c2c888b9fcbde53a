"""One training outside a search, through the same executor and objective: final training, and replay."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from evolve import candidates, confirm, fitness
from evolve.execution.dispatch import dispatch, may_retry, next_attempt
from evolve.execution.executor import Ended, Executor, Lease, Measured
from evolve.execution.watch import Watched
from evolve.genetics import recipe as recipes
from evolve.genetics.genome import Genome
from evolve.records.journal import JournalError
from evolve.records.state import IndividualRecord, SearchState
from evolve.task import Task
from evolve.terminal import complain
from evolve.trial import Failure, Measurement, TrialSpec
from evolve.winner import Winner

STEPS = "train.steps"


@dataclass(frozen=True)
class Replayed:
    """An individual's score in the journal and the one it got now; None where it failed."""

    uid: str
    step: int
    journalled: float | None
    repeated: float | None
    failure: Failure | None  # of the repetition

    @property
    def equal(self) -> bool:
        """Whether it came out as it did: the very same number, or a failure both times."""
        return self.journalled == self.repeated

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
    """The task with the anchors that the winner was found with: they are part of what won."""
    anchors = winner.data.get("anchors")
    if anchors is None or "anchors" not in task.factory.arguments:
        return task
    return replace(task, factory=replace(task.factory, arguments={**task.factory.arguments, "anchors": anchors}))


def replay(task: Task, state: SearchState, uid: str, executor: Executor) -> Replayed:
    """Train one individual of a search, or one of its confirmations, again from step 0, and compare its score.

    Of a confirmation that is fitness on validation: the test split is not read again.
    """
    record, step = record_of(state, uid), last_step(state, uid)
    run = state.confirmations.get(uid)
    seed = record.seed if run is None else run.seed
    spec = TrialSpec(uid, task.config_of(Genome(record.genome)), seed, step)
    measured, failure = run_one(executor, spec)
    repeated = None
    if failure is None:
        repeated = fitness.score(measured[-1].scores, task.space.fitness)
    journalled = record.rungs.get(step) if run is None else candidates.fitness_of(state, run)
    return Replayed(uid, step, journalled, repeated, failure)


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
