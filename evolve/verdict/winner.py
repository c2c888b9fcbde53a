"""The winner file: winner.yaml alone is enough to train the detector that won."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from evolve.data_description import DataDescription
from evolve.genetics.genome import DEFAULTS
from evolve.genetics.plain import error_prefix, read_file, to_yaml
from evolve.process.files import write_durably
from evolve.process.terminal import command
from evolve.records.comparison import as_json
from evolve.records.events import Confirmation
from evolve.records.state import IndividualRecord, SearchState
from evolve.task import Task
from evolve.trial import Setting, TunedPost, Value
from evolve.trial_config import STEPS, TrialConfig, post_config

FORMAT = 1
HEADER = """\
# The winner of a search, and all it takes to train it:
#   evolve train winner.yaml --data DIR --out DIR
# config is what is trained; genome repeats its genes and must agree with it.
# final_steps, if it is there, is the length of that training, instead of train.steps under config.
"""
SECTIONS = ("search", "genome", "config", "data", "scores")
COUNTED = "positives_per_picture"  # key; files of earlier versions lack it
FINAL_STEPS = "final_steps"  # key: length of the final training, if it is longer than a trial
CONFIG_LINES = "config_lines"  # key: the number of lines under config; files of earlier versions lack it


class WinnerError(ValueError):
    """A winner file cannot be used; the message says why."""


@dataclass(frozen=True)
class Winner:
    """What final training and a warm start need of a winner file."""

    uid: str
    search_id: str
    seed: int  # of its trial in the search
    config: Mapping[str, Setting]  # the whole effective configuration by address
    data: DataDescription
    post: Mapping[str, Value] = field(default_factory=dict)  # tuned NMS settings of the detector; empty: the defaults
    positives: float | None = None  # positive anchors per picture, counted in its training; None: not known
    defaulted: tuple[str, ...] = ()  # settings missing in a file of an earlier version: they take their defaults
    fitness: Mapping[str, float] = field(default_factory=dict)  # weights of its scores; empty: not known
    final_steps: int | None = None  # length of the final training; None: that of a trial's schedule
    genome: Mapping[str, Setting] = field(default_factory=dict)  # the genes that its search had, as under config


def content(state: SearchState, task: Task) -> dict[str, object]:
    """The content of the winner file; WinnerError if the search has no winner yet."""
    if state.outcome is None:
        raise WinnerError(
            f"search {state.search_id}: expected a chosen winner, there is none yet (it is {state.phase})"
        )
    record = state.individuals[state.outcome.uid]
    config, scores = task.config_of(record.genome), dict(record.scores.get(state.steps, {}))
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
        CONFIG_LINES: len(config),
        **_post(state, record.uid),
        **_counted(record),
        "steps": state.steps,
        **_final_steps(state),
        "data": dict(state.data.plain),
        "scores": {
            "fitness": {
                "value": record.fitness,
                "seed": record.seed,
                "scores": scores,
                "weights": dict(state.space.fitness),
            },
            "split": state.outcome.split,
            "winner": {**(as_json(state.outcome.confirmed) or {}), "runs": _verdict_runs(state, record.uid)},
            "defaults": {**(as_json(state.outcome.defaults) or {}), "runs": _verdict_runs(state, DEFAULTS)},
            "gain": as_json(state.outcome.gain),
            **_validation(state),
            "metric": state.outcome.metric,
            "looks": state.outcome.looks,
            **({} if state.outcome.map50_95 is None else {"map50_95": as_json(state.outcome.map50_95)}),
            **_known(state),
            **_candidates(state),
        },
        "threads": state.threads,
        "versions": dict(state.versions),
    }


def _final_steps(state: SearchState) -> dict[str, int]:
    """The length of the final training, if it is longer than a trial."""
    return {} if state.space.final_steps is None else {FINAL_STEPS: state.space.final_steps}


def _counted(record: IndividualRecord) -> dict[str, float]:
    mean, steps = record.mean_loss("positives")
    return {COUNTED: float(f"{mean:.4g}")} if steps and mean > 0 else {}


def _weights(fitness: object) -> dict[str, float]:
    """The weights of the scores that make fitness; empty if the file is of an earlier version."""
    weights = fitness.get("weights", {}) if isinstance(fitness, dict) else {}
    if not isinstance(weights, dict) or not all(
        isinstance(weight, int | float) and math.isfinite(weight) for weight in weights.values()
    ):
        raise WinnerError(f"scores: fitness: weights: expected a number for each score, got {str(weights)[:80]}")
    return {str(name): float(weight) for name, weight in weights.items()}


def _positives(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not (value > 0 and math.isfinite(value)):
        raise WinnerError(f"{COUNTED}: expected a number above 0, got {value!r}")
    return float(value)


def write(path: Path, plain: Mapping[str, object]) -> None:
    """Write a winner file durably."""
    write_durably(path, HEADER + to_yaml(dict(plain)))


def read(path: Path) -> Winner:
    """Read and check a winner file; WinnerError or ValueError names the file, what was expected and what came."""
    if not path.is_file():
        make = command("evolve", "winner", "DIR", "--out", path)
        raise WinnerError(f"{path}: expected a winner file, found no such file; write one with: {make}")
    plain = read_file(path)
    with error_prefix(str(path)):
        if not isinstance(plain, dict) or plain.get("format") != FORMAT:
            came = plain.get("format") if isinstance(plain, dict) else plain
            raise WinnerError(f"expected a winner file of format {FORMAT}, got {str(came)[:80]!r}")
        for section in SECTIONS:
            if not isinstance(plain.get(section), dict):
                raise WinnerError(f"expected a section {section!r}, got {plain.get(section)!r}")
        search, scores, lines = plain["search"], plain["scores"], plain["config"]
        config = TrialConfig.from_settings(lines).settings()
        defaulted = _missing(lines, plain.get(CONFIG_LINES))
        _check_genome(plain["genome"], lines, config)
        _check_steps(plain.get("steps"), config)
        fitness = scores.get("fitness")
        seed = fitness.get("seed") if isinstance(fitness, dict) else None
        return Winner(
            uid=str(search.get("uid")),
            search_id=str(search.get("id")),
            seed=_count(seed, "scores: fitness: seed", 0),
            config=config,
            data=DataDescription(plain["data"]),
            post=_post_settings(plain.get("post")),
            positives=_positives(plain.get(COUNTED)),
            defaulted=defaulted,
            fitness=_weights(fitness),
            final_steps=None if FINAL_STEPS not in plain else _count(plain[FINAL_STEPS], FINAL_STEPS, 1),
            genome={address: config[address] for address in plain["genome"]},
        )


def _missing(lines: Mapping[str, object], num_lines: object) -> tuple[str, ...]:
    """The settings without a line under config; WinnerError if lines were removed since the file was written.

    Settings that were added after the file's version are missing too: they take their defaults.
    """
    missing = tuple(address for address in TrialConfig().settings() if address not in lines)
    if num_lines is not None and len(lines) != _count(num_lines, CONFIG_LINES, 1):
        without_line = f": none for {', '.join(missing)}" if missing else ""
        raise WinnerError(f"config: expected {num_lines} lines, as it was written with, got {len(lines)}{without_line}")
    return missing


def _check_genome(genome: Mapping[str, Setting], lines: Mapping[str, object], config: Mapping[str, Setting]) -> None:
    """WinnerError if a gene has different values under genome and under config, which is what would be trained."""
    with error_prefix("genome"):
        with_genome = TrialConfig.from_settings({**config, **genome}).settings()
    for address in genome:
        if address not in lines:
            raise WinnerError(f"config: expected a line for the gene {address}, got none")
        if with_genome[address] != config[address]:
            raise WinnerError(
                f"genome: {address}: expected {config[address]!r}, as under config, got {genome[address]!r}; "
                "config is what is trained: to train another value, change both lines"
            )


def _check_steps(steps: object, config: Mapping[str, Setting]) -> None:
    """WinnerError if the full budget is longer than the schedule; the line may be missing."""
    schedule = TrialConfig.from_settings(config).train.steps
    if steps is not None and _count(steps, "steps", 1) > schedule:
        raise WinnerError(
            f"steps: expected at most {STEPS} under config, {schedule}, got {steps}; "
            f"--steps of {command('evolve', 'train')} sets another length"
        )


def check_belongs_to(state: SearchState, winner: Winner, path: Path) -> None:
    """WinnerError unless the file has the winner of this search, with the settings that the journal has."""
    if state.outcome is None:
        raise WinnerError(f"{path}: expected the winner of a search, but search {state.search_id} has none yet")
    uid = state.outcome.uid
    if (winner.search_id, winner.uid) != (state.search_id, uid):
        raise WinnerError(
            f"{path}: expected the winner of search {state.search_id}, {uid}, got {winner.uid} of {winner.search_id}"
        )
    settings = {**state.space.trial, **state.individuals[uid].genome}
    for address, value in TrialConfig.from_settings(settings).settings().items():
        if winner.config[address] != value:
            raise WinnerError(
                f"{path}: config: {address}: expected {value!r}, as the journal says of {uid}, "
                f"got {winner.config[address]!r}"
            )


def nms_line(post: TunedPost) -> str:
    """One sentence on the NMS settings that were tuned for the winner's detector."""
    settings = post_config(post.settings)
    beta = f", beta {settings.nms_beta:g}" if settings.nms == "diou" else ""
    chosen = f"{settings.nms} at {settings.nms_iou:g}{beta}"
    fixed, tuned = post.fixed["fitness"], post.tuned["fitness"]
    if tuned <= fixed:
        return f"{chosen}, as in the search: no other setting scored higher on validation"
    return f"{chosen}, tuned on validation: {tuned:.4f} there instead of {fixed:.4f} (other scores: with the fixed NMS)"


