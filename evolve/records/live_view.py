"""The live view of a search: a few lines that fit its terminal, made of the state that its journal gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.process.terminal import duration
from evolve.records import forecast, lineage
from evolve.records.state import IndividualRecord, SearchState
from evolve.trial import TrialStatus

ROWS_OF_TRIALS = 6  # at most; more of them would push the log off the screen
GAP = 3  # columns between two trials
ALIVE = (TrialStatus.PROPOSED, TrialStatus.RUNNING)


@dataclass(frozen=True)
class RungProgress:
    """The rung that the trials of the present generation are on their way to."""

    number: int  # 1, 2, ...
    rungs: int
    step: int
    entered: int  # trials that were trained towards it
    over: int  # those of them that have a score there or have failed


def lines(
    state: SearchState, now: float, *, width: int = 80, height: int = 24, steps: Mapping[str, int] | None = None
) -> list[str]:
    """The view: at most `height` lines of at most `width` characters.

    steps: the last step of each trial or confirmation that runs, by its signs of life; None if only the journal is
    known, which has every eighteenth part of a schedule.
    """
    head = [
        _where(state),
        _trials(state, steps),
        _best(state),
        _workers(state, now),
    ]
    room = min(ROWS_OF_TRIALS, height - len(head) - 1)
    return [_cut(line, width) for line in (*head, *_running(state, steps, width, room))][: max(1, height)]


def rung_progress(state: SearchState) -> RungProgress | None:
    """The lowest rung that a trial of the present generation still has to reach; None if none is to be trained."""
    steps = state.recipe.rung_steps(state.steps)
    records = [record for record in state.individuals.values() if record.generation == state.generation]
    goals = [goal for record in records if record.status in ALIVE and (goal := next_rung(record, steps)) is not None]
    if not goals:
        return None
    step = min(goals)
    index = steps.index(step)
    before = steps[index - 1] if index else None
    entered = [record for record in records if before is None or _entered(record, before)]
    over = sum(step in record.rungs or record.status is TrialStatus.FAILED for record in entered)
    return RungProgress(index + 1, len(steps), step, len(entered), over)


def next_rung(record: IndividualRecord, steps: Sequence[int]) -> int | None:
    """The step of the rung after the last one that the trial has a score at; None after the last rung."""
    reached = max(record.rungs, default=0)
    return next((step for step in steps if step > reached), None)


def worker_use(state: SearchState, now: float) -> float:
    """Share of the workers' time that they spent on trials, 0 to 1."""
    seconds = state.worker_seconds(now)
    total = sum(seconds.values())
    return 1.0 - seconds["idle"] / total if total else 0.0


def _entered(record: IndividualRecord, before: int) -> bool:
    """Whether the trial went on from the rung at step `before`."""
    stopped_there = record.status is TrialStatus.STOPPED_EARLY and max(record.rungs, default=0) == before
    return before in record.rungs and not stopped_there


def _where(state: SearchState) -> str:
    generation = f"generation {state.generation} of {state.generations}"
    if state.generations in state.closed:
        return f"{generation} | confirming {len(state.confirmations)} of {forecast.expected_confirmations(state)}"
    rung = rung_progress(state)
    if rung is None:
        return generation
    return f"{generation} | rung {rung.number} of {rung.rungs} (step {rung.step}): {rung.over} of {rung.entered} trials"


def _trials(state: SearchState, steps: Mapping[str, int] | None) -> str:
    counts = state.counts
    running, waiting = counts[TrialStatus.RUNNING], counts[TrialStatus.PROPOSED]
    if steps is not None:  # they are ahead of the journal, and have confirmations too
        running, waiting = len(steps), max(0, running + waiting - len(steps.keys() & state.individuals.keys()))
    return (
        f"trials: {running} running, {waiting} waiting, {counts[TrialStatus.FINISHED]} finished, "
        f"{counts[TrialStatus.STOPPED_EARLY]} stopped early, {counts[TrialStatus.FAILED]} failed"
    )


def _best(state: SearchState) -> str:
    if state.best is None:
        return "best: no individual has reached its full budget yet"
    descent = lineage.ancestors(state, state.best.uid)
    names = " from ".join(record.uid for record in descent)
    return f"best {state.best.fitness:.4f}: {names} ({descent[-1].operator})"


def _workers(state: SearchState, now: float) -> str:
    left = forecast.eta_seconds(state)
    parts = [
        f"workers: {state.workers}, {worker_use(state, now):.0%} busy",
        f"elapsed {duration(state.elapsed_seconds(now))}",
        "" if left is None else f"about {duration(left)} left",
    ]
    return " | ".join(part for part in parts if part)


def _running(state: SearchState, steps: Mapping[str, int] | None, width: int, rows: int) -> list[str]:
    """The trials on workers with their steps, in columns; the last place says how many did not fit."""
    cells = _cells(state, steps)
    if not cells or rows < 1:
        return []
    widest = max(len(cell) for cell in cells)
    columns = max(1, (width + GAP) // (widest + GAP))
    if len(cells) > rows * columns:
        shown = rows * columns - 1
        cells = [*cells[:shown], f"and {len(cells) - shown} more"]
    padded = [cell.ljust(widest + GAP) for cell in cells]
    return ["".join(padded[start : start + columns]).rstrip() for start in range(0, len(padded), columns)]


def _cells(state: SearchState, steps: Mapping[str, int] | None) -> list[str]:
    """Each trial that runs: its uid, its step, and the step where its piece ends."""
    rungs = state.recipe.rung_steps(state.steps)
    if steps is not None:
        records = {uid: state.individuals.get(uid) for uid in sorted(steps)}
        goals = {uid: None if record is None else next_rung(record, rungs) for uid, record in records.items()}
        return [f"{uid} {steps[uid]}/{goals[uid] or state.steps}" for uid in records]
    running = [record for record in state.individuals.values() if record.status is TrialStatus.RUNNING]
    return [f"{record.uid} {record.trained_steps}/{next_rung(record, rungs) or state.steps}" for record in running]


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: max(0, width - 3)]}..."[:width]
