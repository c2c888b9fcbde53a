"""The state of a search, folded from its journal. Plain values; equal journals give equal states."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from evolve.records.journal import Event, JournalError
from evolve.trial import TrialStatus, TunedPost, Value

JsonObject = dict[str, object]
CANDIDATE_ROLE = "candidate"  # role of a confirmation for the choice of the winner


@dataclass
class IndividualRecord:
    """One individual and its trial, from the journal."""

    uid: str
    generation: int
    slot: int
    parents: tuple[str, ...]
    operator: str
    genome: dict[str, Value]
    seed: int
    predicted: float | None = None  # fitness by the model that chose it; None: not screened, or an earlier version's
    status: TrialStatus = TrialStatus.PROPOSED  # also while the trial waits at a rung for a worker
    fitness: float | None = None
    rungs: dict[int, float] = field(default_factory=dict)  # step -> score
    reason: str | None = None  # of a failure
    kind: str | None = None  # of a failure
    failed_seconds: float = 0.0  # of the failed attempt, after its last measurement
    attempts: int = 0
    scores: dict[int, dict[str, float]] = field(default_factory=dict)  # step -> name -> score
    spent: dict[int, dict[str, float]] = field(default_factory=dict)  # step -> kind -> seconds since the step before

    @property
    def trained_steps(self) -> int:
        """The last step that was trained and measured."""
        return max(self.spent, default=0)

    @property
    def seconds(self) -> float:
        """Worker seconds spent on the trial."""
        return self.failed_seconds + sum(sum(kinds.values()) for kinds in self.spent.values())


@dataclass
class Confirmation:
    """The result of training an individual again with a fresh seed, for the choice of the winner or for the verdict."""

    uid: str  # "g001-042/choice-seed-0"; "g001-042/test-seed-0"
    role: str  # "candidate" for the choice; "winner" or "defaults" for the verdict
    individual: str
    seed: int
    scores: dict[str, float]  # empty if it failed
    reason: str | None  # of a failure
    seconds: dict[str, float]
    post: TunedPost | None = None  # NMS tuned on validation; only for the winner's first one
    kind: str | None = None  # of a failure; missing in journals of earlier versions


@dataclass
class WinnerChoice:
    """The candidate that was chosen as the winner, and the standings of all candidates."""

    uid: str
    candidates: list[JsonObject]  # best first: uid, fitness, mean and shrunk (null without a run), seeds, failed
    noise: float | None  # standard deviation of fitness between runs of one candidate
    spread: float | None  # the same between the candidates' true means


@dataclass
class Outcome:
    """The winner and its verdict. A mean is {mean, interval [low, high] | null, seeds}."""

    uid: str
    split: str  # "test", or "val" if there is no test split
    confirmed: JsonObject | None
    defaults: JsonObject | None
    gain: JsonObject | None  # {mean, interval, probability}; null when the winner is the defaults or too few seeds ran
    verdict: str
    validation: JsonObject | None = None  # the means of "winner" and "defaults" on validation
    metric: str = "AP50:95"  # name of the fitness, which all of these numbers are in; AP50:95 in earlier versions
    map50_95: JsonObject | None = None  # confirmed, defaults, gain and validation in AP50:95, if fitness is another


@dataclass
class SearchState:
    """Everything that the journal says about a search."""

    search_id: str
    seed: int
    steps: int  # full budget of a trial
    recipe_name: str
    recipe: JsonObject
    space: JsonObject
    data: JsonObject
    objective: JsonObject
    request: JsonObject  # the user's flags; a resume prepares the same task from them
    threads: int
    versions: dict[str, str]
    workers: int
    phase: str = "running"  # running, interrupted, finished, failed
    reason: str | None = None  # of an interruption or a failure
    generation: int = 0
    individuals: dict[str, IndividualRecord] = field(default_factory=dict)
    closed: dict[int, tuple[str, ...]] = field(default_factory=dict)  # generation -> its elites, best first
    confirmations: dict[str, Confirmation] = field(default_factory=dict)
    confirmed_before: int = 0  # number of confirmations when a finished search was extended
    lost: dict[tuple[str, int, str], int] = field(default_factory=dict)  # uid, stop_step, cause -> lost attempts
    choice: WinnerChoice | None = None  # also None if there was only one candidate, which needs no choice
    outcome: Outcome | None = None
    started_at: float = 0.0
    last_at: float = 0.0
    session_at: float = 0.0  # when the present session began
    earlier_seconds: float = 0.0  # duration of all earlier sessions
    earlier_capacity: float = 0.0  # workers x seconds of all earlier sessions
    last_id: int = 0

    @property
    def generations(self) -> int:
        """The number of child generations in the recipe."""
        return int(cast(int, self.recipe["generations"]))

    @property
    def best(self) -> IndividualRecord | None:
        """The best finished individual, ties by uid; None if none has finished yet."""
        return next(iter(self.ranking), None)

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

    def nms_confirmation(self, individual: str) -> Confirmation | None:
        """The individual's confirmation that tuned NMS; None if there is none."""
        tuned = [
            confirmation
            for confirmation in self.confirmations.values()
            if confirmation.individual == individual and confirmation.post is not None
        ]
        return min(tuned, key=lambda confirmation: confirmation.uid, default=None)

    def elapsed_seconds(self, now: float | None = None) -> float:
        """Seconds of all sessions together; the present one counts up to `now`, or up to its last event."""
        return self.earlier_seconds + max(0.0, (self.last_at if now is None else now) - self.session_at)

    def worker_seconds(self, now: float | None = None) -> dict[str, float]:
        """Seconds that workers spent, by kind; "idle" is the rest of workers x elapsed time."""
        total: dict[str, float] = {}
        spent = [kinds for record in self.individuals.values() for kinds in record.spent.values()]
        spent += [confirmation.seconds for confirmation in self.confirmations.values()]
        for kinds in spent:
            for kind, seconds in kinds.items():
                total[kind] = total.get(kind, 0.0) + seconds
        failed = sum(record.failed_seconds for record in self.individuals.values())
        if failed:
            total["failed"] = failed
        session = self.elapsed_seconds(now) - self.earlier_seconds
        total["idle"] = max(0.0, self.earlier_capacity + self.workers * session - sum(total.values()))
        return total

    def apply(self, event: Event) -> None:
        """Fold in the next event. Unknown kinds, from a later version, change nothing."""
        handler = _HANDLERS.get(event.kind)
        if handler is not None:
            handler(self, event)
        self.last_at = event.time
        self.last_id = event.id


