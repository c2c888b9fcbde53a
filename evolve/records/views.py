"""Ready-made views of a search, for the menu "Views" of MLflow's page of runs: pure values, without MLflow.

A view is a tag of the experiment, whose value says in JSON which runs, columns and charts the page shows. MLflow's page
writes such tags itself since 3.15, but no document describes them: they are known to work with `SERIES` only. The page
loads 100 runs at a time, so generations are compared on the generations' own runs, not on groups of trials.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from evolve.genetics.recipe import AUTO
from evolve.records import lineage
from evolve.records.run_updates import CONFIRMATION_KIND, milliseconds, trial_key
from evolve.records.state import SearchState

SERIES = "3.17"  # of MLflow
TAG = "mlflow.sharedViewState."  # with the id of a view: the name of its tag
GENERATIONS = "evolve-generations"  # id of the view that the dashboard opens
MODE = {"workflowType": "machine_learning"}  # of every link: MLflow's page opens for language models otherwise
MOST_GENES = 36  # as columns and charts: with more, a view could exceed the 20,000 characters of a tag
DURATION = "attributes.`Duration`"
BEST_FIRST, BY_GENERATION = ("metrics.`fitness`", False), ("tags.`generation`", True)
OLDEST_FIRST = ("tags.`mlflow.runName`", True)  # of trials, whose runs are named after their uids
WIDTHS = {"tags.`evolve.parent_uid`": 300, "tags.`evolve.status_reason`": 400}  # of columns, in pixels
# Sections that MLflow adds by itself, one for each beginning of a metric's name: here they are closed at first
MODEL_METRICS = "Model metrics"  # of names without a beginning
OF_TRIALS = ("val", "loss", "seconds", "confirm", MODEL_METRICS)

Plain = dict[str, object]


@dataclass(frozen=True)
class Section:
    """Charts under one heading. columns: charts beside each other; height: pixels of a chart."""

    heading: str
    charts: tuple[Plain, ...]
    columns: int = 3
    height: int = 360


@dataclass(frozen=True)
class View:
    """One view: the runs that it lists, in which order, and their columns and charts."""

    name: str
    runs: str  # MLflow's filter
    order: str  # column to sort by; by the time of creation, MLflow would hide trials under their generations
    ascending: bool
    columns: tuple[str, ...]
    sections: tuple[Section, ...]
    closed: tuple[str, ...] = OF_TRIALS


def fits(version: str) -> bool:
    """Whether views are known to work with this version of MLflow."""
    return version == SERIES or version.startswith(f"{SERIES}.")


def tags(state: SearchState, run_ids: Mapping[str, str]) -> dict[str, str]:
    """The tags of the experiment that make the views of this search. run_ids: key of a run -> its id in MLflow."""
    began = milliseconds(state.started_at)
    return {f"{TAG}{view_id}": _value(view, began) for view_id, view in _views(state, run_ids).items()}


def line(state: SearchState) -> list[str]:
    """The uids of the winner and its ancestors, youngest first; of the best so far, until there is a winner."""
    uid = state.leader
    return [] if uid is None else [record.uid for record in lineage.ancestors(state, uid)]


def may_replace(stored: str | None, ours: str) -> bool:
    """Whether our value of a view's tag may replace the stored one.

    Not if it is equal, if somebody changed the view in MLflow (its times then differ), or if it shows a search that
    began later: the menu shows the search that began last.
    """
    if stored is None:
        return True
    began, changed = _times(stored)
    our_time, _ = _times(ours)
    return stored != ours and began <= our_time and (began < our_time or changed == began)


def shows(stored: str | None, state: SearchState) -> bool:
    """Whether the stored value of a view's tag shows this search."""
    return stored is not None and _times(stored)[0] == milliseconds(state.started_at)


