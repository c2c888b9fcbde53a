"""`evolve train` with real trainings: killed at random moments, it ends with the same weights, bit for bit."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from model import checkpoint

pytestmark = pytest.mark.slow

STEPS = 10  # ten pieces of a step; validation is scored after the fifth and the last
PATIENCE_SECONDS = 1200
WORDS = [sys.executable, "-m", "evolve", "train", "--space", "SPACE", "--steps", str(STEPS), "--cpu", "--seed", "3"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the embedded space: `evolve train` without data is asked for by naming a space."""
    folder = tmp_path_factory.mktemp("final")
    from evolve import task

    (folder / "SPACE").write_text(task.EMBEDDED_SPACE.read_text())
    return folder


def train(place, out, *words):
    done = subprocess.run(
        [*WORDS, "--out", out, *words], cwd=place, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def undisturbed(place):
    return place / "undisturbed", train(place, "undisturbed", "--tracking-uri", "none")


def essence(out):
    record = json.loads((out / "training.json").read_text())
    losses = [(measurement["step"], measurement["losses"]) for measurement in record["measurements"]]
    return {name: record[name] for name in ("scores", "classes", "best", "last", "config")}, losses


def test_killed_at_random_moments_it_ends_with_the_weights_of_the_undisturbed_one(place, undisturbed):
    randomness = random.Random(1)
    kills = sorted(randomness.sample(range(1, STEPS), 2))
    out = place / "killed"
    for step in kills:
        running = subprocess.Popen(
            [*WORDS, "--out", "killed", "--tracking-uri", "none"],
            cwd=place,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not (out / "unfinished" / f"result-{step}.json").exists():
                assert running.poll() is None, "the training ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(randomness.random())  # somewhere in the next pieces
        finally:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        assert not (out / "training.json").exists()
    said = train(place, "killed", "--tracking-uri", "none")
    assert f"of {STEPS}: going on" in said
    whole, _ = undisturbed
    for name in ("detector.keras", "best.keras"):
        expected, resumed = checkpoint.read_weights(whole / name), checkpoint.read_weights(out / name)
        assert expected.keys() == resumed.keys()
        for weight, value in expected.items():
            np.testing.assert_array_equal(resumed[weight], value, err_msg=f"{name}: {weight}")
    assert essence(out) == essence(whole)


def test_it_ends_with_scores_by_class_pictures_and_the_commands_to_go_on_with(undisturbed):
    out, said = undisturbed
    record = json.loads((out / "training.json").read_text())
    assert len(record["classes"]) == 10
    assert record["split"] == "test"
    assert record["scores"]["test/map50_95"] == pytest.approx(
        sum(row["map50_95"] for row in record["classes"]) / 10, abs=1e-9
    )
    assert "test: class  objects  AP50:95" in said
    for words in ("python -m model evaluate --weights", "python -m model predict IMAGE", "python -m model export"):
        assert words in said
    picture = cv2.imread(str(out / "predictions.jpg"))
    assert picture.shape == (4 * 320 + 3 * 4, 4 * 320 + 3 * 4, 3)
    assert sorted(path.name for path in out.iterdir()) == [
        "best.keras",
        "curve.csv",
        "detector.keras",
        "predictions.jpg",
        "training.json",
    ]
