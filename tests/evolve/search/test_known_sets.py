"""Known sets in a search: opponents of the winner in the verdict, and nothing else."""

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve import replay, search
from evolve.__main__ import main
from evolve.checks import launch
from evolve.commands.outcome import outcome_tables
from evolve.execution.local_executor import LocalExecutor
from evolve.genetics import space as spaces
from evolve.records import forecast, lineage
from evolve.records.journal import Journal, NewEvent, events
from evolve.records.projection import Projection
from evolve.records.run_updates import SEARCH_KEY
from evolve.records.state import SearchState, fold
from evolve.simulated import SPACE, simulated_objective
from evolve.task import InputError, Task
from evolve.trial import TrialSpec
from evolve.verdict import verdict, winner

House = Any

# The optimum of each gene of the simulated objective is in the middle of its range: a hard opponent, and a poor one
KNOWN: Mapping[str, Mapping[str, float]] = {
    "hand-tuned": {"loss.box_weight": 3.2, "optimizer.learning_rate": 3e-3, "augment.mosaic_prob": 0.5},
    "poor": {"optimizer.momentum": 0.6, "augment.mosaic_prob": 1.0, "optimizer.learning_rate": 1e-1},
}

NOISE = 0.005


def known_task(house: House, known: object = KNOWN) -> Task:
    task: Task = house.task(noise=NOISE)
    return replace(task, space=spaces.parse({**SPACE, "known": known}, "simulated"))


def watched(house: House, before: Callable[[TrialSpec], None] = lambda _spec: None) -> search.Means:
    """Trials in this process; `before` sees each spec, and may raise."""
    means: search.Means = house.watched(simulated_objective(noise=NOISE), before=before).means()
    return means


@pytest.fixture(scope="module")
def searched(undisturbed: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchState, Path, list[TrialSpec]]:
    house, directory, specs = undisturbed.house, tmp_path_factory.mktemp("known") / "s", []
    recipe, means = house.recipe(screening=1), watched(house, specs.append)
    return search.run(known_task(house), directory, recipe=recipe, seed=5, means=means), directory, specs


def test_each_is_trained_with_the_seeds_of_the_verdict_and_never_searched(searched: Any, house: House) -> None:
    state, directory, specs = searched
    verdicts = [spec for spec in specs if "/test-seed-" in spec.uid]
    seeds = {
        side: [spec.seed for spec in verdicts if spec.uid.startswith(f"{side}/")]
        for side in (state.outcome.uid, *KNOWN)
    }
    seeds["defaults"] = [spec.seed for spec in verdicts if spec.uid.startswith("g000-000/")]
    assert len({tuple(given) for given in seeds.values()}) == 1
    assert len(verdicts) == 4 * 3
    configured = {spec.uid: spec.config for spec in verdicts}
    assert configured["hand-tuned/test-seed-0"]["loss.box_weight"] == 3.2
    assert configured["hand-tuned/test-seed-0"]["optimizer.momentum"] == 0.949  # its default
    assert not [one for one in state.individuals.values() if one.genome in map(state.genome_of, KNOWN)]
    plain = search.run(house.task(noise=NOISE), house.path / "plain", recipe=house.recipe(screening=1), seed=5)
    assert {uid: one.genome for uid, one in plain.individuals.items()} == {
        uid: one.genome for uid, one in state.individuals.items()
    }
    assert plain.outcome.verdict == state.outcome.verdict  # the sentence on the defaults is the same
    assert forecast.expected_confirmations(fold(events(directory / "journal.db"))) == len(state.confirmations)


