"""The curve of a training: a point for each piece, with mean losses and, where validation was scored, its scores."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evolve import fitness
from evolve.process.files import write_durably
from evolve.trial import Measurement, TrialSpec


@dataclass(frozen=True)
class Point:
    """The end of a piece."""

    step: int
    losses: Mapping[str, float]  # means over the piece's steps
    seconds: float  # worked since step 0, without interruptions
    scores: Mapping[str, float] = field(default_factory=dict)  # empty if the piece was not scored


def point(piece: TrialSpec, measured: Sequence[Measurement], seconds_before: float) -> Point:
    """The point at the end of a piece from its measurements, whose losses are means since the one before."""
    sums: dict[str, float] = {}
    steps: dict[str, int] = {}
    previous = piece.start_step
    for measurement in measured:
        count = measurement.step - previous
        if count < 1:  # of steps before the piece, which were trained again because its state was lost
            continue
        for name, mean in measurement.losses.items():
            sums[name] = sums.get(name, 0.0) + count * mean
            steps[name] = steps.get(name, 0) + count
        previous = measurement.step
    seconds = sum(sum(measurement.seconds.values()) for measurement in measured)
    losses = {name: total / steps[name] for name, total in sums.items()}
    return Point(piece.stop_step, losses, seconds_before + seconds, dict(measured[-1].scores))


def score(at: Point, weights: Mapping[str, float]) -> float | None:
    """The fitness of a point's scores; None if it has no score, or one that fitness needs is not a number."""
    try:
        return fitness.score(at.scores, weights)
    except ValueError:
        return None


def best(points: Sequence[Point], weights: Mapping[str, float]) -> Point | None:
    """The point with the best fitness, the latest among equal ones; None if none was scored."""
    scored = [(value, at.step, at) for at in points if (value := score(at, weights)) is not None]
    return max(scored, key=lambda entry: entry[:2])[2] if scored else None


def write(path: Path, points: Sequence[Point]) -> None:
    """Write the points as CSV: step, seconds, the losses, the scores; a cell is empty if there is no such number."""
    losses = list(dict.fromkeys(name for at in points for name in at.losses))
    scores = list(dict.fromkeys(name for at in points for name in at.scores))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", "seconds", *losses, *scores])
    for at in points:
        numbers = [at.losses.get(name) for name in losses] + [at.scores.get(name) for name in scores]
        writer.writerow([at.step, round(at.seconds, 1), *("" if number is None else number for number in numbers)])
    write_durably(path, text.getvalue())
