"""The loop: ask the strategy, run its trials, record what came out, tell. From Python: `evolve.search.run(...)`.

    from evolve import search, task
    from evolve.genetics import recipe
    prepared = task.prepare(task.TaskRequest(data=Path("my_data")))
    state = search.run(prepared, Path("runs/mine"), recipe=recipe.load("fast"), seed=0)

Everything is in the journal before it has an effect. To resume, a fresh strategy decides everything
again from the journalled results; what it decides must equal the journal, what the journal lacks is added,
and the loop goes on from there. So a search that was killed anywhere ends as one that was left alone.
"""

import re
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from evolve import confirm, signals, unchanged, verdict, versions, winner
from evolve.execution.attempt import write_durably
from evolve.execution.executor import Executor
from evolve.execution.local_executor import LocalExecutor
from evolve.execution.watch import Patience, Watched
from evolve.genetics import recipe as recipes
from evolve.genetics.recipe import Recipe
from evolve.progress import Display, Silent
from evolve.records import lineage
from evolve.records.journal import JOURNAL_FILE, Journal, JournalError, holds_search
from evolve.records.recorder import Recorder, Rehearsal
from evolve.records.state import SearchState
from evolve.records.tracker import NullTracker, Tracker
from evolve.signals import StopAsked
from evolve.task import Task
from evolve.terminal import program
from evolve.trials import Trials

SPACE_FILE = "space.yaml"
NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")
TRACKER_PATIENCE_SECONDS = 30.0  # what the tracker could not send by then is sent by the next session
STOPPED_PATIENCE_SECONDS = 2.0  # the same after being asked to stop: a scheduler kills soon


@dataclass(frozen=True)
class Means:
    """What a search runs with; its result depends on none of these."""

    make_executor: Callable[[str], Executor] | None = None  # given the search's id; None: trials run in this process
    make_tracker: Callable[[Path], Tracker] | None = None  # given the journal's path; None: no tracking
    display: Display = field(default_factory=Silent)
    workers: int = 1
    clock: Callable[[], float] = time.time
    begun: Callable[[], None] = lambda: None  # called when a new search is in the journal
    patience: Patience = field(default_factory=Patience)  # with trials that are silent


def run(
    task: Task,
    directory: Path,
    *,
    recipe: Recipe,
    seed: int,
    means: Means | None = None,
    request: Mapping[str, object] | None = None,
) -> SearchState:
    """Run a new search in an empty directory to its end; returns its state, whose `phase` is finished or failed.

    request: what the task was prepared from, kept in the journal for a resume from the command line.
    KeyboardInterrupt passes through, with the search left resumable. JournalError: the directory holds a search.
    """
    means = means or Means()
    with closing(means.display), Journal(directory, means.clock) as journal:
        if holds_search(directory):
            go_on = f"go on with: {program()} resume {directory}"
            raise JournalError(f"{directory}: expected no search there, got one; {go_on}")
        recorder = Recorder(journal, (means.display.show,))
        recorder.append(
            "search_created",
            search_id=f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(means.clock()))}-s{seed}-{secrets.token_hex(2)}",
            seed=seed,
            steps=task.steps,
            space=task.space.to_plain(),
            recipe=recipe.to_plain(),
            recipe_name=recipe.name,
            data=dict(task.description),
            objective={"target": task.factory.target, "arguments": dict(task.factory.arguments)},
            request=dict(request or {}),
            threads=unchanged.threads_of(task),
            workers=means.workers,
            versions=versions.installed(),
        )
        with _Session(directory, recorder, means.display) as session:
            means.begun()
            write_space(directory, recorder.state)
            return _go_on(task, session, means)


def resume(task: Task, directory: Path, *, generations: int | None = None, means: Means | None = None) -> SearchState:
    """Go on with the search in the directory exactly where it stopped; returns its state at the end.

    generations: a new, larger number of child generations; a finished search goes on to it.
    JournalError when the task, the frameworks or the number of generations do not fit the search.
    """
    means = means or Means()
    with closing(means.display), Journal(directory, means.clock) as journal:
        recorder = Recorder(journal, (means.display.show,))
        state = recorder.state
        unchanged.check(state, task)
        wanted = state.generations if generations is None else generations
        if wanted < state.generations:
            raise JournalError(
                f"{directory}: expected --generations of at least {state.generations}, as the search has, got {wanted}"
            )
        if state.phase == "finished" and wanted == state.generations:
            with _tracked(directory, means):
                return state  # what an earlier session could not send is sent now
        _rehearse(task, journal, recipes.parse({**state.recipe, "generations": wanted}))
        recorder.append("search_resumed", workers=means.workers, generations=wanted)
        with _Session(directory, recorder, means.display) as session:
            return _go_on(task, session, means)