def test_its_gain_is_that_of_the_runs_seed_by_seed(searched: Any) -> None:
    state = searched[0]
    runs = state.confirmations
    for name in KNOWN:
        against = state.outcome.known[name]
        differences = [
            runs[f"{state.outcome.uid}/test-seed-{index}"].scores["test/map50_95"]
            - runs[f"{name}/test-seed-{index}"].scores["test/map50_95"]
            for index in range(3)
        ]
        assert against.gain.mean == pytest.approx(sum(differences) / 3)
        assert against.gain.pairs == against.mean.seeds == 3
    assert state.outcome.known["poor"].verdict.startswith("beats the known set poor by +")
    assert state.outcome.known["hand-tuned"].gain.mean < state.outcome.known["poor"].gain.mean
    assert "the known set hand-tuned" in state.outcome.known["hand-tuned"].verdict
    assert "the defaults" in state.outcome.verdict
    assert "known set" not in state.outcome.verdict


def test_it_is_seen_everywhere(searched: Any) -> None:
    state, directory, _ = searched
    known = {name: json.loads(json.dumps(asdict(against))) for name, against in state.outcome.known.items()}
    assert json.loads((directory / "lineage.json").read_text())["winner"]["known"] == known
    file = yaml.safe_load((directory / "winner.yaml").read_text())["scores"]["known"]
    assert file["poor"]["gain"] == known["poor"]["gain"]
    assert file["poor"]["genome"]["optimizer.momentum"] == 0.6
    assert [run["seed"] for run in file["poor"]["runs"]] == [
        state.confirmations[f"poor/test-seed-{index}"].seed for index in range(3)
    ]
    assert winner.read(directory / "winner.yaml").uid == state.outcome.uid
    status = lineage.status(state, held=False, now=0.0)
    assert status.known == {name: against["verdict"] for name, against in known.items()}
    scores, genes = outcome_tables(state)
    assert "hand-tuned" in scores.splitlines()[0]
    assert "poor" in genes.splitlines()[0]
    assert f"{state.outcome.known['poor'].mean.mean:.4f}" in scores


def test_mlflow_has_its_runs_and_gains(searched: Any) -> None:
    state, directory, _ = searched
    projection = Projection()
    for event in events(directory / "journal.db"):
        projection.apply(event)
    runs = {update.key: update for update in projection.updates.pending}
    run = runs[SEARCH_KEY]
    numbers = {number.name: number.value for number in run.metrics}
    against = state.outcome.known["poor"]
    assert numbers["confirm/known/poor/mean"] == against.mean.mean
    assert numbers["confirm/known/poor/gain/mean"] == against.gain.mean
    assert numbers["confirm/known/poor/gain/low"] == against.gain.interval[0]
    of_the_set = [update for key, update in runs.items() if key.startswith("confirmation/poor/")]
    assert [update.parent for update in of_the_set] == [SEARCH_KEY] * 3
    assert all("test/map50_95" in {number.name for number in update.metrics} for update in of_the_set)
    note = run.tags["mlflow.note.content"]
    assert all(text in note for text in (state.outcome.verdict, against.verdict))


def test_the_report_has_its_verdicts_and_a_dot_for_each_run(searched: Any) -> None:
    state, directory, _ = searched
    page = (directory / "report.html").read_text(encoding="utf-8")
    for name, against in state.outcome.known.items():
        assert html.escape(against.verdict) in page
        for index in range(3):
            assert f"{name}/test-seed-{index} (seed " in page


@pytest.mark.parametrize("kept", [0.55, 0.8, 0.95])
def test_a_search_that_is_cut_in_its_end_ends_the_same(searched: Any, house: House, kept: float) -> None:
    state, directory, _ = searched
    whole = list(events(directory / "journal.db"))
    with Journal(house.path / "cut") as journal:
        journal.append([NewEvent(one.kind, one.uid, one.payload) for one in whole[: int(kept * len(whole))]])
    resumed = search.resume(known_task(house), house.path / "cut", means=watched(house))
    assert house.essence(resumed) == house.essence(state)
    assert resumed.outcome == state.outcome
    assert fold(events(house.path / "cut" / "journal.db")).outcome == state.outcome


def test_other_known_sets_are_another_task(searched: Any, house: House) -> None:
    with pytest.raises(InputError, match=r"search space: changed since the search began: known"):
        search.resume(known_task(house, {"poor": KNOWN["poor"]}), searched[1], generations=2)


