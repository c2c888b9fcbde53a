"""The loop: ask the strategy, run its trials, record the results, tell them. From Python: `evolve.search.run(...)`.

    from evolve import search, task
    from evolve.genetics import recipe
    prepared = task.prepare(task.TaskRequest(data=Path("my_data")))
    state = search.run(prepared, Path("runs/mine"), recipe=recipe.load("fast"), seed=0)

Everything is in the journal before it takes effect. To resume, a fresh strategy makes all decisions again
from the journalled results: they must equal the journal's, those that the journal lacks are added, and the
loop goes on from there. So a search that was killed at any point ends like one that was not.
"""

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from evolve.checks import launch, resumable, versions
from evolve.execution.executor import Executor
from evolve.execution.local_executor import LocalExecutor
from evolve.execution.watch import Patience, WatchedExecutor
from evolve.file_names import JOURNAL_FILE, SPACE_FILE, WINNER_FILE
from evolve.genetics.genome import Genome
from evolve.genetics.plain import to_yaml
from evolve.genetics.recipe import Recipe
from evolve.process import signals
from evolve.process.files import write_durably
from evolve.process.terminal import command
from evolve.records import events, lineage, stop_request
from evolve.records.journal import Journal, JournalError, holds_search
from evolve.records.progress import Display
from evolve.records.recorder import InMemoryJournal, Recorder
from evolve.records.state import SearchState
from evolve.records.stop_request import StopRequest
from evolve.records.tracker import NullTracker, Tracker
from evolve.task import InputError, Task
from evolve.trial import failure_class
from evolve.trial_runner import TrialRunner
from evolve.verdict import confirm, verdict, winner

TRACKER_PATIENCE_SECONDS = 30.0  # for the tracker to send the rest at the end; the next session sends what is left
STOPPED_PATIENCE_SECONDS = 2.0  # the same after a stop signal: a scheduler kills soon


@dataclass(frozen=True)
class Means:
    """What a search runs with; its result does not depend on any of these."""

    # Both are made before a new search writes anything, so that one that cannot start leaves nothing behind.
    make_executor: Callable[[str], Executor] | None = None  # given the search's id; None: trials run in this process
    make_tracker: Callable[[Path], Tracker] | None = None  # given the journal's path; None: no tracking
    display: Display = field(default_factory=Display)
    workers: int = 1
    clock: Callable[[], float] = time.time
    begun: Callable[[], None] = lambda: None  # called once the journal has a new search
    patience: Patience = field(default_factory=Patience)  # with trials that are silent


def run(
    task: Task,
    directory: Path,
    *,
    recipe: Recipe,
    seed: int,
    means: Means | None = None,
    request: Mapping[str, object] | None = None,
    warm_starts: Sequence[Genome] = (),
) -> SearchState:
    """Run a new search in an empty directory to its end; returns its state, whose `phase` is finished or failed.

    warm_starts: genomes of the space that are known to be good; the first generation has them beside the defaults.
    request: the flags that the task was prepared from, kept in the journal for a resume from the command line.
    Everything is checked first (evolve/checks/launch.py), and the workers start before anything is written: a search
    that cannot begin raises (InputError, JournalError: the directory holds a search, or what its means raise) and
    leaves nothing behind. KeyboardInterrupt passes through, with the search left resumable.
    """
    means, directory = means or Means(), Path(directory)
    launch.check(
        task,
        directory,
        recipe=recipe,
        seed=seed,
        workers=means.workers,
        request=request,
        warm_starts=warm_starts,
    )
    tracker = _tracker(directory, means)
    search_id = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(means.clock()))}-s{seed}-{secrets.token_hex(2)}"
    with closing(means.display), ExitStack() as stack:

        def begin() -> Recorder:
            recorder = Recorder(stack.enter_context(Journal(directory, means.clock)), (means.display.show,))
            launch.check_holds_no_search(directory)  # again, now that no other process can write there
            recorder.append(
                events.SearchCreated(
                    search_id=search_id,
                    seed=seed,
                    steps=task.steps,
                    space=task.space,
                    recipe=recipe,
                    recipe_name=recipe.name,
                    data=dict(task.description),
                    objective={"target": task.factory.target, "arguments": dict(task.factory.arguments)},
                    request=dict(request or {}),
                    threads=resumable.threads_of(task),
                    workers=means.workers,
                    versions=versions.installed(),
                    warm_starts=tuple(warm_starts),
                )
            )
            return recorder

        def stop(stopped: KeyboardInterrupt) -> None:
            """Begin the search although it was stopped while workers start: its input is valid, and it can resume."""
            with stopping:
                if holds_search(directory):
                    return  # another thread has begun it: the main one, or the one that cuts the process off
                with suppress(KeyboardInterrupt), _Session(directory, begin(), means.display) as session:
                    _write_first(session, means)
                    raise stopped

        stopping = threading.Lock()
        try:
            with signals.before_cutoff(lambda: stop(KeyboardInterrupt(signals.stop_signal()))):
                executor = stack.enter_context(_executor(task, means, search_id))
        except KeyboardInterrupt as stopped:
            stop(stopped)
            raise
        with _Session(directory, begin(), means.display) as session:
            _write_first(session, means)
            return _go_on(task, session, means, tracker, executor)


