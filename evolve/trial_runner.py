"""Runs the trials of a search; journals the decisions of the strategy and the results before they take effect."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

from evolve import fitness
from evolve.checks import resumable
from evolve.execution import storage
from evolve.execution.attempt import finite
from evolve.execution.dispatch import Lost, dispatch, is_result
from evolve.execution.executor import Ended, Executor, Lease, LeaseEvent, Measured, Started
from evolve.genetics.genome import Individual
from evolve.genetics.recipe import Recipe
from evolve.genetics.strategy import (
    Assigned,
    Decision,
    GenerationClosed,
    GenerationOpened,
    SearchEnded,
    Stopped,
    Strategy,
)
from evolve.records import events
from evolve.records.events import JournalEvent, TrialFailed
from evolve.records.recorder import Recorder
from evolve.records.state import IndividualRecord
from evolve.task import Task
from evolve.trial import Failure, TrialSpec


class TrialRunner:
    """Connects the strategy with the journal and the executor: leases what it assigns, tells it the results."""

    def __init__(self, task: Task, directory: Path, recorder: Recorder, recipe: Recipe) -> None:
        state = recorder.state
        self.best: str | None = None  # uid of the best by fitness, once breeding has ended; it need not be the winner
        self.reason = ""  # why the search ended
        self._task, self._directory, self._recorder = task, directory, recorder
        opened = {uid: _individual(record) for uid, record in state.individuals.items()}
        self._strategy = Strategy(
            task.space, recipe, state.seed, state.steps, warm_starts=state.warm_starts, opened=opened
        )
        self._assigned: dict[str, Assigned] = {}  # uid -> the assignment whose result the strategy waits for
        self._waiting: deque[Lease] = deque()
        self._basis = resumable.basis(task)
        self._started: dict[str, float] = {}  # uid -> when its present attempt began

    def replay(self) -> None:
        """Make all decisions again from the journalled results; afterwards only the missing pieces wait."""
        journalled = self._recorder.events()
        self._decide()
        for event in map(events.decode, journalled):
            if isinstance(event, events.TrialMeasured) and event.scores:
                self._reached(event.uid, event.step, event.scores)
            elif isinstance(event, TrialFailed) and event.uid in self._assigned:
                self._failed(event)
        self._waiting = deque(self._lease(assigned) for assigned in self._assigned.values())
        storage.remove_states_except(self._directory, self._assigned, self._recorder.state.confirmations)

    @property
    def pending(self) -> bool:
        """Whether anything is still to be trained."""
        return bool(self._waiting)

    def train(self, executor: Executor, clock: Callable[[], float], tick: Callable[[], None]) -> None:
        """Run leases until the strategy has ended; `tick` is called after each event and while there is none."""
        for event in dispatch(executor, self._waiting, self._recorder.state.lost):
            if event is not None:
                self._handle(event, clock())
            tick()

    def _handle(self, event: LeaseEvent | Lost, now: float) -> None:
        lease = event.lease
        spec = lease.spec
        if isinstance(event, Started):
            self._started[spec.uid] = now
            self._recorder.append(
                events.AttemptStarted(
                    uid=spec.uid,
                    attempt=lease.attempt,
                    start_step=spec.start_step,
                    stop_step=spec.stop_step,
                    worker=event.worker,
                    node=event.node,
                )
            )
        elif isinstance(event, Measured):
            measurement = finite(event.measurement)
            if is_result(event):
                self._check_reported(event.measurement.scores)
            self._recorder.append(events.TrialMeasured.of(spec.uid, lease.attempt, measurement))
            if is_result(event):
                self._reached(spec.uid, spec.stop_step, measurement.scores)
        elif isinstance(event, Lost):
            self._recorder.append(events.AttemptLost.of(spec, lease.attempt, event.failure))
        elif isinstance(event, Ended) and event.failure is not None:
            seconds = self._recorder.state.individuals[spec.uid].seconds + now - self._started.get(spec.uid, now)
            self._failed(_failed_trial(spec.uid, event.failure, seconds))

    def _check_reported(self, scores: Mapping[str, float]) -> None:
        """ValueError if the first result of a search lacks a score of the fitness: the objective does not report it.

        Otherwise a whole generation would be trained, and all of it would fail. After a trial with all scores, one
        that lacks a score is a failed trial.
        """
        missing = sorted(self._task.space.fitness.keys() - scores.keys())
        if missing and not any(record.rungs for record in self._recorder.state.individuals.values()):
            reported = ", ".join(sorted(scores)) or "none"
            raise ValueError(
                f"fitness: expected scores that the objective reports ({reported}), got {missing[0]!r}; "
                "begin a new search with another fitness"
            )

    def _reached(self, uid: str, step: int, scores: Mapping[str, float]) -> None:
        """Journal the individual's score at the end of its piece, and tell the strategy."""
        assigned = self._assigned.get(uid)
        if assigned is None or assigned.stop_step != step:
            return  # measured twice: only the first counts
        try:
            score = fitness.score(scores, self._task.space.fitness)
        except ValueError as error:
            self._failed(_failed_trial(uid, Failure("crashed", str(error))))
            return
        share = step / self._recorder.state.steps
        reached: list[JournalEvent] = [events.RungReached(uid=uid, step=step, score=score, share=share)]
        if assigned.last:
            seconds = self._recorder.state.individuals[uid].seconds
            reached.append(events.TrialFinished(uid=uid, fitness=score, seconds=seconds))
        self._recorder.ensure(*reached)
        self._tell(uid, score)
        if assigned.last:
            storage.remove_state(self._directory, uid)

    def _failed(self, event: TrialFailed) -> None:
        self._recorder.ensure(event)
        self._tell(event.uid, None)
        storage.remove_state(self._directory, event.uid)

    def _tell(self, uid: str, score: float | None) -> None:
        assigned = self._assigned.pop(uid)
        self._strategy.tell(uid, assigned.stop_step, score)
        self._decide()

    def _decide(self) -> None:
        """Journal the strategy's new decisions, then carry them out."""
        decisions = self._strategy.ask()
        self._recorder.ensure(*[event for decision in decisions for event in events_of(decision)])
        for decision in decisions:
            if isinstance(decision, Assigned):
                self._assigned[decision.uid] = decision
                self._waiting.append(self._lease(decision))
            elif isinstance(decision, Stopped):
                storage.remove_state(self._directory, decision.uid)
            elif isinstance(decision, SearchEnded):
                self.best, self.reason = decision.winner, decision.reason

    def _lease(self, assigned: Assigned) -> Lease:
        individual = self._strategy.individuals[assigned.uid]
        spec = TrialSpec(
            uid=assigned.uid,
            config=self._task.config_of(individual.genome),
            seed=individual.seed,
            stop_step=assigned.stop_step,
            start_step=assigned.start_step,
            state_dir=storage.state_dir(self._directory, assigned.uid),
            basis=self._basis,
        )
        return Lease(spec, self._recorder.state.individuals[assigned.uid].attempts + 1)


def events_of(decision: Decision) -> list[JournalEvent]:
    """The journal events of a decision; an assignment follows from other decisions and needs none."""
    if isinstance(decision, GenerationOpened):
        count = len(decision.individuals)
        opened = events.GenerationOpened(generation=decision.generation, population=count)
        return [opened, *(events.TrialProposed(**vars(individual)) for individual in decision.individuals)]
    if isinstance(decision, Stopped):
        return [events.TrialStopped(uid=decision.uid, step=decision.step)]
    if isinstance(decision, GenerationClosed):
        return [events.GenerationClosed(generation=decision.generation, elites=decision.elites)]
    return []


def _failed_trial(uid: str, failure: Failure, seconds: float = 0.0) -> TrialFailed:
    return TrialFailed(uid=uid, **vars(failure), seconds=seconds)


def _individual(record: IndividualRecord) -> Individual:
    """The individual of a record, which has all of its fields and more."""
    return Individual(**{field.name: getattr(record, field.name) for field in fields(Individual)})
