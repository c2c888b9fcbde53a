"""Where searches lie: default folders, runs/latest, and whether a folder holds a search."""

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evolve.process import credentials, signals
from evolve.process.terminal import command, shown
from evolve.records.journal import JOURNAL_FILE, JournalError, events, holds_search, is_held
from evolve.records.state import SearchState, fold

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
    if out is None:
        return next(path for path in _default_directories(seed) if not path.exists())
    if out.exists() and not out.is_dir():
        raise JournalError(f"--out {out}: expected a directory or nothing there, found a file")
    if holds_search(out):
        go_on = command("evolve", "resume", out)
        raise JournalError(f"--out {out}: holds a search already; go on with it: {go_on}")
    return out


@contextmanager
def made_directory(out: Path | None, seed: int) -> Iterator[Path]:
    """Where a new search goes. A default one is made here: of two searches that start in one second each gets its own.

    It goes again if nothing was put into it.
    """
    if out is not None:
        yield out
        return
    first = not RUNS.exists()
    RUNS.mkdir(exist_ok=True)
    directory = next(path for path in _default_directories(seed) if _made(path))

    def take_away() -> None:
        with suppress(OSError):  # there is something in it
            directory.rmdir()
            if first:
                RUNS.rmdir()

    with signals.at_last(take_away):
        try:
            yield directory
        finally:
            take_away()


def _default_directories(seed: int) -> Iterator[Path]:
    """RUNS/TIME-sSEED, then the same with -2, -3 and so on."""
    name = f"{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime())}-s{seed}"
    yield RUNS / name
    for number in itertools.count(2):
        yield RUNS / f"{name}-{number}"


def _made(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


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
