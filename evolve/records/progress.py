"""Shows a search while it runs: a log of what happened, and below it a live view if stdout is a terminal.

The log has one line for each event that matters, time of day first. The trials that a rung stops together share a line.
"""

import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from evolve import fitness
from evolve.process.terminal import command, complain, duration, say
from evolve.records import events, forecast, live_view, rungs
from evolve.records.comparison import Standing
from evolve.records.journal import Event
from evolve.records.state import SearchState
from evolve.trial import TrialStatus

if TYPE_CHECKING:
    from rich.live import Live

REFRESH_SECONDS = 0.5
# Between two summaries in a plain log: minutes at first, then a share of the time so far. A day has some 70.
SUMMARY_SECONDS, SUMMARY_SHARE = 300.0, 0.05
MANY_SHORTENED = 0.2  # share of the steps with a shortened gradient above which a warning is due
FAILURES = (events.TrialFailed, events.AttemptLost, events.SearchFailed)
LOST = {"hung": "hung", "node_lost": "lost its node"}  # cause of a lost attempt -> what happened, in words


class Display:
    """Shows events and the state of a search; decides nothing. This one shows nothing."""

    def show(self, event: Event, state: SearchState) -> None:
        """Show an event that was journalled; `state` includes it."""

    def tick(self, state: SearchState) -> None:
        """Refresh what changes with time."""

    def running(self, steps: Mapping[str, int]) -> None:
        """Take in the last step of each trial and confirmation that runs, by its signs of life."""

    def note(self, text: str) -> None:
        """Show a sentence that belongs to no event."""

    def interrupted(self, directory: Path) -> None:
        """Show how to resume the search, which was asked to stop; called before anything else."""

    def close(self) -> None:
        """End the display. Safe to call twice."""


class Log:
    """Makes the lines of a log: the time of day, the date too in the first line of a day, and what happened."""

    def __init__(self) -> None:
        self._date = ""
        self._stopped: tuple[float, int, int] | None = None  # time, generation and step of stops that have no line yet

    def lines(self, event: Event, state: SearchState) -> list[str]:
        """The lines that are due after an event. state: after it."""
        decoded = events.decode(event)
        if isinstance(decoded, events.TrialStopped):
            generation = state.individuals[decoded.uid].generation
            due = [] if self._stopped is None or self._stopped[1:] == (generation, decoded.step) else self.due(state)
            self._stopped = (event.time, generation, decoded.step)
            return due
        line = line_of(event, state)
        return [*self.due(state), *([] if line is None else [self.line(event.time, line)])]

    def due(self, state: SearchState) -> list[str]:
        """The line of trials that were stopped together, if that is still missing."""
        if self._stopped is None:
            return []
        (at, generation, step), self._stopped = self._stopped, None
        return [self.line(at, closed_rung(state, generation, step))]

    def line(self, at: float, text: str) -> str:
        """The text with its time. at: seconds since 1970."""
        local = time.localtime(at)
        date = time.strftime("%Y-%m-%d", local)
        words = [time.strftime("%H:%M:%S", local), *([] if date == self._date else [date]), text]
        self._date = date
        return " ".join(words)


class PlainDisplay(Display):
    """The log without control codes, with a summary every few minutes."""

    def __init__(self, write: Callable[[str], None] = say, clock: Callable[[], float] = time.time) -> None:
        self._write = write
        self._clock = clock
        self._log = Log()
        self._begun: float | None = None
        self._next_summary = 0.0
        self._closed = False

    def show(self, event: Event, state: SearchState) -> None:
        """Write the lines that are due after the event."""
        if not self._closed:
            self._write_all(self._log.lines(event, state))

    def tick(self, state: SearchState) -> None:
        """Write what is due, and now and then a summary."""
        if self._closed:
            return
        self._write_all(self._log.due(state))
        now = self._clock()
        if self._begun is None:
            self._begun, self._next_summary = now, now + SUMMARY_SECONDS
        elif now >= self._next_summary:
            self._write_all([self._log.line(now, summary(state, now))])
            self._next_summary = now + max(SUMMARY_SECONDS, SUMMARY_SHARE * (now - self._begun))

    def note(self, text: str) -> None:
        """Write the sentence."""
        self._write_all([self._log.line(self._clock(), text)])

    def interrupted(self, directory: Path) -> None:
        """Write how to resume; no event gets a line after that."""
        self._write(how_to_resume(directory))
        self._closed = True

    def close(self) -> None:
        """Write no events any more."""
        self._closed = True

    def _write_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._write(line)


