"""train: the final training of a winner, or one of the defaults without a search, as a search trains."""

import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evolve import task, training_specs
from evolve.checks import disk, versions
from evolve.commands import task_request
from evolve.commands.machine import Machine
from evolve.execution import resources, single_trial
from evolve.execution.attempt import measurement_to_plain
from evolve.process.files import write_durably
from evolve.process.terminal import command, complain, say, working
from evolve.task import InputError, Task, TaskRequest
from evolve.trial import GpuNotUsable, Measurement, TrialSpec
from evolve.trial_config import TrialConfig
from evolve.verdict import winner as winners
from evolve.verdict.winner import Winner

TRAINING_FILE = "training.json"
OF_DEFAULTS = ("space", "variant", "preset", "size", "batch", "set", "seed")  # flags of a training without a winner


@dataclass(frozen=True)
class Training:
    """One training, ready to run: what of, what is said before it, and the winner if it is one's."""

    task: Task
    spec: TrialSpec
    sentences: tuple[str, ...]
    winner: Winner | None = None


def train(arguments: Namespace) -> int:
    """Train a winner at full length, or the defaults of a space without a search, and keep the detector."""
    out: Path = arguments.out
    if arguments.winner is None and arguments.data is None and arguments.space is None:
        raise InputError("train: expected WINNER.yaml, or --data DIR to train without a search, got neither")
    winner = None if arguments.winner is None else winners.read(arguments.winner)
    if (out / TRAINING_FILE).is_file():
        raise InputError(f"--out {out}: holds a finished training already ({TRAINING_FILE}); expected another folder")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: expected a folder or nothing there, found a file")
    machine = _machine(arguments.cpu)
    training = _of_defaults(arguments, machine) if winner is None else _of_winner(winner, arguments, machine)
    prepared, spec = training.task, training.spec
    disk.check_file(out, prepared.state_bytes)  # the detector is less: weights alone
    for sentence in training.sentences:
        say(sentence)
    out.mkdir(parents=True, exist_ok=True)
    with working(GpuNotUsable), machine.executor(prepared.factory) as executor:
        measured, failure = single_trial.run_one(executor, spec, _say_measurement(spec))
    if failure is not None:
        complain(f"evolve: training failed: {failure.reason}")
        return 1
    write_durably(out / TRAINING_FILE, json.dumps(_record(training, measured), indent=1))
    say(f"detector: {spec.checkpoint}")
    _say_next(prepared, spec)
    return 0


def _of_winner(winner: Winner, arguments: Namespace, machine: Machine) -> Training:
    for flag in OF_DEFAULTS:
        if getattr(arguments, flag) not in (None, []):
            raise InputError(
                f"--{flag}: expected it without WINNER.yaml: the file says what is trained; "
                "to train another value, change the file"
            )
    prepared = training_specs.with_winners_anchors(_task(winner, arguments, machine), winner)
    spec = training_specs.winner_spec(winner, prepared, arguments.out, arguments.steps)
    sentences = [
        f"final training of {winner.uid} (search {winner.search_id}): {spec.stop_step} steps, seed {spec.seed}"
    ]
    if winner.post:
        used = ", ".join(f"{name} {value}" for name, value in winner.post.items())
        sentences.append(
            f"note: the detector keeps its tuned NMS ({used}); the scores below have the fixed one of the search"
        )
    sentences += [f"note: {sentence}" for sentence in _differences(winner, prepared)]
    return Training(prepared, spec, tuple(sentences), winner)


def _of_defaults(arguments: Namespace, machine: Machine) -> Training:
    request = task_request.request_of(arguments, gpu=machine.gpu)
    prepared = task.prepare(request, threads=machine.threads)
    spec = training_specs.defaults_spec(prepared, arguments.out, arguments.seed or 0)
    sentence = f"training of the defaults, without a search: {spec.stop_step} steps, seed {spec.seed}"
    return Training(prepared, spec, (*prepared.notes, sentence))


def _machine(cpu: bool) -> Machine:
    """One worker with all cores, and a GPU where there is one."""
    gpus = 0.0 if cpu or not resources.gpus_in_sight() else 1.0
    return Machine(workers=1, threads=resources.cpu_count(), gpus_per_trial=gpus, address=None)


def _task(winner: Winner, arguments: Namespace, machine: Machine) -> Task:
    """The objective on the data set and from the weights given, else on those the winner was found on."""
    data: Path | None = arguments.data
    kind: str | None = arguments.format
    known = winner.data
    if not known.embedded:
        if data is None and known.path is None:
            raise winners.WinnerError(
                "data: expected a line for path, got none; --data DIR says where the data set lies"
            )
        path = None if known.path is None else Path(known.path)
        data = data or path
        if kind is None and data is not None and path is not None and data.resolve() == path.resolve():
            kind = known.format
    config = TrialConfig.from_settings(winner.config)
    request = TaskRequest(
        data=data,
        format=kind,
        weights=task_request.weights_as_before(known, arguments.weights),
        cfg=task_request.cfg_as_before(known, arguments.weights, arguments.cfg),
        size=config.train.size,
        settings={name: str(value) for name, value in winner.config.items() if name.startswith("detector.")},
        steps=config.train.steps,
        gpu=machine.gpu,
    )
    return task.prepare(request, threads=machine.threads)


def _differences(winner: Winner, prepared: Task) -> list[str]:
    """What is otherwise than in the search, and what follows from that."""
    found, now = [], prepared.data
    if winner.data.fingerprint != now.fingerprint:
        found.append("this is not the data set of the search; its scores cannot be compared with the search's")
    if winner.data.class_names != now.class_names:
        found.append("its classes are others than in the search; the detector learns those of this data set")
    if winner.data.weights_fingerprint != now.weights_fingerprint:
        found.append("it starts from other weights than in the search")
    if winner.defaulted:
        lines = ", ".join(winner.defaulted)
        found.append(f"the file is of an earlier version: these have no line in it and take their defaults: {lines}")
    return found


def _say_measurement(spec: TrialSpec) -> Callable[[Measurement], None]:
    def show(measurement: Measurement) -> None:
        losses = ", ".join(f"{name} {value:.4f}" for name, value in measurement.losses.items())
        say(f"step {measurement.step} of {spec.stop_step}: {losses}")
        if measurement.scores:
            say("scores: " + ", ".join(f"{name} {value:.4f}" for name, value in measurement.scores.items()))

    return show


def _record(training: Training, measured: list[Measurement]) -> dict[str, object]:
    winner, spec = training.winner, training.spec
    config = {name: list(value) if isinstance(value, tuple) else value for name, value in spec.config.items()}
    return {
        "winner": None if winner is None else {"uid": winner.uid, "search_id": winner.search_id},
        "data": training.task.description,
        "config": config,
        "seed": spec.seed,
        "steps": spec.stop_step,
        "post": dict(spec.post) or None,
        "scores": dict(measured[-1].scores),
        "checkpoint": str(spec.checkpoint),
        "measurements": [measurement_to_plain(one) for one in measured],
        "versions": versions.installed(),
    }


def _say_next(prepared: Task, spec: TrialSpec) -> None:
    split = spec.evaluate_splits[-1]
    data: list[object] = ["--data", prepared.data.path]
    if not prepared.data.embedded:
        data += ["--format", prepared.data.format]  # there may be labels of others beside it
    say("evaluate: " + command("model", "evaluate", "--weights", spec.checkpoint, *data, "--split", split))
    say("predict: " + command("model", "predict", "IMAGE", "--weights", spec.checkpoint))
