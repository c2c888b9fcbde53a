"""report.html: verdict first; its numbers are those of the journal, by other ways of reckoning."""

import base64
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import pytest
from scipy import stats

from evolve.pages import figures, lineage_page, paying_section, report_page
from evolve.pages.search_facts import SearchFacts
from evolve.records.journal import Event, events
from evolve.records.state import SearchState, fold
from evolve.trial import TrialStatus


@pytest.fixture(autouse=True)
def library_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packing plotly takes most of the time of a page; here it is done once."""
    monkeypatch.setattr(figures, "library", lambda: "")


def rendered(state: SearchState, *, held: bool = False) -> str:
    return report_page.render(SearchFacts(state, held))


def figures_of(page: str) -> dict[str, Any]:
    match = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page)
    assert match is not None
    drawn: dict[str, Any] = json.loads(match[1])
    return drawn


def cells(page: str, label: str) -> list[list[str]]:
    """The cells of the table with this label, without its header."""
    [table] = re.findall(rf'aria-label="{label}">(.*?)</table>', page, re.DOTALL)
    rows = re.findall(r"<tr>(.*?)</tr>", table.partition("<tbody>")[2], re.DOTALL)
    return [re.findall(r"<td>(.*?)</td>", row) for row in rows]


def state_of(directory: Path) -> SearchState:
    return fold(events(directory / "journal.db"))


def test_the_verdict_is_the_first_thing_it_says(ended: Path) -> None:
    page, state = rendered(state_of(ended)), state_of(ended)
    assert state.outcome is not None
    first = re.search(r"<section.*?<p[^>]*>(.*?)</p>", page, re.DOTALL)
    assert first is not None
    assert first[1] == f"Winner {state.outcome.uid}: {state.outcome.verdict}"
    [_, test, _] = cells(page, "Scores")
    assert state.outcome.confirmed is not None
    assert state.outcome.gain is not None
    assert test[1].startswith(f"{state.outcome.confirmed.mean:.4f} (")
    assert test[3].startswith(f"{state.outcome.gain.mean:+.4f} (")


def test_the_curve_over_the_generations_is_that_of_lineage_json(ended: Path) -> None:
    tree = json.loads((ended / "lineage.json").read_text(encoding="utf-8"))
    traces = {trace["name"]: trace for trace in figures_of(rendered(state_of(ended)))["generations"]["data"]}
    best_so_far = 0.0
    for index, generation in enumerate(traces["median"]["x"]):
        fitness = [one["fitness"] for one in tree["individuals"] if one["generation"] == generation]
        reached = [value for value in fitness if value is not None]
        low, _, high = quantiles(reached, n=4, method="inclusive")
        best_so_far = max(best_so_far, *reached)
        assert traces["median"]["y"][index] == pytest.approx(median(reached))
        assert traces["middle half"]["y"][index] == pytest.approx(low)
        assert traces["upper quartile"]["y"][index] == pytest.approx(high)
        assert traces["best of the generation"]["y"][index] == max(reached)
        assert traces["best so far"]["y"][index] == best_so_far
    assert traces["median"]["x"] == [0, 1, 2]


def test_endings_and_failures_add_up(ended: Path) -> None:
    state = state_of(ended)
    page = rendered(state)
    bars = {trace["name"]: sum(trace["y"]) for trace in figures_of(page)["endings"]["data"]}
    assert bars == {
        "finished": state.counts[TrialStatus.FINISHED],
        "stopped early": state.counts[TrialStatus.STOPPED_EARLY],
        "failed": state.counts[TrialStatus.FAILED],
    }
    failures = cells(page, "Failures by reason")
    assert sum(int(row[0]) for row in failures) == state.counts[TrialStatus.FAILED] > 0
    assert {row[1] for row in failures} == {one.kind for one in state.individuals.values() if one.reason}
    rungs = cells(page, "Rungs")
    assert [int(row[2]) for row in rungs] == [
        sum(step in one.rungs for one in state.individuals.values()) for step in (10, 30, 90)
    ]
    assert sum(int(row[3]) for row in rungs) == state.counts[TrialStatus.STOPPED_EARLY]


def test_the_effect_of_a_gene_is_welchs(made_up: Callable[..., SearchState]) -> None:
    """Against SciPy's own test, on a search where everybody reached the end: nothing is to be brought to its scale."""
    state = made_up(3, 40, share_finished=1.0)
    for record in state.individuals.values():  # about half of the genes are those of the parent
        if record.parents:
            parent = state.individuals[record.parents[0]].genome
            kept = {gene: parent[gene] for index, gene in enumerate(parent) if (record.slot >> (index % 5)) & 1}
            record.genome = type(parent)({**record.genome, **kept})
    effects = paying_section._effects(SearchFacts(state, False))
    children = [one for one in state.individuals.values() if one.parents]
    for gene, moved, effect in effects:
        gains: dict[bool, list[float]] = {True: [], False: []}
        for one in children:
            parent_record = state.individuals[one.parents[0]]
            changed = one.genome[gene] != parent_record.genome[gene]
            gains[changed].append((one.fitness or 0.0) - (parent_record.fitness or 0.0))
        between = stats.ttest_ind(gains[True], gains[False], equal_var=False).confidence_interval(0.95)
        assert effect is not None
        assert moved == len(gains[True])
        assert effect.interval == pytest.approx((between.low, between.high))


