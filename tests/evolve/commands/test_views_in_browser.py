"""The dashboard as a person sees it: the ready-made views in MLflow's menu, and a bar for each generation."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from evolve import search
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.records.state import SearchState
from evolve.records.tracker import Tracker
from evolve.simulated import SPACE
from evolve.task import Task
from evolve.trial import ObjectiveFactory

pytestmark = pytest.mark.slow  # MLflow's server and a browser
PATIENCE_SECONDS = 180.0  # with the tracker: two busy cores
TALL = {"width": 1600, "height": 2600}  # MLflow draws only the charts that are in the window
MODE = "workflowType=machine_learning"
NAMES = {"Generations", "Trials", "Winner's lineage", "What mutated", "Failures"}
BARS = "card => card.querySelectorAll('.barlayer .point').length"
CARDS = "[...document.querySelectorAll('[data-testid=experiment-view-compare-runs-card]')]"


def bars(metric: str) -> str:
    """JavaScript: the number of bars in the chart of this metric."""
    return f"{CARDS}.filter(card => card.querySelector('h4[title={metric}]')).map({BARS})[0]"


@pytest.fixture(scope="module")
def runs(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def state(runs: Path) -> SearchState:
    """A small simulated search in the store; runs/latest leads to it."""
    from evolve.records.mlflow_tracker import MlflowTracker

    trackers: list[Tracker] = []

    def make(journal: Path) -> Tracker:
        trackers.append(MlflowTracker(journal, f"sqlite:///{runs / 'mlflow.db'}"))
        return trackers[0]

    factory = ObjectiveFactory("evolve.simulated:simulated_objective", {"failures": 0.2})
    task = Task(spaces.parse(SPACE, "simulated"), factory, {"images": {"test": 1}}, 90, ())
    small = recipes.load("fast", {"population": 8, "elites": 2, "children": 2, "generations": 3, "candidates": 1})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "TRACKER_PATIENCE_SECONDS", PATIENCE_SECONDS)
        ended = search.run(task, runs / "s", recipe=small, seed=3, means=search.Means(make_tracker=make))
    assert trackers[0].problem is None
    (runs / "latest").symlink_to("s")
    return ended


@pytest.fixture(scope="module")
def links(runs: Path, state: SearchState) -> Iterator[list[str]]:
    """The addresses that the running dashboard prints."""
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    shown = subprocess.Popen(
        [sys.executable, "-m", "evolve.commands.dashboard", "--runs", str(runs), "--port", "5600"],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert shown.stdout is not None
    printed = []
    for line in shown.stdout:
        printed.append(line.strip())
        if "Ctrl-C" in line:
            break
    yield [line for line in printed if line.startswith("http")]
    shown.send_signal(signal.SIGINT)
    shown.communicate(timeout=60)


def test_the_views_as_a_person_sees_them(
    links: list[str], state: SearchState, runs: Path, start_browser: Callable[..., Any]
) -> None:
    ran = len(state.closed)
    assert ran == 4
    finished = len({one.generation for one in state.individuals.values() if one.fitness is not None})
    assert finished > 1  # a generation without a finished trial has no best trial, so no bar of it
    assert all(parse_qs(link.partition("?")[2])["workflowType"] == ["machine_learning"] for link in links)
    page = start_browser(**TALL)
    page.open(links[0])
    shown = {"best_so_far": ran, "worker_hours": ran, "diversity": ran, "best": finished}
    page.wait(" && ".join(f"{bars(metric)} == {expected}" for metric, expected in shown.items()))
    page.click("[data-testid=saved-views-trigger]")
    names = "[...document.querySelectorAll('[role=menu] [role=menuitem]')].map(item => item.innerText.trim())"
    menu = page.wait(f"(() => {{ const shown = {names}; return shown.length >= 5 ? shown : null; }})()")
    assert {name for name in NAMES if any(name in item for item in menu)} == NAMES
    assert page.value("document.querySelector('[data-testid=saved-views-trigger]').innerText") == "Generations"

    failed = {uid for uid, one in state.individuals.items() if one.status == "failed"}
    assert failed, "the test needs a failure to show"
    page.open(links[0].replace("evolve-generations", "evolve-failures").replace("CHART", "TABLE"))
    text = page.wait(
        "document.querySelector('[data-testid=saved-views-trigger]')?.innerText == 'Failures'"
        f" && document.body.innerText.includes('{min(failed)}') && document.body.innerText"
    )
    assert {uid for uid in state.individuals if uid in text} == failed

    page.open(links[0].replace("evolve-generations", "evolve-mutations"))
    page.wait("document.body.innerText.includes('Parallel Coordinates')")

    child = next(one for one in state.ranking if one.parents)
    page.open(run_page(links, runs, child.uid))
    to_parent = f"[...document.querySelectorAll('a')].find(link => link.innerText == '{child.parents[0]}')?.href"
    parent = page.wait(to_parent)
    assert parent == run_page(links, runs, child.parents[0])
    page.open(parent)
    page.wait(
        f"[...document.querySelectorAll('h1, h2, h3')].some(head => head.innerText.includes('{child.parents[0]}'))"
    )


def run_page(links: list[str], runs: Path, uid: str) -> str:
    """The address of a trial's page."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{runs / 'mlflow.db'}")
    [experiment] = [one for one in client.search_experiments() if one.name == "yolov4-evolve"]
    [run] = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{uid}'")
    address = links[0].partition("/#/")[0]
    return f"{address}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}?{MODE}"
