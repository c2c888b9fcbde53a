"""The numbers of a verdict and of the choice of a winner, as the journal, winner.yaml and lineage.json hold them."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class MeanWithInterval:
    """The mean of one value a seed, and its 95 % interval; the interval is None for a single value."""

    mean: float
    interval: tuple[float, float] | None
    seeds: int


@dataclass(frozen=True)
class Gain:
    """The difference of two means, its interval, and the probability that it is above zero."""

    mean: float
    interval: tuple[float, float]
    probability: float


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


@dataclass(frozen=True)
class Standing:
    """A candidate for the win and the results of its confirmations."""

    uid: str
    fitness: float  # of its trial in the search
    mean: float | None  # of fitness over the finished confirmations; None if there is none
    shrunk: float | None  # the same mean, shrunk
    seeds: int  # number of finished confirmations
    failed: int  # number of failed confirmations


def as_json(value: MeanWithInterval | Gain | ValidationMeans | Comparison | None) -> dict[str, object] | None:
    """The value as plain values for JSON and YAML; None if there is none."""
    return None if value is None else asdict(value)