def _post(state: SearchState, uid: str) -> dict[str, object]:
    """The section with the tuned NMS settings; empty if the search has none."""
    confirmation = state.nms_confirmation(uid)
    if confirmation is None or confirmation.post is None:
        return {}
    post = asdict(confirmation.post)
    scores = {name: post[name] for name in ("fixed", "tuned")}
    return {"post": {**post["settings"], "validation": {"seed": confirmation.seed, **scores}}}


def _post_settings(section: object) -> dict[str, Value]:
    """The checked settings of the section; empty if the file predates NMS tuning or the search did not tune NMS."""
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise WinnerError(f"post: expected NMS settings by name, got {section!r}")
    settings = {name: value for name, value in section.items() if name != "validation"}
    with error_prefix("post"):
        post_config(settings)
    return settings


def _count(value: object, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise WinnerError(f"{name}: expected a whole number of at least {least}, got {value!r}")
    return value


def _verdict_runs(state: SearchState, individual: str) -> list[dict[str, object]]:
    return [_run(confirmation) for confirmation in state.confirmations_of(individual, for_choice=False)]


def _run(confirmation: Confirmation) -> dict[str, object]:
    failed = {} if confirmation.reason is None else {"failed": confirmation.reason}
    return {"seed": confirmation.seed, "scores": dict(confirmation.scores), **failed}


def _validation(state: SearchState) -> dict[str, object]:
    """The same confirmations on validation; missing in searches of earlier versions."""
    validation = None if state.outcome is None else state.outcome.validation
    return {} if validation is None else {"validation": as_json(validation)}


def _known(state: SearchState) -> dict[str, object]:
    """Each known set, its runs and the winner's gain over it; missing if the space has none."""
    known = {} if state.outcome is None else state.outcome.known
    sets = {
        name: {"genome": dict(state.genome_of(name)), **(as_json(compared) or {}), "runs": _verdict_runs(state, name)}
        for name, compared in known.items()
    }
    return {"known": sets} if sets else {}


def _candidates(state: SearchState) -> dict[str, object]:
    """The candidates' standings when the winner was chosen, best first, with their confirmations."""
    if state.choice is None:
        return {}
    return {
        "candidates": [
            {**asdict(standing), "runs": [_run(run) for run in state.confirmations_of(standing.uid, for_choice=True)]}
            for standing in state.choice.candidates
        ]
    }
