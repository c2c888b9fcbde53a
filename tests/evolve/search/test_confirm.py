"""Confirmations: their seeds, their verdict sentences, and that each is trained once, in parallel."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from evolve import search
from evolve.execution.dispatch import POLL_SECONDS
from evolve.genetics.genome import trial_seed
from evolve.records.events import Confirmation
from evolve.simulated import simulated_objective
from evolve.trial import Measurement
from evolve.verdict import confirm, interval, verdict

House = Any


def gain(low: float, high: float, probability: float = 0.9) -> interval.Gain:
    return interval.Gain((low + high) / 2, (low, high), probability)


def runs(*failed: str) -> list[Confirmation]:
    """Three confirmations of the defaults and three of g001-003; those named have failed."""
    return [
        Confirmation(
            uid=(uid := f"{individual}/test-seed-{index}"),
            role=role,
            individual=individual,
            seed=index,
            scores={} if uid in failed else {"test/map50_95": 0.5, "val/map50_95": 0.5},
            reason="the box loss is nan at step 4" if uid in failed else None,
            seconds={},
        )
        for role, individual in (("defaults", "g000-000"), ("winner", "g001-003"))
        for index in range(3)
    ]


def test_seeds_are_fresh_and_keyed_by_the_searchs_seed() -> None:
    trials = frozenset(trial_seed(5, generation, slot) for generation in range(3) for slot in range(100))
    chosen = confirm.fresh_seeds(5, 3, trials)
    assert chosen == confirm.fresh_seeds(5, 3, trials)
    assert len({*chosen}) == 3
    assert not trials & {*chosen}
    assert all(0 <= seed < 2**31 for seed in chosen)
    assert chosen != confirm.fresh_seeds(6, 3, trials)
    taken = frozenset(chosen[:1])
    assert confirm.fresh_seeds(5, 2, taken) == chosen[1:]  # a seed of a trial is skipped


@pytest.mark.parametrize(
    ("winner_gain", "begins"),
    [
        (gain(0.01, 0.05), "beats the defaults by +0.030 AP50:95, 95 % interval +0.010 to +0.050, probability"),
        (gain(-0.01, 0.05), "no better than the defaults within the noise: +0.020"),
        (gain(-0.05, -0.01), "worse than the defaults: -0.030"),
        (gain(0.0, 0.05), "no better than the defaults within the noise"),
    ],
)
def test_the_verdict_is_one_plain_sentence(winner_gain: interval.Gain, begins: str) -> None:
    sentence = verdict.sentence("g001-003", winner_gain, "test", runs())
    assert sentence.startswith(begins)
    assert sentence.endswith("3 seeds, on the test split")


def test_verdicts_of_their_own() -> None:
    assert "is the defaults themselves" in verdict.sentence("g000-000", None, "test", runs()[:3])
    assert "validation split only" in verdict.sentence("g001-003", gain(0.1, 0.2), "val", runs())
    assert "not confirmed" in verdict.sentence("g001-003", None, "test", runs()[::3])


def test_failed_runs_are_always_said_and_a_winner_with_one_beats_nothing() -> None:
    failed = "; 1 of 6 confirmations failed: g001-003/test-seed-1: the box loss is nan at step 4"
    for winner_gain in (gain(0.01, 0.05), gain(-0.01, 0.05), gain(-0.05, -0.01), None):
        sentence = verdict.sentence("g001-003", winner_gain, "test", runs("g001-003/test-seed-1"))
        assert sentence.endswith(failed)
        assert "beats" not in sentence
        if winner_gain is not None:
            assert "2 seeds of the winner and 3 of the defaults" in sentence
    assert verdict.sentence("g001-003", gain(0.01, 0.05), "test", runs("g001-003/test-seed-1")).startswith(
        "not confirmed: +0.030"
    )
    theirs = verdict.sentence("g001-003", gain(0.01, 0.05), "test", runs("g000-000/test-seed-0"))
    assert theirs.startswith("beats the defaults by +0.030")
    assert "3 seeds of the winner and 2 of the defaults" in theirs
    assert "; 1 of 6 confirmations failed: g000-000/test-seed-0" in theirs
    own = verdict.sentence("g000-000", None, "test", runs("g000-000/test-seed-0")[:3])
    assert own.endswith("; 1 of 3 confirmations failed: g000-000/test-seed-0: the box loss is nan at step 4")
    # a confirmation that lacks the compared score has failed too
    assert "6 of 6 confirmations failed: g000-000/test-seed-0: it has no score val/map50_95" in verdict.sentence(
        "g001-003", None, "val", [replace(confirmation, scores={"test/map50_95": 0.5}) for confirmation in runs()]
    )


def test_what_the_noise_hides_is_said_with_what_would_have_shown() -> None:
    hidden = replace(gain(-0.01, 0.05), detectable=0.0412)
    sentence = verdict.sentence("g001-003", hidden, "test", runs())
    assert sentence.startswith("no better than the defaults within the noise: +0.020")
    assert "3 seeds, on the test split; a gain under 0.041 would not show" in sentence
    for clear in (gain(0.01, 0.05), gain(-0.05, -0.01)):
        assert "would not show" not in verdict.sentence("g001-003", replace(clear, detectable=0.0412), "test", runs())
    in_ap = verdict.sentence("g001-003", hidden, "test", runs(), ap_gain=gain(0.0, 0.02))
    assert in_ap.endswith("would not show; in AP50:95 the gain is +0.010 (+0.000 to +0.020)")


def test_a_known_set_is_compared_in_the_same_words() -> None:
    listed = [
        replace(run, role="known", individual="mine", uid=run.uid.replace("g000-000", "mine"))
        if run.individual == "g000-000"
        else run
        for run in runs()
    ]
    for winner_gain, begins in (
        (gain(0.01, 0.05), "beats the known set mine by +0.030 AP50:95, 95 % interval +0.010 to +0.050"),
        (gain(-0.01, 0.05), "no better than the known set mine within the noise: +0.020"),
        (gain(-0.05, -0.01), "worse than the known set mine: -0.030"),
    ):
        sentence = verdict.sentence("g001-003", winner_gain, "test", listed, opponent="mine")
        assert sentence.startswith(begins)
        assert sentence.endswith("3 seeds, on the test split")
        assert "defaults" not in sentence
    lower = [
        replace(run, scores={**run.scores, "val/map50_95": 0.4}) if run.role == "winner" else run for run in listed
    ]
    sentence = verdict.sentence("g001-003", gain(0.01, 0.05), "test", lower, opponent="mine")
    assert sentence.startswith("no better than the known set mine, as validation and test do not agree")
    assert sentence.endswith("; mine's validation mean is higher: 0.5000 against 0.4000")


def test_winner_and_defaults_run_with_the_same_seeds_on_the_test_split(house: House) -> None:
    specs = []
    watched = house.watched(before=specs.append)
    state = search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=watched.means())
    assert state.outcome is not None
    verdicts = [spec for spec in specs if "/test-seed-" in spec.uid]
    by_individual = {
        uid: [spec.seed for spec in verdicts if spec.uid.startswith(uid)] for uid in (state.outcome.uid, "g000-000")
    }
    assert by_individual[state.outcome.uid] == by_individual["g000-000"]
    assert len(verdicts) == 6
    assert {(spec.start_step, spec.stop_step, spec.evaluate_splits) for spec in verdicts} == {(0, 90, ("val", "test"))}
    assert not {confirmation.seed for confirmation in state.confirmations.values()} & {
        record.seed for record in state.individuals.values()
    }
    mean = (
        sum(
            confirmation.scores["test/map50_95"]
            for confirmation in state.confirmations.values()
            if confirmation.role == "winner"
        )
        / 3
    )
    assert state.outcome.confirmed is not None
    assert state.outcome.confirmed.mean == pytest.approx(mean)
    assert state.outcome.validation is not None
    mean = (
        sum(
            confirmation.scores["val/map50_95"]
            for confirmation in state.confirmations.values()
            if confirmation.role == "defaults"
        )
        / 3
    )
    assert state.outcome.validation.defaults.mean == pytest.approx(mean)


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


@pytest.mark.parametrize("winner_gain", [gain(0.01, 0.05), gain(-0.01, 0.05), gain(-0.05, -0.01)])
def test_a_better_validation_mean_of_the_defaults_is_said_and_then_nothing_beats_them(
    winner_gain: interval.Gain,
) -> None:
    lower = [
        replace(confirmation, scores={**confirmation.scores, "val/map50_95": 0.4})
        if confirmation.role == "winner"
        else confirmation
        for confirmation in runs()
    ]
    sentence = verdict.sentence("g001-003", winner_gain, "test", lower)
    assert sentence.endswith("; the defaults' validation mean is higher: 0.5000 against 0.4000")
    assert sentence.startswith(
        "worse than the defaults" if winner_gain.interval[1] < 0 else "no better than the defaults"
    )
    assert "validation mean" not in verdict.sentence(
        "g001-003", winner_gain, "val", lower
    )  # there validation is the split of the verdict


def test_a_validation_mean_that_is_higher_by_less_than_is_printed_is_no_disagreement() -> None:
    for more, agree in ((1e-7, True), (4e-5, True), (6e-5, False), (1e-3, False)):
        scored = [
            replace(confirmation, scores={**confirmation.scores, "val/map50_95": 0.5 + more})
            if confirmation.role == "defaults"
            else confirmation
            for confirmation in runs()
        ]
        sentence = verdict.sentence("g001-003", gain(0.01, 0.05), "test", scored)
        assert sentence.startswith("beats the defaults by" if agree else "no better than the defaults, as validation")
        assert ("validation mean is higher" in sentence) is not agree


def test_a_confirmations_seconds_are_all_of_its_measurements(house: House) -> None:
    def spending(spec: Any) -> Iterator[Measurement]:
        for measurement in simulated_objective()(spec):
            yield replace(
                measurement, seconds={"train": 1.0, **({"evaluate": 2.0} if measurement.step == spec.stop_step else {})}
            )

    watched = house.watched(spending)
    state = search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=watched.means())
    # two measurements each, at half and at the end of the schedule
    assert all(confirmation.seconds == {"train": 2.0, "evaluate": 2.0} for confirmation in state.confirmations.values())


def test_polling_leaves_room_for_ctrl_c() -> None:
    assert POLL_SECONDS <= 1.0