def resume(task: Task, directory: Path, *, generations: int | None = None, means: Means | None = None) -> SearchState:
    """Go on with the search in the directory exactly where it stopped; returns its state at the end.

    generations: a new, larger number of child generations; a finished search goes on to it.
    JournalError if the directory has no search, or this program would decide otherwise than its journal says.
    TaskChanged (evolve/checks/resumable.py) if task or frameworks are not those of the search. InputError if it has
    more generations.
    """
    means, directory = means or Means(), Path(directory)
    launch.check_whole_number("workers", means.workers, least=1)
    if generations is not None:
        launch.check_whole_number("generations", generations, least=0)
    if not holds_search(directory):
        raise JournalError(f"{directory}: expected the directory of a search, found none there")
    with closing(means.display), Journal(directory, means.clock) as journal:
        stop_request.take(directory)  # one from before this process held the search was meant for another
        recorder = Recorder(journal, (means.display.show,))
        state = recorder.state
        resumable.check(state, task)
        target = state.generations if generations is None else generations
        if target < state.generations:
            raise InputError(
                f"{directory}: expected --generations of at least {state.generations}, as the search has, got {target}"
            )
        if state.phase == "finished" and target == state.generations:
            with _tracked(_tracker(directory, means)):
                return state  # only sends what an earlier session could not send
        _rehearse(task, journal, replace(state.recipe, generations=target))
        tracker = _tracker(directory, means)
        recorder.append(events.SearchResumed(workers=means.workers, generations=target))
        with _Session(directory, recorder, means.display) as session:
            return _go_on(task, session, means, tracker)


def _write_first(session: "_Session", means: Means) -> None:
    """Write the files beside the journal of a new search."""
    means.begun()
    write_space(session.directory, session.recorder.state)


def write_space(directory: Path, state: SearchState) -> Path:
    """Write the search's whole space beside its journal, for people and for a resume; returns the file."""
    path = directory / SPACE_FILE
    write_durably(path, to_yaml(state.space.to_plain()))
    return path


def _rehearse(task: Task, journal: Journal, recipe: Recipe) -> None:
    """JournalError if this program makes other decisions than the journal has; writes and removes nothing."""
    nowhere = journal.path.parent / ".rehearsal"  # never created, so there are no states to remove
    TrialRunner(task, nowhere, Recorder(InMemoryJournal(journal)), recipe).replay()


def _tracker(directory: Path, means: Means) -> Tracker:
    """The tracker of a search, not started yet; made before anything is written, as it may refuse its address."""
    return means.make_tracker(directory / JOURNAL_FILE) if means.make_tracker else NullTracker()


def _executor(task: Task, means: Means, search_id: str) -> Executor:
    return means.make_executor(search_id) if means.make_executor else LocalExecutor(task.factory)


