"""Where searches lie: default folders, runs/latest, and whether a folder holds a search."""

import os
import time
from pathlib import Path

from evolve.records import credentials
from evolve.records.journal import JOURNAL_FILE, JournalError, events, holds_search, is_held
from evolve.records.state import SearchState, fold
from evolve.terminal import command, shown

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
        go_on = command("evolve", "resume", directory)
        raise JournalError(f"--out {directory}: holds a search already; go on with it: {go_on}")
    return directory


def note_on_latest() -> str | None:
    """A sentence when the search behind runs/latest was cut short and nobody runs it, or cannot be read."""
    try:
        if not LATEST.is_dir() or not holds_search(LATEST) or is_held(LATEST):
            return None
        phase = read_state(LATEST).phase
        latest = shown(LATEST.resolve())
    except (JournalError, OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        return f"the latest search cannot be read: {error}"
    if phase not in ("running", "interrupted"):
        return None
    return f"{latest} holds an interrupted search; go on with it: {command('evolve', 'resume', latest)}"


def point_latest(directory: Path) -> str | None:
    """Let runs/latest point to the search that starts now; a sentence when it cannot, which stops nothing."""
    try:
        RUNS.mkdir(exist_ok=True)
        if LATEST.exists() and not LATEST.is_symlink():
            return f"{LATEST} is not a link: it is left as it is, and does not lead to {directory}"
        temporary = RUNS / f".latest.{os.getpid()}"
        temporary.unlink(missing_ok=True)  # of a killed process with our number
        temporary.symlink_to(os.path.relpath(directory.resolve(), RUNS.resolve()))
        temporary.replace(LATEST)
    except (OSError, RuntimeError) as error:
        return f"{LATEST} does not lead to {directory}: {error}"
    return None


def is_latest(directory: Path) -> bool:
    """Whether runs/latest is this search."""
    try:
        return LATEST.resolve() == directory.resolve()
    except (OSError, RuntimeError):
        return False


def format_flag(state: SearchState) -> list[str]:
    """The --format that the search was given, for a command that reads the same data set; none where none was."""
    told = state.request.get("format")
    return [] if told is None else ["--format", str(told)]


def tracking_uri(given: str | None) -> str:
    """The tracking store: the given one, else runs/mlflow.db; with the password of MLFLOW_TRACKING_URI if it has it.

    OSError: there is no default store, as the working directory was deleted.
    """
    uri = f"sqlite:///{TRACKING_STORE.resolve()}" if given is None else given
    return credentials.with_password(uri, os.environ)
