"""A search as plain values for JSON and CSV: its status, its family tree, its generations, its winner."""

import csv
import difflib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from evolve.file_names import GENERATIONS_FILE, LINEAGE_FILE
from evolve.genetics import screening
from evolve.genetics.rung_correlation import RungCorrelation
from evolve.process.files import write_durably
from evolve.records import forecast, rungs
from evolve.records.comparison import as_json
from evolve.records.state import IndividualRecord, SearchState
from evolve.trial import TrialStatus, Value


@dataclass(frozen=True)
class Best:
    """The best finished individual."""

    uid: str
    fitness: float | None
    genome: dict[str, Value]


@dataclass(frozen=True)
class ConfirmationCounts:
    """The number of confirmations: at most, finished, failed."""

    planned: int
    done: int
    failed: int


@dataclass(frozen=True)
class Status:
    """What `evolve status --json` prints; its fields are the keys."""

    search_id: str
    state: str
    generation: int
    generations: int
    trials: dict[str, int]  # by status
    confirmations: ConfirmationCounts
    best: Best | None
    winner: str | None
    worker_seconds: dict[str, float]  # by kind
    elapsed_seconds: float
    eta_seconds: float | None
    verdict: str | None  # on winner and defaults
    known: dict[str, str]  # the verdict on the winner and each known set, by the set's name
    reason: str | None
    rungs: list[RungCorrelation]  # those before the last


def status(state: SearchState, *, held: bool, now: float) -> Status:
    """The search's status. held: whether a living process writes it; a search that was killed is interrupted."""
    running = state.phase == "running" and held
    counts = state.counts
    if not running:  # no process trains them: they wait to be leased again
        counts[TrialStatus.PROPOSED] += counts[TrialStatus.RUNNING]
        counts[TrialStatus.RUNNING] = 0
    until = now if running else None
    best = state.best
    return Status(
        search_id=state.search_id,
        state="interrupted" if state.phase == "running" and not held else state.phase,
        generation=state.generation,
        generations=state.generations,
        trials=counts,
        confirmations=ConfirmationCounts(
            planned=forecast.expected_confirmations(state),
            done=sum(confirmation.reason is None for confirmation in state.confirmations.values()),
            failed=sum(confirmation.reason is not None for confirmation in state.confirmations.values()),
        ),
        best=None if best is None else Best(best.uid, best.fitness, dict(best.genome)),
        winner=None if state.outcome is None else state.outcome.uid,
        worker_seconds=state.worker_seconds(until),
        elapsed_seconds=state.elapsed_seconds(until),
        eta_seconds=forecast.eta_seconds(state) if running else None,
        verdict=None if state.outcome is None else state.outcome.verdict,
        known={} if state.outcome is None else {name: one.verdict for name, one in state.outcome.known.items()},
        reason=state.reason,
        rungs=rungs.correlations(state),
    )


def family_tree(state: SearchState, uid: str | None = None) -> dict[str, object]:
    """All individuals with their parents, the elites by generation, and the winner once it is chosen.

    uid: list only this individual and its ancestors, oldest first. ValueError if the search has no such individual.
    """
    records = list(state.individuals.values()) if uid is None else ancestors(state, uid)[::-1]
    return {
        "individuals": [_individual(record) for record in records],
        "elites": {str(generation): list(elites) for generation, elites in sorted(state.closed.items())},
        "predictions": {str(generation): asdict(agreement) for generation, agreement in predictions(state).items()},
        "winner": _winner(state),
    }


def ancestors(state: SearchState, uid: str) -> list[IndividualRecord]:
    """The individual and all its ancestors, youngest first. ValueError if the search has no such individual."""
    if uid not in state.individuals:
        if not state.individuals:
            raise ValueError(f"individual {uid}: expected one of this search, which has none yet")
        nearest = difflib.get_close_matches(uid, state.individuals, n=3, cutoff=0.0)
        raise ValueError(
            f"individual {uid}: expected one of this search (g000-000 to {max(state.individuals)}), got none; "
            f"the nearest: {', '.join(nearest)}"
        )
    visited: dict[str, IndividualRecord] = {}
    to_visit = [uid]
    while to_visit:
        record = state.individuals[to_visit.pop(0)]
        if record.uid not in visited:
            visited[record.uid] = record
            to_visit += record.parents
    return list(visited.values())


