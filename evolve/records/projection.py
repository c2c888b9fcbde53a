"""The journal's events turned into what MLflow is to show: learning curves, statuses, generations, the verdict.

Pure and repeatable: times come from the events, so the same journal always gives the same writes, and sending
them twice changes nothing. One run for the search, below it one per generation, below that one per trial.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import numpy as np

from evolve.records.board import Board, Number, RunWrite
from evolve.records.board import milliseconds as _ms
from evolve.records.journal import Event
from evolve.records.state import CANDIDATE_ROLE, IndividualRecord, SearchState, begin
from evolve.trial import TrialStatus

TRACEBACK_CHARACTERS = 6000  # MLflow cuts tags at 8,000 without a word; the end of a traceback says most


class Projection:
    """Takes events in order; what they mean for MLflow gathers on its board."""

    def __init__(self) -> None:
        self.state: SearchState | None = None
        self.board = Board()

    def apply(self, event: Event) -> None:
        """Take one more event in."""
        if self.state is None:
            self.state = begin(event)
        else:
            self.state.apply(event)
        handler = _HANDLERS.get(event.kind)
        if handler is not None:
            handler(self.board, self.state, event)


def aggregates(records: Iterable[IndividualRecord]) -> dict[str, float]:
    """Counts by status and the spread of fitness over the individuals that reached the full budget."""
    listed = list(records)
    fitness = [record.fitness for record in listed if record.fitness is not None]
    numbers = {
        "trials": float(len(listed)),
        "failed": float(sum(record.status is TrialStatus.FAILED for record in listed)),
        "stopped_early": float(sum(record.status is TrialStatus.STOPPED_EARLY for record in listed)),
        "finished": float(len(fitness)),
        "worker_seconds": float(sum(record.seconds for record in listed)),
    }
    if fitness:
        low, middle, high = (float(value) for value in np.quantile(fitness, [0.1, 0.5, 0.9]))
        numbers |= {"best": max(fitness), "median": middle, "q10": low, "q90": high}
    return numbers


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _flat(prefix: str, value: object) -> dict[str, str]:
    """Nested mappings as params: data.images.train = 120."""
    if isinstance(value, Mapping):
        return {name: text for key, inner in value.items() for name, text in _flat(f"{prefix}.{key}", inner).items()}
    return {prefix: _text(value)}


def _add(run: RunWrite, numbers: Mapping[str, float], step: int, now: int) -> None:
    run.numbers.extend(Number(name, float(value), step, now) for name, value in numbers.items())


def _floats(value: object) -> dict[str, float]:
    numbers = cast(Mapping[str, float | None], value or {})
    return {name: float(number) for name, number in numbers.items() if number is not None}


def _search_created(board: Board, state: SearchState, _event: Event) -> None:
    run = board.search(state)
    run.params |= {"recipe": state.recipe_name, "seed": str(state.seed), "steps": str(state.steps)}
    run.params |= {"threads": str(state.threads), "workers": str(state.workers), "space": _text(state.space["name"])}
    run.params |= _flat("data", state.data) | _flat("versions", state.versions)
    run.params |= {name: _text(value) for name, value in state.recipe.items() if name != "name"}
    run.tags["mlflow.note.content"] = f"Search `{state.search_id}`, recipe `{state.recipe_name}`, seed {state.seed}."
    run.reopen()


def _generation_opened(board: Board, state: SearchState, event: Event) -> None:
    run = board.generation(state, int(cast(int, event.payload["generation"])), _ms(event.time))
    run.params["population"] = _text(event.payload["population"])


def _attempt_started(board: Board, state: SearchState, event: Event) -> None:
    record = state.individuals[str(event.uid)]
    run = board.trial(state, record.uid, _ms(event.time))
    run.params |= {gene: _text(value) for gene, value in record.genome.items()}
    run.tags["evolve.attempt"] = _text(event.payload["attempt"])
    run.tags["evolve.status"] = str(TrialStatus.RUNNING)
    run.reopen()


def _attempt_lost(board: Board, state: SearchState, event: Event) -> None:
    uid = str(event.uid)
    if uid not in state.individuals:
        return  # a confirmation's: it has no run of its own
    lost = sum(count for (of, _step, _cause), count in state.lost.items() if of == uid)
    board.trial(state, uid, _ms(event.time)).tags["evolve.attempts_lost"] = str(lost)


def _measured(board: Board, state: SearchState, event: Event) -> None:
    plain, now = event.payload, _ms(event.time)
    step = int(cast(int, plain["step"]))
    run = board.trial(state, str(event.uid), now)
    _add(run, {f"loss/{name}": value for name, value in _floats(plain["losses"]).items()}, step, now)
    _add(run, _floats(plain["scores"]), step, now)
    _add(run, {f"seconds/{name}": value for name, value in _floats(plain["seconds"]).items()}, step, now)
    _add(run, {"traces": float(cast(int, plain["traces"]))}, step, now)


def _rung_reached(board: Board, state: SearchState, event: Event) -> None:
    now = _ms(event.time)
    score = {"rung_score": float(cast(float, event.payload["score"]))}
    _add(board.trial(state, str(event.uid), now), score, int(cast(int, event.payload["step"])), now)


def _trial_stopped(board: Board, state: SearchState, event: Event) -> None:
    reason = f"not promoted at step {event.payload['step']} of {state.steps}"
    # FINISHED: MLflow draws KILLED like FAILED, and a stop at a rung is no failure; evolve.status tells them apart
    _end_trial(board, state, event, "FINISHED", TrialStatus.STOPPED_EARLY, reason)


def _trial_finished(board: Board, state: SearchState, event: Event) -> None:
    now = _ms(event.time)
    run = board.trial(state, str(event.uid), now)
    _add(run, {"fitness": float(cast(float, event.payload["fitness"]))}, 0, now)
    _end_trial(board, state, event, "FINISHED", TrialStatus.FINISHED, f"full budget of {state.steps} steps")


def _trial_failed(board: Board, state: SearchState, event: Event) -> None:
    plain = event.payload
    run = board.trial(state, str(event.uid), _ms(event.time))
    run.tags["evolve.failure"] = str(plain["kind"])
    if plain.get("traceback"):
        run.tags["mlflow.note.content"] = f"```\n{str(plain['traceback'])[-TRACEBACK_CHARACTERS:]}\n```"
    _end_trial(board, state, event, "FAILED", TrialStatus.FAILED, f"{plain['kind']}: {plain['reason']}")


def _end_trial(board: Board, state: SearchState, event: Event, status: str, ours: TrialStatus, reason: str) -> None:
    now = _ms(event.time)
    run = board.trial(state, str(event.uid), now)
    run.tags |= {"evolve.status": str(ours), "evolve.status_reason": reason}
    board.close(run, status, now)


def _generation_closed(board: Board, state: SearchState, event: Event) -> None:
    number, now = int(cast(int, event.payload["generation"])), _ms(event.time)
    numbers = aggregates(record for record in state.individuals.values() if record.generation == number)
    run = board.generation(state, number, now)
    _add(run, numbers, 0, now)
    elites = cast(list[str], event.payload["elites"])
    run.tags["evolve.elites"] = ",".join(f"{state.search_id}/{uid}" for uid in elites)
    board.close(run, "FINISHED", now)
    best_yet = [
        record.fitness
        for record in state.individuals.values()
        if record.fitness is not None and record.generation <= number
    ]
    if best_yet:
        numbers["best_so_far"] = max(best_yet)
    shown = ("best", "best_so_far", "median", "q10", "q90", "failed")
    curves = {f"gen/{name}": numbers[name] for name in shown if name in numbers}
    _add(board.search(state), curves, number, now)


def _confirm_measured(board: Board, state: SearchState, event: Event) -> None:
    plain, now = event.payload, _ms(event.time)
    last = str(event.uid).rpartition("-")[2]  # "g001-042/test-seed-2": the third of its seeds
    who = f"candidates/{plain['individual']}" if plain["role"] == CANDIDATE_ROLE else str(plain["role"])
    scores = {f"confirm/{who}/{name}": value for name, value in _floats(plain["scores"]).items()}
    _add(board.search(state), scores, int(last) if last.isdigit() else 0, now)


def _candidate_chosen(board: Board, state: SearchState, event: Event) -> None:
    run, now = board.search(state), _ms(event.time)
    standings = [] if state.choice is None else state.choice.candidates
    run.tags["evolve.candidates"] = ",".join(f"{state.search_id}/{one['uid']}" for one in standings)  # best first
    for one in standings:
        numbers = _floats({name: one[name] for name in ("fitness", "mean", "shrunk")})
        _add(run, {f"confirm/candidates/{one['uid']}/{name}": value for name, value in numbers.items()}, 0, now)


def _winner_chosen(board: Board, state: SearchState, event: Event) -> None:
    plain, now = event.payload, _ms(event.time)
    run = board.search(state)
    _compared(run, plain, "", now)
    _compared(run, cast(Mapping[str, object], plain.get("map50_95") or {}), "map50_95/", now)
    tuning = state.tuned(str(event.uid))
    post = None if tuning is None else tuning.post
    if post is not None:
        run.tags["evolve.post"] = _text(post["settings"])
        _add(run, {f"post/fixed/{name}": value for name, value in post["fixed"].items()}, 0, now)
        _add(run, {f"post/tuned/{name}": value for name, value in post["tuned"].items()}, 0, now)
    run.tags["evolve.winner"] = f"{state.search_id}/{event.uid}"
    genome = state.individuals[str(event.uid)].genome
    rows = "\n".join(f"| {gene} | {_text(value)} |" for gene, value in genome.items())
    run.tags["mlflow.note.content"] = (
        f"**{plain['verdict']}**\n\nWinner of search `{state.search_id}`: `{event.uid}`\n\n"
        f"| gene | value |\n|---|---|\n{rows}\n"
    )


def _compared(run: RunWrite, plain: Mapping[str, object], prefix: str, now: int) -> None:
    """Winner, defaults and gain as numbers: confirm/winner/mean; in AP50:95 beside it confirm/winner/map50_95/mean."""
    for name, shown in (("confirmed", "winner"), ("defaults", "defaults"), ("gain", "gain")):
        summary = cast(Mapping[str, object] | None, plain.get(name)) or {}
        numbers = {key: float(value) for key, value in summary.items() if isinstance(value, int | float)}
        interval = cast(list[float] | None, summary.get("interval"))
        if interval:
            numbers |= {"low": float(interval[0]), "high": float(interval[1])}
        _add(run, {f"confirm/{shown}/{prefix}{key}": value for key, value in numbers.items()}, 0, now)


def _search_interrupted(board: Board, state: SearchState, event: Event) -> None:
    now = _ms(event.time)
    for run in board.open_runs(state, now):
        run.tags["evolve.status_reason"] = f"search interrupted: {event.payload['reason']}"
        run.end("KILLED", now)  # they stay open here: a resume goes on with them


def _search_resumed(board: Board, state: SearchState, event: Event) -> None:
    for run in board.open_runs(state, _ms(event.time)):
        run.tags["evolve.status_reason"] = "resumed"
        if not run.key.startswith("trial/"):
            run.reopen()  # a trial goes on with its next attempt


def _search_finished(board: Board, state: SearchState, event: Event) -> None:
    run = board.search(state)
    run.tags["evolve.status_reason"] = str(event.payload["verdict"])
    run.end("FINISHED", _ms(event.time))


def _search_failed(board: Board, state: SearchState, event: Event) -> None:
    now = _ms(event.time)
    for run in board.open_runs(state, now):
        run.tags["evolve.status_reason"] = str(event.payload["reason"])
        run.end("FAILED", now)


_HANDLERS: dict[str, Callable[[Board, SearchState, Event], None]] = {
    "search_created": _search_created,
    "generation_opened": _generation_opened,
    "attempt_started": _attempt_started,
    "attempt_lost": _attempt_lost,
    "measured": _measured,
    "rung_reached": _rung_reached,
    "trial_stopped": _trial_stopped,
    "trial_finished": _trial_finished,
    "trial_failed": _trial_failed,
    "generation_closed": _generation_closed,
    "confirm_measured": _confirm_measured,
    "candidate_chosen": _candidate_chosen,
    "winner_chosen": _winner_chosen,
    "search_interrupted": _search_interrupted,
    "search_resumed": _search_resumed,
    "search_finished": _search_finished,
    "search_failed": _search_failed,
}