class LiveDisplay(Display):
    """The live view (live_view.py), rewritten in place below the log. Needs rich.

    The log leaves out trials that end without a new best. The display takes the terminal (and hides its cursor) only
    when there is something to show, so that a session that ends before it has begun leaves the terminal alone.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._next = 0.0
        self._log = Log()
        self._live: Live | None = None
        self._steps: Mapping[str, int] | None = None
        self._closed = False

    def show(self, event: Event, state: SearchState) -> None:
        """Print the lines that are due above the view, then refresh it."""
        if self._closed:
            return
        decoded = events.decode(event)
        lines = self._log.lines(event, state)
        if isinstance(decoded, events.TrialFinished) and not _is_best(decoded.uid, state):
            lines = lines[:-1]
        for line in lines:
            self._print(line, style="red" if isinstance(decoded, FAILURES) and line is lines[-1] else "")
        self._refresh(state)

    def tick(self, state: SearchState) -> None:
        """Print what is due, and rewrite the view, at most every REFRESH_SECONDS."""
        if not self._closed:
            for line in self._log.due(state):
                self._print(line)
            self._refresh(state)

    def _refresh(self, state: SearchState) -> None:
        from rich.text import Text

        now = self._clock()
        if now >= self._next:
            self._next = now + REFRESH_SECONDS
            live = self._open()
            width, height = live.console.size
            lines = live_view.lines(state, now, width=width, height=height, steps=self._steps)
            live.update(Text("\n".join(lines)), refresh=True)

    def running(self, steps: Mapping[str, int]) -> None:
        """Keep the steps for the next refresh."""
        self._steps = steps

    def note(self, text: str) -> None:
        """Print the sentence above the view."""
        line = self._log.line(self._clock(), text)
        say(line) if self._closed else self._print(line)

    def interrupted(self, directory: Path) -> None:
        """End the view and print how to resume."""
        self.close()
        say(how_to_resume(directory))

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._closed = True
        if self._live is not None:
            self._live.stop()

    def _print(self, line: str, style: str = "") -> None:
        from rich.text import Text

        self._open().console.print(Text(line, style=style))  # not print(style=...), which would be the view's, too

    def _open(self) -> "Live":
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
                sys.stdout.reconfigure(errors="backslashreplace")  # a name may have what the terminal's encoding lacks
            # Soft wrap leaves long lines to the terminal, so that a command in them can be copied whole.
            console = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)
            # What is printed meanwhile goes above the view, also errors if they go to the same terminal.
            self._live = Live(
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=True,
                redirect_stderr=_is_same_terminal(),
            )
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

    def running(self, steps: Mapping[str, int]) -> None:
        """Take in the steps of what runs."""
        self._try(lambda: self._display.running(steps))

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
            with suppress(Exception):  # show the cursor again, and give stderr back, if that still works
                failed.close()
            complain(f"note: progress is not shown any more ({type(error).__name__}: {error}); the search goes on")
            return False
        return True


def for_terminal() -> Display:
    """The display that fits stdout: a live line needs a terminal that can move its cursor."""
    live = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return FailsafeDisplay(LiveDisplay() if live else PlainDisplay())


def _is_same_terminal() -> bool:
    """Whether stdout and stderr are one terminal."""
    try:
        return sys.stderr.isatty() and os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # closed, or replaced by something that is no file
        return False


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
        f"workers {live_view.worker_use(state, now):.0%} of {state.workers}",
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


def line_of(event: Event, state: SearchState) -> str | None:
    """The line that reports an event; None for events that only change numbers. state: after the event."""
    match events.decode(event):
        case events.GenerationOpened(generation=generation, population=population):
            return f"generation {generation} of {state.generations}: {population} individuals"
        case events.TrialFinished(uid=uid):
            return _finished(uid, state)
        case events.TrialFailed(uid=uid, reason=reason):
            return f"{uid} failed: {reason}"
        case events.AttemptLost(uid=uid, cause=cause, reason=reason):
            return f"{uid} {LOST.get(cause, 'lost its worker')} and is tried again: {reason}"
        case events.GenerationClosed(generation=generation, elites=elites):
            share = state.shortened_share or 0.0
            gradients = f"; gradients {shortened(share)}" if share > MANY_SHORTENED else ""
            doubt = rungs.doubt_about(rungs.correlations(state))
            doubts = "" if doubt is None else f"; {doubt}"
            return (
                f"generation {generation} closed: {len(elites)} elites, {_best(state)}{gradients}{_left(state)}{doubts}"
            )
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


def closed_rung(state: SearchState, generation: int, step: int) -> str:
    """The line of a rung that has stopped trials: how many of those with a score there go on, and the best score."""
    records = [record for record in state.individuals.values() if record.generation == generation]
    scored = [record for record in records if step in record.rungs]
    stopped = sum(record.status is TrialStatus.STOPPED_EARLY and max(record.rungs) == step for record in scored)
    best = min(scored, key=lambda record: (-record.rungs[step], record.uid))
    going, score = len(scored) - stopped, best.rungs[step]
    return f"generation {generation}, step {step}: {going} of {len(scored)} go on; best {score:.4f} ({best.uid})"


def _left(state: SearchState) -> str:
    left = forecast.eta_seconds(state)
    return "" if left is None else f"; about {duration(left)} left"


def _best(state: SearchState) -> str:
    best = state.best
    return "no individual reached its full budget" if best is None else f"best {best.fitness:.4f} ({best.uid})"


def _is_best(uid: str, state: SearchState) -> bool:
    return state.best is not None and state.best.uid == uid


def _finished(uid: str, state: SearchState) -> str:
    mark = ", the best so far" if _is_best(uid, state) else ""
    return f"{uid} finished: fitness {state.individuals[uid].fitness:.4f}{mark}"


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
