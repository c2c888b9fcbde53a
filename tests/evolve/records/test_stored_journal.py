"""A journal that was stored with what the program told of it then: it folds, resumes and replays as before."""

import json
import re
from collections.abc import Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from evolve import replay, search
from evolve.execution.local_executor import LocalExecutor
from evolve.records.journal import Journal, NewEvent
from evolve.records.state import fold
from evolve.trial_config import TrialConfig


def _loaded(path: Path) -> Any:
    spec = spec_from_file_location("stored_journal", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stored = _loaded(Path(__file__).parent / "stored" / "make.py")
EXPECTED = [json.loads(line) for line in stored.EXPECTED.read_text(encoding="utf-8").splitlines()]

[EXPECTED_CONFIG] = [content["config"] for *_, content in EXPECTED if isinstance(content, dict) and "config" in content]
# metrics of the search's run that are on other runs now: one confirmation's scores, and the candidates'
MOVED = re.compile(r"confirm/(candidates/|(winner|defaults)/(val|test)/)")


@pytest.fixture(scope="module")
def told() -> list[Any]:
    return [json.loads(line) for line in stored.all_told()]


@pytest.mark.parametrize("index", range(len(EXPECTED)), ids=lambda index: "-".join(map(str, EXPECTED[index][:2])))
def test_everything_that_was_told_of_it_is_told_still(told: list[Any], index: int) -> None:
    if EXPECTED[index][1] == "mlflow":
        assert still_in_mlflow(told[index][2], EXPECTED[index][2]) == EXPECTED[index][2]
        return
    assert without_new_keys(told[index]) == without_new_keys(EXPECTED[index])


def still_in_mlflow(now: list[Any], then: list[Any]) -> list[Any]:
    """What MLflow had of the journal then, with the values of now, and without what has moved or come since.

    Runs of confirmations have come; their scores have moved there from the search's run, and the candidates' means to
    their trials. A trial's end is no longer that of its waiting at a rung, where it is no longer shown as running.
    """
    by_key = {update["key"]: update for update in now}
    still = []
    for before in then:
        after = by_key[before["key"]]
        moved = [metric for metric in before["metrics"] if MOVED.match(metric[0])]
        update = {
            **after,
            "metrics": [metric for metric in before["metrics"] if metric in after["metrics"] or metric in moved],
            **{part: {name: after[part].get(name) for name in before[part]} for part in ("identity", "tags")},
        }
        if before["key"].startswith("trial/"):
            update["ended"] = before["ended"]
            if after["status"] == "SCHEDULED":
                update["status"], update["tags"]["evolve.status"] = "RUNNING", "running"
        still.append(update)
    return still


def without_new_keys(entry: Any) -> Any:
    """The entry without what came after the journal: what is empty in it, and a winner's settings at their defaults."""
    *_, content = entry
    if not isinstance(content, dict):
        return entry
    content = without_new_keys_of_verdicts(content)
    if "rungs" in content:
        assert all(rung["rank_correlation"] is None for rung in content["rungs"])
        content = {key: value for key, value in content.items() if key != "rungs"}
    entry = [*entry[:-1], content]
    if "individuals" in content:
        individuals = [
            {key: value for key, value in individual.items() if (key, value) != ("predicted", None)}
            for individual in content["individuals"]
        ]
        others = {key: value for key, value in content.items() if (key, value) != ("predictions", {})}
        return [*entry[:-1], {**others, "individuals": individuals}]
    if "config" not in content:
        return entry
    assert content["config_lines"] == len(content["config"])
    then = EXPECTED_CONFIG
    new = {address: value for address, value in content["config"].items() if address not in then}
    defaults = TrialConfig().settings()
    assert new == {address: defaults[address] for address in new}
    config = {address: value for address, value in content["config"].items() if address in then}
    fitness = {key: value for key, value in content["scores"]["fitness"].items() if key != "weights"}
    scores = {**content["scores"], "fitness": fitness}
    return [*entry[:-1], {**content, "config": config, "config_lines": len(config), "scores": scores}]


def without_new_keys_of_verdicts(value: Any) -> Any:
    """The value without known sets and what a gain of that version lacks, wherever they are."""
    if isinstance(value, list):
        return [without_new_keys_of_verdicts(item) for item in value]
    if not isinstance(value, dict):
        return value
    empty = (("known", {}), ("looks", 1), ("level", 0.95), ("pairs", None), ("detectable", None))
    return {key: without_new_keys_of_verdicts(item) for key, item in value.items() if (key, item) not in empty}


def comparable(kind: str, payload: Any) -> Any:
    """A payload without what a verdict of that version had from Welch's interval, and without the later count of looks.

    Later verdicts judge pairs of seeds.
    """
    if kind == "search_finished":
        return {**payload, "verdict": ""}
    if kind != "winner_chosen":
        return payload
    payload = {key: value for key, value in payload.items() if key != "looks"}
    gains = {"gain": payload["gain"]["mean"], "map50_95": payload["map50_95"]["gain"]["mean"]}
    in_ap = {key: value for key, value in payload["map50_95"].items() if key != "gain"}
    return {**payload, "verdict": "", "map50_95": in_ap, "gains": gains, "gain": None}


def test_the_same_search_writes_the_same_journal_to_the_letter(tmp_path: Path) -> None:
    stored.run(tmp_path / "s")
    written, before = stored.lines(tmp_path / "s"), stored.JOURNAL.read_text("utf-8").splitlines()
    as_texts = [
        [
            stored.as_text([*head, kind, uid, comparable(kind, payload)])
            for *head, kind, uid, payload in map(json.loads, lines)
        ]
        for lines in (written, before)
    ]
    assert as_texts[0] == as_texts[1]


def decisions(lines: Iterable[Any]) -> list[str]:
    """The events that follow from the seed alone, without the seconds of failures."""
    return sorted(
        stored.as_text(
            [kind, uid, {**payload, "seconds": 0.0} if kind == "trial_failed" else comparable(kind, payload)]
        )
        for _id, _time, kind, uid, payload in lines
        if kind.startswith(("generation_", "trial_", "rung_", "confirm_", "candidate_", "winner_"))
    )


@pytest.mark.parametrize("count", [4, 15, 50, 62, 69, 80, 88, 92])
def test_a_beginning_of_it_is_resumed_to_the_same_end(tmp_path: Path, count: int) -> None:
    whole = stored.stored_events()
    with Journal(tmp_path) as journal:
        journal.append([NewEvent(event.kind, event.uid, event.payload) for event in whole[:count]])
    for generations in (1, stored.EXTENDED_TO):
        means = stored.means(lambda: stored.FIRST_TIME + 1000.0)
        state = search.resume(stored.make_task(), tmp_path, generations=generations, means=means)
        assert state.phase == "finished"
    lines = [json.loads(line) for line in stored.lines(tmp_path)]
    before = [[event.id, event.time, event.kind, event.uid, event.payload] for event in whole]
    assert decisions(lines) == decisions(before)


@pytest.mark.parametrize(
    ("uid", "score", "reason"),
    [
        ("g000-001", 0.7262388096687937, None),
        ("g000-004", 0.21978623941234837, None),
        ("g000-003", None, "the box loss is nan at step 53"),
        ("g000-000/test-seed-1", 0.7533226490777464, None),
    ],
)
def test_replay_of_its_individuals_gives_what_the_journal_has(
    uid: str, score: float | None, reason: str | None
) -> None:
    task = stored.make_task()
    replayed = replay.replay(task, fold(stored.stored_events()), uid, LocalExecutor(task.factory))
    assert replayed.equal
    assert replayed.repeated == pytest.approx(score)
    assert (replayed.failure and replayed.failure.reason) == reason