def test_every_figure_is_one_that_plotly_accepts(ended: Path) -> None:
    import plotly.graph_objects as go

    drawn = figures_of(rendered(state_of(ended)))
    assert set(drawn) == {"seeds", "generations", "positions", "paying", "scatter", "parallel", "cost", "endings"}
    for figure in drawn.values():
        go.Figure(figure)  # raises at a property that plotly does not have
        assert all(trace["type"] in ("scatter", "bar") for trace in figure["data"]), "drawn without WebGL"


def test_both_pages_can_be_made_of_every_beginning_of_a_journal(stored_events: list[Event]) -> None:
    for count in range(1, len(stored_events) + 1):
        facts = SearchFacts(fold(stored_events[:count]), held=count % 2 == 0)
        if facts.state.outcome is None and facts.status.state != "failed":
            assert "No verdict yet" in report_page.render(facts)
        assert lineage_page.render(facts).endswith("</html>\n")


def test_a_failed_search_says_why(stored_events: list[Event]) -> None:
    failed = Event(4, 0.0, "search_failed", None, {"reason": "every trial failed: <b>no luck</b> (8 of 8 trials)"})
    page = rendered(fold([*stored_events[:3], failed]))
    assert "The search failed: every trial failed: &lt;b&gt;no luck&lt;/b&gt; (8 of 8 trials)" in page


def test_no_text_of_the_data_is_markup_even_in_a_figure() -> None:
    figure = figures.Figure("a", "b", [{"name": "<a href='//x'>", "hovertemplate": "%{x}<br>"}], {"t": {"u": ["<i>"]}})
    plain: dict[str, Any] = figure.to_plain()
    assert plain["data"] == [{"name": "&lt;a href='//x'>", "hovertemplate": "%{x}<br>"}]
    assert plain["layout"]["t"] == {"u": ["&lt;i>"]}


def test_the_library_is_plotlys_own_and_equal_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    from plotly.offline import get_plotlyjs

    packed = figures.library()
    assert gzip.decompress(base64.b64decode(packed)).decode() == get_plotlyjs()
    figures.library.cache_clear()
    assert packed == figures.library()


@pytest.mark.medium
def test_a_report_of_three_thousand_stays_below_five_megabytes(
    made_up: Callable[..., SearchState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    state = made_up(3, 1000, share_finished=0.95)
    page = rendered(state)
    assert len(page.encode()) < 5_000_000
    assert "500 of " in page, "what is not drawn is said"
