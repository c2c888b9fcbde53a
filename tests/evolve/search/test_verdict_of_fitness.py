"""The verdict is in the space's fitness, which was searched, with AP50:95 beside it."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve import fitness, search
from evolve.commands.outcome import outcome_tables
from evolve.data_description import DataDescription
from evolve.genetics import space as spaces
from evolve.genetics.recipe import Recipe
from evolve.genetics.space import SearchSpace
from evolve.records import lineage, progress
from evolve.records.comparison import Standing
from evolve.records.events import Confirmation, Outcome, WinnerChoice
from evolve.records.journal import Journal, NewEvent, events
from evolve.records.projection import Projection
from evolve.records.run_updates import SEARCH_KEY
from evolve.records.search_request import SearchRequest
from evolve.records.state import SearchState, fold
from evolve.simulated import SPACE, simulated_objective
from evolve.trial import Measurement, TrialSpec
from evolve.verdict import verdict

House = Any

AP50 = {"val/map50": 1.0}


def in_json(value: Any) -> Any:
    return json.loads(json.dumps(asdict(value)))


def state_of(weights: Mapping[str, float], ours: list[dict[str, float]], others: list[dict[str, float]]) -> SearchState:
    """A search that is over, with the scores of winner and defaults on the test split, seed by seed."""
    space, data = SearchSpace("s", {}, fitness=weights), DataDescription({"images": {"test": 4}})
    state = SearchState("s", 0, 90, Recipe("fast"), space, data, SearchRequest(), threads=1, versions={}, workers=1)
    for role, uid, scores in (("winner", "g001-003", ours), ("defaults", "g000-000", others)):
        for index, measured in enumerate(scores):
            named = {f"{split}/{name}": score for name, score in measured.items() for split in ("val", "test")}
            name = f"{uid}/test-seed-{index}"
            state.confirmations[name] = Confirmation(
                uid=name, role=role, individual=uid, seed=index, scores=named, seconds={}
            )
    return state


def scores(ap50: list[float], ap: list[float]) -> list[dict[str, float]]:
    return [{"map50": one, "map50_95": other} for one, other in zip(ap50, ap, strict=True)]


OURS = scores([0.60, 0.62, 0.64], [0.30, 0.31, 0.32])
OTHERS = scores([0.52, 0.50, 0.54], [0.41, 0.40, 0.42])


def test_better_in_what_was_searched_is_better() -> None:
    """By hand, seed by seed: AP50 +0.08, +0.12, +0.10, error 0.02 / sqrt(3) = 0.01155, t(2, 0.975) = 4.3027: +-0.0497.

    AP50:95 -0.11, -0.09, -0.10, error 0.01 / sqrt(3): +-0.0248.
    """
    conclusion: Outcome = verdict.conclude(state_of(AP50, OURS, OTHERS), "g001-003")
    assert conclusion.metric == "AP50"
    assert conclusion.confirmed.mean == pytest.approx(0.62)
    assert conclusion.defaults.mean == pytest.approx(0.52)
    assert conclusion.gain.mean == pytest.approx(0.10)
    assert conclusion.gain.interval == pytest.approx((0.0503, 0.1497), abs=1e-4)
    assert conclusion.validation.winner.mean == pytest.approx(0.62)
    beside = conclusion.map50_95
    assert beside.confirmed.mean == pytest.approx(0.31)
    assert beside.defaults.mean == pytest.approx(0.41)
    assert beside.gain.interval == pytest.approx((-0.1248, -0.0752), abs=1e-4)
    assert beside.validation.defaults.mean == pytest.approx(0.41)
    assert conclusion.verdict.startswith(
        "beats the defaults by +0.100 AP50, 95 % interval +0.050 to +0.150, probability"
    )
    assert conclusion.verdict.endswith("on the test split; in AP50:95 the gain is -0.100 (-0.125 to -0.075)")


def test_worse_in_what_was_searched_is_worse() -> None:
    conclusion = verdict.conclude(state_of(AP50, OTHERS, OURS), "g001-003")
    assert conclusion.verdict.startswith("worse than the defaults: -0.100 AP50, ")


def test_ap50_95_alone_is_as_it_was() -> None:
    conclusion: Outcome = verdict.conclude(state_of({"val/map50_95": 1.0}, OTHERS, OURS), "g001-003")
    assert (conclusion.metric, conclusion.map50_95) == ("AP50:95", None)
    assert conclusion.gain.mean == pytest.approx(0.10)
    assert conclusion.verdict.startswith("beats the defaults by +0.100 AP50:95, 95 % interval +0.075 to +0.125, ")
    assert "in AP50:95" not in conclusion.verdict


def test_a_weighting_is_compared_in_its_own_numbers() -> None:
    """0.25 x AP50 + 0.75 x AP50:95: 0.38 and 0.4375 by hand."""
    weights = {"val/map50": 0.25, "val/map50_95": 0.75}
    conclusion: Outcome = verdict.conclude(state_of(weights, OURS, OTHERS), "g001-003")
    assert conclusion.confirmed.mean == pytest.approx(0.25 * 0.62 + 0.75 * 0.31)
    assert conclusion.gain.mean == pytest.approx(0.25 * 0.10 - 0.75 * 0.10)
    assert "worse than the defaults: -0.050 fitness (0.25 AP50 + 0.75 AP50:95), 95 % interval" in conclusion.verdict


def test_scores_of_ones_own_need_no_ap() -> None:
    ours, others = ([{"recall": one} for one in values] for values in ([0.9, 0.91], [0.5, 0.52]))
    conclusion: Outcome = verdict.conclude(state_of({"val/recall": 1.0}, ours, others), "g001-003")
    assert conclusion.verdict.startswith("beats the defaults by +0.395 recall, ")
    assert conclusion.map50_95 is None
    assert "AP50:95" not in conclusion.verdict
    lacking = [{"precision": 0.5}, *ours]
    conclusion = verdict.conclude(state_of({"val/recall": 1.0}, lacking, others), "g001-003")
    assert "1 of 5 confirmations failed: g001-003/test-seed-0: it has no score test/recall" in conclusion.verdict


def test_a_seed_that_failed_on_one_side_counts_on_neither() -> None:
    """The pairs left are those of seeds 1 and 2, with differences 0.12 and 0.10; the means keep what finished."""
    state = state_of(AP50, OURS, OTHERS)
    failed = state.confirmations["g000-000/test-seed-0"]
    state.confirmations[failed.uid] = replace(failed, scores={}, reason="it crashed")
    conclusion: Outcome = verdict.conclude(state, "g001-003")
    assert (conclusion.gain.mean, conclusion.gain.pairs) == (pytest.approx(0.11), 2)
    assert conclusion.confirmed.mean == pytest.approx(0.62)
    assert conclusion.defaults.mean == pytest.approx(0.52)
    assert "2 seeds that both finished (3 seeds of the winner and 2 of the defaults)" in conclusion.verdict
    other = state.confirmations["g001-003/test-seed-1"]
    state.confirmations[other.uid] = replace(other, scores={}, reason="it crashed")
    conclusion = verdict.conclude(state, "g001-003")
    assert (conclusion.confirmed.seeds, conclusion.defaults.seeds, conclusion.gain) == (2, 2, None)
    assert conclusion.verdict.startswith(
        "not confirmed: fewer than two seeds finished for both the winner and the defaults"
    )
    assert "2 of 6 confirmations failed" in conclusion.verdict


def test_the_order_of_results_decides_nothing() -> None:
    state = state_of(AP50, OURS, OTHERS)
    state.confirmations = dict(reversed(state.confirmations.items()))
    assert verdict.conclude(state, "g001-003") == verdict.conclude(state_of(AP50, OURS, OTHERS), "g001-003")


def test_the_noise_of_the_candidates_counts(house: House) -> None:
    """By hand: two candidates, three seeds, differences 0.0, 0.2 and 0.1: variance 0.01 over 2 degrees of freedom.

    They count as 1: (1 x 0.01 + 2 x 0.0004) / 3 = 0.0036 over 3 degrees of freedom; t(3, 0.975) = 3.18245.
    """
    state = state_of(AP50, OURS, OTHERS)
    for uid, values in (("g001-003", [0.5, 0.7, 0.6]), ("g001-004", [0.5, 0.5, 0.5])):
        for index, value in enumerate(values):
            name = f"{uid}/choice-seed-{index}"
            run = Confirmation(
                uid=name, role="candidate", individual=uid, seed=100 + index, scores={"val/map50": value}, seconds={}
            )
            state.confirmations[name] = run
    standings = tuple(Standing(uid, 0.5, 0.5, 0.5, 3, 0) for uid in ("g001-003", "g001-004"))
    state.choice = WinnerChoice(uid="g001-003", candidates=standings, noise=None, spread=None)
    gain = verdict.conclude(state, "g001-003").gain
    assert gain.interval[1] - gain.mean == pytest.approx(3.18245 * math.sqrt(0.0036 / 3), abs=1e-5)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"val/map50_95": 1.0}, "AP50:95"),
        ({"val/map50_95": 1.0, "val/map50": 0.0}, "AP50:95"),
        ({"val/map75": 1.0}, "AP75"),
        ({"val/map50_95": 2.0}, "fitness (2 AP50:95)"),
        ({"val/map50": 0.5, "val/recall": 0.5}, "fitness (0.5 AP50 + 0.5 recall)"),
    ],
)
def test_the_metric_in_words(weights: dict[str, float], words: str) -> None:
    assert fitness.in_words(weights) == words


def opposed(spec: TrialSpec) -> Iterator[Measurement]:
    """AP50 is high where AP50:95 is low."""
    for measurement in simulated_objective()(spec):
        turned = {
            f"{split}/map50": 1 - measurement.scores[f"{split}/map50_95"]
            for split in spec.evaluate_splits
            if measurement.scores
        }
        yield replace(measurement, scores={**measurement.scores, **turned})


@pytest.fixture
def searched(house: House) -> tuple[SearchState, Path, list[str]]:
    lines: list[str] = []
    task = replace(house.task(), space=spaces.parse({**SPACE, "fitness": AP50}, "simulated"))
    means = house.watched(opposed).means(display=progress.PlainDisplay(lines.append))
    return search.run(task, house.path / "s", recipe=house.recipe(), seed=5, means=means), house.path / "s", lines


def test_a_search_for_ap50_is_judged_by_ap50(searched: Any) -> None:
    state, directory, lines = searched
    outcome = state.outcome
    runs = state.confirmations_of(outcome.uid, for_choice=False)
    assert outcome.confirmed.mean == pytest.approx(
        math.fsum(confirmation.scores["test/map50"] for confirmation in runs) / 3
    )
    assert outcome.gain.mean > 0 > outcome.map50_95.gain.mean
    assert outcome.map50_95.gain.mean == pytest.approx(-outcome.gain.mean)
    assert " AP50, 95 % interval " in outcome.verdict
    assert "; in AP50:95 the gain is -0." in outcome.verdict
    confirmed = next(line for line in lines if "(winner): " in line)
    assert "test/map50 0." in confirmed
    assert "test/map50_95 0." in confirmed

    shown = json.loads((directory / "lineage.json").read_text())["winner"]
    assert shown["metric"] == "AP50"
    assert shown["gain"] == in_json(outcome.gain)
    assert shown["map50_95"] == in_json(outcome.map50_95)
    assert {"uid", "genome", "fitness", "confirmed", "defaults", "gain"} <= shown.keys()
    file = yaml.safe_load((directory / "winner.yaml").read_text())["scores"]
    assert (file["metric"], file["gain"], file["map50_95"]) == (
        "AP50",
        in_json(outcome.gain),
        in_json(outcome.map50_95),
    )
    table = outcome_tables(state)[0]
    for row in (
        "test AP50, 3 fresh seeds",
        "val AP50, the same confirmations",
        "test AP50:95, the same confirmations",
        "val AP50:95, the same confirmations",
    ):
        assert row in table


def test_mlflow_gets_both(searched: Any) -> None:
    projection = Projection()
    for event in events(searched[1] / "journal.db"):
        projection.apply(event)
    run = next(update for update in projection.updates.pending if update.key == SEARCH_KEY)
    numbers = {number.name: number.value for number in run.metrics}
    outcome = searched[0].outcome
    assert numbers["confirm/gain/mean"] == outcome.gain.mean
    assert numbers["confirm/winner/map50_95/mean"] == outcome.map50_95.confirmed.mean
    assert numbers["confirm/gain/map50_95/low"] == outcome.map50_95.gain.interval[0]


def test_a_verdict_of_an_earlier_version_stays_as_it_was_given(searched: Any, house: House) -> None:
    """An earlier version's verdict, in AP50:95 whatever was searched: it is named so, and the search can go on."""
    state, directory, _ = searched
    old = in_json(state.outcome.map50_95)
    sentence = "worse than the defaults: -0.2 AP50:95"
    with Journal(house.path / "old") as journal:
        for event in events(directory / "journal.db"):
            payload = dict(event.payload)
            if event.kind == "winner_chosen":
                payload = {"split": "test", **old, "verdict": sentence}
            journal.append([NewEvent(event.kind, event.uid, payload)])
    read = fold(events(house.path / "old" / "journal.db"))
    assert (read.outcome.metric, read.outcome.map50_95) == ("AP50:95", None)
    assert "test AP50:95, 3 fresh seeds" in outcome_tables(read)[0]
    assert json.loads(json.dumps(lineage.family_tree(read)))["winner"]["gain"] == old["gain"]  # type: ignore[index]
    task = replace(house.task(), space=spaces.parse({**SPACE, "fitness": AP50}, "simulated"))
    finished = search.resume(task, house.path / "old", means=house.watched(opposed).means())
    assert finished.outcome == read.outcome
    longer = search.resume(task, house.path / "old", generations=2, means=house.watched(opposed).means())
    assert longer.outcome is not None
    assert longer.outcome.metric == "AP50"  # a new verdict is in the fitness
