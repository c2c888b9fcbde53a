"""Shows a search while it runs: a live line if stdout is a terminal, else one plain line per important event."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from evolve import fitness
from evolve.process.terminal import command, complain, duration, say
from evolve.records import events, forecast, rungs
from evolve.records.comparison import Standing
from evolve.records.journal import Event
from evolve.records.state import SearchState
from evolve.trial import TrialStatus

if TYPE_CHECKING:
    from rich.live import Live

REFRESH_SECONDS = 0.5
MANY_SHORTENED = 0.2  # share of the steps with a shortened gradient above which a warning is due
LOST = {"hung": "hung", "node_lost": "lost its node"}  # cause of a lost attempt -> what happened, in words


class Display:
    """Shows events and the state of a search; decides nothing. This one shows nothing."""

    def show(self, event: Event, state: SearchState) -> None:
        """Show an event that was journalled; `state` includes it."""

    def tick(self, state: SearchState) -> None:
        """Refresh what changes with time."""

    def note(self, text: str) -> None:
        """Show a sentence that belongs to no event."""

    def interrupted(self, directory: Path) -> None:
        """Show how to resume the search, which was asked to stop; called before anything else."""

    def close(self) -> None:
        """End the display. Safe to call twice."""


class PlainDisplay(Display):
    """One line per important event, without control codes."""

    def __init__(self, write: Callable[[str], None] = say) -> None:
        self._write = write

    def show(self, event: Event, state: SearchState) -> None:
        """Write the event's line, if it has one."""
        line = line_of(event, state)
        if line is not None:
            self._write(line)

    def note(self, text: str) -> None:
        """Write the sentence."""
        self._write(text)

    def interrupted(self, directory: Path) -> None:
        """Write how to resume."""
        self._write(how_to_resume(directory))


