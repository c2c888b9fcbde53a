"""The ready-made views: MLflow's own search finds their runs; whose view may be replaced; and how long they get."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evolve import search
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.records import views
from evolve.records.journal import events
from evolve.records.projection import Projection
from evolve.records.run_updates import EXPERIMENT
from evolve.records.state import SearchState, fold
from evolve.simulated import SPACE
from evolve.task import Task
from evolve.trial import ObjectiveFactory, TrialStatus

PATIENCE_SECONDS = 120.0
NAMES = ["Generations", "Trials", "Winner's lineage", "What mutated", "Failures"]
YOLOV4 = Path(__file__).parents[3] / "search_spaces" / "yolov4.yaml"


def simulate(directory: Path) -> SearchState:
    factory = ObjectiveFactory("evolve.simulated:simulated_objective", {"failures": 0.2})
    task = Task(spaces.parse(SPACE, "simulated"), factory, {"images": {"test": 1}, "path": "photos"}, 90, ())
    small = recipes.load("fast", {"population": 8, "elites": 2, "children": 2, "generations": 2, "candidates": 2})
    return search.run(task, directory, recipe=small, seed=3)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> SearchState:
    return simulate(tmp_path_factory.mktemp("searches") / "s")


def content(value: str) -> dict[str, Any]:
    return dict(json.loads(json.loads(value)["state"]))


def by_name(tags: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {json.loads(value)["name"]: content(value) for tag, value in tags.items() if tag.startswith(views.TAG)}


def test_there_are_five_and_their_times_are_those_of_the_search(state: SearchState) -> None:
    tags = views.tags(state, {})
    assert list(by_name(tags)) == NAMES
    assert {json.loads(value)["createdAt"] for value in tags.values()} == {round(state.started_at * 1000)}
    assert views.tags(state, {}) == tags


def test_parallel_coordinates_are_not_grouped_and_have_all_genes(state: SearchState) -> None:
    view = by_name(views.tags(state, {}))["What mutated"]
    [coordinates] = [chart for chart in view["compareRunCharts"] if chart["type"] == "PARALLEL"]
    assert view["groupBy"] is None
    assert not view["useGroupedValuesInCharts"]
    assert set(coordinates["selectedParams"]) == set(state.space.genes)


def test_each_chart_has_an_id_of_its_own_and_stands_in_an_open_section(state: SearchState) -> None:
    for view in by_name(views.tags(state, {})).values():
        ids = [chart["uuid"] for chart in view["compareRunCharts"]]
        assert len(ids) == len(set(ids))
        shown = {section["uuid"] for section in view["compareRunSections"] if section["display"]}
        assert {chart["metricSectionId"] for chart in view["compareRunCharts"]} == shown


def test_every_section_that_mlflow_adds_is_closed(tmp_path: Path) -> None:
    known = {"poor": {"optimizer.momentum": 0.7}, "odd": {"optimizer.momentum": 0.8}}
    space = spaces.parse({**SPACE, "known": known, "fitness": {"val/map50": 1.0}}, "simulated")
    factory = ObjectiveFactory("evolve.simulated:simulated_objective", {})
    task = Task(space, factory, {"images": {"test": 1}}, 90, ())
    keys = {"population": 16, "elites": 2, "children": 8, "generations": 2, "candidates": 2, "controls": 4}
    small = recipes.load("fast", {**keys, "verdict": {"seeds": "auto", "at_most": 4}})
    ended = search.run(task, tmp_path / "s", recipe=small, seed=3)
    projection = Projection()
    for event in events(tmp_path / "s" / "journal.db"):
        projection.apply(event)
    prefixes: dict[str, set[str]] = {"trial": set(), "generation": set(), "search": set()}
    for run in projection.updates.pending:
        kind = run.key.partition("/")[0]
        prefixes.setdefault(kind, set()).update(metric.name.rpartition("/")[0] for metric in run.metrics)
    of_generations = prefixes["generation"] | prefixes["search"]
    assert of_generations >= {"confirm/verdict", "confirm/known/odd/gain", "confirm/winner/map50_95"}
    assert any(prefix.startswith("rung/") for prefix in of_generations)
    for name, view in by_name(views.tags(ended, {})).items():
        closed = {section["name"] for section in view["compareRunSections"] if not section["display"]}
        shown = of_generations if name == "Generations" else prefixes["trial"]
        assert {prefix or "Model metrics" for prefix in shown} <= closed, name  # as MLflow names its sections


def test_a_view_of_a_large_space_fits_into_a_tag(state: SearchState) -> None:
    from_file = spaces.load(YOLOV4)
    many = {f"{gene}_{number}": domain for number in range(3) for gene, domain in from_file.genes.items()}
    for genes in (from_file.genes, many):
        large = replace(state, space=replace(from_file, genes=genes))
        run_ids = {f"trial/{uid}": "0" * 32 for uid in state.individuals}
        assert max(map(len, views.tags(large, run_ids).values())) <= 20_000  # MLflow's limit of an experiment's tag


@pytest.mark.parametrize(
    ("version", "fits"), [("3.17.0", True), ("3.17", True), ("3.17.2", True), ("3.170.0", False), ("3.16.1", False)]
)
def test_only_the_series_that_was_tried(version: str, fits: bool) -> None:
    assert views.fits(version) == fits
    assert not views.fits("")


def value(began: int, changed: int, text: str = "") -> str:
    return json.dumps({"name": "Trials", "createdAt": began, "updatedAt": changed, "state": text})


def test_the_menu_shows_the_search_that_began_last_and_keeps_what_people_changed() -> None:
    ours = value(2000, 2000, "ours")
    assert views.may_replace(None, ours)
    assert views.may_replace(value(1000, 1000), ours)
    assert views.may_replace(value(1000, 5000), ours), "changed by somebody, but of an earlier search"
    assert views.may_replace(value(2000, 2000, "before"), ours)
    assert not views.may_replace(ours, ours)
    assert not views.may_replace(value(3000, 3000), ours), "a later search"
    assert not views.may_replace(value(2000, 5000), ours), "changed by somebody"


TIMES = st.one_of(st.none(), st.text(alphabet="abc"), st.just(float("inf")), st.just(float("nan")))
VIEWS = st.fixed_dictionaries({"createdAt": TIMES, "updatedAt": TIMES})


@given(st.one_of(st.text(), st.integers().map(str), st.lists(st.integers()).map(json.dumps), VIEWS.map(json.dumps)))
@example('{"createdAt": Infinity, "updatedAt": 0}')
def test_anything_else_in_the_tag_is_replaced(stored: str) -> None:
    assert views.may_replace(stored, value(2000, 2000))


def test_the_link_names_view_charts_and_mode() -> None:
    place, _, query = views.link("http://127.0.0.1:5000", "3", views.GENERATIONS).partition("?")
    assert place == "http://127.0.0.1:5000/#/experiments/3/runs"
    expected = {"viewStateShareKey": ["evolve-generations"], "compareRunsMode": ["CHART"]}
    assert parse_qs(query) == expected | {"workflowType": ["machine_learning"]}


def test_until_there_is_a_winner_the_lineage_is_that_of_the_best_so_far(tmp_path: Path) -> None:
    whole = simulate(tmp_path / "s")
    journalled = events(tmp_path / "s" / "journal.db")
    assert views.line(fold(journalled[:2])) == []
    chosen = next(index for index, event in enumerate(journalled) if event.kind == "winner_chosen")
    before, after = fold(journalled[:chosen]), fold(journalled[: chosen + 1])
    assert before.best is not None
    assert whole.outcome is not None
    assert (views.line(before)[0], views.line(after)[0]) == (before.best.uid, whole.outcome.uid)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchState, Any, Path]:
    """A simulated search in a store: its state, a client of the store, and the journal."""
    from mlflow import MlflowClient

    runs = tmp_path_factory.mktemp("runs")
    state = simulate(runs / "s")
    assert send(runs / "s" / "journal.db") is None
    return state, MlflowClient(tracking_uri=f"sqlite:///{runs / 'mlflow.db'}"), runs / "s" / "journal.db"


def send(journal: Path) -> str | None:
    """Send the journal to the store beside its search; returns the tracker's problem."""
    from evolve.records.mlflow_tracker import MlflowTracker

    tracker = MlflowTracker(journal, f"sqlite:///{journal.parents[1] / 'mlflow.db'}")
    tracker.start()
    tracker.close(PATIENCE_SECONDS)
    return tracker.problem


