"""The journal: an append-only SQLite table of what happened in a search. All other records are derived from it.

One writer at a time: `Journal` holds an exclusive lock on DIR/lock from opening to closing, and the
lock of a killed process vanishes with it. Readers (`events`, `is_held`) take no lock that a writer waits for.
Every append is one transaction written through to the disk (synchronous=FULL), in write-ahead mode,
so that a reader never blocks the writer and never sees a partial write. On another machine than the writer's a reader
takes a copy: the index of a write-ahead log is shared memory, which does not reach beyond a machine.
"""

import fcntl
import json
import os
import platform
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from evolve.file_names import JOURNAL_FILE, LOCK_FILE
from evolve.process import files

BUSY_SECONDS = 20.0  # a reader on a slow disk may hold a page for a moment
COPY_TRIES = 5
LOG_HEADER_BYTES = 32  # https://www.sqlite.org/fileformat2.html#the_write_ahead_log
LOCK_PATIENCE_SECONDS = 0.5  # `is_held` takes the lock for an instant, which must not turn a writer away
TABLE = (
    "CREATE TABLE IF NOT EXISTS events"
    " (id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, uid TEXT, payload TEXT NOT NULL)"
)


class JournalError(ValueError):
    """A search directory or its journal cannot be used; the message says why."""


@dataclass(frozen=True)
class Event:
    """One row of the journal."""

    id: int  # 1, 2, ... without gaps
    time: float  # seconds since 1970, by the writer's clock
    kind: str
    uid: str | None  # of the individual or confirmation that the event is about, if any
    payload: Mapping[str, object]


@dataclass(frozen=True)
class NewEvent:
    """An event before it is written."""

    kind: str
    uid: str | None
    payload: Mapping[str, object]


def holds_search(directory: Path) -> bool:
    """Whether the directory holds a search that has begun: its first event was written."""
    path = directory / JOURNAL_FILE
    return path.is_file() and bool(events(path, limit=1))


def events(path: Path, after: int = 0, limit: int = -1) -> list[Event]:
    """The events of a journal file with id > after, in order; at most `limit` of them (-1: all). Takes no lock."""
    if not path.is_file():
        raise JournalError(f"{path}: expected the journal of a search, found no such file")
    try:
        rows = _rows(path, after, limit)
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return []  # the writer was killed between creating the file and its table: there are no events yet
        raise JournalError(f"{path}: expected a readable journal, got: {error}") from error
    except sqlite3.DatabaseError as error:
        raise JournalError(f"{path}: expected the journal of a search, got: {error}") from error
    return [Event(row[0], row[1], row[2], row[3], json.loads(row[4])) for row in rows]


def last_writer(directory: Path) -> str:
    """Host and process id of the process that writes this search or wrote it last; empty if that is not known."""
    try:
        return (directory / LOCK_FILE).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def is_from_here(directory: Path) -> bool:
    """Whether this search is written, or was written last, on this machine, as far as that is known."""
    return last_writer(directory).partition(",")[0] in ("", _this_host())


def is_held(directory: Path) -> bool:
    """Whether a living process writes this search now, as far as its lock shows that here."""
    try:
        with (directory / LOCK_FILE).open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no such file, no permission to read it, or a file system without locks
        return False
    return False


def _rows(path: Path, after: int, limit: int) -> list[tuple[int, float, str, str | None, str]]:
    """Read the rows, even in a folder that is read-only: there SQLite cannot create the index of a write-ahead log.

    Without such a log the journal is read as an immutable file; with one (its writer was killed) from a copy, as on
    another machine than the writer's.
    """
    journal = path.resolve()
    log = journal.with_name(f"{journal.name}-wal")
    if is_from_here(journal.parent):
        try:
            return _select(f"{journal.as_uri()}?mode=ro", after, limit)
        except sqlite3.OperationalError:
            if os.access(journal.parent, os.W_OK):
                raise
        if not log.is_file() or log.stat().st_size == 0:
            return _select(f"{journal.as_uri()}?mode=ro&immutable=1", after, limit)
    with tempfile.TemporaryDirectory(prefix="evolve-journal-") as folder:
        _copy(journal, log, Path(folder))
        return _select(Path(folder, journal.name).as_uri(), after, limit)


def _copy(journal: Path, log: Path, folder: Path) -> None:
    """Copy the journal with its log. Tried again if the log was begun anew meanwhile: the two would not fit together.

    A log that only grew is no harm: SQLite reads it up to its last whole transaction.
    """
    for _ in range(COPY_TRIES):
        before = _log_header(log)
        shutil.copyfile(journal, folder / journal.name)
        (folder / log.name).unlink(missing_ok=True)
        with suppress(FileNotFoundError):  # the writer has closed the journal, which removes the log
            shutil.copyfile(log, folder / log.name)
        if _log_header(log) == before == _log_header(folder / log.name):
            return
    raise JournalError(f"{journal}: expected to copy it while nobody tidies it, it was tidied {COPY_TRIES} times")


def _log_header(log: Path) -> bytes:
    """The header of a write-ahead log, which changes whenever the log begins anew; empty if there is no log."""
    try:
        with log.open("rb") as handle:
            return handle.read(LOG_HEADER_BYTES)
    except FileNotFoundError:
        return b""


def _select(uri: str, after: int, limit: int) -> list[tuple[int, float, str, str | None, str]]:
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as reader:
        return reader.execute(
            "SELECT id, time, kind, uid, payload FROM events WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
        ).fetchall()


class Journal:
    """The journal opened for writing; created if the directory has none."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / JOURNAL_FILE
        self._clock = clock
        self._lock = _take_lock(directory)
        try:
            self._connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(TABLE)
        except sqlite3.DatabaseError as error:
            self._lock.close()
            raise JournalError(f"{self.path}: expected a writable journal, got: {error}") from error

    def append(self, new_events: Sequence[NewEvent]) -> list[Event]:
        """Write the events in one transaction; they are on the disk when this returns."""
        if not new_events:
            return []
        now = self._clock()
        written = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for new in new_events:
                text = json.dumps(new.payload, allow_nan=False, separators=(",", ":"))
                cursor = self._connection.execute(
                    "INSERT INTO events (time, kind, uid, payload) VALUES (?, ?, ?, ?)",
                    (now, new.kind, new.uid, text),
                )
                # read back from the text, so that the payload folded now equals the one that a resume will fold
                written.append(Event(int(cursor.lastrowid or 0), now, new.kind, new.uid, json.loads(text)))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return written

    def events(self, after: int = 0) -> list[Event]:
        """The events written so far with id > after."""
        return events(self.path, after)

    def close(self) -> None:
        """Close the journal and release its lock. Safe to call twice."""
        self._connection.close()
        self._lock.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _take_lock(directory: Path) -> IO[str]:
    """The open, locked file; its text names the holder, for the error of a second writer."""
    handle = (directory / LOCK_FILE).open("a+", encoding="utf-8")
    if not files.lock(handle, LOCK_PATIENCE_SECONDS):
        handle.seek(0)
        holder = handle.read().strip() or "a process that has not named itself yet"
        handle.close()
        raise JournalError(f"{directory}: expected a search that no process runs, but it is being run by {holder}")
    handle.seek(0)
    handle.truncate()
    handle.write(f"{_this_host()}, pid {os.getpid()}")
    handle.flush()
    return handle


def _this_host() -> str:
    return f"host {platform.node()}"
