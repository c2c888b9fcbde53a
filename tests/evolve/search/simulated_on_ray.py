"""The evolve command on simulated trials and real Ray workers: what tests of stopping start, stop and kill.

SIMULATED_SLEEP: seconds of each measurement.
"""

import os
import sys

import simulated_command

from evolve import task
from evolve.__main__ import main
from evolve.task import Task, TaskRequest
from evolve.trial import ObjectiveFactory


def prepare(request: TaskRequest, *, threads: int = 1) -> Task:
    """The simulated task with an objective that workers can import."""
    made = simulated_command.prepare(request, threads=threads)
    arguments = {"sleep_seconds": float(os.environ.get("SIMULATED_SLEEP", "0"))}
    factory = ObjectiveFactory("evolve.simulated:simulated_objective", arguments)
    return Task(made.space, factory, made.description, made.steps, made.notes)


if __name__ == "__main__":
    task.prepare = prepare
    sys.exit(main())
