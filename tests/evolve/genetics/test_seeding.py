"""Seeding: the defaults first, then random genomes, none twice."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.__main__ import parser
from evolve.genetics import seeding
from evolve.genetics.genome import trial_seed
from evolve.genetics.recipe import Recipe
from evolve.genetics.space import Choice, Integer, Linear, Log, SearchSpace

SPACE = SearchSpace(
    "s", {"a": Linear(0, 10, 3), "b": Log(1e-4, 1, 1e-3), "c": Integer(1, 5, 2), "d": Choice(("x", "y"), "y")}
)


CONTINUOUS = SearchSpace("s", {"a": Linear(0, 10, 3), "b": Log(1e-4, 1, 1e-3)})


@given(st.integers(0, 2**63), st.integers(1, 40))
def test_slot_0_is_the_defaults_the_others_are_random_and_inside(seed: int, population: int) -> None:
    individuals = seeding.first_generation(SPACE, Recipe("r", population=population, elites=1), seed)
    assert [individual.slot for individual in individuals] == list(range(population))
    assert individuals[0].genome == SPACE.defaults()
    assert [individual.operator for individual in individuals] == ["defaults"] + ["random"] * (population - 1)
    assert len({individual.genome for individual in individuals}) == population
    for individual in individuals:
        assert individual.uid == f"g000-{individual.slot:03d}"
        assert (individual.generation, individual.parents) == (0, ())
        assert individual.seed == trial_seed(seed, 0, individual.slot)
        for gene, domain in SPACE.genes.items():
            domain.to_unit(individual.genome[gene])  # refuses a value outside


@given(st.integers(0, 2**63), st.integers(1, 40), st.floats(0.1, 1.0), st.floats(0.01, 1.0))
def test_seeded_by_defaults_the_others_are_mutants_of_them(
    seed: int, population: int, rate: float, strength: float
) -> None:
    recipe = Recipe(
        "r", population=population, elites=1, seeding="defaults", mutation_rate=rate, mutation_strength=strength
    )
    individuals = seeding.first_generation(SPACE, recipe, seed)
    defaults, mutants = individuals[0], individuals[1:]
    assert (defaults.genome, defaults.operator, defaults.parents) == (SPACE.defaults(), "defaults", ())
    assert len({individual.genome for individual in individuals}) == population
    for slot, individual in enumerate(mutants, start=1):
        assert (individual.operator, individual.parents) == ("gaussian", ("g000-000",))
        assert (individual.generation, individual.slot, individual.uid) == (0, slot, f"g000-{slot:03d}")
        assert individual.seed == trial_seed(seed, 0, slot)
        for gene, domain in SPACE.genes.items():
            domain.to_unit(individual.genome[gene])  # refuses a value outside
    assert seeding.first_generation(SPACE, recipe, seed) == individuals


@given(st.integers(0, 2**63), st.integers(1, 40))
def test_mixed_seeding_is_the_other_two_by_turns(seed: int, population: int) -> None:
    """Each slot draws from its own generator, and continuous genes never meet: pure seedings give the same."""
    made = {
        name: seeding.first_generation(CONTINUOUS, Recipe("r", population=population, elites=1, seeding=name), seed)
        for name in ("mixed", "random", "defaults")
    }
    mixed = made["mixed"]
    assert mixed[0] == made["random"][0]
    assert len({individual.genome for individual in mixed}) == population
    for slot, individual in enumerate(mixed[1:], start=1):
        pure = made["defaults" if slot % 2 else "random"][slot]
        assert (individual.uid, individual.slot, individual.seed) == (pure.uid, slot, pure.seed)
        assert (individual.operator, individual.parents) == (pure.operator, pure.parents)
        assert individual.genome == pure.genome


@given(st.integers(0, 2**63), st.integers(1, 20), st.sampled_from(sorted(seeding.SEEDINGS)), st.data())
def test_warm_starts_follow_the_defaults_and_change_no_other_slot(
    seed: int, population: int, name: str, data: st.DataObject
) -> None:
    """Each slot draws from its own generator, and continuous genes never meet: without warm starts it is the same."""
    recipe = Recipe("r", population=population, elites=1, seeding=name)
    values = data.draw(st.lists(st.floats(4, 10), max_size=population - 1, unique=True))
    given_sets = [CONTINUOUS.genome({"a": round(value, 6), "b": 0.5}) for value in values]
    warm_starts = list(dict.fromkeys(given_sets))
    individuals = seeding.first_generation(CONTINUOUS, recipe, seed, warm_starts)
    without = seeding.first_generation(CONTINUOUS, recipe, seed)
    after = 1 + len(warm_starts)
    assert individuals[0] == without[0]
    assert [individual.genome for individual in individuals[1:after]] == warm_starts
    for slot, individual in enumerate(individuals[1:after], start=1):
        assert (individual.operator, individual.parents) == ("warm_start", ())
        assert (individual.uid, individual.slot, individual.seed) == (without[slot].uid, slot, without[slot].seed)
    assert individuals[after:] == without[after:]


def test_mixed_seeding_takes_random_genomes_when_there_are_no_more_mutants() -> None:
    """With both genes always changed, (x, x) has the one mutant (y, y); the space has four genomes."""
    space = SearchSpace("two", {"c": Choice(("x", "y"), "x"), "d": Choice(("x", "y"), "x")})
    recipe = Recipe("r", population=4, elites=1, seeding="mixed", mutation_rate=1.0)
    individuals = seeding.first_generation(space, recipe, 0)
    assert len({individual.genome for individual in individuals}) == 4
    for individual in individuals[1:]:
        assert (individual.operator, individual.parents) in (("random", ()), ("gaussian", ("g000-000",)))


def test_mutants_of_the_defaults_are_as_near_as_the_recipe_says() -> None:
    """1000 mutants with a rate of 0.4 and a strength of 0.05; the defaults are six strengths from the bounds."""
    space = SearchSpace("s", {"a": Linear(0, 10, 3), "b": Linear(0, 1, 0.5)})
    recipe = Recipe("r", population=1001, elites=1, seeding="defaults", mutation_rate=0.4, mutation_strength=0.05)
    mutants = seeding.first_generation(space, recipe, 0)[1:]
    moves = [(float(mutant.genome["a"]) - 3.0) / 10.0 for mutant in mutants if mutant.genome["a"] != 3]
    # 0.4, and half of those for whom neither gene was drawn: 0.6 x 0.6 / 2 = 0.18; error sqrt(0.58 x 0.42 / 1000)
    assert len(moves) / 1000 == pytest.approx(0.58, abs=0.05)
    assert statistics.mean(moves) == pytest.approx(0.0, abs=0.01)
    assert statistics.stdev(moves) == pytest.approx(0.05, abs=0.006)


def test_a_space_without_so_many_mutants_is_refused() -> None:
    space = SearchSpace("two", {"c": Choice(("x", "y"), "x"), "d": Choice(("x", "y"), "x")})
    recipe = Recipe("r", population=4, elites=1, seeding="defaults", mutation_rate=1.0)  # always changes both
    with pytest.raises(ValueError, match="search space 'two': expected a new child of g000-000 in 1000 draws"):
        seeding.first_generation(space, recipe, 0)


def test_the_seedings_are_those_of_the_recipe() -> None:
    assert set(seeding.SEEDINGS) == {"mixed", "random", "defaults"}
    for name in seeding.SEEDINGS:  # the command line has them as choices
        assert parser().parse_args(["search", "--seeding", name]).seeding == name
    assert Recipe("r").seeding == "random"
    for name in seeding.SEEDINGS:
        assert len(seeding.first_generation(SPACE, Recipe("r", population=3, elites=1, seeding=name), 0)) == 3


def test_a_seed_gives_the_same_generation_and_a_smaller_one_is_its_beginning() -> None:
    def genomes(seed: int, population: int) -> list[object]:
        recipe = Recipe("r", population=population, elites=1)
        return [individual.genome for individual in seeding.first_generation(SPACE, recipe, seed)]

    assert genomes(1, 30) == genomes(1, 30)
    assert genomes(1, 30)[:10] == genomes(1, 10)
    assert not set(genomes(1, 30)[1:]) & set(genomes(2, 30)[1:])


def test_random_genomes_are_uniform_after_the_transform() -> None:
    """2000 draws: the mean is off by 0.289/sqrt(2000) = 0.0065."""
    individuals = seeding.first_generation(SPACE, Recipe("r", population=2001), 0)[1:]
    for gene in ("a", "b"):
        units = [SPACE.genes[gene].to_unit(individual.genome[gene]) for individual in individuals]
        assert statistics.mean(units) == pytest.approx(0.5, abs=0.026)
        assert statistics.stdev(units) == pytest.approx((1 / 12) ** 0.5, abs=0.02)
    for value in (1, 2, 3, 4, 5):
        assert sum(i.genome["c"] == value for i in individuals) == pytest.approx(400, abs=75)


def test_a_small_space_is_used_up_and_one_too_small_is_refused_with_the_count() -> None:
    space = SearchSpace("tiny", {"c": Integer(1, 4, 2), "d": Choice(("x", "y", "z"), "y")})
    individuals = seeding.first_generation(space, Recipe("r", population=12, elites=1), 0)
    assert len({individual.genome for individual in individuals}) == 12  # 4 * 3: all of the space
    with pytest.raises(ValueError, match=r"search space 'tiny': expected at least as many .* population of 13, got 12"):
        seeding.first_generation(space, Recipe("r", population=13, elites=1), 0)
