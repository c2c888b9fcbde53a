"""One attempt at one piece of a trial, as every executor runs it: a finished piece is not trained twice.

When a piece is over, its measurements are written beside the trial's state (temporary file, fsync, rename,
fsync of the folder) before the last one is handed out. If the controller is killed before it journals that one, it
leases the piece again after a resume, and gets the written measurements instead of a second training.
"""

import hashlib
import json
import math
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evolve.execution.executor import Lease
from evolve.process import files
from evolve.trial import (
    Failure,
    Measurement,
    Objective,
    Progress,
    Report,
    Setting,
    TrialDiverged,
    TrialSpec,
    TunedPost,
)

REASON_LENGTH = 300  # characters of an exception that fit in one line of a table
# Settings that earlier versions did not have, with the values at which a training is as it was then.
ADDED_LATER: Mapping[str, Setting] = {
    "loss.reduction": "picture",
    "loss.box_gradient": "exact",
    "loss.max_delta": 0.0,
    "optimizer.spike_factor": 0.0,
}


def run_attempt(objective: Objective, lease: Lease) -> Iterator[Report]:
    """Yield the reports of the lease: the stored measurements if this piece was finished before, else train it.

    The last one is handed out after the objective has ended, when everything that it stores is stored.
    """
    spec = lease.spec
    stored = read_result(spec)
    if stored is not None:
        yield from stored
        return
    measured: list[Measurement] = []
    for report in objective(spec):
        if isinstance(report, Progress):
            yield report
            continue
        measured.append(report)
        if report.step < spec.stop_step:
            yield report
    if not measured or measured[-1].step != spec.stop_step:
        reached = measured[-1].step if measured else "nothing"
        raise RuntimeError(
            f"{spec.uid}: expected a measurement at step {spec.stop_step}, the objective ended at {reached}"
        )
    write_result(spec, measured)
    yield measured[-1]


def failure_of(exception: Exception) -> Failure:
    """The failure that an exception of a trial means: "diverged" for TrialDiverged, else "crashed"."""
    kind = "diverged" if isinstance(exception, TrialDiverged) else "crashed"
    first_line = next(iter(str(exception).strip().splitlines()), "")
    text = first_line if kind == "diverged" and first_line else f"{type(exception).__name__}: {first_line}".rstrip(": ")
    return Failure(kind, text[:REASON_LENGTH], "".join(traceback.format_exception(exception)))


def result_path(spec: TrialSpec) -> Path | None:
    """The file for the measurements of the piece that ends at stop_step; None if the trial has no state folder."""
    return None if spec.state_dir is None else spec.state_dir / f"result-{spec.stop_step}.json"


def spec_key(spec: TrialSpec) -> str:
    """A fingerprint of everything that the piece's result depends on; paths are not part of it."""
    plain = {
        "uid": spec.uid,
        "config": {
            name: value
            for name, value in sorted(spec.config.items())
            if name not in ADDED_LATER or value != ADDED_LATER[name]
        },
        "seed": spec.seed,
        "start_step": spec.start_step,
        "stop_step": spec.stop_step,
        "evaluate_splits": list(spec.evaluate_splits),
        # left out if empty, and the settings of ADDED_LATER likewise: results of earlier versions keep their key
        **({"basis": spec.basis} if spec.basis else {}),
        **({"tune_post": dict(spec.tune_post)} if spec.tune_post else {}),
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def read_result(spec: TrialSpec) -> list[Measurement] | None:
    """The stored measurements of this piece; None if it was not finished, or the file is damaged or of another spec."""
    path = result_path(spec)
    if path is None or not path.is_file():
        return None
    if spec.checkpoint is not None and not spec.checkpoint.exists():
        return None  # finished, but its detector was removed
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    if not isinstance(plain, dict) or plain.get("spec") != spec_key(spec):
        return None
    return [_measurement(measurement) for measurement in plain["measurements"]]


def write_result(spec: TrialSpec, measured: list[Measurement]) -> None:
    """Write the measurements durably; a reader sees all of them or none."""
    path = result_path(spec)
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {"spec": spec_key(spec), "measurements": [measurement_to_plain(measurement) for measurement in measured]}
    files.write_durably(path, json.dumps(plain))


def measurement_to_plain(measurement: Measurement) -> dict[str, object]:
    """A measurement as JSON can hold it; numbers that are not finite are left out."""
    plain = asdict(finite(measurement))
    return {name: value for name, value in plain.items() if name != "post" or value is not None}


def finite(measurement: Measurement) -> Measurement:
    """The measurement without numbers that are not finite, which JSON cannot hold."""
    return replace(
        measurement,
        losses=_finite(measurement.losses),
        scores=_finite(measurement.scores),
        seconds=_finite(measurement.seconds),
    )


def _measurement(plain: dict[str, Any]) -> Measurement:
    post = plain.get("post")
    return Measurement(**{**plain, "post": None if post is None else TunedPost(**post)})


def _finite(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: float(number) for name, number in numbers.items() if math.isfinite(number)}