@contextmanager
def _tracked(tracker: Tracker) -> Iterator[Tracker]:
    """Start the tracker; at the end give it time to send what is left."""
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
    """One session of a search; whatever interrupts it is journalled, and the user is told once how to resume."""

    def __init__(self, directory: Path, recorder: Recorder, display: Display) -> None:
        self.directory, self.recorder = directory, recorder
        self._display = display
        self._explained = False  # kept here too, as signals.is_explained works only inside a command
        self._stack = ExitStack()

    def interrupt(self, error: BaseException) -> None:
        """Journal why the session ended; after a stop signal also tell the user how to resume."""
        if isinstance(error, JournalError):
            return  # nothing may be added to a journal that is damaged or differs
        stopped = isinstance(error, KeyboardInterrupt)
        if stopped:
            self._explain()
        if self.recorder.state.phase == "running":
            reason = (str(error) or "Ctrl-C") if stopped else f"{type(error).__name__}: {error}"
            self.recorder.append(events.SearchInterrupted(reason=reason))

    def _explain(self) -> None:
        if not self._explained:
            self._explained = True
            self._display.interrupted(self.directory)
            signals.mark_explained()

    def __enter__(self) -> "_Session":
        self._stack.enter_context(signals.before_cutoff(self._explain))
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Also covers errors while workers or tracker are closed; a search that has ended is not interrupted."""
        with self._stack:
            if error is not None:
                self.interrupt(error)


def _go_on(
    task: Task, session: _Session, means: Means, tracker: Tracker, executor: Executor | None = None
) -> SearchState:
    """Replay the journal, then run the search to its end; whatever interrupts it is journalled.

    executor: None to make it only if something is to be trained.
    """
    directory, recorder = session.directory, session.recorder
    trial_runner = TrialRunner(task, directory, recorder, recorder.state.recipe)
    confirm_stage = confirm.ConfirmStage(task, directory, recorder)
    watched: WatchedExecutor | None = None
    with _tracked(tracker), ExitStack() as stack:

        def tick() -> None:
            tracker.notify()
            if watched is not None:
                means.display.running(watched.steps)
                _heed_request(directory, watched, means.display)
            means.display.tick(recorder.state)

        if executor is not None:
            stack.callback(executor.close)  # closed before the tracker, which may take long
        try:
            trial_runner.replay()
            if trial_runner.pending or (trial_runner.best is not None and confirm_stage.pending):
                if executor is None:
                    executor = stack.enter_context(_executor(task, means, recorder.state.search_id))
                watched = WatchedExecutor(executor, means.patience, means.display.note)
                trial_runner.train(watched, means.clock, tick)
                if trial_runner.best is not None:
                    confirm_stage.run(watched, tick)
            winner_uid = None if trial_runner.best is None else confirm_stage.journal_winner()
            _conclude(winner_uid, trial_runner.reason, task, directory, recorder)
            _write_pages(directory, recorder.state, means.display)
        except (KeyboardInterrupt, Exception) as error:
            session.interrupt(error)  # before workers and tracker are closed, which may take seconds
            raise
    return recorder.state


def _heed_request(directory: Path, watched: WatchedExecutor, display: Display) -> None:
    """Take a request to stop if there is one; StopAsked at once, or when the trials that run are at their rungs."""
    request = stop_request.take(directory)
    if request is StopRequest.DRAIN:
        watched.drain()
        display.note(f"asked to stop: nothing more begins; trials that go on to their next rung: {len(watched.steps)}")
    if request is StopRequest.NOW or watched.is_drained:
        signals.stop("evolve stop")


def _conclude(winner_uid: str | None, reason: str, task: Task, directory: Path, recorder: Recorder) -> None:
    """Write the result files, then journal that the search is over, and why."""
    state = recorder.state
    if winner_uid is None:
        recorder.append(events.SearchFailed(reason=f"{reason}: {commonest_failure(state)}"))
        lineage.write(directory, state)
        return
    if state.outcome is None or state.outcome.uid != winner_uid:
        recorder.append(verdict.conclude(state, winner_uid))
    winner.write(directory / WINNER_FILE, winner.content(state, task))
    lineage.write(directory, state)
    if state.outcome is not None:
        recorder.append(events.SearchFinished(verdict=state.outcome.verdict, reason=reason))


def _write_pages(directory: Path, state: SearchState, display: Display) -> None:
    """Write the pages of a search that is over. They can be made again, so no error in them may undo its end."""
    try:
        from evolve.pages.write import write  # pandas takes a second to load: only at the end

        write(directory, state, held=True)
    except Exception as error:
        again = command("evolve", "report", directory)
        display.note(f"the pages were not written ({type(error).__name__}: {error}); to write them: {again}")


def commonest_failure(state: SearchState) -> str:
    """An example of the commonest failure with its count; failures that differ only in numbers are the same."""
    failed = [record for record in state.individuals.values() if record.reason is not None]
    classes = [failure_class(record.kind, str(record.reason)) for record in failed]
    if not classes:
        return ""
    [(commonest, count)] = Counter(classes).most_common(1)
    return f"{failed[classes.index(commonest)].reason} ({count} of {len(state.individuals)} trials)"
