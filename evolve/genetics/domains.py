"""Domains: the values that one gene may take. Each maps its values to [0, 1], where genetics works, and back.

A value that comes out is a plain Python number, word or truth value; floats have 12 significant digits.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from evolve.genetics.plain import finite_number, rounded, whole_number
from evolve.trial import Value

# The smallest relative width of a range: a narrower one has too few values of 12 digits to search in.
NARROWEST = 1e-6


def _check_unit(unit: float) -> None:
    if not 0.0 <= unit <= 1.0:
        raise ValueError(f"expected a position from 0 to 1, got {unit!r}")


def _check_range(low: float, high: float, default: float) -> None:
    if not low < high:
        raise ValueError(f"expected low < high, got low={low!r}, high={high!r}")
    if not low <= default <= high:
        raise ValueError(f"expected a default from low={low!r} to high={high!r}, got default={default!r}")


@dataclass(frozen=True)
class Linear:
    """A float from low to high, both included; equal steps are equal differences."""

    low: float
    high: float
    default: float

    def __post_init__(self) -> None:
        for name in ("low", "high", "default"):
            object.__setattr__(self, name, finite_number(getattr(self, name), name))
        _check_range(self.low, self.high, self.default)
        if self.high - self.low < NARROWEST * max(abs(self.low), abs(self.high)):
            raise ValueError(
                f"expected a range of at least a millionth of its bounds, got low={self.low!r}, high={self.high!r}"
            )

    def to_unit(self, value: Value) -> float:
        """The value's position in the range, 0 to 1; ValueError if it is outside."""
        checked = check_inside(value, self.low, self.high)
        return min(max((checked - self.low) / (self.high - self.low), 0.0), 1.0)

    def from_unit(self, unit: float) -> float:
        """The value at that position in the range."""
        _check_unit(unit)
        return min(max(rounded(self.low + unit * (self.high - self.low)), self.low), self.high)

    def count(self) -> int | None:
        """None: the values cannot be counted."""
        return None

    def to_plain(self) -> dict[str, object]:
        """The gene's line in a space file."""
        return {"scale": "linear", "low": self.low, "high": self.high, "default": self.default}


