"""Recipes: the files, the changes, the checks."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.genetics import recipe as recipes
from evolve.genetics.recipe import Recipe


def test_the_recipes_there_are() -> None:
    fast, seed = recipes.load("fast"), recipes.load("seed")
    assert recipes.names() == ["fast", "seed"]
    for recipe in (fast, seed):
        assert (recipe.population, recipe.elites, recipe.children, recipe.generations) == (100, 10, 10, 2)
        assert (recipe.candidates, recipe.confirm_seeds) == (5, 3)
    assert fast.rungs == (Fraction(1, 9), Fraction(1, 3), Fraction(1))
    assert fast.keep == Fraction(1, 3)
    assert seed.rungs == (Fraction(1),)
    assert (fast.screening, fast.seeding, fast.controls) == (30, "mixed", 3)
    assert (seed.screening, seed.seeding, seed.controls) == (1, "random", 0)


def test_the_recipe_of_an_older_search_is_what_it_was() -> None:
    """A journal without screening, mixed seeding and controls: none of them, the first generation as recorded."""
    for seeding in ("random", "defaults"):
        now = recipes.load("fast").to_plain()
        plain = {key: value for key, value in now.items() if key not in ("screening", "controls")}
        recipe = recipes.parse({**plain, "seeding": seeding})
        assert (recipe.screening, recipe.seeding, recipe.controls) == (1, seeding, 0)
        assert recipe.to_plain() == {**plain, "seeding": seeding}
    older = {key: value for key, value in plain.items() if key not in ("seeding", "candidates")}
    assert (recipes.parse(older).screening, recipes.parse(older).seeding) == (1, "random")


def test_changes_come_over_the_file_and_overrides_over_both() -> None:
    assert recipes.load({"name": "fast", "population": 20, "elites": 4}).population == 20
    changed = recipes.load({"name": "fast", "population": 20, "elites": 4}, {"elites": 2, "children": None})
    assert (changed.population, changed.elites, changed.children) == (20, 2, 10)


def test_rungs_in_steps() -> None:
    assert recipes.load("fast").rung_steps(60) == (7, 20, 60)  # 60/9 = 6.67, 60/3 = 20
    assert recipes.load("fast").rung_steps(90) == (10, 30, 90)
    assert recipes.load("seed").rung_steps(60) == (60,)
    assert recipes.load("fast").rung_steps(2) == (1, 2)  # 1/9 and 1/3 fall on one step


@given(st.integers(1, 10**6), st.lists(st.fractions(0, 1).filter(bool), max_size=5, unique=True))
def test_rung_steps_rise_to_the_full_budget(steps: int, shares: list[Fraction]) -> None:
    rungs = (*sorted(set(shares) - {Fraction(1)}), Fraction(1))
    rungs_in_steps = Recipe("x", rungs=rungs).rung_steps(steps)
    assert rungs_in_steps[0] >= 1
    assert rungs_in_steps[-1] == steps
    assert list(rungs_in_steps) == sorted(set(rungs_in_steps))
    assert all(any(0 <= step - share * steps < 1 for share in rungs) for step in rungs_in_steps)


@pytest.mark.parametrize("name", ["fast", "seed"])
def test_plain_values_make_the_same_recipe(name: str) -> None:
    recipe = recipes.load(name, {"population": 33, "keep": "2/7"})
    assert recipes.parse(json.loads(json.dumps(recipe.to_plain()))) == recipe
    assert recipes.load(recipe.to_plain()) == recipe


@pytest.mark.parametrize(
    ("recipe", "overrides", "says"),
    [
        ("quick", {}, "recipe: expected one of fast, seed, got 'quick'"),
        ({"population": 3}, {}, "recipe: expected one of fast, seed, got None"),
        ("fast", {"elites": 30, "population": 20}, "recipe 'fast': expected elites to be at most population=20"),
        ("fast", {"population": 0}, "recipe 'fast': expected population to be at least 1, got population=0"),
        ("fast", {"population": 2.5}, "recipe 'fast': expected population to be a whole number, got 2.5"),
        ("fast", {"generations": -1}, "recipe 'fast': expected generations to be at least 0, got generations=-1"),
        ("fast", {"popluation": 3}, "recipe 'fast': unknown key 'popluation', expected one of name, population"),
        ("fast", {"keep": "1/0"}, "recipe 'fast': expected keep to be a fraction"),
        ("fast", {"keep": 0}, "recipe 'fast': expected keep to be above 0, at most 1, got keep=0"),
        ("fast", {"rungs": "1/9"}, "recipe 'fast': expected rungs to be a list of shares, got '1/9'"),
        ("fast", {"rungs": ["1/3"]}, "recipe 'fast': expected rungs to be 1 as the last share, got rungs=['1/3']"),
        ("fast", {"rungs": []}, "recipe 'fast': expected rungs to be 1 as the last share, got rungs=[]"),
        ("fast", {"rungs": ["1/3", "1/9", 1]}, "recipe 'fast': expected rungs to be shares above 0, rising"),
        ("fast", {"rungs": [0, 1]}, "recipe 'fast': expected rungs to be shares above 0, rising"),
        ("fast", {"mutation_rate": 0}, "recipe 'fast': expected mutation_rate to be above 0, at most 1"),
        ("fast", {"mutation_strength": 0}, "recipe 'fast': expected mutation_strength to be 0.001 to 1"),
        ("fast", {"mutation_strength": "big"}, "recipe 'fast': expected mutation_strength to be a finite number"),
        ("fast", {"screening": 0}, "recipe 'fast': expected screening to be at least 1, got screening=0"),
        ("fast", {"screening": 2.5}, "recipe 'fast': expected screening to be a whole number, got 2.5"),
        ("fast", {"screening": "many"}, "recipe 'fast': expected screening to be a whole number, got 'many'"),
        ("fast", {"controls": -1}, "recipe 'fast': expected controls to be at least 0, got controls=-1"),
        ("fast", {"controls": "1/9"}, "recipe 'fast': expected controls to be a whole number, got '1/9'"),
        ("fast", {"candidates": 0}, "recipe 'fast': expected candidates to be at least 1, got candidates=0"),
        (
            "fast",
            {"seeding": "best"},
            "recipe 'fast': expected seeding to be one of mixed, random, defaults, got seeding=best",
        ),
        ("fast", {"seeding": 3}, "recipe 'fast': expected seeding to be a word, got 3"),
        ("fast", {"confirm_seeds": 1}, "recipe 'fast': expected confirm_seeds to be at least 2, got confirm_seeds=1"),
    ],
)
def test_impossible_numbers_are_refused(recipe: object, overrides: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match="recipe") as caught:
        recipes.load(recipe, overrides)  # type: ignore[arg-type]
    assert str(caught.value).startswith(says)
