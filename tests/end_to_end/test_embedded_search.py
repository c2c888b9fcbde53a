"""Whole searches with real trainings by the command line: repeated, killed and resumed, replayed, trained, used."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "datasets"
SMALL = ["--population", "6", "--elites", "2", "--children", "2", "--generations", "1", "--steps", "9", "--cpu"]
SMALL += ["--tracking-uri", "none"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("searches")


def evolve(place, *words, expect=0):
    """Run `evolve` in a folder of its own; returns standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "evolve", *words], cwd=place, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == expect, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout if expect == 0 else done.stderr


def folded(place, directory):
    """What must be equal in equal searches: not times, hosts, attempts."""
    tree = json.loads(evolve(place, "lineage", directory, "--json"))
    for individual in tree["individuals"]:
        del individual["seconds"], individual["attempts"]
    return tree


@pytest.fixture(scope="module")
def undisturbed(place):
    evolve(place, "search", *SMALL, "--seed", "3", "--out", "undisturbed")
    return folded(place, "undisturbed")


def test_the_journal_holds_every_individual_and_each_elites_children(undisturbed):
    people = undisturbed["individuals"]
    assert [one["uid"] for one in people] == [f"g000-{k:03d}" for k in range(6)] + [f"g001-{k:03d}" for k in range(4)]
    elites = undisturbed["elites"]["0"]
    parents = [one["parents"] for one in people if one["generation"] == 1]
    assert parents == [[elites[0]], [elites[0]], [elites[1]], [elites[1]]]
    assert undisturbed["winner"]["confirmed"]["seeds"] == 3
    assert {one["status"] for one in people} <= {"finished", "stopped_early"}
    for one in people:
        assert (one["fitness"] is not None) == (one["status"] == "finished")
        assert 0 <= (one["fitness"] or 0) <= 1


def test_the_same_seed_is_the_same_search_on_another_number_of_workers(place, undisturbed):
    evolve(place, "search", *SMALL, "--seed", "3", "--workers", "1", "--out", "again")
    assert folded(place, "again") == undisturbed


def test_a_killed_search_goes_on_to_the_same_end(place, undisturbed):
    words = [sys.executable, "-m", "evolve", "search", *SMALL, "--seed", "3", "--out", "killed"]
    running = subprocess.Popen(words, cwd=place, start_new_session=True, stdout=subprocess.DEVNULL)
    journal = place / "killed" / "journal.db"
    try:
        deadline = time.monotonic() + 600
        while _count(journal, "rung_reached", "g001-%") < 1:
            assert running.poll() is None, "the search ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    before = _count(journal, "rung_reached", "%")
    assert json.loads(evolve(place, "status", "killed", "--json"))["state"] == "interrupted"
    evolve(place, "resume", "killed")
    assert folded(place, "killed") == undisturbed
    assert before < _count(journal, "rung_reached", "%")
    with sqlite3.connect(journal) as connection:
        doubled = connection.execute(
            "select uid, json_extract(payload, '$.step') s, count(*) c from events where kind = 'rung_reached' "
            "group by uid, s having c > 1"
        ).fetchall()
    assert doubled == []


def _count(journal, kind, uid):
    if not journal.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as connection:
            row = connection.execute(
                "select count(*) from events where kind = ? and uid like ?", (kind, uid)
            ).fetchone()
            return int(row[0])
    except sqlite3.OperationalError:  # the table is being made
        return 0


def test_the_winner_is_replayed_to_the_same_number(place, undisturbed):
    found = json.loads(evolve(place, "replay", "undisturbed", undisturbed["winner"]["uid"], "--json"))
    assert found["equal"] is True
    assert found["repeated"] == found["journalled"]


def test_a_winner_is_trained_evaluated_and_used(place, undisturbed):
    evolve(place, "train", "undisturbed/winner.yaml", "--out", "final", "--cpu", "--tracking-uri", "none")
    trained = json.loads((place / "final" / "training.json").read_text())
    assert trained["steps"] == 9  # not the space's final_steps: --steps of the search said how long
    detector = trained["checkpoint"]
    data = str(place / "runs" / "digits")
    model = [sys.executable, "-m", "model"]
    fixed = ["--nms", "diou", "--nms-iou", "0.45", "--nms-beta", "0.6"]  # trials' own, not those tuned for the winner
    evaluated = json.loads(
        subprocess.check_output(
            [*model, "evaluate", "--weights", detector, "--data", data, "--split", "test", "--json", *fixed]
        )
    )
    assert evaluated["images"] == 400
    assert evaluated["map50_95"] == pytest.approx(trained["scores"]["test/map50_95"], abs=1e-6)
    picture = str(next((place / "runs" / "digits" / "test" / "images").glob("*.png")))
    drawn = place / "drawn"
    words = [*model, "predict", picture, "--weights", detector, "--json", "--out", str(drawn)]
    predicted = json.loads(subprocess.check_output(words))
    assert predicted[0]["image"] == picture
    assert len(list(drawn.iterdir())) == 1
    for found in predicted[0]["detections"]:
        assert set(found) == {"box", "class", "score"}


def test_when_every_trial_diverges_the_search_fails_with_the_reason(place):
    said = evolve(place, "search", *SMALL, "--set", "optimizer.learning_rate=1e30", "--out", "diverged", expect=1)
    assert "not finite" in said
    assert not (place / "diverged" / "winner.yaml").exists()
    assert json.loads(evolve(place, "status", "diverged", "--json"))["state"] == "failed"


def test_the_literal_recipe_trains_all_at_full_budget(place):
    words = ["--recipe", "seed", "--population", "3", "--elites", "1", "--children", "2", "--generations", "1"]
    evolve(place, "search", *words, "--steps", "4", "--cpu", "--tracking-uri", "none", "--out", "literal")
    tree = folded(place, "literal")
    assert [one["status"] for one in tree["individuals"]] == ["finished"] * 5
    assert all(len(one["rungs"]) == 1 for one in tree["individuals"])


@pytest.mark.parametrize("name", ["bccd", "thermal-cheetah"])
def test_real_data_sets_run_end_to_end(place, name):
    data = SHARED / name
    if not data.is_dir():
        pytest.skip(f"needs the data set {name} in ../shared/datasets")
    words = ["--population", "3", "--elites", "1", "--children", "2", "--generations", "1", "--steps", "6"]
    words += ["--size", "96", "--batch", "4", "--cpu", "--tracking-uri", "none"]
    evolve(place, "search", "--data", str(data), *words, "--out", name)
    tree = folded(place, name)
    assert len(tree["individuals"]) == 5
    assert tree["winner"]["split"] == "test"
