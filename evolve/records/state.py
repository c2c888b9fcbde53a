"""The state of a search, folded from its journal. Plain values; equal journals give equal states."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from evolve.data_description import DataDescription
from evolve.genetics.genome import Genome
from evolve.genetics.recipe import Recipe
from evolve.genetics.space import SearchSpace
from evolve.records import events
from evolve.records.events import (
    CANDIDATE_ROLE,
    Confirmation,
    EndEvent,
    JournalEvent,
    Outcome,
    VerdictPlanned,
    WinnerChoice,
)
from evolve.records.journal import Event, JournalError
from evolve.records.search_request import SearchRequest
from evolve.trial import TrialStatus


@dataclass
class IndividualRecord:
    """One individual and its trial, from the journal."""

    uid: str
    generation: int
    slot: int
    parents: tuple[str, ...]
    operator: str
    genome: Genome
    seed: int
    predicted: float | None = None  # fitness by the model that chose it; None: not screened, or an earlier version's
    status: TrialStatus = TrialStatus.PROPOSED  # also while the trial waits at a rung for a worker
    fitness: float | None = None
    rungs: dict[int, float] = field(default_factory=dict)  # step -> score
    reason: str | None = None  # of a failure
    kind: str | None = None  # of a failure
    failed_seconds: float = 0.0  # of the failed attempt, after its last measurement
    attempts: int = 0
    scores: dict[int, Mapping[str, float]] = field(default_factory=dict)  # step -> name -> score
    spent: dict[int, Mapping[str, float]] = field(default_factory=dict)  # step -> kind -> seconds since the step before
    losses: dict[int, Mapping[str, float]] = field(default_factory=dict)  # step -> name -> mean since the step before

    @property
    def trained_steps(self) -> int:
        """The last step that was trained and measured."""
        return max(self.spent, default=0)

    def mean_loss(self, name: str) -> tuple[float, int]:
        """The mean of a reported value over the steps that reported it, and the number of these steps."""
        total, steps, before = 0.0, 0, 0
        for step in sorted(self.losses):
            if name in self.losses[step]:
                total, steps = total + self.losses[step][name] * (step - before), steps + step - before
            before = step
        return (total / steps if steps else 0.0), steps

    @property
    def seconds(self) -> float:
        """Worker seconds spent on the trial."""
        return self.failed_seconds + sum(sum(kinds.values()) for kinds in self.spent.values())


@dataclass
class SearchState:
    """Everything that the journal says about a search."""

    search_id: str
    seed: int
    steps: int  # full budget of a trial
    recipe: Recipe
    space: SearchSpace
    data: DataDescription
    request: SearchRequest  # the user's flags; a resume prepares the same task from them
    threads: int
    versions: Mapping[str, str]
    workers: int
    warm_starts: tuple[Genome, ...] = ()  # given sets in the first generation, beside the defaults
    phase: str = "running"  # running, interrupted, finished, failed
    reason: str | None = None  # of an interruption or a failure
    generation: int = 0
    individuals: dict[str, IndividualRecord] = field(default_factory=dict)
    closed: dict[int, tuple[str, ...]] = field(default_factory=dict)  # generation -> its elites, best first
    confirmations: dict[str, Confirmation] = field(default_factory=dict)
    confirmed_before: int = 0  # number of confirmations when a finished search was extended
    lost: dict[tuple[str, int, str], int] = field(default_factory=dict)  # uid, stop_step, cause -> lost attempts
    choice: WinnerChoice | None = None  # also None if there was only one candidate, which needs no choice
    verdict_plan: VerdictPlanned | None = None  # also None if the recipe says how many seeds the verdict has
    outcome: Outcome | None = None
    verdicts: int = 0  # number of verdicts so far; more than one if a finished search was extended
    started_at: float = 0.0
    last_at: float = 0.0
    session_at: float = 0.0  # when the present session began
    earlier_seconds: float = 0.0  # duration of all earlier sessions
    earlier_capacity: float = 0.0  # workers x seconds of all earlier sessions
    last_id: int = 0

    @property
    def generations(self) -> int:
        """The number of child generations in the recipe."""
        return self.recipe.generations

    @property
    def most_verdict_seeds(self) -> int:
        """The number of seeds that the verdict has, or has at most as long as that is not decided."""
        return self.recipe.verdict_seeds[1] if self.verdict_plan is None else self.verdict_plan.seeds

    @property
    def shortened_share(self) -> float | None:
        """The share of the trained steps whose gradient was shortened; None if no step has reported it."""
        means = [record.mean_loss("clipped") for record in self.individuals.values()]
        steps = sum(count for _, count in means)
        return sum(share * count for share, count in means) / steps if steps else None

    @property
    def best(self) -> IndividualRecord | None:
        """The best finished individual, ties by uid; None if none has finished yet."""
        return next(iter(self.ranking), None)

    @property
    def leader(self) -> str | None:
        """The winner's uid; before there is one, the uid of the best so far; None before the first fitness."""
        if self.outcome is not None:
            return self.outcome.uid
        return None if (best := self.best) is None else best.uid

    @property
    def ranking(self) -> list[IndividualRecord]:
        """The individuals that reached the full budget, by fitness, best first, ties by uid."""
        finished = [record for record in self.individuals.values() if record.fitness is not None]
        return sorted(finished, key=lambda record: (-(record.fitness or 0.0), record.uid))

    @property
    def counts(self) -> dict[str, int]:
        """The number of trials by status."""
        counts = {str(status): 0 for status in TrialStatus}
        for record in self.individuals.values():
            counts[str(record.status)] += 1
        return counts

    def confirmations_of(self, individual: str, *, for_choice: bool) -> list[Confirmation]:
        """The confirmations of an individual or a known set, for the choice or for the verdict, by seed."""
        chosen = [
            confirmation
            for confirmation in self.confirmations.values()
            if confirmation.individual == individual and (confirmation.role == CANDIDATE_ROLE) == for_choice
        ]
        return sorted(chosen, key=lambda confirmation: (len(confirmation.uid), confirmation.uid))  # 2 before 10

    def genome_of(self, subject: str) -> Genome:
        """The genome of an individual, by its uid, or of a known set of the space, by its name."""
        return self.space.known_genome(subject) if subject in self.space.known else self.individuals[subject].genome

    def nms_confirmation(self, individual: str) -> Confirmation | None:
        """The individual's confirmation that tuned NMS; None if there is none."""
        tuned = [
            confirmation
            for confirmation in self.confirmations.values()
            if confirmation.individual == individual and confirmation.post is not None
        ]
        return min(tuned, key=lambda confirmation: confirmation.uid, default=None)

    def lost_attempts(self, uid: str) -> int:
        """How many attempts at this trial or confirmation were lost."""
        return sum(count for (lost_uid, _step, _cause), count in self.lost.items() if lost_uid == uid)

    def elapsed_seconds(self, now: float | None = None) -> float:
        """Seconds of all sessions together; the present one counts up to `now`, or up to its last event."""
        return self.earlier_seconds + max(0.0, (self.last_at if now is None else now) - self.session_at)

    def worker_seconds(self, now: float | None = None) -> dict[str, float]:
        """Seconds that workers spent, by kind; "idle" is the rest of workers x elapsed time."""
        spent = [kinds for record in self.individuals.values() for kinds in record.spent.values()]
        total = total_seconds([*spent, *(confirmation.seconds for confirmation in self.confirmations.values())])
        failed = sum(record.failed_seconds for record in self.individuals.values())
        if failed:
            total["failed"] = failed
        session = self.elapsed_seconds(now) - self.earlier_seconds
        total["idle"] = max(0.0, self.earlier_capacity + self.workers * session - sum(total.values()))
        return total

    def apply(self, event: Event) -> None:
        """Fold in the next event. Unknown kinds, from a later version, change nothing."""
        decoded = events.decode(event)
        if decoded is not None:
            try:
                self._fold(decoded, event.time)
            except KeyError as error:
                raise JournalError(
                    f"journal: event {event.id} ({event.kind}): expected a proposed individual, got {error.args[0]}"
                ) from error
        self.last_at = event.time
        self.last_id = event.id

    def _fold(self, event: JournalEvent, now: float) -> None:
        """Fold in one event. KeyError with the uid if it is about an individual that was not proposed."""
        match event:
            case events.GenerationOpened():
                self.generation = event.generation
            case events.TrialProposed():
                self.individuals[event.uid] = IndividualRecord(**vars(event))
            case events.AttemptStarted():
                record = self.individuals[event.uid]
                record.status, record.attempts = TrialStatus.RUNNING, record.attempts + 1
            case events.AttemptLost():
                self._lose(event)
            case events.TrialMeasured():
                self._measure(self.individuals[event.uid], event)
            case events.RungReached():
                record = self.individuals[event.uid]
                record.rungs[event.step], record.status = event.score, TrialStatus.PROPOSED
            case events.TrialStopped():
                self.individuals[event.uid].status = TrialStatus.STOPPED_EARLY
            case events.TrialFinished():
                record = self.individuals[event.uid]
                record.status, record.fitness = TrialStatus.FINISHED, event.fitness
            case events.TrialFailed():
                self._fail(self.individuals[event.uid], event)
            case events.GenerationClosed():
                self.closed[event.generation] = event.elites
            case events.SearchCreated():
                pass  # only the first event says how a search begins
            case _:
                self._fold_end(event, now)

    def _fold_end(self, event: EndEvent, now: float) -> None:
        """Fold in an event of the confirmations, of the verdict or of a session."""
        match event:
            case Confirmation():
                self.confirmations[event.uid] = event
            case WinnerChoice():
                self.choice = event
            case VerdictPlanned():
                self.verdict_plan = event
            case Outcome():
                self.outcome = event
                self.verdicts += 1
            case events.SearchResumed():
                self._resume(event, now)
            case events.SearchInterrupted():
                self.phase, self.reason = "interrupted", event.reason
                self._mark_none_running()
            case events.SearchFinished():
                self.phase = "finished"
            case events.SearchFailed():
                self.phase, self.reason = "failed", event.reason
            case _:
                assert_never(event)

    def _lose(self, event: events.AttemptLost) -> None:
        key = (event.uid, event.stop_step, event.cause)
        self.lost[key] = self.lost.get(key, 0) + 1
        if event.uid in self.individuals:  # else the attempt was a confirmation's
            self.individuals[event.uid].status = TrialStatus.PROPOSED

    def _measure(self, record: IndividualRecord, event: events.TrialMeasured) -> None:
        record.spent[event.step] = event.seconds  # a repeated attempt measures the same steps again
        record.losses[event.step] = event.losses
        if event.scores:
            record.scores[event.step] = event.scores

    def _fail(self, record: IndividualRecord, event: events.TrialFailed) -> None:
        record.status, record.kind, record.reason = TrialStatus.FAILED, event.kind, event.reason
        record.failed_seconds = max(0.0, event.seconds - record.seconds)

    def _resume(self, event: events.SearchResumed, now: float) -> None:
        session = self.elapsed_seconds() - self.earlier_seconds
        self.earlier_seconds += session
        self.earlier_capacity += self.workers * session
        self.session_at = now
        self.workers = self.workers if event.workers is None else event.workers
        self.phase, self.reason = "running", None
        if event.generations is not None and event.generations != self.generations:
            self.recipe = replace(self.recipe, generations=event.generations)
            self.confirmed_before = len(self.confirmations)
            self.choice = self.verdict_plan = self.outcome = None  # the search goes on beyond its earlier end
        self._mark_none_running()

    def _mark_none_running(self) -> None:
        for record in self.individuals.values():
            if record.status is TrialStatus.RUNNING:
                record.status = TrialStatus.PROPOSED


