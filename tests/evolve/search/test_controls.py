"""A search with control trials: resumed, shown, and what it says of its rungs; and the note on burn-in."""

import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve import search
from evolve.__main__ import main
from evolve.checks import launch
from evolve.genetics.rung_correlation import RungCorrelation
from evolve.records import forecast, rungs
from evolve.records.journal import events
from evolve.records.progress import line_of
from evolve.records.projection import Projection
from evolve.records.state import SearchState, fold

SHAPE = {"population": 40, "elites": 4, "children": 10, "generations": 1, "screening": 1, "seeding": "random"}


def begin(house: Any, name: str = "search", controls: int = 3) -> SearchState:
    recipe = house.recipe(**SHAPE, controls=controls)
    return search.run(house.task(), house.path / name, recipe=recipe, seed=5, means=house.watched().means())


def test_what_a_search_knows_of_its_rungs(house: Any) -> None:
    """Of 40 trials 14 are promoted and 3 of 26 drawn; of the 14 then 5, and 2 of 9 (9 x 3/26, rounded up)."""
    state = begin(house)
    assert [record.generation for record in state.ranking].count(0) == 5 + 2 + 3
    first, second = rungs.correlations(state)
    for rung, step in ((first, 10), (second, 30)):
        assert (rung.step, rung.trials, rung.controls) == (step, 20, 10)
        assert rung.rank_correlation is not None
    # None failed, so what was planned is what was trained: (40 x 10 + 17 x 20 + 10 x 60) steps in each generation
    trained = sum(record.trained_steps for record in state.individuals.values())
    assert trained == 2 * (400 + 340 + 600) == 2 * forecast.generation_steps(state.recipe, 40, 90)


@pytest.mark.parametrize("share", [0.2, 0.45, 0.5, 0.8])
def test_a_search_with_controls_resumes_to_the_same_end(house: Any, share: float) -> None:
    whole = begin(house)
    directory = house.path / "cut"
    directory.mkdir()
    shutil.copyfile(house.path / "search" / "journal.db", directory / "journal.db")
    last = int(share * whole.last_id)
    with sqlite3.connect(directory / "journal.db") as journal:
        journal.execute("DELETE FROM events WHERE id > ?", (last,))
    state = search.resume(house.task(), directory, means=house.watched().means())
    assert house.essence(state) == house.essence(whole)
    assert rungs.correlations(state) == rungs.correlations(whole)


