"""The winner as a file: winner.yaml alone is enough to train the detector that won."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from evolve.genetics.genome import DEFAULTS, Genome
from evolve.genetics.plain import named, read_file, to_yaml
from evolve.process.durable_file import write_durably
from evolve.process.terminal import command
from evolve.records.state import Confirmation, SearchState
from evolve.task import Task
from evolve.trial import Setting, TunedPost, Value
from evolve.trial_config import STEPS, TrialConfig, post_config
from evolve.verdict import leaders, verdict

WINNER_FILE = "winner.yaml"
FORMAT = 1
HEADER = """\
# The winner of a search, and all it takes to train it:
#   evolve train winner.yaml --data DIR --out DIR
# config is what is trained; genome says its genes once more, and must agree.
"""
SECTIONS = ("search", "genome", "config", "data", "scores")
LINES = "config_lines"  # how many there are; files of earlier versions do not say


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
    defaulted: tuple[str, ...] = ()  # settings that a file of an earlier version has no line for


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
        LINES: len(config),
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
            "metric": state.outcome.metric,
            **({} if state.outcome.map50_95 is None else {"map50_95": state.outcome.map50_95}),
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
        search, scores, lines = plain["search"], plain["scores"], plain["config"]
        config = TrialConfig.from_settings(cast(Mapping[str, Setting], lines)).settings()
        defaulted = _missing(lines, plain.get(LINES))
        _check_genome(plain["genome"], lines, config)
        _check_steps(plain.get("steps"), config)
        fitness = scores.get("fitness")
        seed = fitness.get("seed") if isinstance(fitness, dict) else None
        return Winner(
            uid=str(search.get("uid")),
            search_id=str(search.get("id")),
            seed=_count(seed, "scores: fitness: seed", 0),
            config=config,
            data=plain["data"],
            post=_post_settings(plain.get("post")),
            defaulted=defaulted,
        )


def _missing(config: Mapping[str, object], lines: object) -> tuple[str, ...]:
    """Settings that have no line; WinnerError if there was one when the file was written.

    A later version has more settings: of these an older file has none, and they take their defaults.
    """
    missing = tuple(address for address in TrialConfig().settings() if address not in config)
    if lines is not None and len(config) != _count(lines, LINES, 1):
        named_here = f": none for {', '.join(missing)}" if missing else ""
        raise WinnerError(f"config: expected {lines} lines, as it was written with, got {len(config)}{named_here}")
    return missing


def _check_genome(genome: Mapping[str, object], lines: Mapping[str, object], config: Mapping[str, Setting]) -> None:
    """WinnerError if a gene is another under genome than under config, which is what would be trained."""
    with named("genome"):
        said = TrialConfig.from_settings({**config, **cast(Mapping[str, Setting], genome)}).settings()
    for address in genome:
        if address not in lines:
            raise WinnerError(f"config: expected a line for the gene {address}, got none")
        if said[address] != config[address]:
            raise WinnerError(
                f"genome: {address}: expected {config[address]!r}, as under config, got {genome[address]!r}; "
                "config is what is trained: to train another value, change both lines"
            )


def _check_steps(steps: object, config: Mapping[str, Setting]) -> None:
    """WinnerError for a full budget that no search of this schedule has had; files need not say it."""
    schedule = int(str(config[STEPS]))
    if steps is not None and _count(steps, "steps", 1) > schedule:
        raise WinnerError(
            f"steps: expected at most {STEPS} under config, {schedule}, got {steps}; "
            f"--steps of {command('evolve', 'train')} is another length"
        )


def check_is_of(state: SearchState, winner: Winner, path: Path) -> None:
    """WinnerError unless the file says of the search's winner what the journal says."""
    if state.outcome is None:
        raise WinnerError(f"{path}: expected the winner of a search, but search {state.search_id} has none yet")
    uid = state.outcome.uid
    if (winner.search_id, winner.uid) != (state.search_id, uid):
        raise WinnerError(
            f"{path}: expected the winner of search {state.search_id}, {uid}, got {winner.uid} of {winner.search_id}"
        )
    settings = {**cast(Mapping[str, Setting], state.space["trial"]), **state.individuals[uid].genome}
    for address, value in TrialConfig.from_settings(settings).settings().items():
        if winner.config[address] != value:
            raise WinnerError(
                f"{path}: config: {address}: expected {value!r}, as the journal says of {uid}, "
                f"got {winner.config[address]!r}"
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
            {**one, "runs": [_run(run) for run in leaders.runs_of(state, str(one["uid"]))]}
            for one in state.choice.candidates
        ]
    }