def total_seconds(pieces: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The sums of seconds by kind."""
    total: dict[str, float] = {}
    for seconds_by_kind in pieces:
        for kind, seconds in seconds_by_kind.items():
            total[kind] = total.get(kind, 0.0) + seconds
    return total


def begin(event: Event) -> SearchState:
    """The state after the first event, which must be search_created."""
    created = events.decode(event) if event.kind == "search_created" else None
    if not isinstance(created, events.SearchCreated):
        raise JournalError(f"journal: expected its first event to be search_created, got {event.kind}")
    return SearchState(
        search_id=created.search_id,
        seed=created.seed,
        steps=created.steps,
        recipe=created.recipe,
        space=created.space,
        data=DataDescription(created.data),
        request=SearchRequest.parse(created.request),
        threads=created.threads,
        versions=created.versions,
        workers=created.workers,
        warm_starts=created.warm_starts,
        started_at=event.time,
        last_at=event.time,
        session_at=event.time,
        last_id=event.id,
    )


def fold(journalled: Iterable[Event]) -> SearchState:
    """The state after all these events; JournalError if there are none."""
    state: SearchState | None = None
    for event in journalled:
        if state is None:
            state = begin(event)
        else:
            state.apply(event)
    if state is None:
        raise JournalError("journal: expected a search, got no event: it was killed before it began; start it anew")
    return state
