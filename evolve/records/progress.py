"""Shows a search while it runs: a live line if stdout is a terminal, else one plain line per important event."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from evolve import fitness
from evolve.process.terminal import command, complain, duration, say
from evolve.records import forecast
from evolve.records.journal import Event
from evolve.records.state import SearchState
from evolve.trial import TrialStatus

if TYPE_CHECKING:
    from rich.live import Live

REFRESH_SECONDS = 0.5


class Display(Protocol):
    """Shows events and the state; decides nothing."""

    def show(self, event: Event, state: SearchState) -> None:
        """Show an event that was journalled; `state` includes it."""
        ...

    def tick(self, state: SearchState) -> None:
        """Refresh what changes with time."""
        ...

    def note(self, text: str) -> None:
        """Show a sentence that belongs to no event."""
        ...

    def interrupted(self, directory: Path) -> None:
        """Show how to resume the search, which was asked to stop; called before anything else."""
        ...

    def close(self) -> None:
        """End the display. Safe to call twice."""
        ...


class SilentDisplay:
    """Shows nothing."""

    def show(self, event: Event, state: SearchState) -> None:
        """Nothing."""

    def tick(self, state: SearchState) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def interrupted(self, directory: Path) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class PlainDisplay(SilentDisplay):
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


class LiveDisplay(SilentDisplay):
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
        if line is not None and event.kind not in ("trial_finished", "trial_stopped"):
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


class FailsafeDisplay:
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
            failed, self._display, self._failed = self._display, SilentDisplay(), True
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


def worker_use(state: SearchState, now: float) -> float:
    """Share of the workers' time that they spent on trials, 0 to 1."""
    seconds = state.worker_seconds(now)
    total = sum(seconds.values())
    return 1.0 - seconds["idle"] / total if total else 0.0


def line_of(event: Event, state: SearchState) -> str | None:
    """The line that reports an event; None for events that only change numbers."""
    text = _LINES.get(event.kind)
    return None if text is None else text(event, state)


def _generation_progress(state: SearchState) -> str:
    """How many trials of the generation are over, such as [12/100, about 3.5 h left]."""
    records = [record for record in state.individuals.values() if record.generation == state.generation]
    over = sum(record.status not in (TrialStatus.PROPOSED, TrialStatus.RUNNING) for record in records)
    left = forecast.eta_seconds(state)
    return f"[{over}/{len(records)}{'' if left is None else f', about {duration(left)} left'}]"


def _finished(event: Event, state: SearchState) -> str:
    record = state.individuals[str(event.uid)]
    best = state.best
    mark = " best so far" if best is not None and best.uid == record.uid else ""
    return f"{event.uid} finished: fitness {record.fitness:.4f}{mark} {_generation_progress(state)}"


def _stopped(event: Event, state: SearchState) -> str:
    step = event.payload["step"]
    score = state.individuals[str(event.uid)].rungs.get(int(str(step)), 0.0)
    return f"{event.uid} stopped at step {step}: score {score:.4f} {_generation_progress(state)}"


def _closed(event: Event, state: SearchState) -> str:
    elites = state.closed[int(str(event.payload["generation"]))]
    best = state.best
    result = "no individual reached its full budget" if best is None else f"best {best.fitness:.4f} ({best.uid})"
    return f"generation {event.payload['generation']} closed: {len(elites)} elites, {result}"


def _confirmed(event: Event, state: SearchState) -> str:
    confirmation = state.confirmations[str(event.uid)]
    role, reason = confirmation.role, confirmation.reason
    if reason is not None:
        return f"{event.uid} ({role}) failed: {reason}"
    shown = {fitness.AP} | {name.partition("/")[2] for name in cast(Mapping[str, float], state.space["fitness"])}
    scores = {name: score for name, score in confirmation.scores.items() if name.partition("/")[2] in shown}
    return f"{event.uid} ({role}): {', '.join(f'{name} {score:.4f}' for name, score in scores.items())}"


def _chosen(event: Event, state: SearchState) -> str:
    standings = [] if state.choice is None else state.choice.candidates
    means = ", ".join(f"{standing['uid']} {_mean(standing)}" for standing in standings)
    return f"{event.uid} chosen of {len(standings)} candidates; validation means with fresh seeds: {means}"


def _mean(standing: Mapping[str, object]) -> str:
    mean, failed = standing["mean"], standing["failed"]
    return ("none" if mean is None else f"{mean:.4f}") + (f" ({failed} failed)" if failed else "")


def _lost(event: Event, _state: SearchState) -> str:
    cause = {"hung": "hung", "node_lost": "lost its node"}.get(str(event.payload.get("cause")), "lost its worker")
    return f"{event.uid} {cause} and is tried again: {event.payload['reason']}"


_LINES: dict[str, Callable[[Event, SearchState], str]] = {
    "generation_opened": lambda event, state: (
        f"generation {event.payload['generation']} of {state.generations}: {event.payload['population']} individuals"
    ),
    "trial_finished": _finished,
    "trial_stopped": _stopped,
    "trial_failed": lambda event, state: f"{event.uid} failed: {event.payload['reason']} {_generation_progress(state)}",
    "attempt_lost": _lost,
    "generation_closed": _closed,
    "confirm_measured": _confirmed,
    "candidate_chosen": _chosen,
    "search_resumed": lambda _event, state: f"resumed: {len(state.individuals)} individuals in the journal",
    "search_failed": lambda event, _state: f"search failed: {event.payload['reason']}",
}
