"""Shows a search while it runs: a live line where stdout is a terminal, else one plain line per event that matters."""

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
    """Shows events and state; decides nothing."""

    def show(self, event: Event, state: SearchState) -> None:
        """An event was journalled; `state` has it folded in."""
        ...

    def tick(self, state: SearchState) -> None:
        """Time has passed."""
        ...

    def note(self, text: str) -> None:
        """A sentence beside the events."""
        ...

    def interrupted(self, directory: Path) -> None:
        """The search was asked to stop: say how it goes on, before anything else."""
        ...

    def close(self) -> None:
        """Nothing more will come. Safe to call twice."""
        ...


class Silent:
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


class Plain(Silent):
    """One line per event that matters, without control codes."""

    def __init__(self, write: Callable[[str], None] = say) -> None:
        self._write = write

    def show(self, event: Event, state: SearchState) -> None:
        """Write the event's line, if it has one."""
        line = line_of(event, state)
        if line is not None:
            self._write(line)

    def note(self, text: str) -> None:
        """Write it."""
        self._write(text)

    def interrupted(self, directory: Path) -> None:
        """How to go on."""
        self._write(how_to_resume(directory))


class Terminal(Silent):
    """A line that is rewritten in place, below the generations that are done. Needs rich.

    The terminal (its cursor is hidden) is taken at the first thing to show, so that it is not in the hands
    of a session that ends before it has begun.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._next = 0.0
        self._live: Live | None = None
        self._closed = False

    def show(self, event: Event, state: SearchState) -> None:
        """Generations and failures stay on the screen, the rest moves the line."""
        if self._closed:
            return
        line = line_of(event, state)
        if line is not None and event.kind not in ("trial_finished", "trial_stopped"):
            self._open().console.print(line, markup=False, highlight=False)
        self.tick(state)

    def tick(self, state: SearchState) -> None:
        """Rewrite the line, not too often."""
        now = self._clock()
        if now >= self._next and not self._closed:
            self._next = now + REFRESH_SECONDS
            self._open().update(summary(state, now), refresh=True)

    def note(self, text: str) -> None:
        """It stays on the screen."""
        self._open().console.print(text, markup=False, highlight=False)

    def interrupted(self, directory: Path) -> None:
        """How to go on; the moving line is over."""
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

            # errors stay on stderr, and what others print is not ours to move
            self._live = Live(auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
        return self._live


class Careful:
    """Another display, until it fails: then it is said once, and nothing is shown any more. No search ends with it."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._failed = False

    def show(self, event: Event, state: SearchState) -> None:
        """Show the event."""
        self._try(lambda: self._display.show(event, state))

    def tick(self, state: SearchState) -> None:
        """Time has passed."""
        self._try(lambda: self._display.tick(state))

    def note(self, text: str) -> None:
        """A sentence beside the events."""
        if self._failed or not self._try(lambda: self._display.note(text)):
            complain(text)

    def interrupted(self, directory: Path) -> None:
        """How to go on, whatever has become of the display."""
        if self._failed or not self._try(lambda: self._display.interrupted(directory)):
            complain(how_to_resume(directory))

    def close(self) -> None:
        """Nothing more will come."""
        self._try(lambda: self._display.close())

    def _try(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:
            failed, self._display, self._failed = self._display, Silent(), True
            complain(f"note: progress is not shown any more ({type(error).__name__}: {error}); the search goes on")
            with suppress(Exception):  # the cursor comes back where it can
                failed.close()
            return False
        return True


def for_terminal() -> Display:
    """The display that fits stdout: a line that moves needs a terminal that can move its cursor."""
    moves = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
    return Careful(Terminal() if moves else Plain())


def how_to_resume(directory: Path) -> str:
    """The sentence after Ctrl-C."""
    return f"stopped; nothing that was finished is lost; go on with: {command('evolve', 'resume', directory)}"


def summary(state: SearchState, now: float) -> str:
    """The state in one line: generation, trials, best fitness, worker use, time left."""
    counts = state.counts
    best = state.best
    done = len(state.confirmations)
    confirming = f", confirming {done} of {forecast.confirmations(state)}" if done else ""
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
    """Share of the workers' time that was spent on trials, 0 to 1."""
    seconds = state.worker_seconds(now)
    total = sum(seconds.values())
    return 1.0 - seconds["idle"] / total if total else 0.0


def line_of(event: Event, state: SearchState) -> str | None:
    """What there is to say of an event; None for those that only move numbers."""
    text = _LINES.get(event.kind)
    return None if text is None else text(event, state)


def _done(state: SearchState) -> str:
    records = [record for record in state.individuals.values() if record.generation == state.generation]
    over = sum(record.status not in (TrialStatus.PROPOSED, TrialStatus.RUNNING) for record in records)
    left = forecast.eta_seconds(state)
    return f"[{over}/{len(records)}{'' if left is None else f', about {duration(left)} left'}]"


def _finished(event: Event, state: SearchState) -> str:
    record = state.individuals[str(event.uid)]
    best = state.best
    mark = " best so far" if best is not None and best.uid == record.uid else ""
    return f"{event.uid} finished: fitness {record.fitness:.4f}{mark} {_done(state)}"


def _stopped(event: Event, state: SearchState) -> str:
    step = event.payload["step"]
    score = state.individuals[str(event.uid)].rungs.get(int(str(step)), 0.0)
    return f"{event.uid} stopped at step {step}: score {score:.4f} {_done(state)}"


def _closed(event: Event, state: SearchState) -> str:
    elites = state.closed[int(str(event.payload["generation"]))]
    best = state.best
    found = "no individual reached its full budget" if best is None else f"best {best.fitness:.4f} ({best.uid})"
    return f"generation {event.payload['generation']} closed: {len(elites)} elites, {found}"


def _confirmed(event: Event, state: SearchState) -> str:
    one = state.confirmations[str(event.uid)]
    if one.reason is not None:
        return f"{event.uid} ({one.role}) failed: {one.reason}"
    shown = {fitness.AP} | {name.partition("/")[2] for name in cast(Mapping[str, float], state.space["fitness"])}
    scores = ", ".join(f"{name} {score:.4f}" for name, score in one.scores.items() if name.partition("/")[2] in shown)
    return f"{event.uid} ({one.role}): {scores}"


def _chosen(event: Event, state: SearchState) -> str:
    standings = [] if state.choice is None else state.choice.candidates
    means = ", ".join(f"{one['uid']} {_mean(one)}" for one in standings)
    return f"{event.uid} chosen of {len(standings)} candidates; validation means with fresh seeds: {means}"


def _mean(standing: Mapping[str, object]) -> str:
    mean, failed = standing["mean"], standing["failed"]
    return ("none" if mean is None else f"{mean:.4f}") + (f" ({failed} failed)" if failed else "")


def _lost(event: Event, _state: SearchState) -> str:
    happened = {"hung": "hung", "node_lost": "lost its node"}.get(str(event.payload.get("cause")), "lost its worker")
    return f"{event.uid} {happened} and is tried again: {event.payload['reason']}"


_LINES: dict[str, Callable[[Event, SearchState], str]] = {
    "generation_opened": lambda event, state: (
        f"generation {event.payload['generation']} of {state.generations}: {event.payload['population']} individuals"
    ),
    "trial_finished": _finished,
    "trial_stopped": _stopped,
    "trial_failed": lambda event, state: f"{event.uid} failed: {event.payload['reason']} {_done(state)}",
    "attempt_lost": _lost,
    "generation_closed": _closed,
    "confirm_measured": _confirmed,
    "candidate_chosen": _chosen,
    "search_resumed": lambda _event, state: f"resumed: {len(state.individuals)} individuals in the journal",
    "search_failed": lambda event, _state: f"search failed: {event.payload['reason']}",
}
