"""train: the final training of a winner, or one of the defaults without a search, as a search trains."""

import secrets
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from evolve.checks import disk, versions
from evolve.commands import final_report, training_order, training_shown
from evolve.commands.final_report import Report
from evolve.commands.machine import Machine
from evolve.commands.tracking import tracked_training, tracking_store, unreachable_note
from evolve.commands.training_order import Order
from evolve.execution import resources
from evolve.execution.attempt import measurement_to_plain
from evolve.file_names import CURVE_FILE, PREDICTIONS_FILE, TRAINING_FILE, UNFINISHED
from evolve.final import choice, folder
from evolve.final.choice import Choice
from evolve.final.curve import Point
from evolve.final.folder import Request
from evolve.final.training import Training
from evolve.process import signals
from evolve.process.terminal import WorkFailed, complain, duration, say, working
from evolve.task import InputError
from evolve.trial import GpuNotUsable
from evolve.verdict import winner as winners

# Files on the disk at the same time, in states: three states, and three detectors of half a state each.
STATES_AT_ONCE = 4.5
SHOWN_LOSSES = ("total", "box", "objectness", "class")  # in a line; curve.csv has the other numbers too


def train(arguments: Namespace) -> int:
    """Train a winner at full length, or the defaults of a space without a search, and keep the detector."""
    out: Path = arguments.out
    if arguments.winner is None and arguments.data is None and arguments.space is None:
        raise InputError("train: expected WINNER.yaml, or --data DIR to train without a search, got neither")
    winner = None if arguments.winner is None else winners.read(arguments.winner)
    folder.check(out)
    machine = _machine(arguments.cpu)
    store = tracking_store(arguments.tracking_uri)
    order = (
        training_order.of_defaults(arguments, machine)
        if winner is None
        else training_order.of_winner(winner, arguments, machine)
    )
    if not (out / UNFINISHED).exists():
        disk.check_file(out, round(STATES_AT_ONCE * order.task.state_bytes))
    with folder.held(out) as unfinished:
        now = _request(order, machine)
        request = folder.begin(out, unfinished, now)
        training = Training(order.spec, unfinished, order.fitness)
        note = None if store is None else unreachable_note(store, "training")
        for sentence in (*([] if note is None else [f"note: {note}"]), *order.sentences):
            say(sentence)
        if training.points:
            say(f"--out {out}: holds this training at step {training.step} of {training.steps}: going on")
            if changed := folder.changed_surroundings(request, now):
                say(f"note: {changed}")
        return _run(training, order, request, machine, store, out)


def _run(training: Training, order: Order, request: Request, machine: Machine, store: str | None, out: Path) -> int:
    """Train what is not done yet, then score the detector; returns the exit code."""
    shown = training_shown.run_of(order, request, out)
    for point in training.points:
        training_shown.add_point(shown, point)
    with tracked_training(shown, store, out) as tracker, _going_on(training):
        tracker.notify()

        def show(point: Point) -> None:
            for line in _lines(training.points, training.steps):
                say(f"{time.strftime('%H:%M:%S')} {line}")
            training_shown.add_point(shown, point)
            tracker.notify()

        failure = None
        if training.step < training.steps:
            with machine.executor(order.task.factory) as executor, _telling_of_a_stop(training):
                failure = training.run(executor, show)
        if failure is not None:
            shown.end("FAILED", time.time())
            complain(f"evolve: training failed after step {training.step} of {training.steps}: {failure.reason}")
            return 1
        chosen = choice.choose(training.points, order.fitness)
        report = final_report.score(chosen, order.task, out, machine)
        training_shown.add_numbers(shown, report.scores, training.points[-1])
        folder.finish(out, _record(training, order, chosen, report))
        shown.files += [out / CURVE_FILE, out / PREDICTIONS_FILE, out / TRAINING_FILE]
        final_report.say_end(chosen, report, order.task, out, order.fitness)
        signals.mark_explained()  # a stop from here on only keeps the tracker from sending the rest
    return 0


