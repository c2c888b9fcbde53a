"""How many seeds the verdict has, by the noise of the candidates; and what judging a search again costs it."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve import search
from evolve.data_description import DataDescription
from evolve.genetics import recipe as recipes
from evolve.genetics.recipe import Recipe, VerdictSeeds
from evolve.genetics.space import SearchSpace
from evolve.records import forecast, lineage, progress
from evolve.records.comparison import Standing
from evolve.records.events import Confirmation, VerdictPlanned, WinnerChoice
from evolve.records.journal import Journal, NewEvent, events
from evolve.records.projection import Projection
from evolve.records.run_updates import SEARCH_KEY
from evolve.records.search_request import SearchRequest
from evolve.records.state import SearchState, fold
from evolve.simulated import simulated_objective
from evolve.trial import TrialSpec
from evolve.verdict import confirm, interval, verdict_seeds
from evolve.verdict.pair_noise import PairNoise

House = Any
AUTO = {"seeds": "auto", "at_most": 9, "gain": 0.01}


def state_of(differences: list[float], **settings: object) -> SearchState:
    """A search whose two candidates were trained with the same seeds, with these differences of their scores."""
    space, data = SearchSpace("s", {}), DataDescription({"images": {"test": 4}})
    verdict = VerdictSeeds(**{"seeds": "auto", **settings})  # type: ignore[arg-type]
    recipe = Recipe("fast", candidates=2, confirm_seeds=len(differences), verdict=verdict)
    state = SearchState("s", 0, 90, recipe, space, data, SearchRequest(), threads=1, versions={}, workers=1)
    for index, difference in enumerate(differences):
        for uid, score in (("g001-001", 0.5 + difference), ("g001-002", 0.5)):
            name = f"{uid}/choice-seed-{index}"
            state.confirmations[name] = Confirmation(
                uid=name, role="candidate", individual=uid, seed=index, scores={"val/map50_95": score}, seconds={}
            )
    standings = tuple(Standing(uid, 0.5, 0.5, 0.5, len(differences), 0) for uid in ("g001-001", "g001-002"))
    state.choice = WinnerChoice(uid="g001-001", candidates=standings, noise=None, spread=None)
    return state


def test_the_number_shows_the_gain_and_one_less_would_not() -> None:
    """Differences 0.00, 0.02 and 0.01 deviate by 0.01; their 2 degrees of freedom count as 1."""
    plan = verdict_seeds.planned(state_of([0.0, 0.02, 0.01], gain=0.012), "g001-001")
    assert plan is not None
    assert plan.noise == pytest.approx(0.01)
    needs = {count: interval.detectable(0.01 / math.sqrt(count), count) for count in range(3, 13)}
    assert plan.detectable == pytest.approx(needs[plan.seeds])
    assert needs[plan.seeds] <= 0.012 < needs[plan.seeds - 1]
    # by the normal distribution, which is a lower bound: (1.96 + 0.84)^2 (0.01 / 0.012)^2 = 5.4 seeds
    assert 6 <= plan.seeds <= 9


@pytest.mark.parametrize(
    ("differences", "settings", "seeds"),
    [
        ([0.0, 0.02, 0.01], {"gain": 0.001}, 12),  # more than at_most would be needed
        ([0.0, 0.02, 0.01], {"gain": 0.001, "at_most": 5}, 5),
        ([0.0, 0.02, 0.01], {"gain": 0.5}, 3),  # any number would do
        ([0.0, 0.0, 0.0], {}, 3),  # no noise at all
    ],
)
def test_its_bounds(differences: list[float], settings: dict[str, object], seeds: int) -> None:
    plan = verdict_seeds.planned(state_of(differences, **settings), "g001-001")
    assert plan is not None
    assert plan.seeds == seeds


def test_noise_that_is_not_known_takes_the_most() -> None:
    state = state_of([0.0, 0.02, 0.01], at_most=7)
    del state.confirmations["g001-002/choice-seed-1"]  # one candidate is left with all its runs
    plan = verdict_seeds.planned(state, "g001-001")
    assert plan == VerdictPlanned(uid="g001-001", seeds=7, gain=0.01, noise=None, detectable=None)


def test_a_plan_in_the_journal_stands() -> None:
    state = state_of([0.0, 0.02, 0.01])
    state.verdict_plan = VerdictPlanned(uid="g001-001", seeds=4, gain=0.01, noise=0.01, detectable=0.02)
    assert verdict_seeds.count(state, "g001-001") == state.most_verdict_seeds == 4


def test_a_later_look_needs_more() -> None:
    first, second = state_of([0.0, 0.02, 0.01], gain=0.012), state_of([0.0, 0.02, 0.01], gain=0.012)
    second.verdicts = 1
    assert verdict_seeds.count(second, "g001-001") > verdict_seeds.count(first, "g001-001")


def test_the_seeds_of_the_choice_and_the_first_ones_of_the_verdict_are_as_before() -> None:
    fixed, more = state_of([0.0, 0.02, 0.01]), state_of([0.0, 0.02, 0.01])
    fixed.recipe = replace(fixed.recipe, verdict=VerdictSeeds())
    more.recipe = replace(more.recipe, verdict=VerdictSeeds(seeds=7))
    [three, seven] = [
        [one.seed for one in confirm.planned_for_verdict(state, "g001-001") if one.individual == "g001-001"]
        for state in (fixed, more)
    ]
    assert (len(three), len(seven), len(set(seven))) == (3, 7, 7)
    assert seven[:3] == three
    assert not set(seven) & set(confirm.fresh_seeds(0, 6, frozenset())[3:])  # those of the choice
    fewer = replace(more, recipe=replace(more.recipe, verdict=VerdictSeeds(seeds=2)))
    assert [one.seed for one in confirm.planned_for_verdict(fewer, "g001-001")][::2] == three[:2]


def noisy(spec: TrialSpec) -> Any:
    """Scores whose noise is each set's own: the simulated noise of a seed is the same for all sets."""
    own = simulated_objective(noise=0.01)
    yield from own(replace(spec, seed=spec.seed ^ hash_of(spec)))


