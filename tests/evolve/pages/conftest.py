"""Searches for the pages: one run on made-up curves, one stored by an earlier version, and large made-up ones."""

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from evolve import search
from evolve.execution.local_executor import LocalExecutor
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.genetics.genome import Genome
from evolve.records.journal import Event
from evolve.records.state import IndividualRecord, SearchState, fold
from evolve.simulated import SPACE
from evolve.task import Task
from evolve.trial import ObjectiveFactory, TrialStatus

STORED = Path(__file__).parents[1] / "records" / "stored" / "journal.jsonl"
SHAPE = {"population": 16, "elites": 2, "children": 6, "generations": 2, "screening": 1}
RUNGS = (10, 30, 90)
GENES = 27  # as many as the space of the full model has


def make_task() -> Task:
    description = {
        "path": "nowhere",
        "fingerprint": "simulated",
        "class_names": ["thing"],
        "anchors": [[8.0, 8.0]],
        "images": {"train": 8, "val": 4, "test": 4},
        "embedded": True,
        "weights": None,
    }
    return Task(
        spaces.parse(SPACE, "simulated"), ObjectiveFactory("evolve.simulated:simulated_objective"), description, 90, ()
    )


def run_search(directory: Path, **means: object) -> SearchState:
    """A small search in which about a fifth of the genomes fail."""
    executor = LocalExecutor(ObjectiveFactory("evolve.simulated:simulated_objective", {"failures": 0.2}))
    recipe = recipes.load("fast", SHAPE)
    given = search.Means(make_executor=lambda _id: executor, **means)  # type: ignore[arg-type]
    return search.run(make_task(), directory, recipe=recipe, seed=3, means=given)


@pytest.fixture
def search_in() -> Callable[..., SearchState]:
    return run_search


@pytest.fixture(scope="session")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a search that has ended."""
    directory = tmp_path_factory.mktemp("searches") / "ended"
    assert run_search(directory).phase == "finished"
    return directory


@pytest.fixture(scope="session")
def stored_events() -> list[Event]:
    """The journal of a search of an earlier version: with failures, lost attempts, a resume, a verdict."""
    return [Event(*json.loads(line)) for line in STORED.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def stored(stored_events: list[Event]) -> SearchState:
    return fold(stored_events)


@pytest.fixture
def made_up(stored_events: list[Event]) -> Callable[..., SearchState]:
    """Makes a search of many individuals without running it: made_up(generations, of_each)."""

    def make(generations: int, of_each: int, *, share_finished: float = 0.12) -> SearchState:
        gene = {"scale": "log", "low": 1e-5, "high": 1.0, "default": 1e-3}
        plain = {"name": "made up", "genes": {f"room.gene_with_a_name_{index:02d}": gene for index in range(GENES)}}
        state = replace(fold(stored_events[:2]), space=spaces.parse(plain, "made up"), generation=generations - 1)
        state.recipe = recipes.load("fast", {"population": of_each, "elites": 10, "generations": generations - 1})
        rng, parents = random.Random(0), []
        for generation in range(generations):
            records = [individual(state, rng, generation, slot, parents, share_finished) for slot in range(of_each)]
            state.individuals.update({one.uid: one for one in records})
            parents = [one.uid for one in state.ranking[:10]]
            state.closed[generation] = tuple(parents)
        return replace(state, phase="interrupted")

    return make


def individual(
    state: SearchState, rng: random.Random, generation: int, slot: int, parents: Iterable[str], share_finished: float
) -> IndividualRecord:
    """A made-up individual; one in fifty has failed, others stopped early."""
    genome = Genome({gene: float(f"{10 ** rng.uniform(-5, 0):.12g}") for gene in state.space.genes})
    parent = rng.choice(list(parents)) if generation else None
    last = RUNGS[2] if rng.random() < share_finished or slot == 0 else rng.choice(RUNGS[:2])
    scores = {step: rng.random() * step / 90 for step in RUNGS if step <= last}
    one = IndividualRecord(
        uid=f"g{generation:03d}-{slot:03d}",
        generation=generation,
        slot=slot,
        parents=() if parent is None else (parent,),
        operator="random" if parent is None else "gaussian",
        genome=genome,
        seed=slot,
        rungs=scores,
        status=TrialStatus.FINISHED if last == RUNGS[2] else TrialStatus.STOPPED_EARLY,
        fitness=scores[90] if last == RUNGS[2] else None,
    )
    if last == RUNGS[0] and rng.random() < 0.02:
        one.status, one.kind, one.reason = TrialStatus.FAILED, "diverged", f"the box loss is nan at step {slot}"
    return one
