"""Replay: trains an individual of a search again and compares its result with the journal's."""

from collections.abc import Mapping
from dataclasses import dataclass

from evolve import fitness
from evolve.execution import single_trial
from evolve.execution.attempt import finite
from evolve.execution.executor import Executor
from evolve.process.terminal import InputError
from evolve.records.events import Confirmation
from evolve.records.state import IndividualRecord, SearchState
from evolve.task import Task
from evolve.trial import Failure, TrialSpec, failure_class


@dataclass(frozen=True)
class Replayed:
    """An individual's result in the journal and its new one: each is a score or a failure."""

    uid: str
    step: int
    journalled: float | None
    repeated: float | None
    failure_then: Failure | None  # in the journal; its kind is "" if the journal lacks it
    failure: Failure | None  # of the repetition

    @property
    def equal(self) -> bool:
        """Whether both results are the same: an identical score, or a failure for the same reason.

        Numbers in a reason (a step, a loss) may differ. Confirmations of earlier versions lack the kind of failure.
        """
        then, now = self.failure_then, self.failure
        if then is None or now is None:
            return then is now and self.journalled == self.repeated
        return failure_class(then.kind or now.kind, then.reason) == failure_class(now.kind, now.reason)

    def to_plain(self) -> dict[str, object]:
        """The result as JSON holds it."""
        return {"uid": self.uid, "journalled": self.journalled, "repeated": self.repeated, "equal": self.equal}


def replay(task: Task, state: SearchState, uid: str, executor: Executor) -> Replayed:
    """Train one individual of a search, or one of its confirmations, again from step 0, and compare its score.

    A confirmation is compared by its fitness on validation: the test split is not read again.
    """
    step, confirmation = last_step(state, uid), state.confirmations.get(uid)
    if confirmation is None:
        record = record_of(state, uid)
        subject, seed = uid, record.seed
        journalled, failure_then = _trial_result(record, step)
    else:
        subject, seed = confirmation.individual, confirmation.seed
        journalled, failure_then = _confirmation_result(confirmation, task)
    spec = TrialSpec(uid, task.config_of(state.genome_of(subject)), seed, step)
    measured, failure = single_trial.run_one(executor, spec)
    if failure is None:
        repeated, failure = _fitness(finite(measured[-1]).scores, task)
    else:
        repeated = None
    return Replayed(uid, step, journalled, repeated, failure_then, failure)


def _trial_result(record: IndividualRecord, step: int) -> tuple[float | None, Failure | None]:
    """The individual's score at the step, or why it failed on the way there."""
    if step in record.rungs:
        return record.rungs[step], None
    return None, Failure(record.kind or "", record.reason or "")


def _confirmation_result(confirmation: Confirmation, task: Task) -> tuple[float | None, Failure | None]:
    """A confirmation's fitness, or why it failed."""
    if confirmation.reason is not None:
        return None, Failure(confirmation.kind or "", confirmation.reason)
    return _fitness(confirmation.scores, task)


def _fitness(scores: Mapping[str, float], task: Task) -> tuple[float | None, Failure | None]:
    """The fitness of the scores; if one of its scores is missing, the trial has failed, as in a search."""
    try:
        return fitness.score(scores, task.space.fitness), None
    except ValueError as error:
        return None, Failure("crashed", str(error))


def record_of(state: SearchState, uid: str) -> IndividualRecord:
    """The individual with this uid; InputError if there is none."""
    if uid not in state.individuals:
        known = f"{next(iter(state.individuals), 'none')} to {next(reversed(state.individuals), 'none')}"
        raise InputError(f"{uid}: expected the uid of an individual of search {state.search_id} ({known})")
    return state.individuals[uid]


def last_step(state: SearchState, uid: str) -> int:
    """The last rung that the trial reached, or the one it failed before; for a confirmation the full budget."""
    if uid in state.confirmations:
        return state.steps
    record = record_of(state, uid)
    reached = max(record.rungs, default=0)
    if record.reason is not None:
        return next(step for step in state.recipe.rung_steps(state.steps) if step > reached)
    if reached == 0:
        raise InputError(f"{uid}: expected a trial that reached a rung, this one is {record.status}")
    return reached
