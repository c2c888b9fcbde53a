"""What MLflow is shown of a training: its configuration, and the numbers at the end of each piece."""

from collections.abc import Mapping
from pathlib import Path

from evolve.commands.training_order import Order
from evolve.final.curve import Point
from evolve.final.folder import Request
from evolve.records.run_updates import MetricValue, milliseconds
from evolve.records.training_feed import TrainingRun


def run_of(order: Order, request: Request, out: Path) -> TrainingRun:
    """The run of a training in this folder, without numbers yet."""
    winner, data = order.winner, order.task.data
    tags = {"evolve.seed": str(order.spec.seed), "data.fingerprint": str(data.fingerprint)}
    if winner is not None:
        tags["evolve.trained_from"] = f"{winner.search_id}/{winner.uid}"
    params = {name: str(value) for name, value in order.config.items()}
    return TrainingRun(request.id, f"training {out.name}", request.began, tags, params)


def add_point(run: TrainingRun, point: Point) -> None:
    """Add a point's numbers, under the names that they have in the runs of trials."""
    add_numbers(run, {**{f"loss/{name}": value for name, value in point.losses.items()}, **point.scores}, point)


def add_numbers(run: TrainingRun, numbers: Mapping[str, float], point: Point) -> None:
    """Add numbers at a point. Their time is the beginning plus the time worked, equal however often it is sent."""
    when = milliseconds(run.began + point.seconds)
    run.metrics += [MetricValue(name, float(value), point.step, when) for name, value in numbers.items()]
