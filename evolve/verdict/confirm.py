"""The confirm stage: which of the best is the winner, and is it really better than the defaults, or was it luck?

The best of hundreds of noisy scores is too high on average. So the best few are trained again at full budget with
fresh seeds, the same ones for all, and their validation scores choose the winner (leaders.py). Then the winner and its
opponents, which are the defaults and the known sets of the space, are trained with other fresh seeds, the same ones for
all, and scored on the test split. No other training is scored on it, and no confirmation of the verdict has chosen
anything. A single candidate needs no choice: only the confirmations of the verdict are trained.
A confirmation is outside fitness and selection. The winner's first confirmation for
the verdict also tunes NMS on validation, for whoever uses the winner; all scores here use the same fixed NMS.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evolve.checks import resumable
from evolve.execution import storage
from evolve.execution.attempt import finite
from evolve.execution.dispatch import Lost, dispatch, is_result
from evolve.execution.executor import Ended, Executor, Lease, Measured
from evolve.genetics.genome import DEFAULTS, keyed_seed
from evolve.records.events import CANDIDATE_ROLE, KNOWN_ROLE, AttemptLost, Confirmation
from evolve.records.recorder import Recorder
from evolve.records.state import SearchState, total_seconds
from evolve.task import Task
from evolve.trial import Failure, Measurement, TrialSpec
from evolve.verdict import leaders, verdict_seeds

WINNER_ROLE, DEFAULTS_ROLE = "winner", "defaults"  # roles of the confirmations for the verdict
_CONFIRM_STREAM = 0xC0F1  # first of two parts of the key; a trial's key has three and begins with its generation


@dataclass(frozen=True)
class PlannedConfirmation:
    """One set to train: its role, and which of the fresh seeds it gets."""

    individual: str  # its uid; the name of a known set
    role: str
    seed_index: int  # among the seeds of the choice, or among those of the verdict
    seed: int

    @property
    def uid(self) -> str:
        """g001-042/choice-seed-0, g001-042/test-seed-0 or hand-tuned/test-seed-0."""
        purpose = "choice" if self.role == CANDIDATE_ROLE else "test"
        return f"{self.individual}/{purpose}-seed-{self.seed_index}"


def fresh_seeds(search_seed: int, count: int, taken: frozenset[int]) -> list[int]:
    """Seeds from 0 to 2**31 - 1, keyed by the search's seed; none of them is among the `taken` seeds of trials."""
    chosen: list[int] = []
    draw = 0
    while len(chosen) < count:
        seed = keyed_seed(search_seed, _CONFIRM_STREAM, draw)
        if seed not in taken and seed not in chosen:
            chosen.append(seed)
        draw += 1
    return chosen


def planned_for_choice(state: SearchState) -> list[PlannedConfirmation]:
    """The confirmations that choose the winner, seed by seed; empty if there is only one candidate."""
    candidates = leaders.candidates(state)
    if len(candidates) == 1:
        return []
    _, choice_seeds = _verdict_and_choice_seeds(state, 0)
    return [
        PlannedConfirmation(uid, CANDIDATE_ROLE, index, seed)
        for index, seed in enumerate(choice_seeds)
        for uid in candidates
    ]


def planned_for_verdict(state: SearchState, winner: str) -> list[PlannedConfirmation]:
    """The confirmations of the verdict: for each seed the winner, then the defaults, then the known sets."""
    opponents = {DEFAULTS: DEFAULTS_ROLE, **dict.fromkeys(state.space.known, KNOWN_ROLE)}
    opponents.pop(winner, None)  # the winner may be the defaults
    roles = {winner: WINNER_ROLE, **opponents}
    seeds, _ = _verdict_and_choice_seeds(state, verdict_seeds.count(state, winner))
    return [
        PlannedConfirmation(uid, role, index, seed) for index, seed in enumerate(seeds) for uid, role in roles.items()
    ]


def _verdict_and_choice_seeds(state: SearchState, verdict_count: int) -> tuple[list[int], list[int]]:
    """So many seeds for the verdict, and those of the choice, which do not depend on how many the verdict has."""
    count = state.recipe.confirm_seeds
    trial_seeds = frozenset(record.seed for record in state.individuals.values())
    seeds = fresh_seeds(state.seed, 2 * count + max(0, verdict_count - count), trial_seeds)
    return [*seeds[:count], *seeds[2 * count :]][:verdict_count], seeds[count : 2 * count]


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
        """Train what is missing for the choice, journal what follows, then train what is missing for the verdict."""
        self._train(planned_for_choice(self._state), executor, tick)
        self.journal_winner()
        self._train(self._planned_for_verdict(), executor, tick)

    def journal_winner(self) -> str:
        """Journal the winner's choice and the number of the verdict's seeds, if missing; returns the winner's uid."""
        if self._state.choice is None and (choice := leaders.choose_winner(self._state)) is not None:
            self._recorder.append(choice)
        winner = leaders.winning_uid(self._state)
        if self._state.verdict_plan is None and (plan := verdict_seeds.planned(self._state, winner)) is not None:
            self._recorder.append(plan)
        return winner

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
            Lease(self._spec(confirmation), attempt=1 + self._state.lost_attempts(uid))
            for uid, confirmation in missing.items()
        )
        # uid -> step -> kind -> seconds since the measurement before
        spent: dict[str, dict[int, Mapping[str, float]]] = {uid: {} for uid in missing}
        for event in dispatch(executor, waiting, self._state.lost) if waiting else ():
            if isinstance(event, Measured):
                uid, measurement = event.lease.spec.uid, finite(event.measurement)
                spent[uid][measurement.step] = measurement.seconds
                if is_result(event):
                    self._record(missing[uid], measurement, total_seconds(spent[uid].values()))
            elif isinstance(event, Lost):
                self._recorder.append(AttemptLost.of(event.lease.spec, event.lease.attempt, event.failure))
            elif isinstance(event, Ended) and event.failure is not None:
                uid = event.lease.spec.uid
                self._record(missing[uid], event.failure, total_seconds(spent[uid].values()))
            tick()

    def _spec(self, confirmation: PlannedConfirmation) -> TrialSpec:
        """The confirmation as a trial; the winner's first one also tunes NMS on its validation detections."""
        role = confirmation.role
        splits = ("val",) if role == CANDIDATE_ROLE else ("val", self._state.data.verdict_split)
        return TrialSpec(
            uid=confirmation.uid,
            config=self._task.config_of(self._state.genome_of(confirmation.individual)),
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
        event = Confirmation(
            uid=confirmation.uid,
            role=confirmation.role,
            individual=confirmation.individual,
            seed=confirmation.seed,
            seconds=seconds,
            scores={},
        )
        if isinstance(result, Failure):
            self._recorder.ensure(replace(event, **vars(result)))
        else:
            self._recorder.ensure(replace(event, scores=result.scores, post=result.post))
        storage.remove_state(self._directory, confirmation.uid)