def begin(event: Event) -> SearchState:
    """The state after the first event, which must be search_created."""
    if event.kind != "search_created":
        raise JournalError(f"journal: expected its first event to be search_created, got {event.kind}")
    plain = dict(event.payload)
    return SearchState(
        search_id=str(plain["search_id"]),
        seed=_int(plain["seed"]),
        steps=_int(plain["steps"]),
        recipe_name=str(plain["recipe_name"]),
        recipe=dict(_mapping(plain["recipe"])),
        space=dict(_mapping(plain["space"])),
        data=dict(_mapping(plain["data"])),
        objective=dict(_mapping(plain["objective"])),
        request=dict(_mapping(plain["request"])),
        threads=_int(plain["threads"]),
        versions={name: str(value) for name, value in _mapping(plain["versions"]).items()},
        workers=_int(plain["workers"]),
        started_at=event.time,
        last_at=event.time,
        session_at=event.time,
        last_id=event.id,
    )


def fold(events: Iterable[Event]) -> SearchState:
    """The state after all these events; JournalError if there are none."""
    state: SearchState | None = None
    for event in events:
        if state is None:
            state = begin(event)
        else:
            state.apply(event)
    if state is None:
        raise JournalError("journal: expected a search, got no event: it was killed before it began; start it anew")
    return state


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise JournalError(f"journal: expected a mapping, got {value!r}")
    return value


def _int(value: object) -> int:
    return int(cast(int, value))


def _floats(value: object) -> dict[str, float]:
    return {name: float(cast(float, number)) for name, number in _mapping(value).items() if number is not None}


def _individual(state: SearchState, event: Event) -> IndividualRecord:
    record = state.individuals.get(event.uid or "")
    if record is None:
        raise JournalError(f"journal: event {event.id} ({event.kind}): expected a proposed individual, got {event.uid}")
    return record


def _generation_opened(state: SearchState, event: Event) -> None:
    state.generation = _int(event.payload["generation"])


def _trial_proposed(state: SearchState, event: Event) -> None:
    plain = event.payload
    uid = str(event.uid)
    state.individuals[uid] = IndividualRecord(
        uid=uid,
        generation=_int(plain["generation"]),
        slot=_int(plain["slot"]),
        parents=tuple(cast(list[str], plain["parents"])),
        operator=str(plain["operator"]),
        genome=dict(cast(Mapping[str, Value], plain["genome"])),
        seed=_int(plain["seed"]),
        predicted=cast(float | None, plain.get("predicted")),
    )


def _attempt_started(state: SearchState, event: Event) -> None:
    record = _individual(state, event)
    record.status = TrialStatus.RUNNING
    record.attempts += 1


def _attempt_lost(state: SearchState, event: Event) -> None:
    cause = str(event.payload.get("cause", "worker_lost"))  # missing in journals of earlier versions
    key = (str(event.uid), _int(event.payload["stop_step"]), cause)
    state.lost[key] = state.lost.get(key, 0) + 1
    if event.uid in state.individuals:  # else the attempt was a confirmation's
        state.individuals[event.uid].status = TrialStatus.PROPOSED