@dataclass(frozen=True)
class Agreement:
    """How the predictions for a generation's children agree with what was measured."""

    children: int  # that were predicted and have a score
    rank_correlation: float | None  # None if there are fewer than two, or they do not differ


def predictions(state: SearchState) -> dict[int, Agreement]:
    """The agreement of each generation that has predictions, from what was known when it ended.

    A stopped child counts with its last score, brought to the scale of final ones (genetics/screening.py).
    """
    steps = state.recipe.rung_steps(state.steps)
    trials = [
        screening.Trial(record.generation, record.genome, record.rungs, record.predicted)
        for record in state.individuals.values()
    ]
    agreements = {}
    for generation in sorted({trial.generation for trial in trials if trial.predicted is not None}):
        known = [trial for trial in trials if trial.generation <= generation]
        correlation, children = screening.correlation(known, steps, generation)
        agreements[generation] = Agreement(children, correlation)
    return agreements


def generations(state: SearchState) -> list[dict[str, object]]:
    """One row per generation: the number of trials by status, and the fitness of those that finished."""
    rows: list[dict[str, object]] = []
    best_so_far: float | None = None
    for generation in range(state.generation + 1):
        records = [record for record in state.individuals.values() if record.generation == generation]
        fitness = [record.fitness for record in records if record.fitness is not None]
        best_so_far = max([*fitness, *([] if best_so_far is None else [best_so_far])], default=None)
        rows.append(
            {
                "generation": generation,
                "individuals": len(records),
                **{str(status): sum(record.status is status for record in records) for status in TrialStatus},
                "best": max(fitness, default=None),
                "best_so_far": best_so_far,
                "median": median(fitness) if fitness else None,
                "seconds": sum(record.seconds for record in records),
                "elites": " ".join(state.closed.get(generation, ())),
            }
        )
    return rows


def write(directory: Path, state: SearchState) -> None:
    """Write lineage.json and generations.csv into the search directory."""
    write_durably(directory / LINEAGE_FILE, json.dumps(family_tree(state), indent=1))
    rows = generations(state)
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_durably(directory / GENERATIONS_FILE, text.getvalue())


def _individual(record: IndividualRecord) -> dict[str, object]:
    return {
        "uid": record.uid,
        "generation": record.generation,
        "parents": list(record.parents),
        "operator": record.operator,
        "genome": dict(record.genome),
        "fitness": record.fitness,
        "rungs": [{"step": step, "score": score} for step, score in sorted(record.rungs.items())],
        "status": str(record.status),
        "reason": record.reason,
        "seconds": record.seconds,
        "attempts": record.attempts,
        "predicted": record.predicted,
    }


def _winner(state: SearchState) -> dict[str, object] | None:
    outcome = state.outcome
    if outcome is None:
        return None
    record, tuning = state.individuals[outcome.uid], state.nms_confirmation(outcome.uid)
    return {
        "uid": record.uid,
        "genome": dict(record.genome),
        "fitness": record.fitness,
        "confirmed": as_json(outcome.confirmed),
        "defaults": as_json(outcome.defaults),
        "gain": as_json(outcome.gain),
        "split": outcome.split,
        "validation": as_json(outcome.validation),
        "metric": outcome.metric,
        "map50_95": as_json(outcome.map50_95),
        "looks": outcome.looks,
        "known": {name: as_json(compared) for name, compared in outcome.known.items()},
        "candidates": [] if state.choice is None else [asdict(standing) for standing in state.choice.candidates],
        "verdict": outcome.verdict,
        "post": None if tuning is None or tuning.post is None else asdict(tuning.post),
    }
