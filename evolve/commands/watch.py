"""The command watch: follows a search of another process or machine through its journal, read without a lock."""

import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from evolve.commands.search_folders import read_state
from evolve.file_names import JOURNAL_FILE, WINNER_FILE
from evolve.process import signals
from evolve.process.terminal import command, complain, duration, path_from_here, reader_has_gone, say, working
from evolve.records import journal, progress
from evolve.records.progress import Display
from evolve.records.state import SearchState, begin

POLL_SECONDS, FAR_POLL_SECONDS = 1.0, 5.0  # from another machine the whole journal is copied each time
# Without an event and without a visible lock; a lock may not show on another machine, and a trial may be silent long.
SILENT_SECONDS, GONE_SECONDS = 600.0, 24 * 3600.0


def watch(arguments: Namespace) -> int:
    """Show a search as it shows itself, from its beginning, until it ends."""
    read_state(arguments.directory)
    directory = path_from_here(arguments.directory.resolve())  # runs/latest may lead to another search meanwhile
    display = progress.for_terminal()
    try:
        with working():
            state, gone = follow(directory, display)
    except KeyboardInterrupt:
        display.close()
        complain(f"stopped watching; the search goes on; watch it with: {command('evolve', 'watch', directory)}")
        signals.mark_explained()
        raise
    finally:
        display.close()
    return 0 if reader_has_gone() else _say_end(state, directory, gone)


def follow(
    directory: Path,
    display: Display,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[SearchState, str]:
    """Show the events of a search until it ends, nobody runs it or nobody reads what is shown.

    Returns its state, and why nobody seems to run it.
    """
    path = directory / JOURNAL_FILE
    first, *others = journal.events(path)
    state = begin(first)
    silent_since, warn_after = clock(), SILENT_SECONDS
    while True:
        for event in others:
            state.apply(event)
            display.show(event, state)
            silent_since, warn_after = clock(), SILENT_SECONDS
        if state.phase != "running" or reader_has_gone():
            return state, ""
        held = journal.is_held(directory)  # before the journal is read: whoever let go of it has written all by then
        others = journal.events(path, after=state.last_id)
        if others:
            continue
        silent = clock() - silent_since
        from_here = journal.is_from_here(directory)
        if not held and from_here:
            return state, "its process has ended without a word"
        if not held and silent >= warn_after:
            warn_after *= 2
            unheard = f"no event for {duration(silent)}, and no lock shows here of {journal.last_writer(directory)}"
            if silent >= GONE_SECONDS:
                return state, unheard
            display.note(f"{unheard}, which ran it")
        display.tick(state)
        sleep(POLL_SECONDS if from_here else FAR_POLL_SECONDS)


def _say_end(state: SearchState, directory: Path, gone: str) -> int:
    """Print how the search ended; returns the exit code."""
    if state.phase == "finished" and state.outcome is not None:
        say(f"verdict: {state.outcome.verdict}")
        for against in state.outcome.known.values():
            say(f"verdict: {against.verdict}")
        say(f"winner: {directory / WINNER_FILE}")
        return 0
    if state.phase == "failed":
        complain(f"evolve: search failed: {state.reason}")
    else:
        go_on = command("evolve", "resume", directory)
        complain(f"evolve: the search is interrupted ({gone or state.reason}); go on with: {go_on}")
    return 1
