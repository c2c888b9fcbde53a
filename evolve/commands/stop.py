"""The command stop: asks the process that runs a search to stop, and waits until it has."""

import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from evolve.commands.search_folders import read_state
from evolve.process import signals
from evolve.process.terminal import InputError, command, complain, duration, path_from_here, say
from evolve.records import journal, stop_request
from evolve.records.state import SearchState
from evolve.records.stop_request import StopRequest
from evolve.trial import TrialStatus

POLL_SECONDS = 0.5
SEEN_SECONDS = 60.0  # a running search looks twice a second; on a network file system it may see a file late
END_SECONDS = 60.0  # from the request that was taken to the end of a search that does not drain
DRAIN_SECONDS = 600.0  # the same while trials go on to their next rung, which may take hours


def stop(arguments: Namespace) -> int:
    """Ask a running search to stop, wait, and say how to go on."""
    state = read_state(arguments.directory)
    directory = path_from_here(arguments.directory.resolve())
    if state.phase in ("finished", "failed"):
        say(f"{directory}: this search has {state.phase} already; there is nothing to stop")
        return 0
    if not _may_run(state, directory):
        say(f"{directory}: no process runs this search; {_go_on(directory)}")
        return 0
    request = StopRequest.NOW if arguments.now else StopRequest.DRAIN
    try:
        stop_request.ask(directory, request)
    except OSError as error:
        raise InputError(
            f"{directory}: expected a directory where a request to stop can be written, got: {error}; "
            f"the search is run by {journal.last_writer(directory)}: SIGTERM stops it, too"
        ) from error
    try:
        return _wait(directory, request)
    except KeyboardInterrupt:
        complain(f"stopped waiting; the request stays; look with: {command('evolve', 'status', directory)}")
        signals.mark_explained()
        raise


def _may_run(state: SearchState, directory: Path) -> bool:
    """Whether a process may run the search: its lock is held, or would not show here."""
    return journal.is_held(directory) or (state.phase == "running" and not journal.is_from_here(directory))


def _wait(directory: Path, request: StopRequest) -> int:
    """Wait until the search has taken the request, then until it has ended; the exit code, 1 if a bound is exceeded."""
    say(f"{directory}: asked to stop; run by {journal.last_writer(directory) or 'a process that is not known here'}")
    if not _until(lambda: not stop_request.is_waiting(directory) or _has_ended(directory), SEEN_SECONDS):
        return _give_up_unseen(directory)
    if request is StopRequest.DRAIN and not _has_ended(directory):
        records = read_state(directory).individuals.values()
        running = [record.uid for record in records if record.status is TrialStatus.RUNNING]
        names = f" ({', '.join(running)})" if running else ""
        say(f"nothing more begins; it ends when its running trials{names} are at their next rung")
    patience = DRAIN_SECONDS if request is StopRequest.DRAIN else END_SECONDS
    if not _until(lambda: _has_ended(directory), patience):
        at_once = command("evolve", "stop", directory, "--now")
        complain(
            f"evolve: {directory}: the search has taken the request, but has not ended within {duration(patience)}; "
            f"it ends by itself; at once, with what was begun trained again on a resume: {at_once}"
        )
        return 1
    stop_request.take(directory)  # if it ended before it looked
    state = read_state(directory)
    if state.phase in ("finished", "failed"):
        say(f"{directory}: this search has {state.phase} meanwhile")
    else:
        say(f"{directory}: stopped; {_go_on(directory)}")
    return 0


def _give_up_unseen(directory: Path) -> int:
    """Say that nobody has taken the request, which stays only if a process is seen to hold the search; exit code 1."""
    writer, waited = journal.last_writer(directory), duration(SEEN_SECONDS)
    if journal.is_held(directory):
        complain(
            f"evolve: {directory}: {writer} runs this search, but has not taken the request within {waited}: it may "
            "still start its workers, then it stops when they are up; SIGTERM stops it at once"
        )
    else:
        stop_request.take(directory)
        complain(
            f"evolve: {directory}: nobody has taken the request within {waited}, and the lock of {writer} does not "
            f"show here; if nobody runs this search, {_go_on(directory)}"
        )
    return 1


def _has_ended(directory: Path) -> bool:
    """Whether the session is over: its end is journalled and its lock free, or its process was killed."""
    if journal.is_held(directory):
        return False
    return journal.is_from_here(directory) or read_state(directory).phase != "running"


def _until(condition: Callable[[], bool], patience_seconds: float) -> bool:
    """Whether the condition came true within the time."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _go_on(directory: Path) -> str:
    return f"go on with: {command('evolve', 'resume', directory)}"
