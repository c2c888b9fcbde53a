"""`evolve train` with real trainings: killed at random moments, it ends with the same weights, bit for bit."""

import contextlib
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
SCORED = 5
PATIENCE_SECONDS = 1800  # of one process; minutes are usual, but not on a machine with other work
WORDS = [sys.executable, "-m", "evolve", "train", "--space", "SPACE", "--steps", str(STEPS), "--cpu", "--seed", "3"]
WORDS += ["--tracking-uri", "none"]
# Ray gives its workers niceness 15: on a machine with other work they would get next to none of its time.
ENVIRONMENT = {**os.environ, "RAY_worker_niceness": "0"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the embedded space: `evolve train` without data is asked for by naming a space."""
    folder = tmp_path_factory.mktemp("final")
    from evolve import task

    (folder / "SPACE").write_text(task.EMBEDDED_SPACE.read_text())
    return folder


def train(place, out):
    """Train to the end; returns standard output."""
    done = subprocess.run(
        [*WORDS, "--out", out], cwd=place, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def train_until_killed(place, out, step, delay):
    """Train, and kill all of its processes `delay` seconds after the piece that ends at the step is done."""
    said = place / f"{out}-{step}.txt"
    with said.open("w") as file:
        running = subprocess.Popen(
            [*WORDS, "--out", out],
            cwd=place,
            env=ENVIRONMENT,
            start_new_session=True,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (place / out / "unfinished" / f"result-{step}.json").exists():
            assert running.poll() is None, f"the training ended before it could be killed:\n{said.read_text()}"
            assert time.monotonic() < deadline, f"step {step} is not reached yet:\n{said.read_text()}"
            time.sleep(0.02)
        time.sleep(delay)
    finally:
        with contextlib.suppress(ProcessLookupError):  # it ended by itself, which an assertion above says
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert not (place / out / "training.json").exists()


@pytest.fixture(scope="module")
def undisturbed(place):
    return place / "undisturbed", train(place, "undisturbed")


def essence(out):
    record = json.loads((out / "training.json").read_text())
    losses = [(measurement["step"], measurement["losses"]) for measurement in record["measurements"]]
    return {name: record[name] for name in ("scores", "classes", "best", "last", "config")}, losses


def test_killed_at_random_moments_it_ends_with_the_weights_of_the_undisturbed_one(place, undisturbed):
    randomness = random.Random(1)
    for steps in (range(1, SCORED), range(SCORED, STEPS - 1)):  # before validation was scored first, and after that
        train_until_killed(place, "killed", randomness.choice(steps), delay=randomness.random())
    said, out = train(place, "killed"), place / "killed"
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
