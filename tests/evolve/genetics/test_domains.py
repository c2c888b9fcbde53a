"""Domains: to [0, 1] and back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.genetics.domains import Choice, Domain, Integer, Linear, Log, Ordinal

UNITS = st.floats(0.0, 1.0)
BOUNDS = st.floats(-1e6, 1e6)


@st.composite
def domains(draw: st.DrawFn) -> Domain:
    kind = draw(st.sampled_from(["linear", "log", "integer", "choice", "ordinal"]))
    if kind == "linear":
        low = draw(BOUNDS)
        high = low + draw(st.floats(1e-3, 1e6)) * max(1.0, abs(low))
        return Linear(low, high, low)
    if kind == "log":
        low = draw(st.floats(1e-9, 1e6))
        return Log(low, low * draw(st.floats(1.01, 1e6)), low)
    if kind == "integer":
        low_int = draw(st.integers(-1000, 1000))
        return Integer(low_int, low_int + draw(st.integers(1, 1000)), low_int)
    values = draw(st.lists(st.one_of(st.integers(), st.text(), st.booleans()), min_size=1, unique_by=lambda v: v))
    if kind == "ordinal":
        ordered = sorted(value for value in values if isinstance(value, int)) or ["only"]
        return Ordinal(tuple(ordered), ordered[0])
    return Choice(tuple(values), values[-1])


def test_hand_sums() -> None:
    assert Linear(2.0, 6.0, 3.0).from_unit(0.25) == 3.0  # 2 + 0.25 * 4
    assert Linear(2.0, 6.0, 3.0).to_unit(5.0) == 0.75
    assert Log(1e-4, 1e-2, 1e-3).from_unit(0.5) == 1e-3  # middle of two decades
    assert Log(1e-4, 1e-2, 1e-3).to_unit(1e-3) == pytest.approx(0.5, abs=1e-12)
    # Three numbers: shares [0, 1/3), [1/3, 2/3), [2/3, 1]
    assert [Integer(5, 7, 5).from_unit(u) for u in (0.0, 0.33, 0.34, 0.66, 0.67, 1.0)] == [5, 5, 6, 6, 7, 7]
    assert Integer(5, 7, 5).to_unit(6) == 0.5
    assert [Choice(("a", "b"), "a").from_unit(u) for u in (0.0, 0.49, 0.5, 1.0)] == ["a", "a", "b", "b"]
    assert Choice((False, True), True).to_unit(True) == 0.75
    assert [Ordinal((1, 2, 8), 1).from_unit(u) for u in (0.0, 0.33, 0.34, 0.66, 0.67, 1.0)] == [1, 1, 2, 2, 8, 8]
    assert [d.count() for d in (Integer(5, 7, 5), Choice(("a", "b"), "a"), Linear(0, 1, 0), Log(1, 2, 1))] == [
        3,
        2,
        None,
        None,
    ]


@given(domains(), UNITS)
def test_from_unit_gives_plain_values_inside_that_come_back(domain: Domain, unit: float) -> None:
    value = domain.from_unit(unit)
    assert type(value) in (int, float, str, bool)
    back = domain.to_unit(value)  # refuses a value outside
    assert 0.0 <= back <= 1.0
    if isinstance(domain, Linear | Log):
        assert isinstance(value, float)
        assert float(f"{value:.12g}") == value
        span = domain.high - domain.low if isinstance(domain, Linear) else math.log(domain.high / domain.low)
        coarse = 1e-11 * max(abs(domain.low), abs(domain.high)) if isinstance(domain, Linear) else 1e-10
        assert abs(back - unit) <= coarse / span + 1e-12
    else:
        assert domain.from_unit(back) == value  # the middle of its share


@given(domains(), UNITS, UNITS)
def test_order_is_kept(domain: Domain, one: float, other: float) -> None:
    low, high = sorted((one, other))
    values = [domain.from_unit(low), domain.from_unit(high)]
    if isinstance(domain, Choice):
        places = [domain.values.index(value) for value in values]
        assert places == sorted(places)
    else:
        assert values == sorted(values)  # type: ignore[type-var]


def test_bounds_are_reached_and_never_passed_for_bounds_of_many_digits() -> None:
    domain = Linear(0.1 + 0.2, 1 / 3 + 1e-3, 0.31)
    assert (domain.from_unit(0.0), domain.from_unit(1.0)) == (domain.low, domain.high) == (0.3, 0.334333333333)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Linear(5.0, 0.5, 1.0), r"expected low < high, got low=5.0, high=0.5"),
        (lambda: Linear(1.0, 1.0, 1.0), r"expected low < high"),
        (lambda: Linear(0.0, 1.0, 1.5), r"expected a default from low=0.0 to high=1.0, got default=1.5"),
        (lambda: Linear("0", 1.0, 0.5), r"expected low to be a finite number, got '0'"),  # type: ignore[arg-type]
        (lambda: Linear(0.0, float("inf"), 0.5), r"expected high to be a finite number, got inf"),
        (lambda: Linear(1.0, 1.0000001, 1.0), r"a millionth"),
        (lambda: Log(0.0, 1.0, 0.5), r"expected low > 0 on a log scale, got low=0.0"),
        (lambda: Log(1e-2, 1e-4, 1e-3), r"expected low < high, got low=0.01, high=0.0001"),
        (lambda: Log(1.0, 1.0000001, 1.0), r"a millionth"),
        (lambda: Integer(3, 3, 3), r"expected low < high, got low=3, high=3"),
        (lambda: Integer(1, 3, 4), r"expected a default from low=1 to high=3, got default=4"),
        (lambda: Integer(1.5, 3, 2), r"expected low to be a whole number, got 1.5"),  # type: ignore[arg-type]
        (lambda: Choice((), "a"), r"expected at least one of the values, got none"),
        (lambda: Choice(("a", "b", "a"), "a"), r"expected each of the values once, got 'a' again"),
        (lambda: Choice((1, True), 1), r"expected each of the values once, got True again"),
        (lambda: Choice(("a", "b"), "c"), r"expected a default out of 'a', 'b', got 'c'"),
        (lambda: Choice((0, 2), False), r"expected a default out of 0, 2, got False"),
        (lambda: Ordinal((1, 8, 2), 1), r"expected numbers that rise, got 2 after 8"),
        (lambda: Ordinal((1, 2), 3), r"expected a default out of 1, 2, got 3"),
        (lambda: Choice((None,), "a"), r"expected numbers, words or true/false as values, got None"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_domain_is_refused(make: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("domain", "value"),
    [(Linear(0, 1, 0), 1.1), (Log(1, 2, 1), 0.9), (Integer(1, 3, 1), 4), (Choice(("a",), "a"), "b")],
)
def test_values_outside_have_no_place(domain: Domain, value: float | str) -> None:
    with pytest.raises(ValueError, match="got"):
        domain.to_unit(value)
    for unit in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="expected a position from 0 to 1"):
            domain.from_unit(unit)
