"""The outputs of a search: status, lineage, tables, the winner file, progress lines."""

import csv
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve.records import lineage, live_view, progress
from evolve.records.journal import events
from evolve.records.state import fold
from evolve.trial import TrialStatus
from evolve.verdict import winner

House = Undisturbed = Any

STATUS_KEYS = {
    "search_id",
    "state",
    "generation",
    "generations",
    "trials",
    "best",
    "worker_seconds",
    "elapsed_seconds",
    "eta_seconds",
}
INDIVIDUAL_KEYS = [
    "uid",
    "generation",
    "parents",
    "operator",
    "genome",
    "fitness",
    "rungs",
    "status",
    "reason",
    "seconds",
    "attempts",
]


def test_status_has_the_keys_of_the_surface(undisturbed: Undisturbed) -> None:
    plain = asdict(lineage.status(undisturbed.state, held=False, now=0.0))
    assert set(plain) >= STATUS_KEYS
    assert plain["state"] == "finished"
    assert plain["trials"] == undisturbed.state.counts
    assert set(undisturbed.state.counts) == {"proposed", "running", "finished", "stopped_early", "failed"}
    assert set(plain["best"]) == {"uid", "fitness", "genome"}
    assert plain["eta_seconds"] is None
    json.dumps(plain)


def test_status_of_a_killed_search(undisturbed: Undisturbed) -> None:
    begun = events(undisturbed.journal)
    first = next(place for place, one in enumerate(begun) if one.kind == "attempt_started")
    state = fold(begun[: first + 1])
    now = state.last_at + 10
    held, killed = (asdict(lineage.status(state, held=held, now=now)) for held in (True, False))
    assert (held["state"], held["trials"]["running"]) == ("running", 1)
    assert (killed["state"], killed["trials"]["running"]) == ("interrupted", 0)
    assert held["elapsed_seconds"] == pytest.approx(killed["elapsed_seconds"] + 10)


def test_lineage_of_one_individual_is_its_ancestors_oldest_first(undisturbed: Undisturbed) -> None:
    youngest = max(undisturbed.state.individuals)
    chain = [individual["uid"] for individual in lineage.family_tree(undisturbed.state, youngest)["individuals"]]
    expected = [youngest]
    while undisturbed.state.individuals[expected[0]].parents:  # one parent each: there is no crossover
        expected.insert(0, undisturbed.state.individuals[expected[0]].parents[0])
    assert chain == expected
    assert len(chain) > 1
    with pytest.raises(ValueError, match="g999-000"):
        lineage.family_tree(undisturbed.state, "g999-000")


def test_lineage_has_the_keys_of_the_surface(undisturbed: Undisturbed) -> None:
    plain = json.loads((undisturbed.journal.parent / "lineage.json").read_text())
    assert plain == json.loads(json.dumps(lineage.family_tree(undisturbed.state)))
    assert {tuple(individual) for individual in plain["individuals"]} == {(*INDIVIDUAL_KEYS, "predicted")}
    assert set(plain["elites"]) == {"0", "1"}
    assert {"uid", "genome", "fitness", "confirmed", "defaults", "gain"} <= set(plain["winner"])
    assert set(plain["winner"]["confirmed"]) == {"mean", "interval", "seeds"}
    assert set(plain["winner"]["gain"]) >= {"mean", "interval", "probability"}
    known = {individual["uid"] for individual in plain["individuals"]}
    assert all(parent in known for individual in plain["individuals"] for parent in individual["parents"])


def test_ancestors_end_in_the_first_generation(undisturbed: Undisturbed) -> None:
    child = next(record for record in undisturbed.state.individuals.values() if record.generation == 1)
    line = lineage.ancestors(undisturbed.state, child.uid)
    assert [one.generation for one in line[:2]] == [1, 0]
    assert line[1].uid == child.parents[0]
    assert [one.uid for one in line[2:]] == list(line[1].parents)  # none, or the defaults that it is a mutant of
    assert line[-1].parents == ()


