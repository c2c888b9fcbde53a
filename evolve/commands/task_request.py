"""The request of a search, as the journal keeps it, and the same task prepared from it again."""

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from evolve import task
from evolve.commands.machine import Machine
from evolve.data_description import DataDescription
from evolve.execution import resources
from evolve.file_names import SPACE_FILE
from evolve.process import credentials
from evolve.records.search_request import SearchRequest
from evolve.records.state import SearchState
from evolve.task import SPACES, InputError, Task, TaskRequest

FLAGS = frozenset(field.name for field in fields(TaskRequest))
KEPT = tuple(field.name for field in fields(SearchRequest) if field.name in FLAGS - {"data"})  # as they were given


def _settings_of(pairs: list[str]) -> dict[str, str]:
    """The --set flags as a mapping."""
    settings: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise InputError(f"--set {pair}: expected gene=value")
        settings[name] = value
    return settings


def request_of(arguments: Namespace, *, gpu: bool, share: float = 1.0) -> TaskRequest:
    """The request that the flags on data and model ask for; those of a search and of a training without one."""
    flags = {name: value for name, value in vars(arguments).items() if name in FLAGS}
    return TaskRequest(**{**flags, "share": share, "settings": _settings_of(arguments.set), "gpu": gpu})


def weights_as_before(data: DataDescription, given: str | None) -> str:
    """The base weights of an existing search: the given path, else the earlier one, else the shipped file.

    InputError if the file is gone.
    """
    if given is not None or data.weights is None:
        return given or "none"
    shipped = SPACES / Path(data.weights).name  # exists in any checkout
    for path in (Path(data.weights), shipped):
        if path.is_file():
            return str(path)
    raise InputError(
        f"weights {data.weights}: expected the file that the search began from, it is gone; "
        "--weights FILE gives its new path"
    )


def cfg_as_before(data: DataDescription, given_weights: str | None, given: Path | None) -> Path | None:
    """The cfg of an existing search's base weights, if they are Darknet's; None: it is looked for beside them."""
    known = data.weights_cfg
    if given is not None or known is None or given_weights is not None or not Path(known).is_file():
        return given
    return Path(known)


def machine_as_before(state: SearchState, workers: int | None = None, address: str | None = None) -> Machine:
    """The machine of an existing search: the threads of a trial stay; workers and cluster may change."""
    request = state.request
    if address is not None:
        resources.check_address(address)
    gpus = request.gpus_per_trial or 0.0
    return Machine(workers or state.workers, state.threads, gpus, address or request.address)


def request_to_keep(
    request: TaskRequest, machine: Machine, tracking: str | None, warm_start: Sequence[Path] = ()
) -> SearchRequest:
    """What a resume needs to prepare the same task, besides the space file in the search directory."""
    return SearchRequest(
        **{name: getattr(request, name) for name in KEPT},
        data=None if request.data is None else str(request.data.resolve()),
        gpus_per_trial=machine.gpus_per_trial,
        address=machine.address,
        tracking_uri=None if tracking is None else credentials.public(tracking),
        tracking_password=tracking is not None and credentials.has_secret(tracking),
        warm_start=[str(path) for path in warm_start],
    )


def task_as_before(state: SearchState, directory: Path, arguments: Namespace) -> Task:
    """The task of an existing search, prepared again; --data and --weights give new paths of the same files."""
    request, known = state.request, state.data
    if request.gpus_per_trial is None:
        raise InputError(f"{directory}: expected a search begun by `evolve search`; this one was begun from Python")
    as_before = TaskRequest(
        **{name: getattr(request, name) for name in KEPT if name != "format"},
        data=arguments.data or (None if request.data is None else Path(request.data)),
        format=None if request.data is None else known.format,  # as it was detected
        space=directory / SPACE_FILE,
        weights=weights_as_before(known, arguments.weights),
        cfg=cfg_as_before(known, arguments.weights, arguments.cfg),
        gpu=request.gpus_per_trial > 0,
    )
    return task.prepare(as_before, threads=state.threads)
