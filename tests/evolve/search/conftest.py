"""Fixtures for a whole search in milliseconds: a simulated task, a small recipe, objectives that record pieces."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from evolve import search, task
from evolve.commands import final_report, machine
from evolve.execution.local_executor import LocalExecutor
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.genetics.recipe import Recipe
from evolve.records.state import SearchState
from evolve.simulated import SPACE, simulated_objective
from evolve.task import Task
from evolve.trial import Measurement, Objective, ObjectiveFactory, TrialSpec

FAILURES = 0.3  # share of genomes that fail at some step
TARGET = "evolve.simulated:simulated_objective"


def make_task(**arguments: object) -> Task:
    """A task on made-up learning curves; the arguments are those of simulated_objective."""
    description = {
        "path": "nowhere",
        "fingerprint": "simulated",
        "class_names": ["thing"],
        "anchors": [[8.0, 8.0]],
        "images": {"train": 8, "val": 4, "test": 4},
        "embedded": False,
        "weights": None,
    }
    return Task(spaces.parse(SPACE, "simulated"), ObjectiveFactory(TARGET, arguments), description, 90, ())


def make_recipe(name: str = "fast", **overrides: object) -> Recipe:
    """8 + 1 x 6 individuals, rungs at 10, 30 and 90 steps."""
    return recipes.load(name, {"population": 8, "elites": 2, "children": 3, "generations": 1, **overrides})


@dataclass
class Watched:
    """Makes an objective that records each piece it starts to train, as (uid, start, stop)."""

    inner: Objective = field(default_factory=simulated_objective)
    before: Callable[[TrialSpec], None] = lambda _spec: None  # called at the start of each piece; may raise
    started: list[tuple[str, int, int]] = field(default_factory=list)

    def make(self) -> "Watched":
        return self

    def __call__(self, spec: TrialSpec) -> Iterator[Measurement]:
        self.started.append((spec.uid, spec.start_step, spec.stop_step))
        self.before(spec)
        yield from self.inner(spec)

    def means(self, **others: object) -> search.Means:
        return search.Means(make_executor=lambda _search_id: LocalExecutor(self), **others)  # type: ignore[arg-type]


def essence(state: SearchState) -> Mapping[str, object]:
    """The part of the state that must be equal for equal searches, whatever happened on the way."""
    outcome = state.outcome
    return {
        "individuals": {
            uid: (one.genome, one.parents, one.operator, one.seed, one.rungs, one.fitness, one.status, one.reason)
            for uid, one in state.individuals.items()
        },
        "elites": state.closed,
        "confirmations": {uid: (one.seed, one.scores, one.reason) for uid, one in state.confirmations.items()},
        "outcome": None if outcome is None else (outcome.uid, outcome.confirmed, outcome.gain, outcome.verdict),
        "phase": state.phase,
    }


@dataclass
class House:
    """Everything that a test of the search needs, in one fixture."""

    path: Path
    task = staticmethod(make_task)
    recipe = staticmethod(make_recipe)
    watched = Watched
    failing = staticmethod(lambda: simulated_objective(failures=FAILURES))
    essence = staticmethod(essence)

    def run(self, name: str = "search", **means: object) -> SearchState:
        """An undisturbed small search with a failure here and there."""
        task = make_task()
        watched = Watched(simulated_objective(failures=FAILURES))
        return search.run(task, self.path / name, recipe=make_recipe(), seed=5, means=watched.means(**means))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """Makes the commands use simulated trials, in an empty working directory."""
    spec = spec_from_file_location("simulated_command", Path(__file__).with_name("simulated_command.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "simulated_command", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(task, "prepare", module.prepare)
    monkeypatch.setattr(machine.Machine, "executor", module.local)
    monkeypatch.setattr(final_report, "evaluate", module.evaluate)
    monkeypatch.setenv("SIMULATED_FAILURES", "0.2")
    monkeypatch.chdir(tmp_path)
    return module


@dataclass
class Undisturbed:
    """An undisturbed search to compare with."""

    house: House
    state: SearchState
    journal: Path


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    house = House(tmp_path_factory.mktemp("undisturbed"))
    return Undisturbed(house, house.run(), house.path / "search" / "journal.db")
