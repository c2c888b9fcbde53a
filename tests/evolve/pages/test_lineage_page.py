"""lineage.html says what lineage.json says: who is there, who came from whom, whether it got better."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from evolve.pages import lineage_page
from evolve.pages.search_facts import SearchFacts
from evolve.records.journal import Event
from evolve.records.state import SearchState, fold

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \"quotes\" 'and' <!-- \u2028"
Tag = tuple[str, dict[str, str]]


class Reader(HTMLParser):
    """The tags of a page with their attributes, and the text of elements with an id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[Tag] = []
        self.texts: dict[str, str] = {}
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        self._inside = attributes.get("id", "")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside] = self.texts.get(self._inside, "") + data

    def of_class(self, name: str) -> list[dict[str, str]]:
        return [attributes for _, attributes in self.tags if name in attributes.get("class", "").split()]


def rendered(state: SearchState, *, held: bool = False) -> str:
    return lineage_page.render(SearchFacts(state, held))


def test_everybody_stands_in_it_with_genome_and_parents(ended: Path) -> None:
    page = Reader((ended / "lineage.html").read_text(encoding="utf-8"))
    tree = json.loads((ended / "lineage.json").read_text(encoding="utf-8"))
    individuals = {one["uid"]: one for one in tree["individuals"]}
    nodes = page.of_class("node")
    assert sorted(node["data-uid"] for node in nodes) == sorted(individuals)
    shown = json.loads(page.texts["search"])
    genes = [gene["name"] for gene in shown["genes"]]
    for one in shown["individuals"]:
        assert dict(zip(genes, one["genome"], strict=True)) == individuals[one["uid"]]["genome"]
        assert one.get("parents", []) == individuals[one["uid"]]["parents"]
        assert one.get("fitness") == individuals[one["uid"]]["fitness"]
        reason = individuals[one["uid"]]["reason"]
        assert (reason or "") in one.get("reason", "")
        assert (reason is None) == ("reason" not in one)


def test_an_edge_from_each_parent_is_coloured_by_the_gain_at_the_last_step_that_both_reached(ended: Path) -> None:
    page = Reader((ended / "lineage.html").read_text(encoding="utf-8"))
    tree = json.loads((ended / "lineage.json").read_text(encoding="utf-8"))
    scores = {one["uid"]: {rung["step"]: rung["score"] for rung in one["rungs"]} for one in tree["individuals"]}
    edges = {(edge["data-parent"], edge["data-child"]): edge["class"].split() for edge in page.of_class("edge")}
    pairs = {(parent, one["uid"]) for one in tree["individuals"] for parent in one["parents"]}
    assert set(edges) == pairs
    seen = set()
    for (parent, child), classes in edges.items():
        common = sorted(scores[parent].keys() & scores[child].keys())
        gain = scores[child][common[-1]] - scores[parent][common[-1]] if common else None
        expected = "none" if gain is None else "gain" if gain > 0 else "loss"
        assert [name for name in classes if name in ("gain", "loss", "same")] == ([expected] if common else [])
        seen.add(expected)
    assert {"gain", "loss"} <= seen


def test_the_winners_path_stands_out(ended: Path) -> None:
    page = Reader((ended / "lineage.html").read_text(encoding="utf-8"))
    tree = json.loads((ended / "lineage.json").read_text(encoding="utf-8"))
    parents = {one["uid"]: one["parents"] for one in tree["individuals"]}
    line = [tree["winner"]["uid"]]
    while parents[line[-1]]:
        line += parents[line[-1]]
    assert {node["data-uid"] for node in page.of_class("path") if "data-uid" in node} == set(line)
    assert [node["data-uid"] for node in page.of_class("leader")] == line[:1]
    on_path = {(edge["data-parent"], edge["data-child"]) for edge in page.of_class("path") if "data-child" in edge}
    assert on_path == set(zip(line[1:], line, strict=False))
    assert tree["winner"]["verdict"] in (ended / "lineage.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("generations", "of_each", "share"), [(3, 100, 0.12), (6, 40, 0.0), (3, 200, 0.9)])
def test_generations_are_columns_ranked_by_fitness_and_nothing_overlaps(
    made_up: Callable[..., SearchState], generations: int, of_each: int, share: float
) -> None:
    state = made_up(generations, of_each, share_finished=share)
    page = Reader(rendered(state))
    places: dict[str, tuple[float, float]] = {}
    for node in page.of_class("node"):
        match = re.fullmatch(r"translate\(([\d.]+),([\d.]+)\)", node["transform"])
        assert match is not None
        places[node["data-uid"]] = (float(match[1]), float(match[2]))
    assert len(set(places.values())) == generations * of_each
    rows = {node["data-uid"] for node in page.of_class("row")}
    for generation in range(generations):
        listed = [uid for uid in rows if state.individuals[uid].generation == generation]
        assert len({places[uid][0] for uid in listed}) == 1
        from_the_top = sorted(listed, key=lambda uid: places[uid][1])
        fitness = [state.individuals[uid].fitness or 0.0 for uid in from_the_top]
        assert fitness == sorted(fitness, reverse=True)
        others = [uid for uid in places if state.individuals[uid].generation == generation and uid not in rows]
        assert min(places[uid][1] for uid in others) > max(places[uid][1] for uid in listed)
    columns = [{places[uid][0] for uid in places if uid.startswith(f"g{index:03d}")} for index in range(generations)]
    for before, after in pairwise(columns):
        assert max(before) < min(after)


@pytest.mark.medium
def test_three_thousand_individuals_of_a_full_space_stay_below_five_megabytes(
    made_up: Callable[..., SearchState],
) -> None:
    assert len(rendered(made_up(30, 100)).encode()) < 5_000_000


def test_text_from_data_is_text(stored_events: list[Event]) -> None:
    hostile = []
    for event in stored_events:
        payload: dict[str, Any] = dict(event.payload)
        if "reason" in payload and payload["reason"] is not None:
            payload["reason"] = HOSTILE
        if event.kind == "winner_chosen":
            payload["verdict"] = HOSTILE
        if event.kind == "search_created":
            payload["search_id"] = HOSTILE
        if event.kind == "trial_proposed":
            payload["operator"] = HOSTILE
        hostile.append(Event(event.id, event.time, event.kind, event.uid, payload))
    calm, page = Reader(rendered(fold(stored_events))), Reader(rendered(fold(hostile)))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in calm.tags], "no element came from the data"
    shown = json.loads(page.texts["search"])
    assert {one["operator"] for one in shown["individuals"]} == {HOSTILE}
    assert any(HOSTILE in one.get("reason", "") for one in shown["individuals"])


def test_of_a_search_that_nobody_runs_no_trial_is_shown_as_running(stored_events: list[Event]) -> None:
    cut = next(index for index, event in enumerate(stored_events) if event.kind == "attempt_started") + 1
    state = fold(stored_events[:cut])
    assert len(Reader(rendered(state, held=True)).of_class("running")) == 2, "the node, and its mark in the legend"
    assert len(Reader(rendered(state, held=False)).of_class("running")) == 1, "only the legend's"
