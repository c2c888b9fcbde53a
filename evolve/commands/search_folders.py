"""The folders of searches: default folders, runs/latest, and whether a folder holds a search."""

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evolve.file_names import JOURNAL_FILE, LATEST, MLFLOW_FILE, RUNS
from evolve.process import credentials, signals
from evolve.process.terminal import InputError, command, path_from_here
from evolve.records.journal import JournalError, events, holds_search, is_held
from evolve.records.state import SearchState, fold

TRACKING_STORE = RUNS / MLFLOW_FILE


def read_state(directory: Path) -> SearchState:
    """Read the state of the search in a directory, without a lock; JournalError if there is none."""
    if not directory.is_dir():
        raise JournalError(f"{directory}: expected the directory of a search, found no such directory")
    if not holds_search(directory):
        raise JournalError(f"{directory}: expected the directory of a search, found no search in it")
    return fold(events(directory / JOURNAL_FILE))


def new_directory(out: Path | None, seed: int) -> Path:
    """The directory of a new search, not created yet; InputError if --out is a file or holds a search already."""
    if out is None:
        return next(path for path in _default_directories(seed) if not path.exists())
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: expected a directory or nothing there, found a file")
    if holds_search(out):
        go_on = command("evolve", "resume", out)
        raise InputError(f"--out {out}: holds a search already; go on with it: {go_on}")
    return out


@contextmanager
def created_directory(out: Path | None, seed: int) -> Iterator[Path]:
    """The directory of a new search. A default one is created here, so that no two searches get the same.

    Afterwards it is removed if it is empty.
    """
    if out is not None:
        yield out
        return
    created_runs = not RUNS.exists()
    RUNS.mkdir(exist_ok=True)
    directory = next(path for path in _default_directories(seed) if _created(path))

    def remove_if_empty() -> None:
        with suppress(OSError):  # it is not empty
            directory.rmdir()
            if created_runs:
                RUNS.rmdir()

    with signals.before_cutoff(remove_if_empty):
        try:
            yield directory
        finally:
            remove_if_empty()


def _default_directories(seed: int) -> Iterator[Path]:
    """RUNS/TIME-sSEED, then the same with -2, -3 and so on."""
    name = f"{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime())}-s{seed}"
    yield RUNS / name
    for count in itertools.count(2):
        yield RUNS / f"{name}-{count}"


def _created(path: Path) -> bool:
    """Create the folder; False if it exists already."""
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def note_on_latest() -> str | None:
    """A sentence if the search behind runs/latest was interrupted and no process runs it, or if it cannot be read."""
    try:
        if not LATEST.is_dir() or not holds_search(LATEST) or is_held(LATEST):
            return None
        phase = read_state(LATEST).phase
        latest = path_from_here(LATEST.resolve())
    except (JournalError, OSError, RuntimeError) as error:  # RuntimeError: a circle of links
        return f"the latest search cannot be read: {error}"
    if phase not in ("running", "interrupted"):
        return None
    return f"{latest} holds an interrupted search; go on with it: {command('evolve', 'resume', latest)}"


def point_latest(directory: Path) -> str | None:
    """Point runs/latest to the search that starts now; returns a sentence if that fails, which stops nothing."""
    try:
        RUNS.mkdir(exist_ok=True)
        if LATEST.exists() and not LATEST.is_symlink():
            return f"{LATEST} is not a link: it is left as it is, and does not lead to {directory}"
        temporary = RUNS / f".latest.{os.getpid()}"
        temporary.unlink(missing_ok=True)  # left by a killed process with the same id
        temporary.symlink_to(os.path.relpath(directory.resolve(), RUNS.resolve()))
        temporary.replace(LATEST)
    except (OSError, RuntimeError) as error:
        return f"{LATEST} does not lead to {directory}: {error}"
    return None


def is_latest(directory: Path) -> bool:
    """Whether runs/latest points to this search."""
    try:
        return LATEST.resolve() == directory.resolve()
    except (OSError, RuntimeError):
        return False


def format_flag(state: SearchState) -> list[str]:
    """The --format of the search, for a command that reads the same data set; empty if the search had none."""
    return [] if state.request.format is None else ["--format", state.request.format]


def tracking_uri(given: str | None) -> str:
    """The tracking store: the given one, else runs/mlflow.db; with the password that MLFLOW_TRACKING_URI has for it.

    OSError if there is no default store because the working directory was deleted.
    """
    uri = f"sqlite:///{TRACKING_STORE.resolve()}" if given is None else given
    return credentials.with_password(uri, os.environ)