def link(address: str, experiment: str, view_id: str) -> str:
    """The address of a view with its charts on the screen."""
    query = {"viewStateShareKey": view_id, "compareRunsMode": "CHART", **MODE}
    return f"{address}/#/experiments/{experiment}/runs?{urlencode(query, quote_via=quote)}"


def run_link(experiment: str, run_id: str) -> str:
    """The address of a run's page, for a note on another page of MLflow."""
    return f"#/experiments/{experiment}/runs/{run_id}?{urlencode(MODE)}"


def _times(value: str) -> tuple[int, int]:
    """When the search of a view began and when the view was changed, ms since 1970; zeros if it is no view of ours."""
    try:
        stored = json.loads(value)
        return int(stored["createdAt"]), int(stored["updatedAt"])
    except (ValueError, TypeError, KeyError, OverflowError):
        return 0, 0


def _value(view: View, began: int) -> str:
    state = {
        "searchFilter": view.runs,
        "orderByKey": view.order,
        "orderByAsc": view.ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": view.columns,
        "columnOrder": view.columns,
        "columnWidths": {column: WIDTHS[column] for column in view.columns if column in WIDTHS},
        "runsHiddenMode": "SHOW_ALL",  # otherwise the charts show only the first 10 runs
        "groupBy": None,
        "useGroupedValuesInCharts": False,
        "compareRunSections": [
            *(_section(section.heading, True, section.columns, section.height) for section in view.sections),
            *(_section(heading, False, 3, 360) for heading in view.closed),
        ],
        "compareRunCharts": [
            {**chart, "metricSectionId": section.heading} for section in view.sections for chart in section.charts
        ],
        "isAccordionReordered": True,  # otherwise MLflow puts sections of its own before ours
    }
    return json.dumps({"name": view.name, "createdAt": began, "updatedAt": began, "state": json.dumps(state)})


def _views(state: SearchState, run_ids: Mapping[str, str]) -> dict[str, View]:
    """The views by id."""
    search = f"{_tag('evolve.search')} = '{state.search_id}'"
    trials = f"{search} and {_tag('evolve.kind')} = 'trial'"
    genes = list(state.space.genes)[:MOST_GENES]
    params = [f"params.`{gene}`" for gene in genes]
    result = (*_metrics("fitness"), *_tags("evolve.status", "evolve.parent_uid"))
    fitness = Section("Fitness", (_bar("fitness"),), 1, 480)
    coordinates = Section("Genes and fitness", (_parallel(genes),), 1, 480)
    against = Section("Fitness against each gene", tuple(_scatter(gene) for gene in genes))
    why = ("evolve.failure", "evolve.status_reason", "generation", "evolve.attempts_lost")
    return {
        GENERATIONS: _generations(state, search),
        "evolve-trials": View(
            *("Trials", trials, *BEST_FIRST),
            (*result, *_metrics("confirm/shrunk"), DURATION, *params),
            (fitness, against),
        ),
        "evolve-lineage": View(
            *("Winner's lineage", _ancestors(state, run_ids), *OLDEST_FIRST),
            (*result, *_tags("evolve.operators"), *params),
            (fitness, coordinates),
        ),
        "evolve-mutations": View(
            *("What mutated", trials, *BEST_FIRST),
            (*result, *_tags("evolve.operators"), *params),
            (coordinates, against),
        ),
        "evolve-failures": View(
            *("Failures", f"{search} and attributes.status = 'FAILED'", *OLDEST_FIRST),
            (*_tags(*why), DURATION, *params),
            (),
        ),
    }


def _generations(state: SearchState, search: str) -> View:
    # The search's run has the curves, the generations' runs have the bars
    runs = f"{search} and {_tag('evolve.kind')} != 'trial' and {_tag('evolve.kind')} != '{CONFIRMATION_KIND}'"
    fitness = ("best_so_far", "best", "upper_quartile", "median", "lower_quartile")
    others = ("diversity", "stopped_early", "failed", "worker_hours")
    curves = (_curves(*(f"gen/{name}" for name in fitness)), _curves("gen/diversity"))
    sections = (
        Section("Over the generations", curves, 2),
        Section("Side by side", tuple(_bar(name) for name in (*fitness, *others))),
    )
    columns = _metrics(*fitness, *others)
    return View("Generations", runs, *BY_GENERATION, columns, sections, _of_generations(state))