def test_generations_table(undisturbed: Undisturbed) -> None:
    with (undisturbed.journal.parent / "generations.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["generation"], row["individuals"]) for row in rows] == [("0", "8"), ("1", "6")]
    for row in rows:
        assert int(row["individuals"]) == sum(int(row[str(status)]) for status in TrialStatus)
    assert float(rows[1]["best_so_far"]) == max(float(row["best"]) for row in rows)


def test_the_winners_file_is_enough_to_train(undisturbed: Undisturbed) -> None:
    path = undisturbed.journal.parent / "winner.yaml"
    plain = yaml.safe_load(path.read_text())
    state, found = undisturbed.state, winner.read(path)
    record = state.individuals[state.outcome.uid]
    assert plain["genome"] == record.genome
    assert found.config == undisturbed.house.task().config_of(record.genome)
    assert (found.uid, found.search_id, found.seed) == (record.uid, state.search_id, record.seed)
    assert found.data == state.data
    assert plain["scores"]["fitness"]["value"] == record.fitness
    assert [run["seed"] for run in plain["scores"]["winner"]["runs"]] == [
        run["seed"] for run in plain["scores"]["defaults"]["runs"]
    ]
    assert plain["versions"]["yolov4-evolve"]
    assert path.read_text().startswith("#")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda plain: plain.pop("config"), "expected a section 'config', got None"),
        (lambda plain: plain.update(format=7), "expected a winner file of format 1, got '7'"),
        (lambda plain: plain["config"].update({"loss.boxes": 1}), "'loss.boxes' is no setting of a trial"),
        (lambda plain: plain["config"].update({"train.batch": 0}), "train.batch"),
        (
            lambda plain: plain["scores"]["fitness"].update(seed="x"),
            "seed: expected a whole number of at least 0, got 'x'",
        ),
    ],
)
def test_a_damaged_winner_file_is_refused(
    change: Any, complaint: str, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    plain = yaml.safe_load((undisturbed.journal.parent / "winner.yaml").read_text())
    change(plain)
    winner.write(tmp_path / "w.yaml", plain)
    with pytest.raises(ValueError, match=re.escape(complaint)) as caught:
        winner.read(tmp_path / "w.yaml")
    assert "w.yaml" in str(caught.value)


def test_a_missing_winner_file_and_no_winner_yet(undisturbed: Undisturbed, tmp_path: Path) -> None:
    with pytest.raises(winner.WinnerError, match="no such file"):
        winner.read(tmp_path / "w.yaml")
    young = fold(events(undisturbed.journal)[:20])
    with pytest.raises(winner.WinnerError, match="none yet"):
        winner.content(young, undisturbed.house.task())


def test_plain_progress_has_a_line_for_each_event_that_matters(house: House) -> None:
    written: list[str] = []
    state = house.run(display=progress.PlainDisplay(written.append))
    text = "\n".join(written)
    assert "\x1b" not in text
    assert "\r" not in text
    timed = [re.fullmatch(r"\d\d:\d\d:\d\d (?:\d{4}-\d\d-\d\d )?(.*)", line) for line in written]
    lines = [match[1] for match in timed if match is not None]
    assert len(lines) == len(written)
    for uid, record in state.individuals.items():
        own = {
            "finished": f"{uid} finished: fitness {record.fitness or 0:.4f}",
            "failed": f"{uid} failed: {record.reason}",
        }
        expected = [own[record.status]] if record.status in own else []  # stopped ones share the line of their rung
        assert [line.removesuffix(", the best so far") for line in lines if line.startswith(f"{uid} f")] == expected
    for generation in (0, 1):
        records = [record for record in state.individuals.values() if record.generation == generation]
        for step in (10, 30):
            there = [record for record in records if step in record.rungs]
            onwards = sum(max(record.rungs) > step or record.status == "failed" for record in there)
            best = max(record.rungs[step] for record in there)
            said = [line for line in lines if line.startswith(f"generation {generation}, step {step}: ")]
            assert len(said) == (onwards < len(there))  # a line if any are stopped
            for line in said:
                assert line.split(": ")[1].startswith(f"{onwards} of {len(there)} go on; best {best:.4f} (")
    assert len([line for line in lines if line.startswith("generation 1 of 1: 6 individuals")]) == 1
    assert len([line for line in lines if "(winner)" in line]) == 3


def test_the_summary_line(undisturbed: Undisturbed) -> None:
    whole = events(undisturbed.journal)
    state = fold(whole[:60])
    line = progress.summary(state, state.last_at)
    for word in ("generation 0 of 1", "running", "stopped", "failed", "best", "workers", "left"):
        assert word in line


def test_worker_use_is_the_share_of_the_workers_time_that_trials_took(undisturbed: Undisturbed) -> None:
    state = replace(fold(events(undisturbed.journal)[:10]), workers=2, session_at=100.0)
    record = next(iter(state.individuals.values()))
    record.spent = {10: {"train": 7.0, "evaluate": 1.0}}
    record.failed_seconds = 4.0
    assert live_view.worker_use(state, 110.0) == pytest.approx(0.6)  # 7 + 1 + 4 of 2 x 10 seconds
    assert live_view.worker_use(state, 106.0) == 1.0  # 12 of 2 x 6
    state.earlier_capacity = 20.0  # worker seconds of an earlier session
    assert live_view.worker_use(state, 110.0) == pytest.approx(0.3)


def test_the_live_display_leaves_the_terminal_as_it_was(
    undisturbed: Undisturbed, capsys: pytest.CaptureFixture[str]
) -> None:
    display = progress.LiveDisplay()
    state = fold(events(undisturbed.journal)[:1])
    for event in events(undisturbed.journal)[1:]:
        state.apply(event)
        display.show(event, state)
    display.note("a sentence")
    display.interrupted(Path("runs/x"))
    display.show(events(undisturbed.journal)[1], state)  # whatever is journalled after that
    display.close()
    said = capsys.readouterr().out
    assert "a sentence" in said
    assert said.endswith("go on with: evolve resume runs/x\n")
