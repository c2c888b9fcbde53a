"""Turns the journal's events into updates of MLflow runs: learning curves, statuses, generations, the verdict.

Pure and repeatable: times come from the events, so the same journal always gives the same updates, and sending
them twice changes nothing. One run for the search, below it one per generation, below that one per trial.
"""

import json
from collections.abc import Iterable, Mapping
from typing import assert_never

import numpy as np

from evolve.records import events, rungs
from evolve.records.comparison import Comparison, Gain, MeanWithInterval
from evolve.records.events import CANDIDATE_ROLE, KNOWN_ROLE, EndEvent, JournalEvent, decode
from evolve.records.journal import Event
from evolve.records.run_updates import MetricValue, RunUpdate, RunUpdates, milliseconds
from evolve.records.state import IndividualRecord, SearchState, begin
from evolve.trial import TrialStatus

SUMMARY = ("mean", "seeds", "probability", "pairs", "detectable")  # of a mean or a gain, beside its interval
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
        decoded = decode(event)
        if decoded is not None:
            _project(self.updates, self.state, decoded, milliseconds(event.time))


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


def _project(updates: RunUpdates, state: SearchState, event: JournalEvent, now: int) -> None:
    """Add what an event changes. state: after it. now: its time in milliseconds since 1970."""
    match event:
        case events.SearchCreated():
            _create_search(updates, state)
        case events.GenerationOpened():
            updates.generation(state, event.generation, now).params["population"] = _text(event.population)
        case events.TrialProposed():
            pass  # its run begins with its first attempt
        case events.AttemptStarted():
            _start_attempt(updates, state, event, now)
        case events.AttemptLost():
            _lose_attempt(updates, state, event, now)
        case events.TrialMeasured():
            _add_measurement(updates.trial(state, event.uid, now), event, now)
        case events.RungReached():
            _add(updates.trial(state, event.uid, now), {"rung_score": event.score}, event.step, now)
        case events.TrialStopped() | events.TrialFinished() | events.TrialFailed():
            _end_trial(updates, state, event, now)
        case events.GenerationClosed():
            _close_generation(updates, state, event, now)
        case _:
            _project_end(updates, state, event, now)


def _project_end(updates: RunUpdates, state: SearchState, event: EndEvent, now: int) -> None:
    """Add what an event of the confirmations, of the verdict or of a session changes."""
    match event:
        case events.Confirmation():
            _add_confirmation(updates.search(state), event, now)
        case events.WinnerChoice():
            _add_standings(updates.search(state), state, event, now)
        case events.VerdictPlanned(seeds=seeds, noise=noise):
            planned = {"seeds": seeds} if noise is None else {"seeds": seeds, "noise": noise}
            _add(updates.search(state), {f"confirm/verdict/{name}": number for name, number in planned.items()}, 0, now)
        case events.Outcome():
            _add_outcome(updates.search(state), state, event, now)
        case events.SearchInterrupted():
            for run in _with_reason(updates, state, f"search interrupted: {event.reason}", now):
                run.end("KILLED", now)  # `updates` keeps them as open: a resume goes on with them
        case events.SearchResumed():
            for run in _with_reason(updates, state, "resumed", now):
                if not run.key.startswith("trial/"):
                    run.reopen()  # a trial's run is reopened by its next attempt
        case events.SearchFailed():
            for run in _with_reason(updates, state, event.reason, now):
                run.end("FAILED", now)
        case events.SearchFinished():
            run = updates.search(state)
            run.tags["evolve.status_reason"] = event.verdict
            run.end("FINISHED", now)
        case _:
            assert_never(event)


def _with_reason(updates: RunUpdates, state: SearchState, reason: str, now: int) -> Iterable[RunUpdate]:
    """The open runs, each with the reason of its status."""
    for run in updates.open_runs(state, now):
        run.tags["evolve.status_reason"] = reason
        yield run


def _create_search(updates: RunUpdates, state: SearchState) -> None:
    run, recipe = updates.search(state), state.recipe
    run.params |= {"recipe": recipe.name, "seed": str(state.seed), "steps": str(state.steps)}
    run.params |= {"threads": str(state.threads), "workers": str(state.workers), "space": state.space.name}
    run.params |= _flat("data", state.data.plain) | _flat("versions", state.versions)
    run.params |= {name: _text(value) for name, value in recipe.to_plain().items() if name != "name"}
    run.tags["mlflow.note.content"] = f"Search `{state.search_id}`, recipe `{recipe.name}`, seed {state.seed}."
    run.reopen()


def _start_attempt(updates: RunUpdates, state: SearchState, event: events.AttemptStarted, now: int) -> None:
    run = updates.trial(state, event.uid, now)
    run.params |= {gene: _text(value) for gene, value in state.individuals[event.uid].genome.items()}
    run.tags["evolve.attempt"] = _text(event.attempt)
    run.tags["evolve.status"] = str(TrialStatus.RUNNING)
    run.reopen()


def _lose_attempt(updates: RunUpdates, state: SearchState, event: events.AttemptLost, now: int) -> None:
    if event.uid in state.individuals:  # else the event is about a confirmation, which has no run of its own
        updates.trial(state, event.uid, now).tags["evolve.attempts_lost"] = str(state.lost_attempts(event.uid))


def _add_measurement(run: RunUpdate, event: events.TrialMeasured, now: int) -> None:
    _add(run, {f"loss/{name}": value for name, value in event.losses.items()}, event.step, now)
    _add(run, event.scores, event.step, now)
    _add(run, {f"seconds/{name}": value for name, value in event.seconds.items()}, event.step, now)
    _add(run, {"traces": event.traces}, event.step, now)