def _of_generations(state: SearchState) -> tuple[str, ...]:
    """MLflow's own sections of the metrics that the runs of a search and its generations have.

    A section that is not listed is open, and a listed one without metrics is an empty heading.
    """
    recipe, outcome, known = state.recipe, state.outcome, tuple(state.space.known)
    gains = ("gain", *(f"known/{name}/gain" for name in known))
    confirmed = ["winner", "defaults", *(f"known/{name}" for name in known), *gains]
    if outcome is not None and outcome.map50_95 is not None:
        confirmed += [f"{name}/map50_95" for name in ("winner", "defaults", *gains)]
    if recipe.verdict.seeds == AUTO:
        confirmed.append("verdict")
    tuned = outcome is not None and state.nms_confirmation(outcome.uid) is not None
    post = ("post/fixed", "post/tuned") if tuned else ()
    # How well a rung ranks trials is known only with controls, and never of the last rung
    rungs = recipe.rung_steps(state.steps)[:-1] if recipe.controls else ()
    return (
        *(f"confirm/{name}" for name in confirmed),
        *post,
        "gen",
        *(f"rung/{step}" for step in rungs),
        MODEL_METRICS,
    )


def _ancestors(state: SearchState, run_ids: Mapping[str, str]) -> str:
    """The filter of the winner's run and its ancestors' runs."""
    known = [run_ids[key] for key in map(trial_key, line(state)) if key in run_ids]
    if not known:
        return f"{_tag('evolve.trial_uid')} = '{state.search_id}/none yet'"
    return f"attributes.run_id IN ({', '.join(repr(run_id) for run_id in known)})"


def _tag(name: str) -> str:
    return f"tags.`{name}`"


def _tags(*names: str) -> tuple[str, ...]:
    return tuple(map(_tag, names))


def _metrics(*names: str) -> tuple[str, ...]:
    return tuple(f"metrics.`{name}`" for name in names)


def _section(heading: str, is_open: bool, columns: int, height: int) -> Plain:
    shape = {"columns": columns, "cardHeight": height}
    return {"uuid": heading, "name": heading, "display": is_open, "isReordered": True, "deleted": False, **shape}


def _chart(kind: str, name: str, **settings: object) -> Plain:
    return {"type": kind, "uuid": f"{kind} {name}", "deleted": False, "isGenerated": False, **settings}


def _bar(metric: str) -> Plain:
    return _chart("BAR", metric, metricKey=metric)


def _curves(*metrics: str) -> Plain:
    """Metrics of the search's run over its steps, which are generations."""
    axes = {"xAxisKey": "step", "xAxisScaleType": "linear", "yAxisKey": "metric", "scaleType": "linear", "range": {}}
    own = {"useGlobalXaxisKey": False, "useGlobalLineSmoothing": False, "lineSmoothness": 0, "displayPoints": True}
    chosen = {"metricKey": metrics[0], "selectedMetricKeys": metrics, "yAxisExpressions": []}
    return _chart("LINE", metrics[0], **chosen, **axes, **own)


def _scatter(gene: str) -> Plain:
    axes = {"xaxis": {"key": gene, "type": "PARAM"}, "yaxis": {"key": "fitness", "type": "METRIC"}}
    return _chart("SCATTER", gene, **axes)


def _parallel(genes: list[str]) -> Plain:
    """Parallel coordinates of genes and fitness, without groups: MLflow would also aggregate the genes."""
    return _chart("PARALLEL", "genes", selectedParams=genes, selectedMetrics=["fitness"], showAllRuns=True)