def hash_of(spec: TrialSpec) -> int:
    return int(float(str(spec.config["loss.box_weight"])) * 1e6) % 2**20


@pytest.fixture(scope="module")
def searched(undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchState, Path, list[str]]:
    house, directory, lines = undisturbed.house, tmp_path_factory.mktemp("auto") / "s", []
    recipe = house.recipe(screening=1, verdict=AUTO)
    means = house.watched(noisy).means(display=progress.PlainDisplay(lines.append))
    return search.run(house.task(), directory, recipe=recipe, seed=5, means=means), directory, lines


def test_it_is_decided_and_journalled_before_the_first_run_of_the_verdict(searched: Any) -> None:
    state, directory, lines = searched
    kinds = [(event.kind, event.uid) for event in events(directory / "journal.db")]
    [planned] = [index for index, (kind, _) in enumerate(kinds) if kind == "verdict_planned"]
    runs = [index for index, (_, uid) in enumerate(kinds) if uid is not None and "/test-seed-" in uid]
    choices = [index for index, (_, uid) in enumerate(kinds) if uid is not None and "/choice-seed-" in uid]
    assert max(choices) < planned < min(runs)
    plan = state.verdict_plan
    assert plan.uid == state.outcome.uid
    assert 3 <= plan.seeds <= 9
    assert state.outcome.gain.pairs == plan.seeds
    assert len(runs) == 2 * plan.seeds
    assert any(f"the verdict has {plan.seeds} seeds: " in line for line in lines)
    assert f"{plan.seeds} seeds, on the test split" in state.outcome.verdict


def test_the_forecast_has_the_most_until_it_is_decided(searched: Any) -> None:
    state, directory, _ = searched
    whole = list(events(directory / "journal.db"))
    [planned] = [index for index, event in enumerate(whole) if event.kind == "verdict_planned"]
    candidates = len(state.choice.candidates)
    assert forecast.expected_confirmations(fold(whole[:planned])) == candidates * 3 + 2 * 9
    expected = candidates * 3 + 2 * state.verdict_plan.seeds
    assert forecast.expected_confirmations(fold(whole[: planned + 1])) == expected == len(state.confirmations)
    assert forecast.planned_confirmations(state.recipe, 0, state.recipe.verdict_seeds[0]) == 5 * 3 + 2 * 3


def test_mlflow_has_the_number(searched: Any) -> None:
    state, directory, _ = searched
    projection = Projection()
    for event in events(directory / "journal.db"):
        projection.apply(event)
    run = next(update for update in projection.updates.pending if update.key == SEARCH_KEY)
    numbers = {number.name: number.value for number in run.metrics}
    assert numbers["confirm/verdict/seeds"] == state.verdict_plan.seeds
    assert numbers["confirm/verdict/noise"] == state.verdict_plan.noise
    assert numbers["confirm/gain/detectable"] == state.outcome.gain.detectable


@pytest.mark.parametrize("before", [-1, 0, 1, 2, 5])
def test_a_search_that_is_cut_around_the_decision_ends_the_same(searched: Any, house: House, before: int) -> None:
    state, directory, _ = searched
    whole = list(events(directory / "journal.db"))
    [planned] = [index for index, event in enumerate(whole) if event.kind == "verdict_planned"]
    with Journal(house.path / "cut") as journal:
        journal.append([NewEvent(one.kind, one.uid, one.payload) for one in whole[: planned + before]])
    resumed = search.resume(house.task(), house.path / "cut", means=house.watched(noisy).means())
    assert house.essence(resumed) == house.essence(state)
    assert resumed.outcome == state.outcome


