"""The end of a training: the scores of the detector to take, by class, a grid of its predictions, and what comes next.

The detector is scored by `python -m model evaluate` in a process of its own, so the numbers are those that anybody gets
with the printed command, and the training's worker is gone with the memory of the GPU.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve import fitness
from evolve.commands.machine import Machine
from evolve.execution import worker
from evolve.file_names import BEST_DETECTOR_FILE, CURVE_FILE, DETECTOR_FILE, PREDICTIONS_FILE
from evolve.final import choice, curve
from evolve.final.choice import Choice
from evolve.process.terminal import WorkFailed, command, say, table
from evolve.task import Task
from evolve.trial_config import post_config

SCORING_SECONDS = 6 * 3600.0  # a bound for a process that hangs: minutes are usual
SCORES = ("map50_95", "map50", "map75")  # of the split and of each class


@dataclass(frozen=True)
class Report:
    """The scores of the detector that is taken. classes: for each class its name, truths, detections and scores."""

    detector: Path
    split: str
    scores: Mapping[str, float]  # by split and name, such as "test/map50"
    classes: Sequence[Mapping[str, Any]]


def score(chosen: Choice, task: Task, out: Path, machine: Machine) -> Report:
    """Score the chosen detector on the test split (on val if there is none), with the fixed NMS of all trials.

    Writes the grid of predictions to `out`. WorkFailed if that cannot be done.
    """
    detector = out.resolve() / (BEST_DETECTOR_FILE if chosen.takes_best else DETECTOR_FILE)
    split = task.data.verdict_split
    say(f"scoring {detector.name} on {split}")
    post = post_config({})
    nms = ["--nms", post.nms, "--nms-iou", str(post.nms_iou), "--nms-beta", str(post.nms_beta)]
    grid = ["--pictures", str(out.resolve() / PREDICTIONS_FILE)]
    answer = evaluate([*_on(detector, task, split), *nms, *grid], machine)
    scores = {f"{split}/{name}": float(answer[name]) for name in SCORES}
    return Report(detector, split, scores, answer["classes"])


def evaluate(words: Sequence[str], machine: Machine) -> dict[str, Any]:
    """The answer of `python -m model evaluate --json` with these words; WorkFailed with its sentence if it fails."""
    environment = {**os.environ, **worker.environment(machine.threads, machine.gpus_per_trial)}
    try:
        done = subprocess.run(  # noqa: S603 (our own program)
            [sys.executable, "-m", "model", "evaluate", *words, "--json"],
            capture_output=True,
            text=True,
            env=environment,
            timeout=SCORING_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WorkFailed(f"the detector is trained, but scoring it took longer than {SCORING_SECONDS:g} s") from error
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise WorkFailed(f"the detector is trained, but it could not be scored: {why}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def say_end(chosen: Choice, report: Report, task: Task, out: Path, weights: Mapping[str, float]) -> None:
    """Print which detector to take and why, its scores by class, and the commands that use and export it."""
    say(f"\n{_comparison(chosen, weights)}")
    head: list[object] = [f"{report.split}: class", "objects", "AP50:95", "AP50", "AP75"]
    rows = [[row["name"], row["truths"], *(float(row[name]) for name in SCORES)] for row in report.classes]
    total = sum(int(row["truths"]) for row in report.classes)
    rows.append(["all classes", total, *(report.scores[f"{report.split}/{name}"] for name in SCORES)])
    say(f"\n{table([head, *rows])}")
    if report.split == "val":
        say("note: there is no test split; val chose between the detectors, so these scores are a little too high")
    say(f"\ncurve: {out / CURVE_FILE}")
    say(f"pictures with truth and predictions: {out / PREDICTIONS_FILE}")
    say(f"detector: {report.detector}")
    say("evaluate: " + command("model", "evaluate", *_on(report.detector, task, report.split)))
    say("predict: " + command("model", "predict", "IMAGE", "--weights", report.detector, "--out", "drawn"))
    say("export: " + command("model", "export", report.detector, "--to", "onnx", "--out", out / "detector.onnx"))


def _on(detector: Path, task: Task, split: str) -> list[str]:
    """The words that name detector, data and split to `python -m model evaluate`."""
    words = ["--weights", str(detector), "--data", str(task.data.path)]
    if not task.data.embedded:
        words += ["--format", str(task.data.format)]  # there may be labels of others beside it
    return [*words, "--split", split]


def _comparison(chosen: Choice, weights: Mapping[str, float]) -> str:
    """A sentence on the last and the best detector, by their fitness on validation."""
    metric = f"validation {fitness.in_words(weights)}"
    last, best = curve.score(chosen.last, weights), curve.score(chosen.best, weights)
    if last is None or best is None:
        return f"{metric}: not known; take {DETECTOR_FILE}, the last one"
    at_last = f"{metric}: {last:.4f} after the last step ({DETECTOR_FILE})"
    if chosen.best.step == chosen.last.step:
        return f"{at_last}, which is the best; {BEST_DETECTOR_FILE} is the same detector"
    at_best = f"{best:.4f} at best, after step {chosen.best.step} ({BEST_DETECTOR_FILE})"
    if chosen.takes_best:
        return f"{at_last}, {at_best}: take the best one, which leads by more than {choice.MARGIN}"
    return f"{at_last}, {at_best}: take the last one; a lead of at most {choice.MARGIN} may be luck"
