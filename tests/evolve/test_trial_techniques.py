"""A search of the embedded task: every trial's configuration, read from its journal, has every technique on.

The command itself runs, with the shipped space, digits and base checkpoint; only what a trial trains is made up.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from evolve import techniques
from evolve.__main__ import main
from evolve.commands import machine, search_folders
from evolve.execution.local_executor import LocalExecutor
from evolve.records.state import SearchState
from evolve.simulated import simulated_objective
from evolve.task import Task
from evolve.trial import Measurement, ObjectiveFactory, Setting, TrialSpec

pytestmark = pytest.mark.medium  # draws the digits

SHAPE = ["--population", "6", "--elites", "2", "--children", "4", "--generations", "2", "--tracking-uri", "none"]
INDIVIDUALS = 6 + 2 * 2 * 4  # `children` is per elite


@dataclass
class Searched:
    """A finished search: its folder, its journalled state, and the configurations that its trials got."""

    directory: Path
    state: SearchState
    given: dict[str, Mapping[str, Setting]] = field(default_factory=dict)  # by the trial's uid

    def journalled(self) -> dict[str, dict[str, Setting]]:
        """Each individual's whole configuration by its uid, from the journal alone."""
        task = Task(self.state.space, ObjectiveFactory("none"), {}, self.state.steps, ())
        return {uid: task.config_of(record.genome) for uid, record in self.state.individuals.items()}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """The embedded task searched for two generations."""
    folder = tmp_path_factory.mktemp("embedded")
    given: dict[str, Mapping[str, Setting]] = {}
    inner = simulated_objective()

    class Noted:
        def make(self) -> "Noted":
            return self

        def __call__(self, spec: TrialSpec) -> Iterator[Measurement]:
            given[spec.uid] = spec.config
            yield from inner(spec)

    def local(*_arguments: object) -> LocalExecutor:
        return LocalExecutor(Noted())  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(machine.Machine, "executor", local)
        assert main(["search", *SHAPE, "--out", "search", "--cpu"]) == 0
    directory = folder / "search"
    return Searched(directory, search_folders.read_state(directory), given)


def test_every_technique_is_on_in_every_trial(searched: Searched) -> None:
    configurations = searched.journalled()
    assert len(configurations) == INDIVIDUALS
    assert {uid: techniques.switched_off(config) for uid, config in configurations.items()} == dict.fromkeys(
        configurations, ()
    )


def test_the_techniques_are_those_of_the_task(searched: Searched) -> None:
    """CmBN over 4 mini-batches, SAT on a share of the steps, weighted shortcuts, attention and Mish: by address."""
    for config in searched.journalled().values():
        assert config["regularization.cmbn"] is True
        assert config["train.subdivisions"] == 4
        assert int(config["train.batch"]) % 4 == 0  # type: ignore[arg-type]
        assert 0 < config["regularization.sat_prob"] < 1  # type: ignore[operator]
        assert config["regularization.sat_strength"] > 0  # type: ignore[operator]
        assert config["detector.shortcut"] in ("per_feature", "per_channel")
        assert config["detector.sam"] is True
        assert config["detector.backbone_activation"] == config["detector.neck_activation"] == "mish"
        assert config["detector.dropblock_place"] != "none"
        assert 0 < config["regularization.dropblock_rate"] < 1  # type: ignore[operator]
        assert config["augment.mosaic_prob"] > 0  # type: ignore[operator]
        assert config["augment.cutmix_prob"] > 0  # type: ignore[operator]


def test_strengths_are_searched_and_switches_are_not(searched: Searched) -> None:
    configurations = searched.journalled().values()
    for gene in (
        "regularization.sat_prob",
        "regularization.sat_strength",
        "regularization.dropblock_rate",
        "augment.mosaic_prob",
        "augment.cutmix_prob",
        "loss.label_smoothing",
    ):
        assert len({config[gene] for config in configurations}) >= 6, gene  # the first generation alone is spread out
    for switch in ("regularization.cmbn", "train.subdivisions", "detector.sam", "detector.shortcut"):
        assert len({config[switch] for config in configurations}) == 1, switch


def test_trials_were_given_what_the_journal_says(searched: Searched) -> None:
    configurations = searched.journalled()
    trained = searched.given.keys() & configurations.keys()
    assert trained == configurations.keys()
    for uid in trained:
        assert dict(searched.given[uid]) == configurations[uid]


def test_the_winners_file_has_them_too(searched: Searched) -> None:
    config = yaml.safe_load((searched.directory / "winner.yaml").read_text())["config"]
    settings = {address: tuple(value) if isinstance(value, list) else value for address, value in config.items()}
    assert techniques.switched_off(settings) == ()