def write_space(directory: Path, state: SearchState) -> Path:
    """Write the search's whole space beside its journal, for people and for a resume; returns the file."""
    path = directory / SPACE_FILE
    write_durably(path, yaml.safe_dump(state.space, sort_keys=False))
    return path


def _rehearse(task: Task, journal: Journal, recipe: Recipe) -> None:
    """JournalError when this program decides otherwise than the journal says; nothing is written or taken away."""
    with tempfile.TemporaryDirectory() as nowhere:
        Trials(task, Path(nowhere), Recorder(Rehearsal(journal)), recipe).replay()


@contextmanager
def _tracked(directory: Path, means: Means) -> Iterator[Tracker]:
    """A tracker of the search; at the end it gets the time to send what is left."""
    tracker = means.make_tracker(directory / JOURNAL_FILE) if means.make_tracker else NullTracker()
    tracker.start()
    patience = TRACKER_PATIENCE_SECONDS
    try:
        yield tracker
    except KeyboardInterrupt:
        patience = STOPPED_PATIENCE_SECONDS
        raise
    finally:
        tracker.notify()
        tracker.close(patience)


class _Session:
    """One session of a search in its journal: whatever cuts it short is journalled and said, once."""

    def __init__(self, directory: Path, recorder: Recorder, display: Display) -> None:
        self.directory, self.recorder = directory, recorder
        self._display = display
        self._said = False
        self._stack = ExitStack()

    def cut_short(self, error: BaseException) -> None:
        """Say how the search goes on, where it was asked to stop, and journal why it ended."""
        if isinstance(error, JournalError):
            return  # the journal says what it is; nothing is to be added to it
        asked = isinstance(error, KeyboardInterrupt)
        if asked:
            self._say()
            if isinstance(error, StopAsked):
                error.said = True
        if self.recorder.state.phase == "running":
            reason = (str(error) or "Ctrl-C") if asked else f"{type(error).__name__}: {error}"
            self.recorder.append("search_interrupted", reason=reason)

    def _say(self) -> None:
        if not self._said:
            self._said = True
            self._display.interrupted(self.directory)

    def __enter__(self) -> "_Session":
        self._stack.enter_context(signals.at_last(self._say))
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Also what came while workers or tracker were closed; a search that has ended is not interrupted any more."""
        with self._stack:
            if error is not None:
                self.cut_short(error)


def _go_on(task: Task, session: _Session, means: Means) -> SearchState:
    """Replay what the journal holds, then run to the end; whatever cuts it short is journalled."""
    directory, recorder = session.directory, session.recorder
    make_executor = means.make_executor or (lambda _search_id: LocalExecutor(task.factory))
    trials = Trials(task, directory, recorder, recipes.parse(recorder.state.recipe))
    confirmations = confirm.Plan(task, directory, recorder)
    with _tracked(directory, means) as tracker, ExitStack() as stack:

        def tick() -> None:
            tracker.notify()
            means.display.tick(recorder.state)

        try:
            trials.replay()
            if trials.pending or (trials.best is not None and confirmations.pending):
                made = stack.enter_context(make_executor(recorder.state.search_id))
                executor = Watched(made, means.patience, means.display.note)
                trials.train(executor, means.clock, tick)
                if trials.best is not None:
                    confirmations.run(executor, tick)
            chosen = None if trials.best is None else confirmations.settle()
            _conclude(chosen, trials.reason, task, directory, recorder)
        except (KeyboardInterrupt, Exception) as error:
            session.cut_short(error)  # before workers and tracker are closed: that may take seconds
            raise
    return recorder.state


def _conclude(chosen: str | None, reason: str, task: Task, directory: Path, recorder: Recorder) -> None:
    """Write what people take away, then that the search is over, and why."""
    state = recorder.state
    if chosen is None:
        recorder.append("search_failed", reason=f"{reason}: {commonest_failure(state)}")
        lineage.write(directory, state)
        return
    if state.outcome is None or state.outcome.uid != chosen:
        recorder.append("winner_chosen", chosen, **verdict.conclude(state, chosen))
    winner.write(directory / winner.WINNER_FILE, winner.content(state, task))
    lineage.write(directory, state)
    if state.outcome is not None:
        recorder.append("search_finished", verdict=state.outcome.verdict, reason=reason)


def commonest_failure(state: SearchState) -> str:
    """An example of the commonest failure, with its number; numbers in a reason, such as the step, tell none apart."""
    failed = [record for record in state.individuals.values() if record.reason is not None]
    kinds = [(record.kind, NUMBER.sub("#", str(record.reason))) for record in failed]
    if not kinds:
        return ""
    [(kind, count)] = Counter(kinds).most_common(1)
    return f"{failed[kinds.index(kind)].reason} ({count} of {len(state.individuals)} trials)"
