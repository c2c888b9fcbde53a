"""The winner as a file: winner.yaml alone is enough to train the detector that won."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

from evolve import confirm
from evolve.execution.attempt import write_durably
from evolve.genetics.genome import Genome
from evolve.genetics.plain import named, read_file
from evolve.records.state import SearchState
from evolve.task import Task
from evolve.terminal import program
from evolve.trial import Setting
from evolve.trial_config import TrialConfig

WINNER_FILE = "winner.yaml"
FORMAT = 1
HEADER = """\
# The winner of a search, and all it takes to train it:
#   evolve train winner.yaml --data DIR --out DIR
"""
SECTIONS = ("search", "config", "data", "scores")


class WinnerError(ValueError):
    """A winner file that cannot be used, and why."""


@dataclass(frozen=True)
class Winner:
    """What final training needs of a winner file."""

    uid: str
    search_id: str
    seed: int  # of its trial in the search
    config: Mapping[str, Setting]  # the whole effective configuration by address
    data: Mapping[str, object]  # path, fingerprint, class_names, anchors, weights ...


def content(state: SearchState, task: Task) -> dict[str, object]:
    """The file's content, from the state of a search that has chosen its winner."""
    if state.outcome is None:
        raise WinnerError(
            f"search {state.search_id}: expected a chosen winner, there is none yet (it is {state.phase})"
        )
    record = state.individuals[state.outcome.uid]
    config = task.config_of(Genome(record.genome))
    return {
        "format": FORMAT,
        "search": {
            "id": state.search_id,
            "seed": state.seed,
            "uid": record.uid,
            "generation": record.generation,
            "parents": list(record.parents),
            "operator": record.operator,
        },
        "verdict": state.outcome.verdict,
        "genome": dict(record.genome),
        "config": {name: list(value) if isinstance(value, tuple) else value for name, value in config.items()},
        "steps": state.steps,
        "data": dict(state.data),
        "scores": {
            "fitness": {"value": record.fitness, "seed": record.seed, "scores": record.scores.get(state.steps, {})},
            "split": state.outcome.split,
            "winner": {**(state.outcome.confirmed or {}), "runs": _runs(state, record.uid)},
            "defaults": {**(state.outcome.defaults or {}), "runs": _runs(state, confirm.DEFAULTS)},
            "gain": state.outcome.gain,
        },
        "threads": state.threads,
        "versions": dict(state.versions),
    }


def write(path: Path, plain: Mapping[str, object]) -> None:
    """Write a winner file durably."""
    write_durably(path, HEADER + yaml.dump(dict(plain), Dumper=_NoAliases, sort_keys=False))


def read(path: Path) -> Winner:
    """The winner in a file; WinnerError or ValueError names the file, what was expected and what came."""
    if not path.is_file():
        raise WinnerError(f"{path}: expected a winner file ({program()} winner DIR --out {path}), found no such file")
    plain = read_file(path)
    with named(str(path)):
        if not isinstance(plain, dict) or plain.get("format") != FORMAT:
            found = plain.get("format") if isinstance(plain, dict) else plain
            raise WinnerError(f"expected a winner file of format {FORMAT}, got {str(found)[:80]!r}")
        for section in SECTIONS:
            if not isinstance(plain.get(section), dict):
                raise WinnerError(f"expected a section {section!r}, got {plain.get(section)!r}")
        search, scores = plain["search"], plain["scores"]
        fitness = scores.get("fitness")
        seed = fitness.get("seed") if isinstance(fitness, dict) else None
        return Winner(
            uid=str(search.get("uid")),
            search_id=str(search.get("id")),
            seed=_count(seed, "scores: fitness: seed", 0),
            config=TrialConfig.from_settings(cast(Mapping[str, Setting], plain["config"])).settings(),
            data=plain["data"],
        )


def _count(value: object, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise WinnerError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    return value


def _runs(state: SearchState, individual: str) -> list[dict[str, object]]:
    return [
        {"seed": one.seed, "scores": one.scores, **({} if one.reason is None else {"failed": one.reason})}
        for one in confirm.runs_of(state, individual)
    ]


class _NoAliases(yaml.SafeDumper):
    """Writes a value that stands in two places twice: people read this file."""

    def ignore_aliases(self, _data: object) -> bool:
        return True
