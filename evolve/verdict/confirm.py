"""The confirm stage: which of the best is the winner, and is it really better than the defaults, or was it luck?

The best of hundreds of noisy scores is too high on average. So the best few are trained again at full budget with
fresh seeds, the same ones for all, and their validation scores choose the winner (leaders.py). Then winner and
defaults are trained with other fresh seeds, the same ones for both, and scored on the test split. No other training
is scored on it, and no confirmation of the verdict has chosen anything. A single candidate needs no choice: only the
confirmations of the verdict are trained.
A confirmation trains the same individual again, outside fitness and selection. The winner's first confirmation for
the verdict also tunes NMS on validation, for whoever uses the winner; all scores here use the same fixed NMS.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evolve.checks import resumable
from evolve.execution import storage
from evolve.execution.attempt import measurement_to_plain
from evolve.execution.dispatch import dispatch, is_result, lost_attempt_payload, may_retry, next_attempt
from evolve.execution.executor import Ended, Executor, Lease, Measured
from evolve.genetics.genome import DEFAULTS, Genome
from evolve.records.journal import NewEvent
from evolve.records.recorder import Recorder
from evolve.records.state import CANDIDATE_ROLE, SearchState
from evolve.task import Task
from evolve.trial import Failure, Measurement, TrialSpec
from evolve.verdict import leaders

WINNER_ROLE, DEFAULTS_ROLE = "winner", "defaults"  # roles of the confirmations for the verdict
_CONFIRM_STREAM = 0xC0F1  # first of two parts of the key; a trial's key has three and begins with its generation


@dataclass(frozen=True)
class PlannedConfirmation:
    """One individual to train again: its role, and which of the fresh seeds it gets."""

    individual: str
    role: str
    seed_index: int  # among the seeds of the choice, or among those of the verdict
    seed: int

    @property
    def uid(self) -> str:
        """g001-042/choice-seed-0 or g001-042/test-seed-0."""
        purpose = "choice" if self.role == CANDIDATE_ROLE else "test"
        return f"{self.individual}/{purpose}-seed-{self.seed_index}"


def fresh_seeds(search_seed: int, count: int, taken: frozenset[int]) -> list[int]:
    """Seeds from 0 to 2**31 - 1, keyed by the search's seed; none of them is among the `taken` seeds of trials."""
    chosen: list[int] = []
    draw = 0
    while len(chosen) < count:
        sequence = np.random.SeedSequence(search_seed, spawn_key=(_CONFIRM_STREAM, draw))
        seed = int(sequence.generate_state(1, np.uint32)[0]) >> 1
        if seed not in taken and seed not in chosen:
            chosen.append(seed)
        draw += 1
    return chosen


def split_of(data: dict[str, object]) -> str:
    """The split that the verdict is on: "test", or "val" if the data set has no test pictures."""
    images = data.get("images")
    return "test" if isinstance(images, dict) and images.get("test") else "val"


def planned_for_choice(state: SearchState) -> list[PlannedConfirmation]:
    """The confirmations that choose the winner, seed by seed; empty if there is only one candidate."""
    candidates = leaders.candidates(state)
    if len(candidates) == 1:
        return []
    _, choice_seeds = _verdict_and_choice_seeds(state)
    return [
        PlannedConfirmation(uid, CANDIDATE_ROLE, index, seed)
        for index, seed in enumerate(choice_seeds)
        for uid in candidates
    ]


def planned_for_verdict(state: SearchState, winner: str) -> list[PlannedConfirmation]:
    """The confirmations of the verdict: for each seed the winner, then the defaults."""
    roles = {winner: WINNER_ROLE} if winner == DEFAULTS else {winner: WINNER_ROLE, DEFAULTS: DEFAULTS_ROLE}
    verdict_seeds, _ = _verdict_and_choice_seeds(state)
    return [
        PlannedConfirmation(uid, role, index, seed)
        for index, seed in enumerate(verdict_seeds)
        for uid, role in roles.items()
    ]


def _verdict_and_choice_seeds(state: SearchState) -> tuple[list[int], list[int]]:
    count = int(str(state.recipe["confirm_seeds"]))
    trial_seeds = frozenset(record.seed for record in state.individuals.values())
    seeds = fresh_seeds(state.seed, 2 * count, trial_seeds)
    return seeds[:count], seeds[count:]


