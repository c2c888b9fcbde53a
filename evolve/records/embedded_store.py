"""MLflow's database in one file: created whole or not at all, renamed if it is broken, refilled from the journals.

MLflow creates its tables in the file itself, step by step: a kill between two steps, or two processes at once, leave
a file that no later start can open ("duplicate column name: step"). So it is created in a temporary folder, under a
lock, and renamed into place. All of its content can be sent again from the journals beside it.
"""

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from evolve.file_names import JOURNAL_FILE
from evolve.process import credentials, files
from evolve.process.files import move_durably
from evolve.records.journal import JournalError, events, is_held

LOCK_SECONDS = 120.0  # for another process to create the database: 3 to 20 were seen, on two busy cores
COMPANIONS = ("", "-journal", "-wal", "-shm")  # SQLite's own files beside a database


def ensure_database(database: Path, make: Callable[[Path], None]) -> None:
    """Create the database if it is missing: `make` gets the path of a new file. Only one process creates it.

    TimeoutError if another process holds the lock for too long.
    """
    if _has_content(database):
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with locked(database):
        if not _has_content(database):
            _make(database, make)


def why_broken(database: Path) -> str | None:
    """Why MLflow cannot use this file; None if it can, or if that is unknown now (the file is locked, for instance)."""
    if not _has_content(database):
        return None
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as reader:
            [answer] = reader.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                return f"it is damaged: {answer}"
            has_table = reader.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone()
            if not has_table or not reader.execute("SELECT 1 FROM experiments").fetchone():
                return "it was left half made"  # MLflow's last step creates an experiment called Default
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError as error:
        return f"it is damaged: {error}"
    return None


def rename_broken(database: Path, now: float) -> tuple[str, Path] | None:
    """Rename a broken database; returns the reason and the new path. None if it is not broken (any more)."""
    if why_broken(database) is None:
        return None
    with locked(database):
        reason = why_broken(database)
        if reason is None:
            return None
        stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(now))
        renamed = database.with_name(f"{database.name}.broken-{stamp}")
        count = 1
        while renamed.exists():
            count += 1
            renamed = database.with_name(f"{database.name}.broken-{stamp}-{count}")
        for ending in reversed(COMPANIONS):
            part = database.with_name(database.name + ending)
            if part.exists():
                part.rename(renamed.with_name(renamed.name + ending))
        return reason, renamed


def journals_beside(database: Path) -> list[Path]:
    """Journals in the database's folder of searches that track to this database and that no living process writes."""
    journals = sorted(database.parent.glob(f"*/{JOURNAL_FILE}"))
    return [path for path in journals if not path.parent.is_symlink() and _belongs(path, database)]


@contextmanager
def locked(database: Path, patience_seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Keep other processes of this program from the database; TimeoutError if one of them holds it for too long."""
    with database.with_name(f".{database.name}.lock").open("a") as handle:
        if not files.lock(handle, patience_seconds):
            raise TimeoutError(f"{database}: another process holds its lock for too long")
        yield


def _has_content(database: Path) -> bool:
    try:
        return database.stat().st_size > 0
    except FileNotFoundError:
        return False


def _make(database: Path, make: Callable[[Path], None]) -> None:
    prefix = f".{database.name}.new-"
    for abandoned in database.parent.glob(f"{prefix}*"):  # by a process that was killed: we hold the lock
        shutil.rmtree(abandoned, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=database.parent))
    try:
        make(folder / database.name)
        move_durably(folder / database.name, database)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _belongs(journal: Path, database: Path) -> bool:
    """Whether the search tracks to this database and no living process writes it."""
    try:
        first = events(journal, limit=1)
    except JournalError:
        return False
    request = first[0].payload.get("request") if first else None
    if not isinstance(request, dict) or is_held(journal.parent):
        return False
    uri = request.get("tracking_uri")
    if uri is None:
        return True  # the default: the database in the folder of the searches
    tracked_to = credentials.database_file(str(uri))
    return tracked_to is not None and tracked_to.resolve() == database.resolve()
