"""MLflow's database in one file: made whole or not at all, set aside where it is broken, filled again from journals.

MLflow makes its tables in the file itself, step by step: a kill between two steps, or two processes at once, leave a
file that no later start can open ("duplicate column name: step"). So it is made in a folder of its own, under a lock,
and renamed into place. All that is in it can be made again from the journals that lie beside it.
"""

import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from evolve.process import credentials
from evolve.records.journal import JOURNAL_FILE, JournalError, events, is_held

LOCK_SECONDS = 120.0  # another process makes the database: seen 3 to 20, on two busy cores
POLL_SECONDS = 0.1
COMPANIONS = ("", "-journal", "-wal", "-shm")  # SQLite's own files beside a database


def ensure(database: Path, make: Callable[[Path], None]) -> None:
    """Let the database be there, made by `make` (given the path of a new file) if it is not; one process makes it.

    TimeoutError: another process holds the lock and does not come to an end.
    """
    if _has_content(database):
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with locked(database):
        if not _has_content(database):
            _make(database, make)


def what_is_broken(database: Path) -> str | None:
    """Why no MLflow can use this file; None if it can, or if that cannot be told now (it is locked, say)."""
    if not _has_content(database):
        return None
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as reader:
            [found] = reader.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                return f"it is damaged: {found}"
            named = reader.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone()
            if not named or not reader.execute("SELECT 1 FROM experiments").fetchone():
                return "it was left half made"  # MLflow's last step makes an experiment called Default
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError as error:
        return f"it is damaged: {error}"
    return None


def set_aside(database: Path, now: float) -> tuple[str, Path] | None:
    """Rename a broken database; why, and what it is called now. None if it is not broken (any more)."""
    if what_is_broken(database) is None:
        return None
    with locked(database):
        why = what_is_broken(database)
        if why is None:
            return None
        stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(now))
        kept = database.with_name(f"{database.name}.broken-{stamp}")
        count = 1
        while kept.exists():
            count += 1
            kept = database.with_name(f"{database.name}.broken-{stamp}-{count}")
        for ending in reversed(COMPANIONS):
            part = database.with_name(database.name + ending)
            if part.exists():
                part.rename(kept.with_name(kept.name + ending))
        return why, kept


def journals_beside(database: Path) -> list[Path]:
    """The journals of the searches in the database's folder that are shown in it and that no living process writes."""
    found = sorted(database.parent.glob(f"*/{JOURNAL_FILE}"))
    return [path for path in found if not path.parent.is_symlink() and _belongs(path, database)]


@contextmanager
def locked(database: Path, patience_seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Alone with the database among processes of this program; TimeoutError when another one keeps it."""
    with database.with_name(f".{database.name}.lock").open("a") as handle:
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"{database}: another process has made or filled it for too long") from None
                time.sleep(POLL_SECONDS)
        yield


def _has_content(database: Path) -> bool:
    try:
        return database.stat().st_size > 0
    except FileNotFoundError:
        return False


def _make(database: Path, make: Callable[[Path], None]) -> None:
    prefix = f".{database.name}.new-"
    for left in database.parent.glob(f"{prefix}*"):  # by a process that was killed: we hold the lock
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=database.parent))
    try:
        make(folder / database.name)
        (folder / database.name).replace(database)
        opened = os.open(database.parent, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _belongs(journal: Path, database: Path) -> bool:
    """Whether the search was shown in this database, and is over or lies still."""
    try:
        first = events(journal, limit=1)
    except JournalError:
        return False
    request = first[0].payload.get("request") if first else None
    if not isinstance(request, dict) or is_held(journal.parent):
        return False
    uri = request.get("tracking_uri")
    if uri is None:
        return True  # the default, which is the database in the folder of the searches
    named = credentials.database(str(uri))
    return named is not None and named.resolve() == database.resolve()
