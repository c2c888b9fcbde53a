"""A search with screened offspring: the rules of the strategy hold, and only the choice among mutants is new."""

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from evolve.genetics import gaussian_process, operators
from evolve.genetics import recipe as recipes
from evolve.genetics.genome import Genome, Individual, random_generator, screening_generator
from evolve.genetics.recipe import Recipe
from evolve.genetics.space import Choice, Integer, Linear, Log, SearchSpace
from evolve.genetics.strategy import Assigned, SearchEnded, Strategy

SPACE = SearchSpace(
    "s", {"a": Linear(0, 10, 3), "b": Log(1e-4, 1, 1e-3), "c": Integer(1, 5, 2), "d": Choice(("x", "y"), "y")}
)
RECIPE = Recipe(
    "r",
    population=16,
    elites=3,
    children=5,
    generations=3,
    screening=8,
    rungs=(Fraction(1, 3), Fraction(1)),
    keep=Fraction(1, 2),
)


def noisy_quality(individual: Individual, step: int, failing: float = 0.0) -> float | None:
    """Best at a = 7, with an error keyed by uid and step; None for a share of the trials."""
    digest = hashlib.blake2b(f"{individual.uid} {step}".encode(), digest_size=8).digest()
    if digest[0] < 256 * failing:
        return None
    return step / 90 - (float(individual.genome["a"]) - 7) ** 2 / 100 + digest[1] / 2560


def finish(
    strategy: Strategy,
    order: random.Random,
    score: Callable[[Individual, int], float | None] = noisy_quality,
) -> tuple[str, ...]:
    """Run the search to its end, finishing the assigned trials in a random order; returns the reason of the end."""
    running: list[Assigned] = []
    while not strategy.ended or running:
        running += [decision for decision in strategy.ask() if isinstance(decision, Assigned)]
        piece = running.pop(order.randrange(len(running)))
        strategy.tell(piece.uid, piece.stop_step, score(strategy.individuals[piece.uid], piece.stop_step))
    return tuple(decision.reason for decision in strategy.ask() if isinstance(decision, SearchEnded))


def unscreened(strategy: Strategy, seed: int, child: Individual, seen: set[Genome]) -> Genome:
    """The child that there would be in its slot without screening; seen: the genomes before it."""
    [parent] = child.parents
    rng = random_generator(seed, child.generation, child.slot)
    genome = strategy.individuals[parent].genome
    return operators.new_child(parent, genome, SPACE, rng, seen, rate=0.5, strength=0.2)


def bred(strategy: Strategy) -> Mapping[str, Individual]:
    return dict(strategy.individuals)


def hash_of(individuals: Mapping[str, Individual]) -> str:
    lines = [f"{one.uid} {one.parents} {one.operator} {one.seed} {dict(one.genome)!r}" for one in individuals.values()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "seeding", "expected"),
    [
        ("fast", "random", "540a7d92c05ba9ba229ce9c5f18b1d86817d7509ece1419fcfd8415647f4be1e"),
        ("fast", "defaults", "9b678a3bfa58399b7b450ce524839e0467a918645f49946e0b77af3e74b0086e"),
        ("seed", "random", "86766e37410bb6361de2517d47ea0b9b79a8503c48c142c8b235d1b6adefeac8"),
        ("seed", "defaults", "5eba28e6588ada27f7ebd1826726f92da661657e4b1ce46a1beaf84997cb2e6d"),
    ],
)
def test_without_screening_a_search_breeds_what_it_bred_before_there_was_any(
    name: str, seeding: str, expected: str
) -> None:
    """The hashes are of version 0.1.0 before screening, with these made-up scores; searches begun then must resume."""

    def score(individual: Individual, step: int) -> float | None:
        digest = hashlib.blake2b(f"3 {individual.uid} {step}".encode(), digest_size=8).digest()
        return None if digest[0] < 25.6 else digest[1] // 8 / 32

    strategy = Strategy(SPACE, recipes.load(name, {"seeding": seeding, "screening": 1, "controls": 0}), 7, 90)
    finish(strategy, random.Random(0), score)
    assert hash_of(strategy.individuals) == expected
    assert all(individual.predicted is None for individual in strategy.individuals.values())


@settings(max_examples=8)
@given(st.integers(0, 1000), st.sampled_from([0.0, 0.2, 0.6]), st.randoms(use_true_random=False))
def test_children_are_mutants_inside_the_space_and_none_is_bred_twice(
    seed: int, failing: float, order: random.Random
) -> None:
    def score(individual: Individual, step: int) -> float | None:
        return noisy_quality(individual, step, failing)

    strategy = Strategy(SPACE, RECIPE, seed, 90)
    finish(strategy, order, score)
    assert len({individual.genome for individual in strategy.individuals.values()}) == len(strategy.individuals)
    seen: set[Genome] = set()
    for individual in strategy.individuals.values():
        for gene, domain in SPACE.genes.items():
            domain.to_unit(individual.genome[gene])  # refuses a value outside
        if individual.generation:
            parent = strategy.individuals[individual.parents[0]].genome
            draws = [
                operators.mutate(
                    parent,
                    SPACE,
                    screening_generator(seed, individual.generation, individual.slot, draw),
                    rate=RECIPE.mutation_rate,
                    strength=RECIPE.mutation_strength,
                )
                for draw in range(1, RECIPE.screening)
            ]
            assert individual.genome in [unscreened(strategy, seed, individual, seen), *draws]
        seen.add(individual.genome)
    again = Strategy(SPACE, RECIPE, seed, 90)
    finish(again, random.Random(0), score)
    assert bred(again) == bred(strategy)  # whatever the order in which trials end


