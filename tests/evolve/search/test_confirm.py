"""Confirmations: their seeds, their sentences, and that they run side by side and once."""

from typing import Any

import pytest

from evolve import confirm, interval, search
from evolve.execution.dispatch import POLL_SECONDS
from evolve.genetics.genome import trial_seed

House = Any


def gain(low: float, high: float, probability: float = 0.9) -> interval.Gain:
    return interval.Gain((low + high) / 2, (low, high), probability)


def test_seeds_are_fresh_and_keyed_by_the_searchs_seed() -> None:
    trials = frozenset(trial_seed(5, generation, slot) for generation in range(3) for slot in range(100))
    chosen = confirm.seeds(5, 3, trials)
    assert chosen == confirm.seeds(5, 3, trials)
    assert len({*chosen}) == 3
    assert not trials & {*chosen}
    assert all(0 <= seed < 2**31 for seed in chosen)
    assert chosen != confirm.seeds(6, 3, trials)
    taken = frozenset(chosen[:1])
    assert confirm.seeds(5, 2, taken) == chosen[1:]  # a seed that a trial has is passed over


@pytest.mark.parametrize(
    ("found", "begins"),
    [
        (gain(0.01, 0.05), "beats the defaults by +0.030 AP50:95, 95 % interval +0.010 to +0.050, probability"),
        (gain(-0.01, 0.05), "no better than the defaults within the noise: +0.020"),
        (gain(-0.05, -0.01), "worse than the defaults: -0.030"),
        (gain(0.0, 0.05), "no better than the defaults within the noise"),
    ],
)
def test_the_verdict_is_one_plain_sentence(found: interval.Gain, begins: str) -> None:
    sentence = confirm.verdict("g001-003", found, 3, "test", [])
    assert sentence.startswith(begins)
    assert sentence.endswith("3 seeds, on the test split")


def test_verdicts_of_their_own() -> None:
    assert "is the defaults themselves" in confirm.verdict("g000-000", None, 3, "test", [])
    assert "validation split only" in confirm.verdict("g001-003", gain(0.1, 0.2), 3, "val", [])
    assert "not confirmed" in confirm.verdict("g001-003", None, 1, "test", [])


def test_winner_and_defaults_run_with_the_same_seeds_on_the_test_split(house: House) -> None:
    specs = []
    watched = house.watched(before=specs.append)
    state = search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=watched.means())
    assert state.outcome is not None
    confirmations = [spec for spec in specs if "/" in spec.uid]
    by_individual = {
        uid: [spec.seed for spec in confirmations if spec.uid.startswith(uid)]
        for uid in (state.outcome.uid, "g000-000")
    }
    assert by_individual[state.outcome.uid] == by_individual["g000-000"]
    assert len(confirmations) == 6
    assert {(spec.start_step, spec.stop_step, spec.evaluate_splits) for spec in confirmations} == {
        (0, 90, ("val", "test"))
    }
    assert all(spec.evaluate_splits == ("val",) for spec in specs if "/" not in spec.uid)  # the search never sees it
    assert not {spec.seed for spec in confirmations} & {one.seed for one in state.individuals.values()}
    mean = sum(one.scores["test/map50_95"] for one in state.confirmations.values() if one.role == "winner") / 3
    assert state.outcome.confirmed is not None
    assert state.outcome.confirmed["mean"] == pytest.approx(mean)


def test_without_a_test_split_it_says_so(house: House) -> None:
    specs = []
    task = house.task()
    task.description["images"] = {"train": 8, "val": 4}
    watched = house.watched(before=specs.append)
    state = search.run(task, house.path / "s", recipe=house.recipe(), seed=5, means=watched.means())
    assert {spec.evaluate_splits for spec in specs} == {("val",)}
    assert state.outcome is not None
    assert state.outcome.split == "val"
    assert "validation split only" in state.outcome.verdict


def test_the_defaults_can_win(house: House) -> None:
    def only_the_defaults(spec: Any) -> None:
        if not spec.uid.startswith("g000-000"):
            raise RuntimeError("no")

    watched = house.watched(before=only_the_defaults)
    recipe = house.recipe(elites=1, generations=0)
    state = search.run(house.task(), house.path / "s", recipe=recipe, seed=5, means=watched.means())
    assert state.outcome is not None
    assert state.outcome.uid == "g000-000"
    assert len(state.confirmations) == 3
    assert state.outcome.gain is None
    assert state.outcome.confirmed == state.outcome.defaults
    assert "the defaults themselves" in state.outcome.verdict


def test_polling_leaves_room_for_ctrl_c() -> None:
    assert POLL_SECONDS <= 1.0
