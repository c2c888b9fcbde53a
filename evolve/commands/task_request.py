"""The request of a search, as the journal keeps it, and the same task prepared from it again."""

import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from evolve import search, task
from evolve.commands.machine import Machine
from evolve.execution import resources
from evolve.process import credentials
from evolve.records.state import SearchState
from evolve.task import SPACES, InputError, Task, TaskRequest


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
    return TaskRequest(
        data=arguments.data,
        format=arguments.format,
        space=arguments.space,
        variant=arguments.variant,
        preset=arguments.preset,
        weights=arguments.weights,
        cfg=arguments.cfg,
        size=arguments.size,
        batch=arguments.batch,
        steps=arguments.steps,
        share=share,
        settings=_settings_of(arguments.set),
        gpu=gpu,
    )


def task_as_before(state: SearchState, directory: Path, arguments: Namespace) -> Task:
    """The task of an existing search, prepared again; --data and --weights give new paths of the same files."""
    request = _request_as_before(state, directory, arguments.data, arguments.weights, arguments.cfg)
    return task.prepare(request, threads=state.threads)


def weights_as_before(data: Mapping[str, object], given: str | None) -> str:
    """The base weights of an existing search: the given path, else the journalled one, else the shipped file.

    data: what the journal has on the data set and the weights. InputError if the file is gone.
    """
    known = data.get("weights")
    if given is not None or known is None:
        return given or "none"
    shipped = SPACES / Path(str(known)).name  # exists in any checkout
    for path in (Path(str(known)), shipped):
        if path.is_file():
            return str(path)
    raise InputError(
        f"weights {known}: expected the file that the search began from, it is gone; --weights FILE gives its new path"
    )


def cfg_as_before(data: Mapping[str, object], given_weights: str | None, given: Path | None) -> Path | None:
    """The cfg of an existing search's base weights, if they are Darknet's; None: it is looked for beside them."""
    known = data.get("weights_cfg")
    if given is not None or known is None or given_weights is not None or not Path(str(known)).is_file():
        return given
    return Path(str(known))


def machine_as_before(state: SearchState, workers: int | None = None, address: str | None = None) -> Machine:
    """The machine of an existing search: the threads of a trial stay; workers and cluster may change."""
    request = state.request
    if address is not None:
        resources.check_address(address)
    address = address or optional_text(request.get("address"))
    gpus = float(str(request.get("gpus_per_trial", 0.0)))
    return Machine(workers or state.workers, state.threads, gpus, address)


def plain_request(request: TaskRequest, machine: Machine, tracking: str | None) -> dict[str, object]:
    """What a resume needs to prepare the same task, besides the space file in the search directory."""
    return {
        "data": None if request.data is None else str(request.data.resolve()),
        "format": request.format,
        "size": request.size,
        "batch": request.batch,
        "steps": request.steps,
        "share": request.share,
        "gpus_per_trial": machine.gpus_per_trial,
        "address": machine.address,
        "tracking_uri": None if tracking is None else credentials.public(tracking),
        # whether there was a password, which is not kept
        "tracking_password": tracking is not None and credentials.has_secret(tracking),
    }


def _request_as_before(
    state: SearchState, directory: Path, data: Path | None, weights: str | None, cfg: Path | None
) -> TaskRequest:
    plain: Mapping[str, object] = json.loads(json.dumps(state.request))
    if "gpus_per_trial" not in plain:
        raise InputError(f"{directory}: expected a search begun by `evolve search`; this one was begun from Python")
    known = plain["data"]
    return TaskRequest(
        data=data or (None if known is None else Path(str(known))),
        format=None if known is None else optional_text(state.data.get("format")),
        space=directory / search.SPACE_FILE,
        weights=weights_as_before(state.data, weights),
        cfg=cfg_as_before(state.data, weights, cfg),
        size=_whole(plain["size"]),
        batch=_whole(plain["batch"]),
        steps=_whole(plain["steps"]),
        share=float(str(plain["share"])),
        gpu=float(str(plain["gpus_per_trial"])) > 0,
    )


def optional_text(value: object) -> str | None:
    return None if value is None else str(value)


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))
