"""The numbers of a verdict and of the choice of a winner, as the journal, winner.yaml and lineage.json hold them."""

from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field

LEVEL = 0.95  # of an interval, unless it says otherwise
IF_ANY = Field(exclude_if=lambda value: value is None)  # the journal has the key only if there is a value
UNLESS_USUAL = Field(exclude_if=lambda value: value == LEVEL)


@dataclass(frozen=True)
class MeanWithInterval:
    """The mean of one value a seed, and its 95 % interval; the interval is None for a single value."""

    mean: float
    interval: tuple[float, float] | None
    seeds: int


@dataclass(frozen=True)
class Gain:
    """The mean difference of the winner to an opponent, its interval, and the probability that it is above zero."""

    mean: float
    interval: tuple[float, float]
    probability: float
    level: Annotated[float, UNLESS_USUAL] = LEVEL  # of the interval
    # Missing in journals of earlier versions, whose interval is Welch's:
    pairs: Annotated[int | None, IF_ANY] = None  # number of seeds with which both were trained to the end
    detectable: Annotated[float | None, IF_ANY] = None  # the true gain that shows in about 3 of 4 such cases


@dataclass(frozen=True)
class ValidationMeans:
    """The means of winner and defaults on validation; None if no confirmation finished."""

    winner: MeanWithInterval | None
    defaults: MeanWithInterval | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Winner and defaults in one metric."""

    confirmed: MeanWithInterval | None  # the winner's mean on the split of the verdict; None if no run finished
    defaults: MeanWithInterval | None
    gain: Gain | None  # None if the winner is the defaults or too few seeds ran
    validation: ValidationMeans | None = None  # missing in journals of earlier versions


@dataclass(frozen=True, kw_only=True)
class KnownComparison:
    """Winner and a known set of the space, in the metric of the fitness."""

    mean: MeanWithInterval | None  # of the known set on the split of the verdict; None if no run finished
    gain: Gain | None  # of the winner over it; None if too few seeds finished for both
    validation: MeanWithInterval | None  # of the known set on validation
    map50_95: Gain | None = None  # the gain in AP50:95, if fitness is another metric
    verdict: str


@dataclass(frozen=True)
class Standing:
    """A candidate for the win and the results of its confirmations."""

    uid: str
    fitness: float  # of its trial in the search
    mean: float | None  # of fitness over the finished confirmations; None if there is none
    shrunk: float | None  # the same mean, shrunk
    seeds: int  # number of finished confirmations
    failed: int  # number of failed confirmations


def as_json(
    value: MeanWithInterval | Gain | ValidationMeans | Comparison | KnownComparison | None,
) -> dict[str, object] | None:
    """The value as plain values for JSON and YAML; None if there is none."""
    return None if value is None else asdict(value)
