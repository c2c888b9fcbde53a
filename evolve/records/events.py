"""The events of a journal as values, one class a kind, and the codec between them and the journal's JSON.

The fields of a class are the keys of its payload, in the order in which they are written; `uid` is a column of its own.
A field with a default is missing in journals of earlier versions. Keys of a payload that a class lacks, from a later
version, are passed over; a recipe or a space with such a key cannot be read. pydantic checks the types
(docs/decisions/0015-typed-events.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.genetics.genome import Genome
from evolve.genetics.recipe import Recipe
from evolve.genetics.space import SearchSpace
from evolve.records.comparison import (
    IF_ANY,
    Comparison,
    Gain,
    KnownComparison,
    MeanWithInterval,
    Standing,
    ValidationMeans,
)
from evolve.records.journal import Event, JournalError, NewEvent
from evolve.trial import Failure, Measurement, TrialSpec, TunedPost

QUOTED_CHARACTERS = 80  # of a wrong value, in an error
CANDIDATE_ROLE = "candidate"  # role of a confirmation for the choice of the winner
KNOWN_ROLE = "known"  # role of a known set's confirmation for the verdict


def _numbers(value: object) -> object:
    """The numbers by name, without those that journals of earlier versions have as null."""
    if not isinstance(value, Mapping):
        return value
    return {name: number for name, number in value.items() if number is not None}


Numbers = Annotated[Mapping[str, float], BeforeValidator(_numbers)]  # by name
RecipeInJson = Annotated[Recipe, PlainValidator(recipes.parse), PlainSerializer(Recipe.to_plain)]
SpaceInJson = Annotated[
    SearchSpace, PlainValidator(lambda plain: spaces.parse(plain, "space")), PlainSerializer(SearchSpace.to_plain)
]
GenomeInJson = Annotated[Genome, PlainValidator(Genome), PlainSerializer(dict)]
UNLESS_FIRST = Field(exclude_if=lambda value: value == 1)
UNLESS_EMPTY = Field(exclude_if=lambda value: not value)  # the key is written only if there are values


@dataclass(frozen=True, kw_only=True)
class SearchCreated:
    """The first event: everything that a search begins with. uid: none."""

    search_id: str
    seed: int
    steps: int  # full budget of a trial
    space: SpaceInJson
    recipe: RecipeInJson
    recipe_name: str
    data: Mapping[str, object]  # a DataDescription's
    objective: Mapping[str, object]  # target and arguments of an ObjectiveFactory
    request: Mapping[str, object]  # a SearchRequest's; from Python, any values
    threads: int
    workers: int
    versions: Mapping[str, str]  # by package
    warm_starts: Annotated[tuple[GenomeInJson, ...], Field(exclude_if=lambda genomes: not genomes)] = ()


@dataclass(frozen=True, kw_only=True)
class GenerationOpened:
    """The individuals of a generation were bred; a TrialProposed for each follows."""

    generation: int
    population: int


@dataclass(frozen=True, kw_only=True)
class TrialProposed:
    """An individual and its trial."""

    uid: str
    generation: int
    slot: int
    parents: tuple[str, ...]
    operator: str
    genome: GenomeInJson
    seed: int
    predicted: Annotated[float | None, IF_ANY] = None  # fitness by the model that chose it; only if it was screened


@dataclass(frozen=True, kw_only=True)
class AttemptStarted:
    """A worker began a piece of a trial."""

    uid: str
    attempt: int = 1
    start_step: int = 0
    stop_step: int = 0
    worker: str = ""
    node: str = ""


@dataclass(frozen=True, kw_only=True)
class AttemptLost:
    """An attempt at a piece of a trial, or at a confirmation, ended without a result and is made again."""

    uid: str
    attempt: int
    stop_step: int
    cause: str = "worker_lost"  # kind of the failure
    reason: str

    @classmethod
    def of(cls, spec: TrialSpec, attempt: int, failure: Failure) -> "AttemptLost":
        """The event of an attempt at a piece that ended with this failure."""
        return cls(uid=spec.uid, attempt=attempt, stop_step=spec.stop_step, cause=failure.kind, reason=failure.reason)


@dataclass(frozen=True, kw_only=True)
class TrialMeasured:
    """A measurement of a trial."""

    uid: str
    attempt: int
    step: int
    losses: Numbers
    scores: Numbers  # empty except at the end of a piece
    seconds: Numbers  # by kind, since the measurement before
    traces: int
    post: Annotated[TunedPost | None, IF_ANY] = None

    @classmethod
    def of(cls, uid: str, attempt: int, measurement: Measurement) -> "TrialMeasured":
        """The event of a measurement whose numbers are finite."""
        return cls(uid=uid, attempt=attempt, **vars(measurement))


@dataclass(frozen=True, kw_only=True)
class RungReached:
    """A trial has its score at a rung."""

    uid: str
    step: int
    score: float
    share: float = 1.0  # of the full budget


@dataclass(frozen=True, kw_only=True)
class TrialStopped:
    """A trial was not promoted from the rung at this step."""

    uid: str
    step: int


@dataclass(frozen=True, kw_only=True)
class TrialFinished:
    """A trial reached the full budget."""

    uid: str
    fitness: float
    seconds: float = 0.0  # of the whole trial


@dataclass(frozen=True, kw_only=True)
class TrialFailed:
    """A trial failed for good."""

    uid: str
    kind: str
    reason: str
    traceback: str = ""
    seconds: float  # of the whole trial


@dataclass(frozen=True, kw_only=True)
class GenerationClosed:
    """All trials of a generation are over; its elites, best first."""

    generation: int
    elites: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """The result of training a set with a fresh seed, for the choice of the winner or for the verdict."""

    uid: str  # "g001-042/choice-seed-0"; "g001-042/test-seed-0"; "hand-tuned/test-seed-0"
    role: str  # "candidate" for the choice; "winner", "defaults" or "known" for the verdict
    individual: str  # its uid; the name of a known set
    seed: int
    seconds: Numbers  # by kind
    scores: Numbers  # empty if it failed
    kind: Annotated[str | None, IF_ANY] = None  # of a failure; missing in journals of earlier versions
    reason: str | None = None  # of a failure
    traceback: Annotated[str | None, IF_ANY] = None  # of a failure
    post: Annotated[TunedPost | None, IF_ANY] = None  # NMS tuned on validation; only for the winner's first one


@dataclass(frozen=True, kw_only=True)
class WinnerChoice:
    """The candidate that was chosen as the winner, and the standings of all candidates."""

    uid: str
    candidates: tuple[Standing, ...]  # best first
    noise: float | None  # standard deviation of fitness between runs of one candidate
    spread: float | None  # the same between the candidates' true means


@dataclass(frozen=True, kw_only=True)
class VerdictPlanned:
    """The number of seeds of the verdict, decided before its first training by the noise of the candidates."""

    uid: str  # the winner
    seeds: int
    gain: float  # the gain in fitness that is worth knowing
    noise: float | None  # standard deviation of a difference of two runs with the same seed; None: not known
    detectable: float | None  # the true gain that so many seeds show; None if the noise is not known


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The winner and its verdict."""

    uid: str
    split: str  # "test", or "val" if there is no test split
    metric: str = "AP50:95"  # name of the fitness, which all of these numbers are in; AP50:95 in earlier versions
    confirmed: MeanWithInterval | None  # these four as in Comparison
    defaults: MeanWithInterval | None
    gain: Gain | None
    validation: ValidationMeans | None = None
    map50_95: Comparison | None = None  # the same in AP50:95, if fitness is another metric
    known: Annotated[Mapping[str, KnownComparison], UNLESS_EMPTY] = field(default_factory=dict)  # by the set's name
    looks: Annotated[int, UNLESS_FIRST] = 1  # how often this search has been judged on the split, this time included
    verdict: str  # on winner and defaults

    @property
    def comparison(self) -> Comparison:
        """Winner and defaults in the metric of the fitness."""
        return Comparison(confirmed=self.confirmed, defaults=self.defaults, gain=self.gain, validation=self.validation)