def _measured(state: SearchState, event: Event) -> None:
    record = _individual(state, event)
    step = _int(event.payload["step"])
    record.spent[step] = _floats(event.payload["seconds"])  # a repeated attempt measures the same steps again
    if event.payload["scores"]:
        record.scores[step] = _floats(event.payload["scores"])


def _rung_reached(state: SearchState, event: Event) -> None:
    record = _individual(state, event)
    record.rungs[_int(event.payload["step"])] = float(cast(float, event.payload["score"]))
    record.status = TrialStatus.PROPOSED


def _trial_stopped(state: SearchState, event: Event) -> None:
    _individual(state, event).status = TrialStatus.STOPPED_EARLY


def _trial_finished(state: SearchState, event: Event) -> None:
    record = _individual(state, event)
    record.status = TrialStatus.FINISHED
    record.fitness = float(cast(float, event.payload["fitness"]))


def _trial_failed(state: SearchState, event: Event) -> None:
    record = _individual(state, event)
    record.status = TrialStatus.FAILED
    record.kind = str(event.payload["kind"])
    record.reason = str(event.payload["reason"])
    record.failed_seconds = max(0.0, float(cast(float, event.payload["seconds"])) - record.seconds)


def _generation_closed(state: SearchState, event: Event) -> None:
    state.closed[_int(event.payload["generation"])] = tuple(cast(list[str], event.payload["elites"]))


def _confirm_measured(state: SearchState, event: Event) -> None:
    plain = event.payload
    reason = plain.get("reason")
    state.confirmations[str(event.uid)] = Confirmation(
        uid=str(event.uid),
        role=str(plain["role"]),
        individual=str(plain["individual"]),
        seed=_int(plain["seed"]),
        scores=_floats(plain["scores"]),
        reason=None if reason is None else str(reason),
        seconds=_floats(plain["seconds"]),
        post=cast(TunedPost | None, plain.get("post")),
        kind=None if plain.get("kind") is None else str(plain["kind"]),
    )


def _candidate_chosen(state: SearchState, event: Event) -> None:
    plain = event.payload
    state.choice = WinnerChoice(
        uid=str(event.uid),
        candidates=[dict(_mapping(standing)) for standing in cast(list[object], plain["candidates"])],
        noise=cast(float | None, plain["noise"]),
        spread=cast(float | None, plain["spread"]),
    )


def _winner_chosen(state: SearchState, event: Event) -> None:
    plain = event.payload
    state.outcome = Outcome(
        uid=str(event.uid),
        split=str(plain["split"]),
        confirmed=cast(JsonObject | None, plain["confirmed"]),
        defaults=cast(JsonObject | None, plain["defaults"]),
        gain=cast(JsonObject | None, plain["gain"]),
        verdict=str(plain["verdict"]),
        # these three are missing in journals of earlier versions
        validation=cast(JsonObject | None, plain.get("validation")),
        metric=str(plain.get("metric", Outcome.metric)),
        map50_95=cast(JsonObject | None, plain.get("map50_95")),
    )


def _search_resumed(state: SearchState, event: Event) -> None:
    session = state.elapsed_seconds() - state.earlier_seconds
    state.earlier_seconds += session
    state.earlier_capacity += state.workers * session
    state.session_at = event.time
    state.workers = _int(event.payload.get("workers", state.workers))
    state.phase, state.reason = "running", None
    generations = _int(event.payload.get("generations", state.generations))
    if generations != state.generations:
        state.recipe = {**state.recipe, "generations": generations}
        state.confirmed_before = len(state.confirmations)
        state.choice = state.outcome = None  # the search goes on beyond its earlier end
    _mark_none_running(state)


def _search_interrupted(state: SearchState, event: Event) -> None:
    state.phase, state.reason = "interrupted", str(event.payload["reason"])
    _mark_none_running(state)


def _search_finished(state: SearchState, _event: Event) -> None:
    state.phase = "finished"


def _search_failed(state: SearchState, event: Event) -> None:
    state.phase, state.reason = "failed", str(event.payload["reason"])


def _mark_none_running(state: SearchState) -> None:
    for record in state.individuals.values():
        if record.status is TrialStatus.RUNNING:
            record.status = TrialStatus.PROPOSED


_HANDLERS = {
    "generation_opened": _generation_opened,
    "trial_proposed": _trial_proposed,
    "attempt_started": _attempt_started,
    "attempt_lost": _attempt_lost,
    "measured": _measured,
    "rung_reached": _rung_reached,
    "trial_stopped": _trial_stopped,
    "trial_finished": _trial_finished,
    "trial_failed": _trial_failed,
    "generation_closed": _generation_closed,
    "confirm_measured": _confirm_measured,
    "candidate_chosen": _candidate_chosen,
    "winner_chosen": _winner_chosen,
    "search_resumed": _search_resumed,
    "search_interrupted": _search_interrupted,
    "search_finished": _search_finished,
    "search_failed": _search_failed,
}