@dataclass(frozen=True)
class Log:
    """A float from low to high, both included and above 0; equal steps are equal ratios."""

    low: float
    high: float
    default: float

    def __post_init__(self) -> None:
        for name in ("low", "high", "default"):
            object.__setattr__(self, name, finite_number(getattr(self, name), name))
        if self.low <= 0:
            raise ValueError(f"expected low > 0 on a log scale, got low={self.low!r}")
        _check_range(self.low, self.high, self.default)
        if self.high < self.low * (1 + NARROWEST):
            raise ValueError(
                f"expected a range of at least a millionth of its bounds, got low={self.low!r}, high={self.high!r}"
            )

    def to_unit(self, value: Value) -> float:
        """The value's position in the range, 0 to 1; ValueError if it is outside."""
        checked = check_inside(value, self.low, self.high)
        unit = (math.log(checked) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return min(max(unit, 0.0), 1.0)

    def from_unit(self, unit: float) -> float:
        """The value at that position in the range."""
        _check_unit(unit)
        exponent = math.log(self.low) + unit * (math.log(self.high) - math.log(self.low))
        return min(max(rounded(math.exp(exponent)), self.low), self.high)

    def count(self) -> int | None:
        """None: the values cannot be counted."""
        return None

    def to_plain(self) -> dict[str, object]:
        """The gene's line in a space file."""
        return {"scale": "log", "low": self.low, "high": self.high, "default": self.default}


@dataclass(frozen=True)
class Integer:
    """A whole number from low to high, both included; each has an equal share of [0, 1]."""

    low: int
    high: int
    default: int

    def __post_init__(self) -> None:
        for name in ("low", "high", "default"):
            object.__setattr__(self, name, whole_number(getattr(self, name), name))
        _check_range(self.low, self.high, self.default)

    def to_unit(self, value: Value) -> float:
        """The middle of the value's share of [0, 1]."""
        check_inside(value, self.low, self.high)
        return (whole_number(value, "the value") - self.low + 0.5) / self.count()

    def from_unit(self, unit: float) -> int:
        """The number whose share of [0, 1] holds `unit`."""
        _check_unit(unit)
        return self.low + min(int(unit * self.count()), self.count() - 1)

    def count(self) -> int:
        """The number of values."""
        return self.high - self.low + 1

    def to_plain(self) -> dict[str, object]:
        """The gene's line in a space file."""
        return {"scale": "integer", "low": self.low, "high": self.high, "default": self.default}


@dataclass(frozen=True)
class _Listed:
    """One of several values; each has an equal share of [0, 1], in the order given."""

    values: tuple[Value, ...]
    default: Value

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(_plain(value) for value in self.values))
        object.__setattr__(self, "default", _plain(self.default))
        if not self.values:
            raise ValueError("expected at least one of the values, got none")
        for index, value in enumerate(self.values):
            if value in self.values[:index]:  # Python's equality: 1, 1.0 and true are the same value
                raise ValueError(f"expected each of the values once, got {value!r} again")
        self._index(self.default, "a default")

    def _index(self, value: Value, what: str) -> int:
        for index, known in enumerate(self.values):
            if known == value and isinstance(known, bool) == isinstance(value, bool):
                return index
        raise ValueError(f"expected {what} out of {', '.join(map(repr, self.values))}, got {value!r}")

    def to_unit(self, value: Value) -> float:
        """The middle of the value's share of [0, 1]."""
        return (self._index(value, "a value") + 0.5) / self.count()

    def from_unit(self, unit: float) -> Value:
        """The value whose share of [0, 1] holds `unit`."""
        _check_unit(unit)
        return self.values[min(int(unit * self.count()), self.count() - 1)]

    def count(self) -> int:
        """The number of values."""
        return len(self.values)


@dataclass(frozen=True)
class Choice(_Listed):
    """One of several values without an order; each has an equal share of [0, 1]."""

    def to_plain(self) -> dict[str, object]:
        """The gene's line in a space file."""
        return {"scale": "choice", "values": list(self.values), "default": self.default}


@dataclass(frozen=True)
class Ordinal(_Listed):
    """One of several values in a meaningful order, such as the multiples of a step; numbers rise.

    Each has an equal share of [0, 1].
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        for value, following in pairwise(self.values):
            if not isinstance(value, str) and not isinstance(following, str) and not value < following:
                raise ValueError(f"expected numbers that rise, got {following!r} after {value!r}")

    def to_plain(self) -> dict[str, object]:
        """The gene's line in a space file."""
        return {"scale": "ordinal", "values": list(self.values), "default": self.default}


Domain = Linear | Log | Integer | Choice | Ordinal


def in_kind_of(domain: Domain | None, value: object) -> object:
    """The value in the type of the gene's domain: 1 becomes 1.0 for a linear gene. domain: None if it is no gene."""
    if isinstance(domain, Linear | Log):
        return finite_number(value, "the value")
    return whole_number(value, "the value") if isinstance(domain, Integer) else value


def inside(value: object, domain: Domain) -> Value:
    """The value as the domain has it: 1 becomes 1.0 for a linear gene. ValueError if it is outside."""
    typed: Value = in_kind_of(domain, value)  # type: ignore[assignment]  # the next line refuses other types
    unit = domain.to_unit(typed)
    return typed if isinstance(domain, Linear | Log) else domain.from_unit(unit)


def check_inside(value: Value, low: float, high: float) -> float:
    """The value as a number; ValueError if it is outside the range."""
    checked = finite_number(value, "the value")
    if not low <= checked <= high:
        raise ValueError(f"expected {low!r} to {high!r}, got {value!r}")
    return checked


def _plain(value: object) -> Value:
    if isinstance(value, float):
        return finite_number(value, "a value")
    if isinstance(value, bool | int | str):
        return value
    raise ValueError(f"expected numbers, words or true/false as values, got {value!r}")
