"""The numbers of a verdict and of the choice of a winner, as the journal, winner.yaml and lineage.json hold them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MeanWithInterval:
    """The mean of one value a seed, and its 95 % interval; the interval is None for a single value."""

    mean: float
    interval: tuple[float, float] | None
    seeds: int

    def to_plain(self) -> dict[str, object]:
        """As JSON holds it."""
        interval = None if self.interval is None else list(self.interval)
        return {"mean": self.mean, "interval": interval, "seeds": self.seeds}


@dataclass(frozen=True)
class Gain:
    """The difference of two means, its interval, and the probability that it is above zero."""

    mean: float
    interval: tuple[float, float]
    probability: float

    def to_plain(self) -> dict[str, object]:
        """As JSON holds it."""
        return {"mean": self.mean, "interval": list(self.interval), "probability": self.probability}


@dataclass(frozen=True)
class ValidationMeans:
    """The means of winner and defaults on validation; None if no confirmation finished."""

    winner: MeanWithInterval | None
    defaults: MeanWithInterval | None

    def to_plain(self) -> dict[str, object]:
        """As JSON holds it."""
        return {"winner": as_json(self.winner), "defaults": as_json(self.defaults)}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Winner and defaults in one metric."""

    confirmed: MeanWithInterval | None  # the winner's mean on the split of the verdict; None if no run finished
    defaults: MeanWithInterval | None
    gain: Gain | None  # None if the winner is the defaults or too few seeds ran
    validation: ValidationMeans | None = None  # missing in journals of earlier versions

    def to_plain(self) -> dict[str, object]:
        """As JSON holds it."""
        values = (self.confirmed, self.defaults, self.gain, self.validation)
        return dict(zip(("confirmed", "defaults", "gain", "validation"), map(as_json, values), strict=True))


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
    """The value as JSON holds it; None if there is none."""
    return None if value is None else value.to_plain()