def test_its_runs_can_be_repeated(searched: Any, house: House) -> None:
    task = known_task(house)
    replayed = replay.replay(task, searched[0], "hand-tuned/test-seed-1", LocalExecutor(task.factory))
    assert replayed.equal


def test_a_set_whose_runs_fail_leaves_the_other_comparisons(house: House) -> None:
    def failing(spec: TrialSpec) -> None:
        if spec.uid.startswith("poor/"):
            raise RuntimeError("no")

    means = watched(house, failing)
    state = search.run(known_task(house), house.path / "s", recipe=house.recipe(screening=1), seed=5, means=means)
    poor = state.outcome.known["poor"]
    assert (poor.mean, poor.gain) == (None, None)
    assert poor.verdict.startswith(
        "not confirmed: fewer than two seeds finished for both the winner and the known set poor"
    )
    assert "3 of 6 confirmations failed: poor/test-seed-0: " in poor.verdict
    assert state.outcome.known["hand-tuned"].gain is not None
    assert "failed" not in state.outcome.verdict


def test_defaults_that_win_are_compared_with_it(house: House) -> None:
    def only_the_defaults(spec: TrialSpec) -> None:
        if spec.uid.startswith("g000-") and spec.uid != "g000-000" and "/" not in spec.uid:
            raise RuntimeError("no")

    means = watched(house, only_the_defaults)
    recipe = house.recipe(elites=1, generations=0)
    state = search.run(known_task(house), house.path / "s", recipe=recipe, seed=5, means=means)
    assert state.outcome.uid == "g000-000"
    assert "the defaults themselves" in state.outcome.verdict
    assert state.outcome.known["poor"].gain is not None
    assert forecast.expected_confirmations(state) == len(state.confirmations) == 9


def test_a_set_that_is_no_valid_configuration_is_refused_before_anything_starts(house: House) -> None:
    genes = {"train.batch": {"scale": "integer", "low": 8, "high": 16, "default": 16}}
    plain = {
        "name": "x",
        "genes": genes,
        "trial": {"train.steps": 90, "train.subdivisions": 8},
        "known": {"odd": {"train.batch": 9}},
    }
    task = replace(house.task(), space=spaces.parse(plain, "x"))
    with pytest.raises(InputError, match="train"):
        launch.check(task, house.path / "s", recipe=house.recipe(screening=1), seed=5)
    assert not (house.path / "s").exists()


def test_fitness_of_ones_own_has_the_gain_in_ap_beside_it(house: House) -> None:
    task = known_task(house)
    task = replace(task, space=replace(task.space, fitness={"val/map50": 1.0}))
    state = search.run(task, house.path / "s", recipe=house.recipe(screening=1), seed=5)
    poor = state.outcome.known["poor"]
    assert poor.map50_95.mean != poor.gain.mean
    assert f"in AP50:95 the gain is {poor.map50_95.mean:+.3f}" in poor.verdict
    assert verdict.conclude(replace(state, verdicts=0), state.outcome.uid) == state.outcome


def test_status_and_the_end_have_a_line_for_each(
    simulated: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATED_FAILURES", "0")
    Path("mine.yaml").write_text(json.dumps({**SPACE, "known": {"poor": KNOWN["poor"]}}))
    shape = ["--population", "6", "--elites", "2", "--children", "2", "--generations", "1", "--recipe", "seed"]
    assert main(["search", "--space", "mine.yaml", "--cpu", "--out", "s", "--tracking-uri", "none", *shape]) == 0
    assert "verdict: beats the known set poor by +" in capsys.readouterr().out
    assert main(["status", "s"]) == 0
    assert "verdict: beats the known set poor by +" in capsys.readouterr().out
    assert main(["status", "s", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert list(status["known"]) == ["poor"]
    assert status["known"]["poor"].startswith("beats the known set poor by +")
    assert "known set" not in status["verdict"]