@dataclass(frozen=True, kw_only=True)
class SearchResumed:
    """Another session began."""

    workers: int | None = None  # None, as in earlier versions: as before
    generations: int | None = None


@dataclass(frozen=True, kw_only=True)
class SearchInterrupted:
    """A session ended before the search did."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class SearchFinished:
    """The search has a winner."""

    verdict: str = ""
    reason: str = ""  # why nothing more is bred


@dataclass(frozen=True, kw_only=True)
class SearchFailed:
    """The search ended without a winner."""

    reason: str


# Events of the confirmations, of the verdict and of sessions
EndEvent = (
    Confirmation
    | WinnerChoice
    | VerdictPlanned
    | Outcome
    | SearchResumed
    | SearchInterrupted
    | SearchFinished
    | SearchFailed
)
JournalEvent = (
    SearchCreated
    | GenerationOpened
    | TrialProposed
    | AttemptStarted
    | AttemptLost
    | TrialMeasured
    | RungReached
    | TrialStopped
    | TrialFinished
    | TrialFailed
    | GenerationClosed
    | EndEvent
)
KINDS: dict[str, type[JournalEvent]] = {
    "search_created": SearchCreated,
    "generation_opened": GenerationOpened,
    "trial_proposed": TrialProposed,
    "attempt_started": AttemptStarted,
    "attempt_lost": AttemptLost,
    "measured": TrialMeasured,
    "rung_reached": RungReached,
    "trial_stopped": TrialStopped,
    "trial_finished": TrialFinished,
    "trial_failed": TrialFailed,
    "generation_closed": GenerationClosed,
    "confirm_measured": Confirmation,
    "candidate_chosen": WinnerChoice,
    "verdict_planned": VerdictPlanned,
    "winner_chosen": Outcome,
    "search_resumed": SearchResumed,
    "search_interrupted": SearchInterrupted,
    "search_finished": SearchFinished,
    "search_failed": SearchFailed,
}
KIND_OF = {event_class: kind for kind, event_class in KINDS.items()}


def decode(row: Event) -> JournalEvent | None:
    """The value of a row; None for a kind of a later version. JournalError if the payload is not one of its kind."""
    if row.kind not in KINDS:
        return None
    try:
        return _adapter(row.kind).validate_python({**row.payload, "uid": row.uid})
    except ValidationError as error:
        raise JournalError(_sentence(row, error)) from error


def encode(event: JournalEvent) -> NewEvent:
    """The event as the journal writes it."""
    kind = KIND_OF[type(event)]
    payload = _adapter(kind).dump_python(event, exclude={"uid"}, warnings=False)  # mypy has checked it
    return NewEvent(kind, getattr(event, "uid", None), payload)


@cache
def _adapter(kind: str) -> TypeAdapter[JournalEvent]:
    return TypeAdapter(KINDS[kind])


def _sentence(row: Event, error: ValidationError) -> str:
    """The first thing that is wrong with a payload, in the words of other errors."""
    wrong = error.errors(include_url=False)[0]
    if wrong["type"] in ("dict_type", "mapping_type"):
        return f"journal: expected a mapping, got {wrong['input']!r}"
    where = ": ".join(str(part) for part in wrong["loc"])
    begins = f"journal: event {row.id} ({row.kind})"
    if wrong["type"] == "missing":
        return f"{begins}: expected the key {where!r}, got {', '.join(row.payload) or 'none'}"
    cause: Any = wrong.get("ctx", {}).get("error")
    if cause is not None:
        return f"{begins}: {cause}"
    expected = wrong["msg"].removeprefix("Input should be ")
    return f"{begins}: {where}: expected {expected}, got {str(wrong['input'])[:QUOTED_CHARACTERS]!r}"
