"""The winner of a search in MLflow's model registry: a version of the data set's model, with the alias `champion`.

A version holds no weights, since a search keeps none: its files are those of the search's run, winner.yaml among them,
which is enough to train the detector. Each data set has one registered model. The alias is given once, when a search
has its winner, so an alias that somebody moves later stays where it is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from evolve.records import lineage
from evolve.records.run_updates import EXPERIMENT
from evolve.records.state import SearchState

ALIAS = "champion"
VERSION_TAG = "evolve.model_version"  # tag of a search's run, set when its winner is registered and the alias decided
SEARCH, WINNER, MEAN, MEASURE = "evolve.search", "evolve.winner", "evolve.confirmed_mean", "evolve.measured_on"


@dataclass(frozen=True)
class Champion:
    """A winner to register. tags: the version's; among them its genome by gene."""

    model: str
    tags: Mapping[str, str]
    description: str

    def is_version(self, tags: Mapping[str, str]) -> bool:
        """Whether the version with these tags is this winner's."""
        return all(tags.get(name) == self.tags[name] for name in (SEARCH, WINNER))

    def replaces(self, tags: Mapping[str, str]) -> bool:
        """Whether it gets the alias of the version with these tags.

        Two winners are compared by their confirmed means, if these are in one metric, on one split of one data set.
        """
        if tags.get(SEARCH) == self.tags[SEARCH] or tags.get(MEASURE) != self.tags[MEASURE]:
            return True
        return _number(self.tags.get(MEAN)) > _number(tags.get(MEAN))


def of(state: SearchState) -> Champion | None:
    """The winner of a search as it is registered; None if there is none yet."""
    outcome = state.outcome
    if outcome is None:
        return None
    record = state.individuals[outcome.uid]
    ancestors = lineage.ancestors(state, outcome.uid)
    measure = {"data": state.data.fingerprint, "split": outcome.split, "metric": outcome.metric, "steps": state.steps}
    tags = {
        SEARCH: state.search_id,
        WINNER: f"{state.search_id}/{outcome.uid}",
        "evolve.verdict": outcome.verdict,
        "evolve.lineage": " ".join(ancestor.uid for ancestor in ancestors),
        MEASURE: json.dumps(measure),
        **{gene: value if isinstance(value, str) else json.dumps(value) for gene, value in record.genome.items()},
    }
    if outcome.confirmed is not None:
        tags[MEAN] = repr(outcome.confirmed.mean)
    rows = [f"| {one.uid} | {one.operator} | {_cell(one.fitness)} |" for one in ancestors]
    table = "\n".join(("| individual | bred by | fitness |", "|---|---|---|", *rows))
    description = (
        f"**{outcome.verdict}**\n\nWinner of search `{state.search_id}`: `{outcome.uid}`. "
        f"Its configuration is `winner.yaml` among the files of the source run.\n\n{table}\n"
    )
    return Champion(_model(state), tags, description)


def register(client: Any, run_id: str, champion: Champion) -> None:
    """Register the winner of the search with this run, once. client: an MlflowClient; its exceptions pass through."""
    run = client.get_run(run_id)
    versions = client.search_model_versions(f"name = '{champion.model}'")
    version = next((one.version for one in versions if champion.is_version(one.tags)), None)
    if version is None:
        if not client.search_registered_models(f"name = '{champion.model}'"):
            client.create_registered_model(champion.model, description=f"Winners of searches on {_data(champion)}")
        source = run.info.artifact_uri
        made = client.create_model_version(
            champion.model, source, run_id, tags=dict(champion.tags), description=champion.description
        )
        version = made.version
    decided = f"{champion.model}/{version}"
    if run.data.tags.get(VERSION_TAG) == decided:
        return
    present = client.get_registered_model(champion.model).aliases.get(ALIAS)
    if present is None or champion.replaces(client.get_model_version(champion.model, present).tags):
        client.set_registered_model_alias(champion.model, ALIAS, version)
    client.set_tag(run_id, VERSION_TAG, decided)


def _model(state: SearchState) -> str:
    """The name of the data set's registered model: that of its folder, without what MLflow does not allow in it."""
    name = "embedded" if state.data.embedded else PurePath(state.data.path or "unnamed").name
    return f"{EXPERIMENT}-{''.join(letter if letter.isalnum() or letter in '-_.' else '-' for letter in name)}"


def _data(champion: Champion) -> str:
    return champion.model.removeprefix(f"{EXPERIMENT}-")


def _cell(fitness: float | None) -> str:
    return "-" if fitness is None else f"{fitness:.4f}"


def _number(text: str | None) -> float:
    """The number in a tag; minus infinity if there is none, as anybody may have changed it."""
    try:
        return float(text or "-inf")
    except ValueError:
        return float("-inf")