def test_screening_moves_children_towards_what_is_good() -> None:
    """Quality depends on gene a alone. Of 8 mutants the model takes a better one than the first, on average."""
    away: dict[int, list[float]] = {1: [], 8: []}
    for screening in away:
        for seed in range(5):
            strategy = Strategy(SPACE, replace(RECIPE, screening=screening, generations=1), seed, 90)
            finish(strategy, random.Random(0))
            children = [individual for individual in strategy.individuals.values() if individual.generation]
            away[screening] += [abs(float(child.genome["a"]) - 7) for child in children]
            assert all((child.predicted is None) == (screening == 1) for child in children)
    assert sum(away[8]) < 0.7 * sum(away[1])


def test_under_ten_scored_trials_children_are_those_without_screening() -> None:
    small = replace(RECIPE, population=9, generations=1)
    screened, plain = Strategy(SPACE, small, 3, 90), Strategy(SPACE, replace(small, screening=1), 3, 90)
    for strategy in (screened, plain):
        finish(strategy, random.Random(0))
    assert bred(screened) == bred(plain)


def test_a_model_that_ranked_no_better_than_chance_is_not_asked_for_the_next_generation() -> None:
    """What the model prefers scores worst in generation 1; so generation 2 has no predictions, and 3 has them again."""

    def score(individual: Individual, step: int) -> float | None:
        if individual.generation == 1 and individual.predicted is not None:
            return step / 90 - individual.predicted
        return noisy_quality(individual, step)

    strategy = Strategy(SPACE, RECIPE, 4, 90)
    finish(strategy, random.Random(0), score)
    asked = {
        generation: {one.predicted is not None for one in strategy.individuals.values() if one.generation == generation}
        for generation in range(4)
    }
    assert asked == {0: {False}, 1: {True}, 2: {False}, 3: {True}}
    seen: set[Genome] = set()
    for individual in strategy.individuals.values():
        if individual.generation == 2:
            assert individual.genome == unscreened(strategy, 4, individual, seen)
        seen.add(individual.genome)


def test_a_restored_search_follows_what_was_bred_and_not_what_it_would_breed() -> None:
    """Children of generation 1 get other genomes than this program breeds, as if its model's last bits differed."""
    strategy = Strategy(SPACE, RECIPE, 5, 90)
    finish(strategy, random.Random(0))
    opened = {
        uid: replace(one, genome=Genome({**one.genome, "a": 0.25 + one.slot / 4, "c": 5}), predicted=0.5)
        for uid, one in strategy.individuals.items()
        if one.generation == 1
    }
    restored = Strategy(SPACE, RECIPE, 5, 90, opened={**strategy.individuals, **opened})
    finish(restored, random.Random(0))
    assert {uid: restored.individuals[uid] for uid in opened} == opened
    assert opened.items() - strategy.individuals.items()


def test_a_restored_search_fits_no_model_for_what_was_bred(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = Strategy(SPACE, RECIPE, 6, 90)
    finish(strategy, random.Random(0))

    def refuse(*_: object) -> None:
        raise AssertionError("fitted")

    monkeypatch.setattr(gaussian_process, "fit", refuse)
    restored = Strategy(SPACE, RECIPE, 6, 90, opened=strategy.individuals)
    finish(restored, random.Random(1))
    assert bred(restored) == bred(strategy)


def test_a_generation_that_was_journalled_in_part_is_completed() -> None:
    strategy = Strategy(SPACE, RECIPE, 6, 90)
    finish(strategy, random.Random(0))
    for count in (3, 16, 20, 40):
        opened = dict(list(strategy.individuals.items())[:count])
        restored = Strategy(SPACE, RECIPE, 6, 90, opened=opened)
        finish(restored, random.Random(1))
        assert bred(restored) == bred(strategy)


def test_one_and_two_threads_breed_the_same_children() -> None:
    """70 points or more, so that BLAS uses both threads; restored at two threads, all is as at one."""
    recipe = replace(RECIPE, population=70, elites=5, children=6, generations=2)
    with threadpool_limits(1):
        one = Strategy(SPACE, recipe, 7, 90)
        finish(one, random.Random(0))
    first = {uid: individual for uid, individual in one.individuals.items() if individual.generation < 2}
    for opened in (one.individuals, first, {}):
        with threadpool_limits(2):
            two = Strategy(SPACE, recipe, 7, 90, opened=opened)
            finish(two, random.Random(0))
        assert bred(two) == bred(one)


def test_an_exhausted_space_still_ends_the_search() -> None:
    tiny = SearchSpace("tiny", {"c": Integer(1, 4, 2), "d": Choice(("x", "y", "z"), "y")})  # 12 genomes
    recipe = Recipe("r", population=11, elites=1, children=2, generations=3, screening=5)
    strategy = Strategy(tiny, recipe, 0, 9)
    reasons = finish(strategy, random.Random(0), lambda individual, _: individual.slot / 16)
    assert reasons[0].startswith("search space 'tiny': expected a new child of g")
    assert len({individual.genome for individual in strategy.individuals.values()}) == len(strategy.individuals)