class ConfirmStage:
    """The confirmations of a search that has nothing more to breed: which are missing, and their training."""

    def __init__(self, task: Task, directory: Path, recorder: Recorder) -> None:
        self._task, self._directory, self._recorder = task, directory, recorder
        self._basis = resumable.basis(task)

    @property
    def pending(self) -> bool:
        """Whether anything is still to be trained."""
        return bool(self._missing(planned_for_choice(self._state)) or self._missing(self._planned_for_verdict()))

    def run(self, executor: Executor, tick: Callable[[], None]) -> None:
        """Train what is missing for the choice, journal the winner, then train what is missing for the verdict."""
        self._train(planned_for_choice(self._state), executor, tick)
        self.journal_winner()
        self._train(self._planned_for_verdict(), executor, tick)

    def journal_winner(self) -> str:
        """Journal the choice of the winner if that is still missing; returns the winner's uid."""
        if self._state.choice is None and (choice := leaders.choose_winner(self._state)) is not None:
            payload = {"candidates": choice.candidates, "noise": choice.noise, "spread": choice.spread}
            self._recorder.append("candidate_chosen", choice.uid, **payload)
        return leaders.winning_uid(self._state)

    @property
    def _state(self) -> SearchState:
        return self._recorder.state

    def _planned_for_verdict(self) -> list[PlannedConfirmation]:
        return planned_for_verdict(self._state, leaders.winning_uid(self._state))

    def _missing(self, planned: Iterable[PlannedConfirmation]) -> list[PlannedConfirmation]:
        """Those without a result in the journal."""
        return [confirmation for confirmation in planned if confirmation.uid not in self._state.confirmations]

    def _train(self, planned: Iterable[PlannedConfirmation], executor: Executor, tick: Callable[[], None]) -> None:
        """Train the missing ones in parallel, and journal each result or failure."""
        missing = {confirmation.uid: confirmation for confirmation in self._missing(planned)}
        waiting = deque(
            Lease(self._spec(confirmation), attempt=1 + self._lost(uid)) for uid, confirmation in missing.items()
        )
        # uid -> step -> kind -> seconds since the measurement before
        spent: dict[str, dict[int, Mapping[str, float]]] = {uid: {} for uid in missing}
        for event in dispatch(executor, waiting) if waiting else ():
            if isinstance(event, Measured):
                uid, measurement = event.lease.spec.uid, event.measurement
                spent[uid][measurement.step] = measurement.seconds
                if is_result(event):
                    self._record(missing[uid], measurement, _total(spent[uid].values()))
            elif isinstance(event, Ended) and event.lease.spec.uid not in self._state.confirmations:
                uid = event.lease.spec.uid
                self._retry_or_fail(missing[uid], event, waiting, _total(spent[uid].values()))
            tick()

    def _retry_or_fail(
        self, confirmation: PlannedConfirmation, event: Ended, waiting: deque[Lease], seconds: Mapping[str, float]
    ) -> None:
        """The confirmation ended without a result: put it first in the queue again, or journal that it failed."""
        failure = event.failure or Failure("crashed", "ended without its last measurement")
        uid = confirmation.uid
        if not may_retry(failure, self._state.lost.get((uid, self._task.steps, failure.kind), 0)):
            self._record(confirmation, failure, seconds)
            return
        self._recorder.append("attempt_lost", uid, **lost_attempt_payload(event.lease, failure))
        waiting.appendleft(next_attempt(event.lease))

    def _lost(self, uid: str) -> int:
        """How many attempts at this confirmation were lost."""
        return sum(count for (lost_uid, _step, _cause), count in self._state.lost.items() if lost_uid == uid)

    def _spec(self, confirmation: PlannedConfirmation) -> TrialSpec:
        """The confirmation as a trial; the winner's first one also tunes NMS on its validation detections."""
        role = confirmation.role
        splits = ("val",) if role == CANDIDATE_ROLE else ("val", split_of(self._state.data))
        return TrialSpec(
            uid=confirmation.uid,
            config=self._task.config_of(Genome(self._state.individuals[confirmation.individual].genome)),
            seed=confirmation.seed,
            stop_step=self._task.steps,
            evaluate_splits=tuple(dict.fromkeys(splits)),
            state_dir=storage.state_dir(self._directory, confirmation.uid),
            basis=self._basis,
            tune_post=self._task.space.fitness if (role, confirmation.seed_index) == (WINNER_ROLE, 0) else {},
        )

    def _record(
        self, confirmation: PlannedConfirmation, result: Measurement | Failure, seconds: Mapping[str, float]
    ) -> None:
        payload: dict[str, object] = {"role": confirmation.role, "individual": confirmation.individual}
        payload |= {"seed": confirmation.seed, "seconds": dict(seconds)}
        if isinstance(result, Failure):
            payload |= {"scores": {}, "kind": result.kind, "reason": result.reason, "traceback": result.traceback}
        else:
            payload |= {"scores": measurement_to_plain(result)["scores"], "reason": None}
            payload |= {} if result.post is None else {"post": result.post}
        self._recorder.ensure(NewEvent("confirm_measured", confirmation.uid, payload))
        storage.remove_state(self._directory, confirmation.uid)


def _total(pieces: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for seconds_by_kind in pieces:
        for kind, seconds in seconds_by_kind.items():
            total[kind] = total.get(kind, 0.0) + seconds
    return total
