"""Where searches lie: default folders, runs/latest, and whether a folder holds a search."""

import os
import time
from pathlib import Path

from evolve.records.journal import JOURNAL_FILE, JournalError, events, holds_search, is_held
from evolve.records.state import SearchState, fold
from evolve.terminal import program

RUNS = Path("runs")
LATEST = RUNS / "latest"
TRACKING_STORE = RUNS / "mlflow.db"


def read_state(directory: Path) -> SearchState:
    """The state of the search in a directory, without a lock; JournalError when there is none."""
    if not directory.is_dir():
        raise JournalError(f"{directory}: expected the directory of a search, found no such directory")
    if not holds_search(directory):
        raise JournalError(f"{directory}: expected the directory of a search, found no search in it")
    return fold(events(directory / JOURNAL_FILE))


def new_directory(out: Path | None, seed: int) -> Path:
    """Where a new search goes; JournalError when --out holds a search already."""
    directory = out or RUNS / f"{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime())}-s{seed}"
    if directory.exists() and not directory.is_dir():
        raise JournalError(f"--out {directory}: expected a directory or nothing there, found a file")
    if holds_search(directory):
        raise JournalError(f"--out {directory}: holds a search already; go on with it: {program()} resume {directory}")
    return directory


def note_on_latest() -> str | None:
    """A sentence when the search behind runs/latest was cut short and nobody runs it, or cannot be read."""
    try:
        if not LATEST.is_dir() or not holds_search(LATEST) or is_held(LATEST):
            return None
        phase = read_state(LATEST).phase
    except JournalError as error:
        return f"the latest search cannot be read: {error}"
    if phase not in ("running", "interrupted"):
        return None
    latest = shown(LATEST.resolve())
    return f"{latest} holds an interrupted search; go on with it: {program()} resume {latest}"


def point_latest(directory: Path) -> None:
    """Let runs/latest point to the search that starts now."""
    RUNS.mkdir(exist_ok=True)
    if LATEST.exists() and not LATEST.is_symlink():
        return  # something of the user's own stands there
    target = os.path.relpath(directory.resolve(), RUNS.resolve())
    temporary = RUNS / f".latest.{os.getpid()}"
    temporary.symlink_to(target)
    temporary.replace(LATEST)


def is_latest(directory: Path) -> bool:
    """Whether runs/latest is this search."""
    return LATEST.resolve() == directory.resolve()


def format_flag(state: SearchState) -> str:
    """The --format that the search was told, for a command that reads the same data set; empty where it was not."""
    told = state.request.get("format")
    return "" if told is None else f" --format {told}"


def shown(path: Path) -> Path:
    """A path as a person would type it from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def tracking_uri(given: str | None) -> str:
    """The tracking store: the given one, else runs/mlflow.db."""
    return f"sqlite:///{TRACKING_STORE.resolve()}" if given is None else given
