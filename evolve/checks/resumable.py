"""Whether a search can be resumed: its space, budget, threads, weights, data and frameworks must be unchanged."""

import hashlib
import json

from evolve.checks import versions
from evolve.data_description import DataDescription
from evolve.records.state import SearchState
from evolve.task import InputError, Task

# Keys of paths, which may change; what the files contain may not.
LOCATION_KEYS = frozenset({"path", "weights", "weights_cfg", "embedded"})
ARGUMENT_LOCATION_KEYS = frozenset({"data"})  # of the objective's arguments
WEIGHTS = "weights_fingerprint"
DERIVED_KEYS = frozenset({"taken_over", "output_maps"})  # sentences that follow from the weights; versions differ


class TaskChanged(InputError):
    """The task, its data or the frameworks are not those that a search began with; the message says which."""


def check(state: SearchState, task: Task) -> None:
    """TaskChanged if anything has changed since the search began; the message names the first change."""
    differing = difference(state.space.to_plain(), task.space.to_plain())
    if differing:
        raise TaskChanged(f"search space: changed since the search began: {differing}")
    if state.steps != task.steps:
        raise TaskChanged(f"full budget: expected {state.steps} steps as the search began with, got {task.steps}")
    if state.threads != threads_of(task):
        raise TaskChanged(
            f"threads of a trial: expected {state.threads} as the search began with, got {threads_of(task)}"
        )
    given = task.data
    then, now = state.data.weights_fingerprint, given.weights_fingerprint
    if then != now:
        raise TaskChanged(
            f"weights {given.weights}: expected those that the search began from "
            f"({_fingerprint(then)}), got others ({_fingerprint(now)})"
        )
    differing = difference(_contents(state.data), _contents(given))
    if differing:
        raise TaskChanged(f"data set {given.path}: changed since the search began: {differing}")
    for sentence in versions.changed(state.versions, versions.installed()):
        raise TaskChanged(sentence)


def threads_of(task: Task) -> int:
    """The number of threads of a trial, which its numbers depend on, from the objective's arguments."""
    threads = task.factory.arguments.get("threads", 1)
    return threads if isinstance(threads, int) else 1  # checks/launch.py has refused other values


def basis(task: Task) -> str:
    """SHA-256 of everything beside the spec that a trial's result depends on; paths are not part of it."""
    arguments = {
        name: value
        for name, value in task.factory.arguments.items()
        if name not in LOCATION_KEYS | ARGUMENT_LOCATION_KEYS
    }
    installed = versions.installed()
    plain = {
        "objective": [task.factory.target, arguments],
        "data": _contents(task.data),
        "weights": task.data.weights_fingerprint,
        "threads": threads_of(task),
        "versions": {name: installed.get(name) for name in versions.FRAMEWORKS},
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def difference(then: object, now: object, name: str = "") -> str:
    """The first difference of two plain values in words; empty if they are equal. `name` is the path of keys so far."""
    then, now = json.loads(json.dumps(then)), json.loads(json.dumps(now))
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted({*then, *now}):
            path = f"{name}: {key}" if name else key
            if key not in now or key not in then:
                return f"{path} is {'new' if key in now else 'missing'}"
            inner = difference(then[key], now[key], path)
            if inner:
                return inner
        return ""
    return "" if then == now else f"{name} was {then!r}, is {now!r}"


def _fingerprint(value: str | None) -> str:
    return "none" if value is None else f"sha256 {value[:12]}"


def _contents(data: DataDescription) -> dict[str, object]:
    return {name: value for name, value in data.plain.items() if name not in LOCATION_KEYS | {WEIGHTS} | DERIVED_KEYS}
