"""The winner as a file: winner.yaml alone is enough to train the detector that won."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from evolve import candidates, verdict
from evolve.execution.attempt import write_durably
from evolve.genetics.genome import DEFAULTS, Genome
from evolve.genetics.plain import named, read_file, to_yaml
from evolve.records.state import Confirmation, SearchState
from evolve.task import Task
from evolve.terminal import command
from evolve.trial import Setting, TunedPost, Value
from evolve.trial_config import TrialConfig, post_config

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
    post: Mapping[str, Value] = field(default_factory=dict)  # tuned NMS for the detector's use; empty: the defaults


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
        **_post(state, record.uid),
        "steps": state.steps,
        "data": dict(state.data),
        "scores": {
            "fitness": {"value": record.fitness, "seed": record.seed, "scores": record.scores.get(state.steps, {})},
            "split": state.outcome.split,
            "winner": {**(state.outcome.confirmed or {}), "runs": _runs(state, record.uid)},
            "defaults": {**(state.outcome.defaults or {}), "runs": _runs(state, DEFAULTS)},
            "gain": state.outcome.gain,
            **_validation(state),
            **_choice(state),
        },
        "threads": state.threads,
        "versions": dict(state.versions),
    }


def write(path: Path, plain: Mapping[str, object]) -> None:
    """Write a winner file durably."""
    write_durably(path, HEADER + to_yaml(dict(plain)))


def read(path: Path) -> Winner:
    """The winner in a file; WinnerError or ValueError names the file, what was expected and what came."""
    if not path.is_file():
        make = command("evolve", "winner", "DIR", "--out", path)
        raise WinnerError(f"{path}: expected a winner file, found no such file; write one with: {make}")
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
            post=_post_settings(plain.get("post")),
        )


def nms_line(post: TunedPost) -> str:
    """One sentence on the NMS that was tuned for the winner's use."""
    settings = post_config(post["settings"])
    beta = f", beta {settings.nms_beta:g}" if settings.nms == "diou" else ""
    chosen = f"{settings.nms} at {settings.nms_iou:g}{beta}"
    fixed, tuned = post["fixed"]["fitness"], post["tuned"]["fitness"]
    if tuned <= fixed:
        return f"{chosen}, as in the search: no other setting scored higher on validation"
    return f"{chosen}, tuned on validation: {tuned:.4f} there instead of {fixed:.4f} (other scores: with the fixed NMS)"


def _post(state: SearchState, uid: str) -> dict[str, object]:
    """The section on tuned NMS, where there is any."""
    run = state.tuned(uid)
    if run is None or run.post is None:
        return {}
    scores = {name: run.post[name] for name in ("fixed", "tuned")}
    return {"post": {**run.post["settings"], "validation": {"seed": run.seed, **scores}}}


def _post_settings(section: object) -> dict[str, Value]:
    """The settings of the section, checked; none for a file of before it was written, or of a search without it."""
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise WinnerError(f"post: expected NMS settings by name, got {section!r}")
    settings = {name: value for name, value in section.items() if name != "validation"}
    with named("post"):
        post_config(settings)
    return settings


def _count(value: object, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise WinnerError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    return value


def _runs(state: SearchState, individual: str) -> list[dict[str, object]]:
    return [_run(one) for one in verdict.runs_of(state, individual)]


def _run(one: Confirmation) -> dict[str, object]:
    return {"seed": one.seed, "scores": one.scores, **({} if one.reason is None else {"failed": one.reason})}


def _validation(state: SearchState) -> dict[str, object]:
    """The same runs on validation; not in searches of earlier versions."""
    validation = None if state.outcome is None else state.outcome.validation
    return {} if validation is None else {"validation": validation}


def _choice(state: SearchState) -> dict[str, object]:
    """How the candidates stood when the winner was chosen, best first, with the runs that chose."""
    if state.choice is None:
        return {}
    return {
        "candidates": [
            {**one, "runs": [_run(run) for run in candidates.runs_of(state, str(one["uid"]))]}
            for one in state.choice.candidates
        ]
    }
