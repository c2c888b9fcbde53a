"""A resume takes the children of an opened generation from the journal, whatever it would breed itself."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from evolve import search
from evolve.__main__ import main
from evolve.genetics import gaussian_process
from evolve.records import lineage
from evolve.records.journal import events
from evolve.records.state import SearchState

SHAPE = {"population": 40, "elites": 3, "children": 6, "generations": 2, "screening": 8, "seeding": "random"}


def begin(house: Any, name: str = "screened") -> SearchState:
    watched = house.watched(house.failing())
    return search.run(house.task(), house.path / name, recipe=house.recipe(**SHAPE), seed=5, means=watched.means())


def cut(house: Any, name: str, kind: str, uid: str | None) -> Path:
    """A copy of the search whose journal ends after this event."""
    directory = house.path / name
    directory.mkdir()
    shutil.copyfile(house.path / "screened" / "journal.db", directory / "journal.db")
    [last] = [event.id for event in events(directory / "journal.db") if (event.kind, event.uid) == (kind, uid)]
    with sqlite3.connect(directory / "journal.db") as journal:
        journal.execute("DELETE FROM events WHERE id > ?", (last,))
    return directory


def test_children_of_another_program_are_trained_as_the_journal_has_them(house: Any) -> None:
    """Two children of generation 1 get another genome in the journal, as if a model had chosen otherwise there."""
    begin(house)
    directory = cut(house, "tampered", "trial_proposed", "g001-017")
    with sqlite3.connect(directory / "journal.db") as journal:
        for uid in ("g001-004", "g001-011"):
            [(text,)] = journal.execute("SELECT payload FROM events WHERE uid = ?", (uid,)).fetchall()
            payload = json.loads(text)
            payload["genome"]["optimizer.momentum"] = 0.75
            journal.execute("UPDATE events SET payload = ? WHERE uid = ?", (json.dumps(payload), uid))
    trained: dict[str, object] = {}

    def look(spec: Any) -> None:
        trained[spec.uid] = spec.config["optimizer.momentum"]

    state = search.resume(house.task(), directory, means=house.watched(house.failing(), look).means())
    assert state.phase == "finished"
    for uid in ("g001-004", "g001-011"):
        assert trained[uid] == state.individuals[uid].genome["optimizer.momentum"] == 0.75


def test_a_model_with_other_last_bits_changes_nothing_in_an_opened_generation(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut when the last generation is open, resumed with a model that ranks the other way round."""
    whole = begin(house)
    directory = cut(house, "elsewhere", "trial_proposed", "g002-017")
    predict = gaussian_process.GaussianProcess.predict
    monkeypatch.setattr(gaussian_process.GaussianProcess, "predict", lambda model, units: -predict(model, units))
    state = search.resume(house.task(), directory, means=house.watched(house.failing()).means())
    assert house.essence(state) == house.essence(whole)
    other = begin(house, "other")  # the turned model does choose others
    assert house.essence(other)["individuals"] != house.essence(whole)["individuals"]


@pytest.mark.parametrize("uid", ["g001-017", "g000-039"])
def test_a_search_at_one_thread_goes_on_at_two(house: Any, uid: str) -> None:
    with threadpool_limits(1):
        whole = begin(house)
    directory = cut(house, "two", "trial_proposed", uid)
    with threadpool_limits(2):
        state = search.resume(house.task(), directory, means=house.watched(house.failing()).means())
    assert house.essence(state) == house.essence(whole)


def test_a_journal_of_a_search_without_screening_goes_on_without_it(house: Any) -> None:
    """Its recipe has neither key, as journals of earlier versions."""
    watched = house.watched(house.failing())
    recipe = house.recipe(**{**SHAPE, "screening": 1})
    whole = search.run(house.task(), house.path / "screened", recipe=recipe, seed=5, means=watched.means())
    directory = cut(house, "older", "trial_proposed", "g000-039")
    with sqlite3.connect(directory / "journal.db") as journal:
        [(text,)] = journal.execute("SELECT payload FROM events WHERE kind = 'search_created'").fetchall()
        payload = json.loads(text)
        assert "screening" not in payload["recipe"]  # it is left out at 1
        del payload["recipe"]["seeding"]
        journal.execute("UPDATE events SET payload = ? WHERE kind = 'search_created'", (json.dumps(payload),))
    state = search.resume(house.task(), directory, means=house.watched(house.failing()).means())
    assert house.essence(state) == house.essence(whole)


def test_predicted_against_measured_is_in_the_lineage(house: Any, capsys: pytest.CaptureFixture[str]) -> None:
    state = begin(house)
    screened = {one.generation for one in state.individuals.values() if one.predicted is not None}
    assert 1 in screened
    assert lineage.predictions(state).keys() == screened
    for generation, agreement in lineage.predictions(state).items():
        children = [one for one in state.individuals.values() if one.generation == generation and one.rungs]
        assert agreement.children == len(children)
        assert agreement.rank_correlation is not None
        assert -1 <= agreement.rank_correlation <= 1
    capsys.readouterr()
    assert main(["lineage", str(house.path / "screened")]) == 0
    shown = capsys.readouterr().out
    for agreement in lineage.predictions(state).values():
        assert (
            f"rank correlation of predicted and measured fitness: {agreement.rank_correlation:+.2f} "
            f"({agreement.children} children)"
        ) in shown
    assert main(["lineage", str(house.path / "screened"), "--json"]) == 0
    individuals = json.loads(capsys.readouterr().out)["individuals"]
    assert {one["uid"]: one["predicted"] for one in individuals} == {
        uid: record.predicted for uid, record in state.individuals.items()
    }


def test_a_search_without_screening_has_no_predictions(undisturbed: Any) -> None:
    assert lineage.family_tree(undisturbed.state)["predictions"] == {}
    proposed = [event.payload for event in events(undisturbed.journal) if event.kind == "trial_proposed"]
    assert not any("predicted" in payload for payload in proposed)
