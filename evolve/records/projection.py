"""Turns the journal's events into updates of MLflow runs: learning curves, statuses, generations, the verdict.

Pure and repeatable: times come from the events, so the same journal always gives the same updates, and sending
them twice changes nothing. One run for the search, below it one per generation, below that one per trial, and below
that one per confirmation of the trial's individual.
"""

import json
from collections.abc import Iterable, Mapping
from typing import assert_never

import numpy as np

from evolve.genetics.diversity import diversity
from evolve.records import events, rungs
from evolve.records.comparison import Comparison, Gain, MeanWithInterval
from evolve.records.events import EndEvent, JournalEvent, decode
from evolve.records.journal import Event
from evolve.records.run_updates import MetricValue, RunUpdate, RunUpdates, milliseconds
from evolve.records.state import SearchState, begin
from evolve.trial import TrialStatus

SUMMARY = ("mean", "seeds", "probability", "pairs", "detectable")  # of a mean or a gain, beside its interval
# Curves over the generations, on the search's run: those of a generation's numbers that are worth one
CURVES = (
    *("best", "best_so_far", "median", "lower_quartile", "upper_quartile", "q10", "q90"),
    *("diversity", "stopped_early", "failed", "worker_hours"),
)
SECONDS_PER_HOUR = 3600.0
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


def aggregates(state: SearchState, generation: int) -> dict[str, float]:
    """A generation in numbers: trials by status, worker time, diversity, and quantiles of fitness.

    Fitness is that of the individuals that reached the full budget; best_so_far includes the generations before.
    """
    records = [record for record in state.individuals.values() if record.generation == generation]
    fitness = [record.fitness for record in records if record.fitness is not None]
    seconds = sum(record.seconds for record in records)
    numbers = {
        "trials": float(len(records)),
        "failed": float(sum(record.status is TrialStatus.FAILED for record in records)),
        "stopped_early": float(sum(record.status is TrialStatus.STOPPED_EARLY for record in records)),
        "finished": float(len(fitness)),
        "worker_seconds": seconds,
        "worker_hours": seconds / SECONDS_PER_HOUR,
    }
    if fitness:
        names = ("q10", "lower_quartile", "median", "upper_quartile", "q90")
        quantiles = np.quantile(fitness, [0.1, 0.25, 0.5, 0.75, 0.9])
        numbers |= {"best": max(fitness)} | dict(zip(names, map(float, quantiles), strict=True))
    earlier = [record.fitness for record in state.ranking if record.generation <= generation]
    if earlier and earlier[0] is not None:
        numbers["best_so_far"] = earlier[0]
    spread = diversity(state.space, [record.genome for record in records])
    if spread is not None:
        numbers["diversity"] = spread
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
            _reach_rung(updates, state, event, now)
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
            _add_confirmation(updates, state, event, now)
        case events.WinnerChoice():
            _add_standings(updates, state, event, now)
        case events.VerdictPlanned(seeds=seeds, noise=noise):
            planned = {"seeds": seeds} if noise is None else {"seeds": seeds, "noise": noise}
            _add(updates.search(state), {f"confirm/verdict/{name}": number for name, number in planned.items()}, 0, now)
        case events.Outcome():
            _add_outcome(updates.search(state), state, event, now)
        case events.SearchInterrupted():
            for run in _with_reason(updates, state, f"search interrupted: {event.reason}", now):
                run.end("KILLED", _end_of(run, state, now))  # `updates` keeps them as open: a resume goes on with them
        case events.SearchResumed():
            for run in _with_reason(updates, state, "resumed", now):
                if not run.key.startswith("trial/"):
                    run.reopen()  # a trial's run is reopened by its next attempt
        case events.SearchFailed():
            for run in _with_reason(updates, state, event.reason, now):
                run.end("FAILED", _end_of(run, state, now))
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


def _end_of(run: RunUpdate, state: SearchState, now: int) -> int:
    """When a run ends that ends now: for a trial, so that its duration is the time that it was worked on.

    A trial waits at its rungs for the others, often for longer than it is worked on.
    """
    kind, _, uid = run.key.partition("/")
    return run.started + milliseconds(state.individuals[uid].seconds) if kind == "trial" else now


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
    if event.uid in state.individuals:  # else the event is about a confirmation, whose run begins with its result
        updates.trial(state, event.uid, now).tags["evolve.attempts_lost"] = str(state.lost_attempts(event.uid))


def _add_measurement(run: RunUpdate, event: events.TrialMeasured, now: int) -> None:
    _add(run, {f"loss/{name}": value for name, value in event.losses.items()}, event.step, now)
    _add(run, event.scores, event.step, now)
    _add(run, {f"seconds/{name}": value for name, value in event.seconds.items()}, event.step, now)
    _add(run, {"traces": event.traces}, event.step, now)


def _reach_rung(updates: RunUpdates, state: SearchState, event: events.RungReached, now: int) -> None:
    run = updates.trial(state, event.uid, now)
    _add(run, {"rung_score": event.score}, event.step, now)
    run.tags["evolve.status"] = str(state.individuals[event.uid].status)
    run.end("SCHEDULED", _end_of(run, state, now))  # it waits for the rung to be decided


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
        run_status, reason = "FAILED", _fail(run, event.kind, event.reason, event.traceback)
    run.tags |= {"evolve.status": str(state.individuals[event.uid].status), "evolve.status_reason": reason}
    updates.close(run, run_status, _end_of(run, state, now))


def _fail(run: RunUpdate, kind: str, reason: str, traceback: str) -> str:
    """Say on its run why a training failed; returns the reason in one line."""
    run.tags["evolve.failure"] = kind
    if traceback:
        run.tags["mlflow.note.content"] = f"```\n{traceback[-TRACEBACK_CHARACTERS:]}\n```"
    return f"{kind}: {reason}"


def _close_generation(updates: RunUpdates, state: SearchState, event: events.GenerationClosed, now: int) -> None:
    numbers = aggregates(state, event.generation)
    run = updates.generation(state, event.generation, now)
    _add(run, numbers, 0, now)
    run.tags["evolve.elites"] = ",".join(f"{state.search_id}/{uid}" for uid in event.elites)
    updates.close(run, "FINISHED", now)
    curves = {f"gen/{name}": numbers[name] for name in CURVES if name in numbers}
    _add(updates.search(state), curves, event.generation, now)
    _add(updates.search(state), _rung_correlations(state), event.generation, now)


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


def _add_confirmation(updates: RunUpdates, state: SearchState, event: events.Confirmation, now: int) -> None:
    run = updates.confirmation(state, event, now)
    _add(run, event.scores, state.steps, now)
    _add(run, {f"seconds/{name}": value for name, value in event.seconds.items()}, state.steps, now)
    lost = state.lost_attempts(event.uid)
    if lost:
        run.tags["evolve.attempts_lost"] = str(lost)
    if event.reason is None:
        updates.close(run, "FINISHED", now)
    else:
        reason = _fail(run, event.kind or "failed", event.reason, event.traceback or "")
        run.tags["evolve.status_reason"] = reason
        updates.close(run, "FAILED", now)


def _add_standings(updates: RunUpdates, state: SearchState, event: events.WinnerChoice, now: int) -> None:
    uids = [standing.uid for standing in event.candidates]  # best first
    updates.search(state).tags["evolve.candidates"] = ",".join(f"{state.search_id}/{uid}" for uid in uids)
    for standing in event.candidates:
        numbers = {"confirm/mean": standing.mean, "confirm/shrunk": standing.shrunk}
        known = {name: value for name, value in numbers.items() if value is not None}
        _add(updates.trial(state, standing.uid, now), known, 0, now)


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