def test_it_is_shown(house: Any, capsys: pytest.CaptureFixture[str]) -> None:
    state = begin(house)
    capsys.readouterr()
    assert main(["status", str(house.path / "search"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["rungs"]
    assert shown == [
        {
            "step": rung.step,
            "rank_correlation": rung.rank_correlation,
            "interval": list(rung.interval or ()),
            "trials": 20,
            "controls": 10,
        }
        for rung in rungs.correlations(state)
    ]
    assert main(["status", str(house.path / "search")]) == 0
    said = capsys.readouterr().out
    for rung in rungs.correlations(state):
        begins = f"rung at step {rung.step}: rank correlation with the fitness {rung.rank_correlation:+.2f}, "
        assert begins in said
    assert "; 20 trials, 10 of them controls" in said


def test_it_is_in_mlflow_by_generation(house: Any) -> None:
    begin(house)
    journalled = events(house.path / "search" / "journal.db")
    projection = Projection()
    expected = {}
    for count, event in enumerate(journalled, start=1):
        projection.apply(event)
        if event.kind == "generation_closed":
            for rung in rungs.correlations(fold(journalled[:count])):
                low, high = rung.interval or (None, None)
                numbers = {"rank_correlation": rung.rank_correlation, "low": low, "high": high}
                numbers |= {"trials": rung.trials, "controls": rung.controls}
                generation = event.payload["generation"]
                expected |= {(f"rung/{rung.step}/{name}", generation): value for name, value in numbers.items()}
    [run] = [update for update in projection.updates.pending if update.key == "search"]
    metrics = {(metric.name, metric.step): metric.value for metric in run.metrics if metric.name.startswith("rung/")}
    assert metrics == expected
    assert len(metrics) == 2 * 2 * 5  # generations, rungs, numbers


def test_without_controls_no_figure_is_given(house: Any, capsys: pytest.CaptureFixture[str]) -> None:
    state = begin(house, controls=0)
    assert [rung.rank_correlation for rung in rungs.correlations(state)] == [None, None]
    assert rungs.in_words(state) == [
        "rungs: how well they rank trials is not known: trials that a rung stops are not trained on "
        "(recipe key controls), and the promoted alone would mislead"
    ]
    begun = [event for event in events(house.path / "search" / "journal.db") if event.kind == "search_created"]
    assert rungs.in_words(fold(begun)) == ["rungs: how well they rank trials is not known: no generation is over yet"]
    small = search.run(
        house.task(), house.path / "small", recipe=house.recipe(controls=3), seed=5, means=house.watched().means()
    )
    assert rungs.in_words(small) == [
        "rungs: how well they rank trials is not known: 8 trials with a fitness are needed, and 0 can be used "
        "(a generation has at most one control for ten trials)"
    ]
    literal = house.recipe("seed")
    everybody = search.run(house.task(), house.path / "all", recipe=literal, seed=5, means=house.watched().means())
    assert rungs.in_words(everybody) == []


def rung(step: int, correlation: float | None, low: float = 0.0, high: float = 0.0) -> RungCorrelation:
    return RungCorrelation(step, correlation, None if correlation is None else (low, high), 48, 12)


def test_a_rung_that_does_not_rank_is_reported() -> None:
    assert rungs.doubt_about([]) is None
    assert rungs.doubt_about([rung(11, 0.5, 0.1, 0.8), rung(32, None)]) is None
    said = rungs.doubt_about([rung(11, 0.4, -0.1, 0.7), rung(32, 0.5, 0.1, 0.8), rung(48, 0.25, 0.1, 0.4)])
    assert said == (
        "rungs that are not shown to rank trials by their fitness: step 11 (+0.40, -0.10 to +0.70), step 48 (+0.25, "
        "+0.10 to +0.40); a search with later rungs (key rungs of the recipe in the space file) would stop fewer "
        "good trials"
    )


def test_it_is_reported_when_a_generation_closes(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    state = begin(house)
    [*_, closed] = [e for e in events(house.path / "search" / "journal.db") if e.kind == "generation_closed"]
    for known, reported in (([rung(10, 0.1, -0.2, 0.3)], True), ([rung(10, 0.6, 0.3, 0.8)], False)):
        monkeypatch.setattr(rungs, "correlations", lambda _state, known=known: known)
        assert ("rungs that are not shown to rank" in str(line_of(closed, state))) == reported


def test_the_plan_names_the_controls(simulated: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--dry-run", "--tracking-uri", "none"]) == 0
    said = capsys.readouterr().out
    # 3 of the 66 below the first cut and 1 of the 22 below the second; 3 x (100 x 10 + 37 x 20 + 16 x 60) steps, and 21
    # confirmations of 90
    assert "controls: 4 trials a generation that a rung would stop are trained on" in said
    assert "steps in all: at most 9990" in said
    assert main(["search", "--dry-run", "--tracking-uri", "none", "--recipe", "seed"]) == 0
    assert "controls:" not in capsys.readouterr().out


def test_a_burn_in_beyond_the_first_rung_is_noted(
    simulated: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """90 steps; the first rung of fast is at step 10."""

    def said(*flags: str) -> str:
        small = ("--population", "8", "--elites", "2", "--tracking-uri", "none")
        assert main(["search", "--dry-run", *small, *flags]) == 0
        return capsys.readouterr().out

    assert "burn-in" not in said()  # a twentieth of the schedule, the setting's default
    assert "burn-in" not in said("--set", "optimizer.burn_in_share=0.111")  # ends at step 10
    assert (
        "note: burn-in may last to 30% of a trial (optimizer.burn_in_share, step 27), but trials are first compared at "
        "11% (step 10)"
    ) in said("--set", "optimizer.burn_in_share=0.3")
    assert "burn-in" not in said("--set", "optimizer.burn_in_share=0.3", "--recipe", "seed")
    space = tmp_path / "space.yaml"
    gene = "{scale: linear, low: 0.0, high: 0.2, default: 0.05}"
    space.write_text(f"name: s\ngenes:\n  optimizer.burn_in_share: {gene}\ntrial: {{train.steps: 90}}\n")
    assert "burn-in may last to 20% of a trial (optimizer.burn_in_share, step 18)" in said("--space", str(space))


def test_burn_in_is_a_share_of_the_schedule_and_rungs_of_the_budget(house: Any) -> None:
    """Half of the schedule of 90 steps is trained: the first rung is at step 5, and a burn-in of 9 steps is a fifth."""
    task = house.task()
    task = replace(task, steps=45, space=task.space.with_gene_fixed("optimizer.burn_in_share", 0.1))
    [note] = launch.check(task, house.path / "s", recipe=house.recipe(), seed=0)
    assert "burn-in may last to 20% of a trial (optimizer.burn_in_share, step 9), but" in note
    assert "compared at 11% (step 5)" in note
