"""What share of a worker's time goes into waiting for its pictures: `python benchmarks/waiting_for_data.py --json`.

Trains the defaults of a space (the small model's, which leaves the least time for pictures) through the objective of a
search, on one thread, from an empty cache of pictures, and adds up the seconds that the trainer journals:
share = data / (data + train), of all steps and of those after the first epoch, in which every picture is decoded once.
What was compiled counts for neither.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path


def main() -> int:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="a data set; default: the embedded one")
    parser.add_argument("--space", type=Path, help="default: that of a search on the CPU")
    parser.add_argument("--size", type=int, default=416, help="side of the network's input")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()

    from data.pictures.disk_cache import FOLDER_VARIABLE
    from evolve import task
    from evolve.objective import detection_objective
    from evolve.trial import TrialSpec, measurements

    request = task.TaskRequest(
        data=arguments.data,
        space=arguments.space,
        size=arguments.size,
        batch=arguments.batch,
        steps=arguments.steps,
    )
    prepared = task.prepare(request)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER_VARIABLE] = folder
        objective = detection_objective(**dict(prepared.factory.arguments))
        load, before = os.getloadavg()[0], None
        spec = TrialSpec("data", prepared.config_of(prepared.space.defaults()), 0, arguments.steps, evaluate_splits=())
        epoch = prepared.description["images"]["train"] / arguments.batch
        whole: Counter[str] = Counter()
        later: Counter[str] = Counter()
        for measurement in measurements(objective(spec)):
            seconds = {kind: measurement.seconds.get(kind, 0.0) for kind in ("data", "train", "compile")}
            whole.update(seconds)
            if before and before.step >= epoch:
                later.update(seconds)
            before = measurement
    figures = {
        "share": _share(whole),
        "share_after_first_epoch": _share(later),
        "seconds": {kind: round(value, 2) for kind, value in whole.items()},
        "size": arguments.size,
        "batch": arguments.batch,
        "steps": arguments.steps,
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
    }
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))
    return 0


def _share(seconds: Mapping[str, float]) -> float | None:
    """Of the time at work; None where there was none."""
    total = seconds["data"] + seconds["train"]
    return round(seconds["data"] / total, 4) if total else None


if __name__ == "__main__":
    sys.exit(main())
