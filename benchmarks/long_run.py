"""One long training with every technique on: `python benchmarks/long_run.py --data DIR --steps 1500 --out FOLDER`.

Trains the defaults of a search space (search_spaces/yolov4_small.yaml, or --space) on a labelled data set from the
shipped base checkpoint, scores the validation split every so often, and writes FOLDER/curve.csv, curve.png and the
detector. Prints the curve; --json prints one document. A run that was stopped goes on from its last score.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

from evolve import task, techniques
from evolve.objective import DetectionObjective, detection_objective
from evolve.trial import TrialSpec, measurements

COLUMNS = ("step", "map50", "map50_95", "seconds", "total", "box", "objectness", "class")


def main() -> int:
    """Run and print the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--space", type=Path, default=task.SMALL_SPACE)
    parser.add_argument("--variant", help="a released network, as of `evolve search`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--every", type=int, default=100, help="steps between scores")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="ADDRESS=VALUE")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    settings = dict(setting.split("=", 1) for setting in arguments.set)
    request = task.TaskRequest(
        data=arguments.data,
        space=arguments.space,
        variant=arguments.variant,
        size=arguments.size,
        steps=arguments.steps,
        settings=settings,
    )
    prepared = task.prepare(request, threads=arguments.threads)
    for note in prepared.notes:
        print(note, file=sys.stderr)
    config = prepared.config_of(prepared.space.defaults())
    train = detection_objective(**dict(prepared.factory.arguments))  # type: ignore[arg-type]
    curve = _train(train, config, arguments)
    _draw(
        curve,
        arguments.out / "curve.png",
        f"{arguments.data.name}, {config['train.size']} px, batch {config['train.batch']}",
    )
    if arguments.json:
        off = list(techniques.switched_off(config))
        print(json.dumps({"data": arguments.data.name, "steps": arguments.steps, "off": off, "curve": curve}))
    return 0


def _train(train: DetectionObjective, config: dict, arguments: argparse.Namespace) -> list[dict[str, float]]:
    """The scores by step, those of an earlier run of the same folder first."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / "curve.csv"
    curve = (
        [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file.open())]
        if file.exists()
        else []
    )
    start = int(curve[-1]["step"]) if curve else 0
    seconds = curve[-1]["seconds"] if curve else 0.0
    while start < arguments.steps:
        stop = min(start + arguments.every, arguments.steps)
        last = stop == arguments.steps
        spec = TrialSpec(
            "long-run",
            config,
            arguments.seed,
            stop,
            start,
            ("val",),
            arguments.out / "state",
            arguments.out / "detector.keras" if last else None,
        )
        for measurement in measurements(train(spec)):
            seconds += sum(measurement.seconds.values())
        scores, losses = measurement.scores, measurement.losses
        row = {
            "step": stop,
            "map50": scores["val/map50"],
            "map50_95": scores["val/map50_95"],
            "seconds": round(seconds, 1),
        }
        curve.append({**row, **{name: losses[name] for name in COLUMNS[4:]}})
        with file.open("w", newline="") as out:
            writer = csv.DictWriter(out, COLUMNS)
            writer.writeheader()
            writer.writerows(curve)
        print(" ".join(f"{name} {value:.4g}" for name, value in curve[-1].items()), file=sys.stderr)
        start = stop
    return curve


def _draw(curve: list[dict[str, float]], path: Path, title: str) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    steps = [row["step"] for row in curve]
    axes.plot(steps, [row["map50"] for row in curve], label="AP50")
    axes.plot(steps, [row["map50_95"] for row in curve], label="AP50:95")
    axes.set(xlabel="optimizer steps", ylabel="validation AP", ylim=(0, 1), title=title)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())
