"""Mutation: children are inside the space, differ from the parent, and spread as documented."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.genetics import operators
from evolve.genetics.genome import Genome
from evolve.genetics.operators import MUTATIONS, SpaceExhausted, mutate, reflect
from evolve.genetics.space import Choice, Domain, Integer, Linear, Log, Ordinal, SearchSpace

DOMAINS: list[Domain] = [
    Linear(0.0, 1.0, 0.5),
    Linear(-5.0, 1e6, 0.0),
    Linear(1e6, 1e6 + 2.0, 1e6),  # the range is nearly too narrow for values of 12 digits
    Log(1e-6, 1e3, 1.0),
    Integer(1, 2, 1),
    Integer(-3, 40, 0),
    Choice(("only",), "only"),
    Choice((False, True), True),
    Choice(("a", "b", 3), "b"),
    Ordinal((0.0, 0.05, 0.1, 1.0), 0.1),
    Ordinal(("low", "high"), "low"),
]
SPACES = st.lists(st.sampled_from(DOMAINS), min_size=1, max_size=6).map(
    lambda domains: SearchSpace("s", {f"gene{place}": domain for place, domain in enumerate(domains)})
)
MOVABLE = SPACES.filter(lambda space: space.size() != 1)


def anywhere(space: SearchSpace, seed: int) -> Genome:
    rng = np.random.default_rng(seed)
    return Genome({gene: domain.from_unit(float(rng.random())) for gene, domain in space.genes.items()})


def changed(parent: Genome, child: Genome) -> set[str]:
    return {gene for gene in parent if parent[gene] != child[gene]}


# The contract of every mutation; a new one joins by its name in MUTATIONS.


@pytest.mark.parametrize("name", MUTATIONS)
@given(MOVABLE, st.integers(0, 2**32), st.floats(0, 1), st.floats(operators.SMALLEST_STRENGTH, 1))
def test_children_are_inside_and_differ_in_a_gene(
    name: str, space: SearchSpace, seed: int, rate: float, strength: float
) -> None:
    parent, mutate = anywhere(space, seed), MUTATIONS[name]
    before = dict(parent)
    child = mutate(parent, space, np.random.default_rng(seed + 1), rate=rate, strength=strength)
    assert dict(parent) == before
    for gene, domain in space.genes.items():
        domain.to_unit(child[gene])  # refuses a value outside
    assert set(child) == set(parent)
    assert changed(parent, child)
    assert child == mutate(parent, space, np.random.default_rng(seed + 1), rate=rate, strength=strength)


# The contract of the Gaussian one beside that.


@given(MOVABLE, st.integers(0, 2**32), st.floats(operators.SMALLEST_STRENGTH, 1))
def test_at_rate_one_every_gene_that_can_move_does_and_at_rate_zero_one(
    space: SearchSpace, seed: int, strength: float
) -> None:
    parent, rng = anywhere(space, seed), np.random.default_rng(seed)
    can_move = {gene for gene, domain in space.genes.items() if domain.count() != 1}
    assert changed(parent, mutate(parent, space, rng, rate=1.0, strength=strength)) == can_move
    assert len(changed(parent, mutate(parent, space, rng, rate=0.0, strength=strength))) == 1


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_space_in_which_nothing_can_change_is_refused(name: str) -> None:
    space = SearchSpace("stiff", {"a": Choice(("only",), "only")})
    with pytest.raises(SpaceExhausted, match="search space 'stiff': expected a gene with two values or more"):
        MUTATIONS[name](space.defaults(), space, np.random.default_rng(0), rate=0.5, strength=0.2)


@pytest.mark.parametrize("name", MUTATIONS)
@pytest.mark.parametrize(("rate", "strength"), [(-0.1, 0.2), (1.1, 0.2), (0.5, 0.0), (0.5, 2.0), (float("nan"), 0.2)])
def test_impossible_rates_and_strengths_are_refused(name: str, rate: float, strength: float) -> None:
    space = SearchSpace("s", {"a": Linear(0, 1, 0)})
    with pytest.raises(ValueError, match="expected a rate of 0 to 1 and a strength of"):
        MUTATIONS[name](space.defaults(), space, np.random.default_rng(0), rate=rate, strength=strength)


def test_reflection_by_hand() -> None:
    # 1.3 is 0.3 behind the upper mirror; -0.2 is 0.2 before the lower one; 2.4 meets both and ends at 0.4.
    assert [round(reflect(place), 12) for place in (0.4, 1.3, -0.2, 2.4, -1.3, 1.0, 0.0)] == [
        0.4,
        0.7,
        0.2,
        0.4,
        0.7,
        1.0,
        0.0,
    ]


@given(st.floats(-1e6, 1e6))
def test_reflection_stays_inside(place: float) -> None:
    assert 0.0 <= reflect(place) <= 1.0


def test_the_step_is_gaussian_with_the_strength_and_bounds_gather_no_mass() -> None:
    """4000 draws: a standard deviation is off by 1/sqrt(8000) = 1.1 %, a mean by 0.1/63 = 0.0016."""
    rng = np.random.default_rng(0)
    space = SearchSpace("s", {"a": Linear(0, 10, 5), "b": Log(1e-4, 1.0, 1e-2)})
    for gene in space.genes:
        units = []
        for _ in range(4000):
            child = mutate(space.defaults(), space, rng, rate=1.0, strength=0.1)
            units.append(space.genes[gene].to_unit(child[gene]))
        assert statistics.mean(units) == pytest.approx(0.5, abs=0.006)
        assert statistics.stdev(units) == pytest.approx(0.1, rel=0.05)
    at_bound = Genome({"a": 0.0, "b": 1e-4})
    children = [mutate(at_bound, space, rng, rate=1.0, strength=0.1) for _ in range(500)]
    assert not [child for child in children if child["a"] == 0.0 or child["b"] == 1e-4]


def test_the_rate_is_the_chance_of_a_gene() -> None:
    """20 genes at rate 0.3, 1000 children: 6 changes a child, off by sqrt(20*0.3*0.7/1000) = 0.065."""
    space = SearchSpace("s", {f"g{place}": DOMAINS[place % 2 + 4] for place in range(20)})
    rng = np.random.default_rng(0)
    counts = [
        len(changed(space.defaults(), mutate(space.defaults(), space, rng, rate=0.3, strength=0.2)))
        for _ in range(1000)
    ]
    assert statistics.mean(counts) == pytest.approx(6.0, abs=0.25)


def test_an_ordinal_gene_moves_to_the_nearest_values() -> None:
    """A step of 0.01 is far less than a value's share of 0.2: the child is a neighbour, both sides equally often.

    4000 draws: 2000 each, off by sqrt(4000)/2 = 32; at an end there is one neighbour.
    """
    domain, rng = Ordinal((1, 2, 4, 8, 16), 4), np.random.default_rng(0)
    space = SearchSpace("s", {"a": domain})
    values = [mutate(space.defaults(), space, rng, rate=0.5, strength=0.01)["a"] for _ in range(4000)]
    assert set(values) == {2, 8}
    assert values.count(2) == pytest.approx(2000, abs=130)
    for end, neighbour in ((1, 2), (16, 8)):
        children = {mutate(Genome({"a": end}), space, rng, rate=0.5, strength=0.01)["a"] for _ in range(50)}
        assert children == {neighbour}


def test_a_choice_takes_each_other_value_equally_often() -> None:
    """3000 draws of two others: 1500 each, off by sqrt(3000)/2 = 27."""
    space = SearchSpace("s", {"a": Choice(("a", "b", "c"), "b")})
    rng = np.random.default_rng(0)
    values = [mutate(space.defaults(), space, rng, rate=0.5, strength=0.2)["a"] for _ in range(3000)]
    assert values.count("b") == 0
    assert values.count("a") == pytest.approx(1500, abs=120)


def test_a_small_step_of_an_integer_is_one_either_way() -> None:
    space = SearchSpace("s", {"a": Integer(0, 9, 5)})
    rng = np.random.default_rng(0)
    for value, neighbours in ((5, {4, 6}), (0, {1}), (9, {8})):
        parent = Genome({"a": value})
        assert {mutate(parent, space, rng, rate=1.0, strength=0.001)["a"] for _ in range(100)} == neighbours


def test_every_mutation_has_a_name() -> None:
    assert {"gaussian": mutate} == MUTATIONS
