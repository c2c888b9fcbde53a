"""Whether a search can go on: space, budget, threads, weights, data, frameworks must be what they were at its begin."""

import hashlib
import json
from collections.abc import Mapping

from evolve.checks import versions
from evolve.records.journal import JournalError
from evolve.records.state import SearchState
from evolve.task import Task

# Where things lie may change, what is in them may not.
PLACES = frozenset({"path", "weights", "weights_cfg", "embedded"})
ARGUMENT_PLACES = frozenset({"data"})  # of the objective's arguments
WEIGHTS = "weights_fingerprint"
SAID = frozenset({"taken_over", "output_maps"})  # what follows from the weights, in words of some version


def check(state: SearchState, task: Task) -> None:
    """JournalError that names the first thing that is not what it was."""
    differing = difference(state.space, task.space.to_plain())
    if differing:
        raise JournalError(f"search space: changed since the search began: {differing}")
    if state.steps != task.steps:
        raise JournalError(f"full budget: expected {state.steps} steps as the search began with, got {task.steps}")
    if state.threads != threads_of(task):
        raise JournalError(
            f"threads of a trial: expected {state.threads} as the search began with, got {threads_of(task)}"
        )
    then, now = state.data.get(WEIGHTS), task.description.get(WEIGHTS)
    if then != now:
        raise JournalError(
            f"weights {task.description.get('weights')}: expected those that the search began from "
            f"({_fingerprint(then)}), got others ({_fingerprint(now)})"
        )
    differing = difference(_contents(state.data), _contents(task.description))
    if differing:
        raise JournalError(f"data set {task.description.get('path')}: changed since the search began: {differing}")
    for sentence in versions.changed(state.versions, versions.installed()):
        raise JournalError(sentence)


def threads_of(task: Task) -> int:
    """Threads of one trial, which its numbers depend on: the objective's own setting is the only source."""
    return int(str(task.factory.arguments.get("threads", 1)))


def basis(task: Task) -> str:
    """SHA-256 of all that a trial's result depends on beside its spec: where it lies is no part of that."""
    arguments = {name: value for name, value in task.factory.arguments.items() if name not in PLACES | ARGUMENT_PLACES}
    found = versions.installed()
    plain = {
        "objective": [task.factory.target, arguments],
        "data": _contents(task.description),
        "weights": task.description.get(WEIGHTS),
        "threads": threads_of(task),
        "versions": {name: found.get(name) for name in versions.FRAMEWORKS},
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def difference(then: object, now: object, name: str = "") -> str:
    """The first place where two plain values differ, as words; empty when they are equal."""
    then, now = json.loads(json.dumps(then)), json.loads(json.dumps(now))
    if isinstance(then, dict) and isinstance(now, dict):
        for key in sorted({*then, *now}):
            place = f"{name}: {key}" if name else key
            if key not in now or key not in then:
                return f"{place} is {'new' if key in now else 'missing'}"
            found = difference(then[key], now[key], place)
            if found:
                return found
        return ""
    return "" if then == now else f"{name} was {then!r}, is {now!r}"


def _fingerprint(value: object) -> str:
    return "none" if value is None else f"sha256 {str(value)[:12]}"


def _contents(description: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in description.items() if name not in PLACES | {WEIGHTS} | SAID}