class LiveDisplay(Display):
    """A line that is rewritten in place, below the generations that are done. Needs rich.

    The display takes the terminal (and hides its cursor) only when there is something to show, so that a session
    that ends before it has begun leaves the terminal alone.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._next = 0.0
        self._live: Live | None = None
        self._closed = False

    def show(self, event: Event, state: SearchState) -> None:
        """Print generations and failures above the line; other events only change the line."""
        if self._closed:
            return
        line = line_of(event, state)
        if line is not None and not isinstance(events.decode(event), events.TrialFinished | events.TrialStopped):
            self._open().console.print(line, markup=False, highlight=False)
        self.tick(state)

    def tick(self, state: SearchState) -> None:
        """Rewrite the line, at most every REFRESH_SECONDS."""
        now = self._clock()
        if now >= self._next and not self._closed:
            self._next = now + REFRESH_SECONDS
            self._open().update(summary(state, now), refresh=True)

    def note(self, text: str) -> None:
        """Print the sentence above the line."""
        self._open().console.print(text, markup=False, highlight=False)

    def interrupted(self, directory: Path) -> None:
        """End the line and print how to resume."""
        self.close()
        say(how_to_resume(directory))

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._closed = True
        if self._live is not None:
            self._live.stop()

    def _open(self) -> "Live":
        if self._live is None:
            from rich.live import Live

            # errors stay on stderr, and what others print is not redirected
            self._live = Live(auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
        return self._live


class FailsafeDisplay(Display):
    """Wraps a display: when it fails, reports that once and shows nothing more, so that the search goes on."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._failed = False

    def show(self, event: Event, state: SearchState) -> None:
        """Show the event."""
        self._try(lambda: self._display.show(event, state))

    def tick(self, state: SearchState) -> None:
        """Refresh what changes with time."""
        self._try(lambda: self._display.tick(state))

    def note(self, text: str) -> None:
        """Show a sentence; on stderr if the display has failed."""
        if self._failed or not self._try(lambda: self._display.note(text)):
            complain(text)

    def interrupted(self, directory: Path) -> None:
        """Show how to resume; on stderr if the display has failed."""
        if self._failed or not self._try(lambda: self._display.interrupted(directory)):
            complain(how_to_resume(directory))

    def close(self) -> None:
        """End the display."""
        self._try(lambda: self._display.close())

    def _try(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:
            failed, self._display, self._failed = self._display, Display(), True
            complain(f"note: progress is not shown any more ({type(error).__name__}: {error}); the search goes on")
            with suppress(Exception):  # show the cursor again if that still works
                failed.close()
            return False
        return True


def for_terminal() -> Display:
    """The display that fits stdout: a live line needs a terminal that can move its cursor."""
    live = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return FailsafeDisplay(LiveDisplay() if live else PlainDisplay())


def how_to_resume(directory: Path) -> str:
    """The sentence after Ctrl-C: how to resume."""
    return f"stopped; nothing that was finished is lost; go on with: {command('evolve', 'resume', directory)}"


def summary(state: SearchState, now: float) -> str:
    """The state in one line: generation, trials, best fitness, worker use, time left."""
    counts = state.counts
    best = state.best
    done = len(state.confirmations)
    confirming = f", confirming {done} of {forecast.expected_confirmations(state)}" if done else ""
    left = forecast.eta_seconds(state)
    parts = [
        f"generation {state.generation} of {state.generations}{confirming}",
        f"running {counts[TrialStatus.RUNNING]}, waiting {counts[TrialStatus.PROPOSED]}, "
        f"done {counts[TrialStatus.FINISHED]}, stopped {counts[TrialStatus.STOPPED_EARLY]}, "
        f"failed {counts[TrialStatus.FAILED]}",
        "best -" if best is None else f"best {best.fitness:.3f} ({best.uid})",
        f"workers {worker_use(state, now):.0%} of {state.workers}",
        "" if left is None else f"about {duration(left)} left",
    ]
    return " | ".join(part for part in parts if part)


def shortened(share: float) -> str:
    """How many steps had their gradient shortened, with a warning if they are many."""
    text = f"shortened in {share:.1%} of the steps"
    if share <= MANY_SHORTENED:
        return text
    return (
        f"{text}, expected at most {MANY_SHORTENED:.0%}: there the learning rate is not what it says; a lower rate or "
        "a larger bound (optimizer.spike_factor or optimizer.max_gradient_norm, whichever is on), shortens fewer"
    )


def worker_use(state: SearchState, now: float) -> float:
    """Share of the workers' time that they spent on trials, 0 to 1."""
    seconds = state.worker_seconds(now)
    total = sum(seconds.values())
    return 1.0 - seconds["idle"] / total if total else 0.0


def line_of(event: Event, state: SearchState) -> str | None:
    """The line that reports an event; None for events that only change numbers. state: after the event."""
    match events.decode(event):
        case events.GenerationOpened(generation=generation, population=population):
            return f"generation {generation} of {state.generations}: {population} individuals"
        case events.TrialFinished(uid=uid):
            return _finished(uid, state)
        case events.TrialStopped(uid=uid, step=step):
            score = state.individuals[uid].rungs.get(step, 0.0)
            return f"{uid} stopped at step {step}: score {score:.4f} {_generation_progress(state)}"
        case events.TrialFailed(uid=uid, reason=reason):
            return f"{uid} failed: {reason} {_generation_progress(state)}"
        case events.AttemptLost(uid=uid, cause=cause, reason=reason):
            return f"{uid} {LOST.get(cause, 'lost its worker')} and is tried again: {reason}"
        case events.GenerationClosed(generation=generation, elites=elites):
            share = state.shortened_share or 0.0
            gradients = f"; gradients {shortened(share)}" if share > MANY_SHORTENED else ""
            doubt = rungs.doubt_about(rungs.correlations(state))
            doubts = "" if doubt is None else f"; {doubt}"
            return f"generation {generation} closed: {len(elites)} elites, {_best(state)}{gradients}{doubts}"
        case events.Confirmation() as confirmation:
            return _confirmed(confirmation, state)
        case events.WinnerChoice(uid=uid, candidates=standings):
            means = ", ".join(f"{standing.uid} {_mean(standing)}" for standing in standings)
            return f"{uid} chosen of {len(standings)} candidates; validation means with fresh seeds: {means}"
        case events.VerdictPlanned() as plan:
            return f"the verdict has {_verdict_seeds(plan)}"
        case events.SearchResumed():
            return f"resumed: {len(state.individuals)} individuals in the journal"
        case events.SearchFailed(reason=reason):
            return f"search failed: {reason}"
    return None


def _generation_progress(state: SearchState) -> str:
    """How many trials of the generation are over, such as [12/100, about 3.5 h left]."""
    records = [record for record in state.individuals.values() if record.generation == state.generation]
    over = sum(record.status not in (TrialStatus.PROPOSED, TrialStatus.RUNNING) for record in records)
    left = forecast.eta_seconds(state)
    return f"[{over}/{len(records)}{'' if left is None else f', about {duration(left)} left'}]"


def _best(state: SearchState) -> str:
    best = state.best
    return "no individual reached its full budget" if best is None else f"best {best.fitness:.4f} ({best.uid})"


def _finished(uid: str, state: SearchState) -> str:
    best = state.best
    mark = " best so far" if best is not None and best.uid == uid else ""
    return f"{uid} finished: fitness {state.individuals[uid].fitness:.4f}{mark} {_generation_progress(state)}"


def _confirmed(confirmation: events.Confirmation, state: SearchState) -> str:
    uid, role = confirmation.uid, confirmation.role
    if confirmation.reason is not None:
        return f"{uid} ({role}) failed: {confirmation.reason}"
    shown = {fitness.AP} | {name.partition("/")[2] for name in state.space.fitness}
    scores = {name: score for name, score in confirmation.scores.items() if name.partition("/")[2] in shown}
    return f"{uid} ({role}): {', '.join(f'{name} {score:.4f}' for name, score in scores.items())}"


def _verdict_seeds(plan: events.VerdictPlanned) -> str:
    if plan.noise is None or plan.detectable is None:
        return f"{plan.seeds} seeds, the most, as too few candidates finished to know the noise"
    shows = f"a gain under {plan.detectable:.3f} would not show"
    return f"{plan.seeds} seeds: two runs with one seed differ by {plan.noise:.4f} (standard deviation), and {shows}"


def _mean(standing: Standing) -> str:
    failed = f" ({standing.failed} failed)" if standing.failed else ""
    return ("none" if standing.mean is None else f"{standing.mean:.4f}") + failed
