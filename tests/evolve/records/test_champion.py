"""The registered winner: registered once, what its version says, and which winner of a data set has the alias."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve import search
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.records import champion
from evolve.records.comparison import MeanWithInterval
from evolve.records.state import SearchState
from evolve.simulated import SPACE
from evolve.task import Task
from evolve.trial import ObjectiveFactory

PATIENCE_SECONDS = 120.0
DATA = {"path": "/photos/blood: cells", "fingerprint": "f00d", "images": {"test": 1}}


def simulate(directory: Path, seed: int, data: dict[str, object] = DATA) -> SearchState:
    factory = ObjectiveFactory("evolve.simulated:simulated_objective", {})
    task = Task(spaces.parse(SPACE, "simulated"), factory, data, 90, ())
    small = recipes.load("fast", {"population": 4, "elites": 1, "children": 2, "generations": 1, "candidates": 1})
    return search.run(task, directory, recipe=small, seed=seed)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> SearchState:
    return simulate(tmp_path_factory.mktemp("searches") / "s", 1)


def with_mean(state: SearchState, mean: float | None, **changed: Any) -> SearchState:
    assert state.outcome is not None
    confirmed = None if mean is None else MeanWithInterval(mean, None, 1)
    return replace(state, outcome=replace(state.outcome, confirmed=confirmed), **changed)


def test_a_search_without_a_winner_registers_none(state: SearchState) -> None:
    assert champion.of(replace(state, outcome=None)) is None


def test_it_says_configuration_lineage_and_verdict(state: SearchState) -> None:
    winner = champion.of(state)
    assert winner is not None
    assert state.outcome is not None
    record = state.individuals[state.outcome.uid]
    assert winner.model == "yolov4-evolve-blood--cells", "MLflow allows neither a colon nor a slash"
    assert {gene: float(winner.tags[gene]) for gene in record.genome} == dict(record.genome)
    assert winner.tags["evolve.lineage"].split()[0] == record.uid
    assert state.outcome.verdict in winner.description
    embedded = replace(state, data=replace(state.data, plain={**state.data.plain, "embedded": True}))
    other = champion.of(embedded)
    assert other is not None
    assert other.model == "yolov4-evolve-embedded"


@pytest.mark.parametrize(
    ("mean", "changed", "replaces"),
    [
        (0.6, {}, True),
        (0.5, {}, False),
        (0.4, {}, False),
        (None, {}, False),
        (0.4, {"steps": 91}, True),
    ],
    ids=["better", "equal", "worse", "not confirmed", "not comparable"],
)
def test_the_alias_goes_to_the_best_confirmed_mean(
    state: SearchState, mean: float | None, changed: dict[str, Any], replaces: bool
) -> None:
    present = champion.of(with_mean(state, 0.5))
    later = champion.of(with_mean(state, mean, search_id="later", **changed))
    assert present is not None
    assert later is not None
    assert later.replaces(present.tags) == replaces
    assert later.replaces({**present.tags, "evolve.confirmed_mean": "somebody wrote this"}) or mean is None
    assert champion.of(with_mean(state, 0.1)).replaces(present.tags), "its own search's earlier winner"  # type: ignore[union-attr]


@pytest.mark.medium  # MLflow
def test_in_a_registry_each_winner_is_there_once_and_the_best_is_champion(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    from evolve.records.mlflow_tracker import MlflowTracker

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"

    def send(name: str) -> None:
        tracker = MlflowTracker(tmp_path / name / "journal.db", uri)
        tracker.start()
        tracker.close(PATIENCE_SECONDS)
        assert tracker.problem is None

    states = {f"s{seed}": simulate(tmp_path / f"s{seed}", seed) for seed in (1, 2, 3)}
    means = {
        name: state.outcome.confirmed.mean
        for name, state in states.items()
        if state.outcome is not None and state.outcome.confirmed is not None
    }
    assert len(set(means.values())) == 3
    client: Any = MlflowClient(tracking_uri=uri)
    model = "yolov4-evolve-blood--cells"
    for name in sorted(means, key=lambda name: means[name], reverse=True) * 2:  # the best first, and all of them again
        send(name)
        versions = client.search_model_versions(f"name = '{model}'")
        holder = client.get_model_version_by_alias(model, "champion")
        best = max(means, key=lambda name: means[name])
        assert holder.tags["evolve.search"] == states[best].search_id
    assert sorted(version.tags["evolve.search"] for version in versions) == sorted(
        state.search_id for state in states.values()
    )
    run = client.get_run(holder.run_id)
    assert holder.source == run.info.artifact_uri
    assert {"winner.yaml", "lineage.json"} <= {file.path for file in client.list_artifacts(holder.run_id)}

    other = next(version for version in versions if version.version != holder.version)
    client.set_registered_model_alias(model, "champion", other.version)  # by hand
    for name in means:
        send(name)
    assert client.get_model_version_by_alias(model, "champion").version == other.version