@pytest.mark.medium  # MLflow
class TestInMlflow:
    """The views of a simulated search in a store."""

    def listed(self, client: Any, view: dict[str, Any]) -> list[str]:
        """The names of the runs that MLflow lists for the view, in its order."""
        experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
        order = f"{view['orderByKey']} {'ASC' if view['orderByAsc'] else 'DESC'}"
        return [run.info.run_name for run in client.search_runs([experiment], view["searchFilter"], order_by=[order])]

    def test_each_lists_its_runs(self, shown: tuple[SearchState, Any, Path]) -> None:
        state, client, _ = shown
        stored = by_name(client.get_experiment_by_name(EXPERIMENT).tags)
        assert set(stored) == set(NAMES)
        generations = [f"generation {number:03d}" for number in sorted(state.closed)]
        assert self.listed(client, stored["Generations"]) == [f"search {state.search_id}", *generations]
        assert state.outcome is not None
        line = [state.outcome.uid]
        while state.individuals[line[-1]].parents:
            [parent] = state.individuals[line[-1]].parents
            line.append(parent)
        assert self.listed(client, stored["Winner's lineage"]) == line[::-1]
        failed = {uid for uid, one in state.individuals.items() if one.status is TrialStatus.FAILED}
        assert failed
        assert set(self.listed(client, stored["Failures"])) == failed
        for name in ("Trials", "What mutated"):
            trials = self.listed(client, stored[name])
            assert set(trials) == set(state.individuals)
            ranked = [one.uid for one in state.ranking]
            assert trials[: len(ranked)] == ranked

    def test_columns_and_charts_exist(self, shown: tuple[SearchState, Any, Path]) -> None:
        _, client, _ = shown
        experiment = client.get_experiment_by_name(EXPERIMENT)
        existing: set[str] = {"attributes.`Duration`", "tags.`evolve.attempts_lost`"}
        for run in client.search_runs([experiment.experiment_id]):
            for kind in ("metrics", "params", "tags"):
                existing |= {f"{kind}.`{name}`" for name in getattr(run.data, kind)}
        for name, view in by_name(experiment.tags).items():
            assert set(view["selectedColumns"]) <= existing, name
            for chart in view["compareRunCharts"]:
                keys = chart.get("selectedMetricKeys") or [chart["metricKey"]] if "metricKey" in chart else []
                assert {f"metrics.`{key}`" for key in keys} <= existing, name

    def test_again_nothing_changes_and_a_persons_change_stays(self, shown: tuple[SearchState, Any, Path]) -> None:
        state, client, journal = shown
        experiment = client.get_experiment_by_name(EXPERIMENT)
        assert send(journal) is None
        assert client.get_experiment_by_name(EXPERIMENT).tags == experiment.tags
        began = round(state.started_at * 1000)
        mine = value(began, began + 1, "{}")
        client.set_experiment_tag(experiment.experiment_id, f"{views.TAG}evolve-trials", mine)
        client.delete_experiment_tag(experiment.experiment_id, f"{views.TAG}evolve-failures")
        assert send(journal) is None
        assert client.get_experiment_by_name(EXPERIMENT).tags == {
            **experiment.tags,
            f"{views.TAG}evolve-trials": mine,
        }

    @pytest.mark.parametrize(("status", "known"), [(200, "3.14.1"), (404, "an unknown version")])
    def test_a_server_is_asked_for_its_version(self, status: int, known: str) -> None:
        from evolve.records.mlflow_tracker import _served_version

        asked: list[str] = []

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"3.14.1\n")

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Answer) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            assert _served_version(f"http://127.0.0.1:{server.server_port}") == known
            server.shutdown()
        assert asked[-1] == "/version"
        assert _served_version("databricks") == "an unknown version"

    def test_another_version_gets_plain_runs_and_a_word(
        self, shown: tuple[SearchState, Any, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import mlflow
        from mlflow import MlflowClient

        monkeypatch.setattr(mlflow, "__version__", "3.99.0")
        state = simulate(tmp_path / "s")
        problem = send(tmp_path / "s" / "journal.db")
        assert problem is not None
        assert "has all runs, but no ready-made views: they are known to work with MLflow 3.17 only" in problem
        client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
        experiment = client.get_experiment_by_name(EXPERIMENT)
        assert by_name(experiment.tags) == {}
        confirmed = len(state.confirmations)
        assert len(client.search_runs([experiment.experiment_id])) == 1 + 3 + len(state.individuals) + confirmed