@contextmanager
def _going_on(training: Training) -> Iterator[None]:
    """Turn errors into WorkFailed and tell of stop signals, both with the step from which the training goes on."""
    try:
        with _telling_of_a_stop(training), working(GpuNotUsable):
            yield
    except WorkFailed as failed:
        raise WorkFailed(f"{failed}; {_how_to_go_on(training)}") from failed.__cause__


@contextmanager
def _telling_of_a_stop(training: Training) -> Iterator[None]:
    """Tell the user, once and before workers and tracker are closed, from which step the training goes on."""

    def tell() -> None:
        if not signals.is_explained():
            signals.mark_explained()
            complain(f"evolve: stopped by {signals.stop_signal() or 'Ctrl-C'}; {_how_to_go_on(training)}")

    with signals.before_cutoff(tell):
        try:
            yield
        except KeyboardInterrupt:
            tell()
            raise


def _how_to_go_on(training: Training) -> str:
    return f"the same command goes on from step {training.step} of {training.steps}"


def _machine(cpu: bool) -> Machine:
    """One worker with all cores, and a GPU where there is one."""
    gpus = 0.0 if cpu or not resources.gpus_in_sight() else 1.0
    return Machine(workers=1, threads=resources.cpu_count(), gpus_per_trial=gpus, address=None)


def _request(order: Order, machine: Machine) -> Request:
    """The request of a training that begins now."""
    now, data, winner = time.time(), order.task.data, order.winner
    installed = versions.installed()
    return Request(
        id=f"training-{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}-{secrets.token_hex(3)}",
        began=now,
        asked={
            "winner": None if winner is None else f"{winner.search_id}/{winner.uid}",
            "config": order.config,
            "seed": order.spec.seed,
            "post": dict(order.spec.post),
            "data": {"fingerprint": data.fingerprint, "classes": list(data.class_names)},
            "anchors": order.task.factory.arguments.get("anchors"),
            "weights": data.weights_fingerprint,
        },
        surroundings={
            "versions": {name: installed[name] for name in versions.FRAMEWORKS if name in installed},
            "threads": machine.threads,
            "device": "GPU" if machine.gpu else "CPU",
        },
    )


def _lines(points: Sequence[Point], steps: int) -> Iterator[str]:
    """The end of the last piece in words: step, time left at the pace so far, losses; then its scores, if any."""
    last, first = points[-1], points[0]
    pace = last.seconds / last.step
    if last.step > first.step:  # the first piece traced and compiled
        pace = (last.seconds - first.seconds) / (last.step - first.step)
    left = f", about {duration(pace * (steps - last.step))} left" if last.step < steps else ""
    losses = ", ".join(f"{name} {last.losses[name]:.4g}" for name in SHOWN_LOSSES if name in last.losses)
    yield f"step {last.step} of {steps}{left}: {losses}"
    if last.scores:
        scores = ", ".join(f"{name} {value:.4f}" for name, value in last.scores.items())
        yield f"step {last.step} of {steps}: {scores}"


def _record(training: Training, order: Order, chosen: Choice, report: Report) -> dict[str, object]:
    winner, spec = order.winner, order.spec
    return {
        "winner": None if winner is None else {"uid": winner.uid, "search_id": winner.search_id},
        "data": order.task.description,
        "config": order.config,
        "seed": spec.seed,
        "steps": spec.stop_step,
        "post": dict(spec.post) or None,
        "checkpoint": str(report.detector),
        "scores": {**chosen.taken.scores, **report.scores},
        "last": {"step": chosen.last.step, "scores": dict(chosen.last.scores)},
        "best": {"step": chosen.best.step, "scores": dict(chosen.best.scores)},
        "split": report.split,
        "classes": list(report.classes),
        "measurements": [measurement_to_plain(measurement) for measurement in training.measured],
        "versions": versions.installed(),
    }