def _end_trial(
    updates: RunUpdates,
    state: SearchState,
    event: events.TrialStopped | events.TrialFinished | events.TrialFailed,
    now: int,
) -> None:
    run = updates.trial(state, event.uid, now)
    # FINISHED: MLflow draws KILLED like FAILED, and a stop at a rung is no failure; evolve.status distinguishes them
    run_status, reason = "FINISHED", f"full budget of {state.steps} steps"
    if isinstance(event, events.TrialStopped):
        reason = f"not promoted at step {event.step} of {state.steps}"
    elif isinstance(event, events.TrialFinished):
        _add(run, {"fitness": event.fitness}, 0, now)
    else:
        run_status, reason = "FAILED", f"{event.kind}: {event.reason}"
        run.tags["evolve.failure"] = event.kind
        if event.traceback:
            run.tags["mlflow.note.content"] = f"```\n{event.traceback[-TRACEBACK_CHARACTERS:]}\n```"
    run.tags |= {"evolve.status": str(state.individuals[event.uid].status), "evolve.status_reason": reason}
    updates.close(run, run_status, now)


def _close_generation(updates: RunUpdates, state: SearchState, event: events.GenerationClosed, now: int) -> None:
    generation = event.generation
    numbers = aggregates(record for record in state.individuals.values() if record.generation == generation)
    run = updates.generation(state, generation, now)
    _add(run, numbers, 0, now)
    run.tags["evolve.elites"] = ",".join(f"{state.search_id}/{uid}" for uid in event.elites)
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
    _add(updates.search(state), _rung_correlations(state), generation, now)


def _rung_correlations(state: SearchState) -> dict[str, float]:
    """The metrics of each rung whose rank correlation with the fitness is known, such as rung/11/rank_correlation."""
    metrics: dict[str, float] = {}
    for rung in rungs.correlations(state):
        if rung.rank_correlation is None or rung.interval is None:
            continue
        low, high = rung.interval
        numbers = {"rank_correlation": rung.rank_correlation, "low": low, "high": high}
        numbers |= {"trials": rung.trials, "controls": rung.controls}
        metrics |= {f"rung/{rung.step}/{name}": number for name, number in numbers.items()}
    return metrics


def _add_confirmation(run: RunUpdate, event: events.Confirmation, now: int) -> None:
    seed_index = event.uid.rpartition("-")[2]  # 2 for "g001-042/test-seed-2"
    named = {CANDIDATE_ROLE: f"candidates/{event.individual}", KNOWN_ROLE: f"known/{event.individual}"}
    subject = named.get(event.role, event.role)
    scores = {f"confirm/{subject}/{name}": value for name, value in event.scores.items()}
    _add(run, scores, int(seed_index) if seed_index.isdigit() else 0, now)


def _add_standings(run: RunUpdate, state: SearchState, event: events.WinnerChoice, now: int) -> None:
    uids = [standing.uid for standing in event.candidates]  # best first
    run.tags["evolve.candidates"] = ",".join(f"{state.search_id}/{uid}" for uid in uids)
    for standing in event.candidates:
        numbers = {"fitness": standing.fitness, "mean": standing.mean, "shrunk": standing.shrunk}
        known = {name: value for name, value in numbers.items() if value is not None}
        _add(run, {f"confirm/candidates/{standing.uid}/{name}": value for name, value in known.items()}, 0, now)


def _add_outcome(run: RunUpdate, state: SearchState, event: events.Outcome, now: int) -> None:
    _add_comparison(run, event.comparison, "", now)
    if event.map50_95 is not None:
        _add_comparison(run, event.map50_95, "/map50_95", now)
    for name, against in event.known.items():
        _add_interval(run, f"known/{name}", against.mean, now)
        _add_interval(run, f"known/{name}/gain", against.gain, now)
        _add_interval(run, f"known/{name}/gain/map50_95", against.map50_95, now)
    tuning = state.nms_confirmation(event.uid)
    if tuning is not None and tuning.post is not None:
        run.tags["evolve.post"] = _text(dict(tuning.post.settings))
        _add(run, {f"post/fixed/{name}": value for name, value in tuning.post.fixed.items()}, 0, now)
        _add(run, {f"post/tuned/{name}": value for name, value in tuning.post.tuned.items()}, 0, now)
    run.tags["evolve.winner"] = f"{state.search_id}/{event.uid}"
    genome = state.individuals[event.uid].genome
    rows = "\n".join(f"| {gene} | {_text(value)} |" for gene, value in genome.items())
    verdicts = "\n\n".join([f"**{event.verdict}**", *(against.verdict for against in event.known.values())])
    run.tags["mlflow.note.content"] = (
        f"{verdicts}\n\nWinner of search `{state.search_id}`: `{event.uid}`\n\n| gene | value |\n|---|---|\n{rows}\n"
    )


def _add_comparison(run: RunUpdate, comparison: Comparison, metric: str, now: int) -> None:
    """Add the metrics of winner, defaults and gain: confirm/winner/mean; with a metric confirm/winner/map50_95/mean."""
    shown = {"winner": comparison.confirmed, "defaults": comparison.defaults, "gain": comparison.gain}
    for name, value in shown.items():
        _add_interval(run, f"{name}{metric}", value, now)


def _add_interval(run: RunUpdate, name: str, value: MeanWithInterval | Gain | None, now: int) -> None:
    """Add the metrics confirm/NAME/mean, confirm/NAME/low and so on; none if there is no value."""
    if value is None:
        return
    numbers = {key: vars(value)[key] for key in SUMMARY if vars(value).get(key) is not None}
    if value.interval is not None:
        numbers["low"], numbers["high"] = value.interval
    _add(run, {f"confirm/{name}/{key}": number for key, number in numbers.items()}, 0, now)
