"""The strategy: the same decisions whatever the finishing order, and the rules of the generations."""

import hashlib
import math
import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.genetics import recipe as recipes
from evolve.genetics.genome import random_generator, trial_seed
from evolve.genetics.operators import MUTATIONS
from evolve.genetics.recipe import Recipe
from evolve.genetics.space import Choice, Integer, Linear, Log, SearchSpace
from evolve.genetics.strategy import (
    Assigned,
    Decision,
    GenerationClosed,
    GenerationOpened,
    SearchEnded,
    Stopped,
    Strategy,
)

SPACE = SearchSpace(
    "s", {"a": Linear(0, 10, 3), "b": Log(1e-4, 1, 1e-3), "c": Integer(1, 5, 2), "d": Choice(("x", "y"), "y")}
)
Outcome = Callable[[str, int], float | None]
Told = tuple[str, int, float | None]


def outcomes(key: int, failing: float) -> Outcome:
    """A made-up score in [0, 1] of each (uid, step), coarse so that there are ties; None for a share of them."""

    def outcome(uid: str, step: int) -> float | None:
        digest = hashlib.blake2b(f"{key} {uid} {step}".encode(), digest_size=8).digest()
        return None if digest[0] < 256 * failing else digest[1] // 8 / 32

    return outcome


def play(strategy: Strategy, outcome: Outcome, order: random.Random) -> tuple[list[Decision], list[Told]]:
    """Run the search to its end, always finishing one of the assigned trials at random."""
    decisions: list[Decision] = []
    told: list[Told] = []
    running: list[Assigned] = []
    while True:
        news = strategy.ask()
        decisions += news
        running += [decision for decision in news if isinstance(decision, Assigned)]
        if not running:
            return decisions, told
        piece = running.pop(order.randrange(len(running)))
        told.append((piece.uid, piece.stop_step, outcome(piece.uid, piece.stop_step)))
        strategy.tell(*told[-1])


