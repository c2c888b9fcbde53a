"""The evolve command on simulated trials in this process: what tests start, interrupt and kill.

SIMULATED_SLEEP: seconds of each measurement. SIMULATED_LOG: a file that gets a line for each piece begun.
SIMULATED_READING: seconds to read the data set. SIMULATED_SCORING: seconds to score a trained detector.
SIMULATED_START: seconds that workers take to start, in which no signal is acted on, as in Ray.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve import task
from evolve.__main__ import main
from evolve.commands import final_report, machine
from evolve.execution.local_executor import LocalExecutor
from evolve.genetics import space as spaces
from evolve.process import signals
from evolve.simulated import SPACE, simulated_objective
from evolve.task import Task, TaskRequest
from evolve.trial import Measurement, ObjectiveFactory, TrialSpec

DESCRIPTION: Mapping[str, object] = {
    "path": "nowhere",
    "fingerprint": "simulated",
    "class_names": ["thing"],
    "images": {"train": 8, "val": 4, "test": 4},
    "embedded": True,
    "weights": None,
}


@dataclass
class Logged:
    """Writes the name of each piece to a file when it begins, then simulates it."""

    def make(self) -> "Logged":
        self.inner = simulated_objective(
            failures=float(os.environ.get("SIMULATED_FAILURES", "0.3")),
            sleep_seconds=float(os.environ.get("SIMULATED_SLEEP", "0")),
        )
        return self

    def __call__(self, spec: TrialSpec) -> Iterator[Measurement]:
        if "SIMULATED_LOG" in os.environ:
            with Path(os.environ["SIMULATED_LOG"]).open("a") as log:
                log.write(f"{spec.uid} {spec.start_step} {spec.stop_step}\n")
        if spec.checkpoint is not None:
            spec.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            spec.checkpoint.write_text(f"step {spec.stop_step}")
        yield from self.inner(spec)


def prepare(request: TaskRequest, *, threads: int = 1) -> Task:
    """A simulated task; --space and --set are honoured."""
    time.sleep(float(os.environ.get("SIMULATED_READING", "0")))
    space = spaces.parse(SPACE, "simulated") if request.space is None else task.load_space(request.space)[0]
    for address, value in request.settings.items():
        space = space.with_gene_fixed(address, value)
    return Task(
        space,
        ObjectiveFactory("evolve.simulated:simulated_objective"),
        dict(DESCRIPTION),
        90,
        ("data: none, curves are made up",),
    )


def local(*_arguments: object) -> LocalExecutor:
    if "SIMULATED_START" in os.environ:
        with signals.held():
            Path("starting").touch()
            time.sleep(float(os.environ["SIMULATED_START"]))
    return LocalExecutor(Logged())  # type: ignore[arg-type]


def evaluate(words: Sequence[str], _machine: object) -> dict[str, object]:
    """The answer of `python -m model evaluate --json` for a detector that is not there."""
    if "SIMULATED_SCORING" in os.environ:
        Path("scoring").write_text(" ".join(words))
        time.sleep(float(os.environ["SIMULATED_SCORING"]))
    scores = {"map50_95": 0.25, "map50": 0.5, "map75": 0.125}
    return {**scores, "classes": [{"name": "thing", "truths": 4, "detections": 9, **scores}]}


def patch() -> None:
    """Make the commands use simulated trials."""
    task.prepare = prepare
    final_report.evaluate = evaluate
    machine.Machine.executor = local  # type: ignore[assignment]


if __name__ == "__main__":
    patch()
    sys.exit(main())