def test_an_extended_search_is_judged_again_and_says_so(searched: Any, house: House) -> None:
    state, directory, _ = searched
    with Journal(house.path / "longer") as journal:
        journal.append([NewEvent(one.kind, one.uid, one.payload) for one in events(directory / "journal.db")])
    task, means = house.task(), lambda: house.watched(noisy).means()
    second = search.resume(task, house.path / "longer", generations=2, means=means())
    third = search.resume(task, house.path / "longer", generations=3, means=means())
    for looks, judged in enumerate((state, second, third), start=1):
        gain = judged.outcome.gain
        assert (judged.outcome.looks, judged.verdicts) == (looks, looks)
        assert gain.level == pytest.approx(1 - 0.05 / looks)
        assert f"{100 - 5 / looks:.3g} % interval" in judged.outcome.verdict
        assert (f"verdict number {looks} of this search" in judged.outcome.verdict) == (looks > 1)
        assert lineage.family_tree(judged)["winner"]["looks"] == looks  # type: ignore[index]
    assert second.verdict_plan is not None
    assert fold(events(house.path / "longer" / "journal.db")).outcome == third.outcome


def test_a_known_set_is_judged_at_the_same_level_and_again_wider(house: House) -> None:
    """The same runs, judged a second time: t(freedom, 0.9875) over t(freedom, 0.975) is the growth of the interval."""
    narrow, wide = (
        interval.gain([0.01, 0.02, 0.03], noise=PairNoise(1e-5, 8), level=interval.level_of_look(looks))
        for looks in (1, 2)
    )
    assert narrow is not None
    assert wide is not None
    # for 4 degrees of freedom t is 2.7764 and 3.4954 (printed tables of 0.025 and 0.0125)
    growth = (wide.interval[1] - wide.mean) / (narrow.interval[1] - narrow.mean)
    assert growth == pytest.approx(3.4954 / 2.7764, abs=1e-4)


def load(**verdict: object) -> Callable[[], Recipe]:
    return lambda: recipes.load({"name": "fast", "verdict": verdict})


def test_a_recipes_verdict() -> None:
    assert recipes.load("fast").verdict_seeds == recipes.load("seed").verdict_seeds == (3, 3)
    assert recipes.load({"name": "fast", "confirm_seeds": 8}).verdict_seeds == (8, 8)
    assert load(seeds="auto")().verdict_seeds == (3, 12)
    assert load(seeds="auto")().verdict.gain == 0.01  # of the recipe's file
    assert load(seeds="auto", at_most=20, gain=0.02)().verdict == VerdictSeeds("auto", 20, 0.02)
    assert load(seeds=6)().verdict_seeds == (6, 6)
    assert recipes.load(
        {"name": "fast", "verdict": {"gain": 0.02}}, {"verdict": {"seeds": "auto"}}
    ).verdict == VerdictSeeds("auto", 12, 0.02)
    for recipe in (recipes.load("fast"), load(seeds="auto")(), load(seeds=6)()):
        assert recipes.parse(recipe.to_plain()) == recipe
    assert "verdict" not in recipes.load("fast").to_plain()  # as in journals of earlier versions


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"verdict": {"seeds": 1}},
            "recipe 'fast': verdict: expected seeds to be auto, or a whole number of at least 2, got seeds=1",
        ),
        ({"verdict": {"seeds": "many"}}, "recipe 'fast': verdict: expected seeds to be a whole number, got 'many'"),
        ({"verdict": {"at_most": 2}}, "recipe 'fast': verdict: expected at_most to be at least 3, got at_most=2"),
        ({"verdict": {"gain": 0}}, "recipe 'fast': verdict: expected gain to be above 0, got gain=0.0"),
        (
            {"verdict": {"gains": 1}},
            "recipe 'fast': verdict: unknown key 'gains', expected one of seeds, at_most, gain",
        ),
        ({"verdict": "auto"}, "recipe 'fast': expected verdict to be a mapping such as {seeds: auto, at_most: 12"),
        (
            {"verdict": {"seeds": "auto"}, "candidates": 1},
            "recipe 'fast': expected candidates to be at least 2 for verdict: seeds: auto, got candidates=1",
        ),
    ],
)
def test_a_wrong_verdict_of_a_recipe_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match="recipe") as caught:
        recipes.load({"name": "fast", **changes})
    assert str(caught.value).startswith(says)