@st.composite
def searches(draw: st.DrawFn) -> tuple[Recipe, int, Outcome]:
    population = draw(st.one_of(st.integers(1, 14), st.integers(20, 36)))  # controls are a tenth of it at most
    recipe = Recipe(
        "r",
        population=population,
        elites=draw(st.integers(1, min(4, population))),
        children=draw(st.integers(1, 4)),
        generations=draw(st.integers(0, 3)),
        rungs=draw(
            st.sampled_from(
                [(Fraction(1),), (Fraction(1, 3), Fraction(1)), (Fraction(1, 9), Fraction(1, 3), Fraction(1))]
            )
        ),
        keep=draw(st.sampled_from([Fraction(1, 3), Fraction(1, 2), Fraction(1)])),
        controls=draw(st.sampled_from([0, 1, 3])),
    )
    failing = draw(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
    return recipe, draw(st.integers(0, 1000)), outcomes(draw(st.integers(0, 1000)), failing)


SEARCHES = searches()


@given(SEARCHES, st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_every_finishing_order_gives_the_same_decisions(
    search: tuple[Recipe, int, Outcome], one: random.Random, other: random.Random
) -> None:
    recipe, seed, outcome = search
    first, _ = play(Strategy(SPACE, recipe, seed, 90), outcome, one)
    second, _ = play(Strategy(SPACE, recipe, seed, 90), outcome, other)
    assert first == second


@given(SEARCHES, st.randoms(use_true_random=False), st.data())
def test_telling_a_fresh_strategy_again_is_the_same_search(
    search: tuple[Recipe, int, Outcome], order: random.Random, data: st.DataObject
) -> None:
    """What a resume does: tell the results so far again, in any order within a rung, and go on."""
    recipe, seed, outcome = search
    undisturbed = Strategy(SPACE, recipe, seed, 90)
    decisions, told = play(undisturbed, outcome, order)
    cut = data.draw(st.integers(0, len(told)))
    resumed = Strategy(SPACE, recipe, seed, 90)
    for result in told[:cut]:
        resumed.tell(*result)
    replayed = resumed.ask()
    assert replayed == decisions[: len(replayed)]
    done = {(uid, step) for uid, step, _ in told[:cut]}
    for piece in [d for d in replayed if isinstance(d, Assigned) and (d.uid, d.stop_step) not in done]:
        resumed.tell(piece.uid, piece.stop_step, outcome(piece.uid, piece.stop_step))
    rest, _ = play(resumed, outcome, order)
    assert replayed + rest == decisions
    assert resumed.scores == undisturbed.scores
    assert resumed.fitness == undisturbed.fitness
    assert resumed.ended


@given(SEARCHES, st.randoms(use_true_random=False))
def test_the_rules_of_the_generations(search: tuple[Recipe, int, Outcome], order: random.Random) -> None:
    recipe, seed, outcome = search
    strategy = Strategy(SPACE, recipe, seed, 90)
    decisions, told = play(strategy, outcome, order)
    failed = {uid for uid, _, score in told if score is None}
    fitness = {uid: score for uid, step, score in told if step == 90 and score is not None}
    opened = {d.generation: d for d in decisions if isinstance(d, GenerationOpened)}
    closed = {d.generation: d for d in decisions if isinstance(d, GenerationClosed)}
    assert strategy.fitness == fitness
    assert strategy.generation == max(opened)
    assert set(strategy.individuals) == {i.uid for d in opened.values() for i in d.individuals}
    assert len({i.genome for i in strategy.individuals.values()}) == len(strategy.individuals)  # none twice
    assert opened.keys() == closed.keys()
    for generation, close in closed.items():
        # The best of the old elites and the new individuals, ties by uid.
        old = closed[generation - 1].elites if generation else ()
        born = {i.uid for i in opened[generation].individuals}
        candidates = sorted((-fitness[uid], uid) for uid in {*old, *(born & fitness.keys())})
        assert close.elites == tuple(uid for _, uid in candidates[: recipe.elites])
        assert not failed & set(close.elites)
        if generation + 1 in opened:  # exactly `children` of each elite, in the elites' order
            children = opened[generation + 1].individuals
            assert [i.parents for i in children] == [(e,) for e in close.elites for _ in range(recipe.children)]
            assert [i.slot for i in children] == list(range(len(children)))
    end = decisions[-1]
    assert isinstance(end, SearchEnded)
    assert end.winner == (min(fitness, key=lambda uid: (-fitness[uid], uid)) if fitness else None)
    if fitness:
        assert len(opened) == recipe.generations + 1


@given(SEARCHES, st.randoms(use_true_random=False))
def test_the_rules_of_the_rungs(search: tuple[Recipe, int, Outcome], order: random.Random) -> None:
    recipe, seed, outcome = search
    decisions, told = play(Strategy(SPACE, recipe, seed, 90), outcome, order)
    result = {(uid, step): score for uid, step, score in told}
    steps = recipe.rung_steps(90)
    assigned = [d for d in decisions if isinstance(d, Assigned)]
    stopped = {(d.uid, d.step) for d in decisions if isinstance(d, Stopped)}
    assert Counter((d.uid, d.stop_step) for d in assigned) == Counter(result.keys())  # each piece once, all told
    for piece in assigned:
        assert (piece.start_step, piece.stop_step) == ((0, *steps)[piece.rung], steps[piece.rung])
        assert piece.last == (piece.stop_step == 90)
        if piece.rung:  # no failed trial goes on
            assert result[piece.uid, piece.start_step] is not None
    for generation in {d.generation for d in decisions if isinstance(d, GenerationOpened)}:
        controls: set[str] = set()
        share: Fraction | None = None
        for rung, step in enumerate(steps[:-1]):
            here = [d.uid for d in assigned if d.rung == rung and d.uid.startswith(f"g{generation:03d}")]
            after = {d.uid for d in assigned if d.rung == rung + 1 and d.uid in here}
            alive = {uid for uid in here if result[uid, step] is not None}
            assert len(after) >= min(recipe.elites, len(alive))
            assert {uid for uid in here if (uid, step) in stopped} == alive - after
            # The best go on, as many as without controls, and all earlier controls that are alive.
            competing = [uid for uid in here if uid not in controls]
            ranked = sorted(alive & set(competing), key=lambda uid: (-(result[uid, step] or 0.0), uid))
            quota = max(math.ceil(len(competing) * recipe.keep), recipe.elites)
            promoted, below = set(ranked[:quota]), set(ranked[quota:])
            assert after >= promoted | (controls & alive)
            # The rest that go on are controls: the recipe's number at the first cut, the same share at later ones.
            drawn = after - promoted - controls
            if below and share is None:
                share = Fraction(min(recipe.controls, len(competing) // 10, len(below)), len(below))
            assert drawn <= below
            assert len(drawn) == math.ceil(len(below) * (share or 0))
            controls |= drawn


@given(SEARCHES, st.randoms(use_true_random=False))
def test_more_generations_go_on_from_a_finished_search(
    search: tuple[Recipe, int, Outcome], order: random.Random
) -> None:
    recipe, seed, outcome = search
    longer = Recipe(**{**recipe.__dict__, "generations": recipe.generations + 1})
    decisions, _ = play(Strategy(SPACE, recipe, seed, 90), outcome, order)
    extended, _ = play(Strategy(SPACE, longer, seed, 90), outcome, order)
    assert extended[: len(decisions) - 1] == decisions[:-1]  # all but SearchEnded


def test_the_default_shape() -> None:
    """300 individuals. A generation of 100: 34 = ceil(100/3) go on, of these 12 = ceil(34/3), and 3 + 1 controls.

    100 + (34 + 3) + (12 + 4) = 153 pieces; 63 of 66 and 21 of 22 are stopped.
    """
    strategy = Strategy(SPACE, recipes.load("fast"), 0, 90)
    decisions, _ = play(strategy, outcomes(0, 0.0), random.Random(0))
    kinds = Counter(type(decision) for decision in decisions)
    assert kinds == {GenerationOpened: 3, Assigned: 3 * 153, Stopped: 3 * 84, GenerationClosed: 3, SearchEnded: 1}
    assert len(strategy.individuals) == 300
    assert len(strategy.fitness) == 48
    for generation in (1, 2):
        parents = Counter(i.parents for i in strategy.individuals.values() if i.generation == generation)
        assert sorted(parents.values()) == [10] * 10
    assert [type(d) for d in decisions[:2]] == [GenerationOpened, Assigned]
    assert decisions[-2:] == [
        GenerationClosed(2, decisions[-2].elites),  # type: ignore[union-attr]
        SearchEnded(decisions[-2].elites[0], "all generations are done"),  # type: ignore[union-attr]
    ]


CONTROLLED = Recipe(
    "r",
    population=60,
    elites=2,
    children=2,
    generations=0,
    rungs=(Fraction(1, 3), Fraction(1)),
    keep=Fraction(1, 3),
    controls=4,
)


def to_the_end(recipe: Recipe, seed: int, outcome: Outcome) -> set[str]:
    """The trials of generation 0 that reached the full budget."""
    strategy = Strategy(SPACE, recipe, seed, 90)
    play(strategy, outcome, random.Random(0))
    return set(strategy.fitness)


def by_slot(uid: str, _step: int) -> float:
    return int(uid[-3:]) / 100


def test_controls_are_drawn_by_seed_beside_the_promoted() -> None:
    best = {f"g000-{slot:03d}" for slot in range(40, 60)}
    assert to_the_end(Recipe(**{**CONTROLLED.__dict__, "controls": 0}), 0, by_slot) == best
    drawn = Counter[str]()
    for seed in range(100):
        controls = to_the_end(CONTROLLED, seed, by_slot) - best
        assert len(controls) == 4
        drawn.update(controls)
    assert to_the_end(CONTROLLED, 1, by_slot) == to_the_end(CONTROLLED, 1, by_slot)
    assert to_the_end(CONTROLLED, 1, by_slot) != to_the_end(CONTROLLED, 2, by_slot)
    # 400 draws of 40 trials, each with the same chance whatever its score: 10 each, with a deviation of 3
    assert set(drawn) == {f"g000-{slot:03d}" for slot in range(40)}
    assert max(drawn.values()) <= 22
    assert sum(drawn[f"g000-{slot:03d}"] for slot in range(20)) in range(160, 241)


def test_a_control_can_be_the_winner() -> None:
    """The scores at the rung are the wrong way round: the best at the end are those below the cut."""
    strategy = Strategy(SPACE, CONTROLLED, 0, 90)
    decisions, _ = play(strategy, lambda uid, step: by_slot(uid, step) * (1 if step == 30 else -1), random.Random(0))
    controls = sorted(uid for uid in strategy.fitness if uid < "g000-040")
    assert len(controls) == 4
    assert decisions[-1] == SearchEnded(controls[0], "all generations are done")
    assert decisions[-2] == GenerationClosed(0, tuple(controls[:2]))


def test_each_generation_has_a_share_of_its_own() -> None:
    """9 trials have no control. Of 40 children, 14 are promoted and 3 of the 26 below drawn."""
    recipe = Recipe(**{**CONTROLLED.__dict__, "population": 9, "elites": 4, "children": 10, "generations": 1})
    strategy = Strategy(SPACE, Recipe(**{**recipe.__dict__, "controls": 3}), 0, 90)
    play(strategy, by_slot, random.Random(0))
    assert Counter(uid[:4] for uid in strategy.fitness) == {"g000": 4, "g001": 14 + 3}


def test_controls_go_on_when_all_promoted_trials_fail() -> None:
    recipe = Recipe(**{**CONTROLLED.__dict__, "rungs": (Fraction(1, 9), Fraction(1, 3), Fraction(1))})
    strategy = Strategy(SPACE, recipe, 0, 90)

    def outcome(uid: str, step: int) -> float | None:
        return None if step == 30 and uid >= "g000-040" else by_slot(uid, step)

    play(strategy, outcome, random.Random(0))
    assert len(strategy.fitness) == 4
    assert max(strategy.fitness) < "g000-040"


def test_the_literal_recipe_trains_everyone_to_the_end() -> None:
    strategy = Strategy(SPACE, recipes.load("seed"), 0, 90)
    decisions, _ = play(strategy, outcomes(0, 0.0), random.Random(0))
    assert Counter(type(d) for d in decisions)[Assigned] == len(strategy.fitness) == 300
    assert not [d for d in decisions if isinstance(d, Stopped)]


def test_a_child_depends_on_its_parent_and_its_place_alone() -> None:
    recipe = Recipe("r", population=8, elites=2, children=3, generations=2)
    strategy = Strategy(SPACE, recipe, 11, 9)
    play(strategy, outcomes(0, 0.0), random.Random(0))
    children = [individual for individual in strategy.individuals.values() if individual.generation]
    assert len(children) == 12
    for child in children:
        parent = strategy.individuals[child.parents[0]].genome
        rng = random_generator(11, child.generation, child.slot)
        rate, strength = recipe.mutation_rate, recipe.mutation_strength
        assert child.genome == MUTATIONS[child.operator](parent, SPACE, rng, rate=rate, strength=strength)
        assert child.seed == trial_seed(11, child.generation, child.slot)


def test_another_seed_is_another_search() -> None:
    def genomes(seed: int) -> list[object]:
        strategy = Strategy(SPACE, Recipe("r", population=20, elites=2, children=5, generations=1), seed, 9)
        play(strategy, outcomes(0, 0.0), random.Random(0))
        return [individual.genome for individual in strategy.individuals.values()]

    assert genomes(5) == genomes(5)
    assert not set(genomes(5)[1:]) & set(genomes(6)[1:])


def test_when_all_fail_there_is_no_winner() -> None:
    decisions, _ = play(Strategy(SPACE, recipes.load("fast"), 0, 90), outcomes(0, 1.0), random.Random(0))
    assert decisions[-2:] == [GenerationClosed(0, ()), SearchEnded(None, "no individual reached its full budget")]
    assert len(decisions) == 1 + 100 + 2


def test_failures_leave_fewer_elites_and_these_have_all_their_children() -> None:
    recipe = Recipe("r", population=6, elites=4, children=3, generations=2)
    scores = {"g000-001": 0.1, "g000-004": 0.7}  # all others of generation 0 fail, and all of generation 1

    strategy = Strategy(SPACE, recipe, 0, 9)
    decisions, _ = play(strategy, lambda uid, step: 0.3 if uid >= "g002" else scores.get(uid), random.Random(0))
    closed = [d.elites for d in decisions if isinstance(d, GenerationClosed)]
    assert closed[0] == closed[1] == ("g000-004", "g000-001")
    # Generation 2 (two elites, three children each) all score 0.3: the best four of 0.7, 0.3 ..., ties by uid.
    assert closed[2] == ("g000-004", "g002-000", "g002-001", "g002-002")
    assert [i.parents for i in strategy.individuals.values() if i.generation == 2] == (
        [("g000-004",)] * 3 + [("g000-001",)] * 3
    )


def test_an_exhausted_space_ends_the_search_with_its_best() -> None:
    space = SearchSpace("tiny", {"c": Integer(1, 3, 2), "d": Choice(("x", "y"), "y")})  # 6 genomes
    recipe = Recipe("r", population=4, elites=1, children=2, generations=3)
    strategy = Strategy(space, recipe, 0, 9)
    decisions, _ = play(strategy, outcomes(1, 0.0), random.Random(0))
    assert len(strategy.individuals) == 6
    end = decisions[-1]
    assert isinstance(end, SearchEnded)
    assert end.winner == min(strategy.fitness, key=lambda uid: (-strategy.fitness[uid], uid))
    assert end.reason.startswith("search space 'tiny': expected a new child of g")


def test_tells_that_do_not_match_are_refused() -> None:
    recipe = Recipe("r", population=2, elites=1, children=1, generations=0, rungs=(Fraction(1, 3), Fraction(1)))
    strategy = Strategy(SPACE, recipe, 0, 9)
    for uid, step in (("g000-000", 9), ("g000-002", 3), ("g001-000", 3)):
        with pytest.raises(ValueError, match=f"{uid}: expected a trial assigned to reach step 3, got step {step}"):
            strategy.tell(uid, step, 0.5)
    with pytest.raises(ValueError, match="g000-000: expected a finite score at step 3, or None"):
        strategy.tell("g000-000", 3, float("nan"))
    strategy.tell("g000-000", 3, 0.5)
    with pytest.raises(ValueError, match="g000-000: expected one result at step 3, got a second one"):
        strategy.tell("g000-000", 3, 0.5)
    assert [type(d) for d in strategy.ask()] == [GenerationOpened, Assigned, Assigned]
    assert strategy.ask() == []  # waiting for the other
    strategy.tell("g000-001", 3, None)
    strategy.tell("g000-000", 9, 0.6)
    assert strategy.ended
    assert strategy.scores == {"g000-000": {3: 0.5, 9: 0.6}, "g000-001": {}}
    with pytest.raises(ValueError, match="g000-000: expected"):
        strategy.tell("g000-000", 9, 0.6)
    with pytest.raises(ValueError, match="expected a seed of 0 or more, got seed=-1"):
        Strategy(SPACE, recipe, -1, 9)
