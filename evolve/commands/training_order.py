"""What `evolve train` trains: a winner from its file, or the defaults of a space, each as a spec with its task."""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from evolve import task, training_specs
from evolve.commands import task_request
from evolve.commands.machine import Machine
from evolve.task import InputError, Task, TaskRequest
from evolve.trial import TrialSpec
from evolve.trial_config import TrialConfig
from evolve.verdict import winner as winners
from evolve.verdict.winner import Winner

OF_DEFAULTS = ("space", "variant", "preset", "size", "batch", "set", "seed")  # flags of a training without a winner


@dataclass(frozen=True)
class Order:
    """One training, ready to run: what of, what is said before it, and the winner if it is one's."""

    task: Task
    spec: TrialSpec
    sentences: tuple[str, ...]
    winner: Winner | None = None

    @property
    def fitness(self) -> dict[str, float]:
        """The weights of the validation scores by which detectors are compared: those of the winner's search."""
        return dict((self.winner and self.winner.fitness) or self.task.space.fitness)

    @property
    def config(self) -> dict[str, object]:
        """The whole configuration, as JSON holds it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self.spec.config.items()}


def of_winner(winner: Winner, arguments: Namespace, machine: Machine) -> Order:
    """The training of the winner in the file, on the data set of its search or on another one."""
    for flag in OF_DEFAULTS:
        if getattr(arguments, flag) not in (None, []):
            raise InputError(
                f"--{flag}: expected it without WINNER.yaml: the file says what is trained; "
                "to train another value, change the file"
            )
    prepared = training_specs.with_winners_anchors(_task(winner, arguments, machine), winner)
    spec = training_specs.winner_spec(winner, arguments.out, arguments.steps)
    sentences = [
        f"final training of {winner.uid} (search {winner.search_id}): {spec.stop_step} steps, seed {spec.seed}"
    ]
    if winner.post:
        used = ", ".join(f"{name} {value}" for name, value in winner.post.items())
        sentences.append(
            f"note: the detector keeps its tuned NMS ({used}); the scores below have the fixed one of the search"
        )
    sentences += [f"note: {sentence}" for sentence in _differences(winner, prepared)]
    return Order(prepared, spec, tuple(sentences), winner)


def of_defaults(arguments: Namespace, machine: Machine) -> Order:
    """The training of the defaults of the space that the flags ask for."""
    request = task_request.request_of(arguments, gpu=machine.gpu)
    prepared = task.prepare(request, threads=machine.threads)
    spec = training_specs.defaults_spec(prepared, arguments.out, arguments.seed or 0)
    sentence = f"training of the defaults, without a search: {spec.stop_step} steps, seed {spec.seed}"
    return Order(prepared, spec, (*prepared.notes, sentence))


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
