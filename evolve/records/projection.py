"""Turns the journal's events into updates of MLflow runs: learning curves, statuses, generations, the verdict.

Pure and repeatable: times come from the events, so the same journal always gives the same updates, and sending
them twice changes nothing. One run for the search, below it one per generation, below that one per trial.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import cast

import numpy as np

from evolve.records.journal import Event
from evolve.records.run_updates import MetricValue, RunUpdate, RunUpdates
from evolve.records.run_updates import milliseconds as _ms
from evolve.records.state import CANDIDATE_ROLE, IndividualRecord, SearchState, begin
from evolve.trial import TrialStatus

TRACEBACK_CHARACTERS = 6000  # MLflow silently cuts tags at 8,000; the end of a traceback is the most useful part


class Projection:
    """Takes events in order; `updates` collects what they change in MLflow."""

    def __init__(self) -> None:
        self.state: SearchState | None = None
        self.updates = RunUpdates()

    def apply(self, event: Event) -> None:
        """Take in the next event."""
        if self.state is None:
            self.state = begin(event)
        else:
            self.state.apply(event)
        handler = _HANDLERS.get(event.kind)
        if handler is not None:
            handler(self.updates, self.state, event)


def aggregates(records: Iterable[IndividualRecord]) -> dict[str, float]:
    """The number of trials by status, and quantiles of fitness over the individuals that reached the full budget."""
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
    """Flatten nested mappings to params: data.images.train = 120."""
    if isinstance(value, Mapping):
        return {name: text for key, inner in value.items() for name, text in _flat(f"{prefix}.{key}", inner).items()}
    return {prefix: _text(value)}


def _add(run: RunUpdate, numbers: Mapping[str, float], step: int, now: int) -> None:
    run.metrics.extend(MetricValue(name, float(value), step, now) for name, value in numbers.items())


def _floats(value: object) -> dict[str, float]:
    numbers = cast(Mapping[str, float | None], value or {})
    return {name: float(number) for name, number in numbers.items() if number is not None}


def _search_created(updates: RunUpdates, state: SearchState, _event: Event) -> None:
    run = updates.search(state)
    run.params |= {"recipe": state.recipe_name, "seed": str(state.seed), "steps": str(state.steps)}
    run.params |= {"threads": str(state.threads), "workers": str(state.workers), "space": _text(state.space["name"])}
    run.params |= _flat("data", state.data) | _flat("versions", state.versions)
    run.params |= {name: _text(value) for name, value in state.recipe.items() if name != "name"}
    run.tags["mlflow.note.content"] = f"Search `{state.search_id}`, recipe `{state.recipe_name}`, seed {state.seed}."
    run.reopen()


def _generation_opened(updates: RunUpdates, state: SearchState, event: Event) -> None:
    run = updates.generation(state, int(cast(int, event.payload["generation"])), _ms(event.time))
    run.params["population"] = _text(event.payload["population"])


def _attempt_started(updates: RunUpdates, state: SearchState, event: Event) -> None:
    record = state.individuals[str(event.uid)]
    run = updates.trial(state, record.uid, _ms(event.time))
    run.params |= {gene: _text(value) for gene, value in record.genome.items()}
    run.tags["evolve.attempt"] = _text(event.payload["attempt"])
    run.tags["evolve.status"] = str(TrialStatus.RUNNING)
    run.reopen()


def _attempt_lost(updates: RunUpdates, state: SearchState, event: Event) -> None:
    uid = str(event.uid)
    if uid not in state.individuals:
        return  # the event is about a confirmation, which has no run of its own
    lost = sum(count for (lost_uid, _step, _cause), count in state.lost.items() if lost_uid == uid)
    updates.trial(state, uid, _ms(event.time)).tags["evolve.attempts_lost"] = str(lost)


def _measured(updates: RunUpdates, state: SearchState, event: Event) -> None:
    plain, now = event.payload, _ms(event.time)
    step = int(cast(int, plain["step"]))
    run = updates.trial(state, str(event.uid), now)
    _add(run, {f"loss/{name}": value for name, value in _floats(plain["losses"]).items()}, step, now)
    _add(run, _floats(plain["scores"]), step, now)
    _add(run, {f"seconds/{name}": value for name, value in _floats(plain["seconds"]).items()}, step, now)
    _add(run, {"traces": float(cast(int, plain["traces"]))}, step, now)


def _rung_reached(updates: RunUpdates, state: SearchState, event: Event) -> None:
    now = _ms(event.time)
    score = {"rung_score": float(cast(float, event.payload["score"]))}
    _add(updates.trial(state, str(event.uid), now), score, int(cast(int, event.payload["step"])), now)


def _trial_stopped(updates: RunUpdates, state: SearchState, event: Event) -> None:
    reason = f"not promoted at step {event.payload['step']} of {state.steps}"
    # FINISHED: MLflow draws KILLED like FAILED, and a stop at a rung is no failure; evolve.status distinguishes them
    _end_trial(updates, state, event, "FINISHED", TrialStatus.STOPPED_EARLY, reason)


def _trial_finished(updates: RunUpdates, state: SearchState, event: Event) -> None:
    now = _ms(event.time)
    run = updates.trial(state, str(event.uid), now)
    _add(run, {"fitness": float(cast(float, event.payload["fitness"]))}, 0, now)
    _end_trial(updates, state, event, "FINISHED", TrialStatus.FINISHED, f"full budget of {state.steps} steps")


def _trial_failed(updates: RunUpdates, state: SearchState, event: Event) -> None:
    plain = event.payload
    run = updates.trial(state, str(event.uid), _ms(event.time))
    run.tags["evolve.failure"] = str(plain["kind"])
    if plain.get("traceback"):
        run.tags["mlflow.note.content"] = f"```\n{str(plain['traceback'])[-TRACEBACK_CHARACTERS:]}\n```"
    _end_trial(updates, state, event, "FAILED", TrialStatus.FAILED, f"{plain['kind']}: {plain['reason']}")


def _end_trial(
    updates: RunUpdates, state: SearchState, event: Event, run_status: str, trial_status: TrialStatus, reason: str
) -> None:
    now = _ms(event.time)
    run = updates.trial(state, str(event.uid), now)
    run.tags |= {"evolve.status": str(trial_status), "evolve.status_reason": reason}
    updates.close(run, run_status, now)


def _generation_closed(updates: RunUpdates, state: SearchState, event: Event) -> None:
    generation, now = int(cast(int, event.payload["generation"])), _ms(event.time)
    numbers = aggregates(record for record in state.individuals.values() if record.generation == generation)
    run = updates.generation(state, generation, now)
    _add(run, numbers, 0, now)
    elites = cast(list[str], event.payload["elites"])
    run.tags["evolve.elites"] = ",".join(f"{state.search_id}/{uid}" for uid in elites)
    updates.close(run, "FINISHED", now)
    best_yet = [
        record.fitness
        for record in state.individuals.values()
        if record.fitness is not None and record.generation <= generation
    ]
    if best_yet:
        numbers["best_so_far"] = max(best_yet)
    shown = ("best", "best_so_far", "median", "q10", "q90", "failed")
    curves = {f"gen/{name}": numbers[name] for name in shown if name in numbers}
    _add(updates.search(state), curves, generation, now)


def _confirm_measured(updates: RunUpdates, state: SearchState, event: Event) -> None:
    plain, now = event.payload, _ms(event.time)
    seed_index = str(event.uid).rpartition("-")[2]  # 2 for "g001-042/test-seed-2"
    subject = f"candidates/{plain['individual']}" if plain["role"] == CANDIDATE_ROLE else str(plain["role"])
    scores = {f"confirm/{subject}/{name}": value for name, value in _floats(plain["scores"]).items()}
    _add(updates.search(state), scores, int(seed_index) if seed_index.isdigit() else 0, now)


def _candidate_chosen(updates: RunUpdates, state: SearchState, event: Event) -> None:
    run, now = updates.search(state), _ms(event.time)
    standings = [] if state.choice is None else state.choice.candidates
    uids = [str(standing["uid"]) for standing in standings]  # best first
    run.tags["evolve.candidates"] = ",".join(f"{state.search_id}/{uid}" for uid in uids)
    for uid, standing in zip(uids, standings, strict=True):
        numbers = _floats({name: standing[name] for name in ("fitness", "mean", "shrunk")})
        _add(run, {f"confirm/candidates/{uid}/{name}": value for name, value in numbers.items()}, 0, now)


def _winner_chosen(updates: RunUpdates, state: SearchState, event: Event) -> None:
    plain, now = event.payload, _ms(event.time)
    run = updates.search(state)
    _add_comparison(run, plain, "", now)
    _add_comparison(run, cast(Mapping[str, object], plain.get("map50_95") or {}), "map50_95/", now)
    tuning = state.nms_confirmation(str(event.uid))
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


def _add_comparison(run: RunUpdate, plain: Mapping[str, object], prefix: str, now: int) -> None:
    """Add the metrics of winner, defaults and gain: confirm/winner/mean; with a prefix confirm/winner/map50_95/mean."""
    for name, shown in (("confirmed", "winner"), ("defaults", "defaults"), ("gain", "gain")):
        summary = cast(Mapping[str, object] | None, plain.get(name)) or {}
        numbers = {key: float(value) for key, value in summary.items() if isinstance(value, int | float)}
        interval = cast(list[float] | None, summary.get("interval"))
        if interval:
            numbers |= {"low": float(interval[0]), "high": float(interval[1])}
        _add(run, {f"confirm/{shown}/{prefix}{key}": value for key, value in numbers.items()}, 0, now)


def _search_interrupted(updates: RunUpdates, state: SearchState, event: Event) -> None:
    now = _ms(event.time)
    for run in updates.open_runs(state, now):
        run.tags["evolve.status_reason"] = f"search interrupted: {event.payload['reason']}"
        run.end("KILLED", now)  # `updates` keeps them as open: a resume goes on with them


def _search_resumed(updates: RunUpdates, state: SearchState, event: Event) -> None:
    for run in updates.open_runs(state, _ms(event.time)):
        run.tags["evolve.status_reason"] = "resumed"
        if not run.key.startswith("trial/"):
            run.reopen()  # a trial's run is reopened by its next attempt


def _search_finished(updates: RunUpdates, state: SearchState, event: Event) -> None:
    run = updates.search(state)
    run.tags["evolve.status_reason"] = str(event.payload["verdict"])
    run.end("FINISHED", _ms(event.time))


def _search_failed(updates: RunUpdates, state: SearchState, event: Event) -> None:
    now = _ms(event.time)
    for run in updates.open_runs(state, now):
        run.tags["evolve.status_reason"] = str(event.payload["reason"])
        run.end("FAILED", now)


_HANDLERS: dict[str, Callable[[RunUpdates, SearchState, Event], None]] = {
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
