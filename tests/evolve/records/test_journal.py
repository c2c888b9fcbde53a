"""The journal: durable, in order, one writer, readable while it is written."""

import os
import platform
import shutil
import sqlite3
from pathlib import Path

import pytest

from evolve.records import journal
from evolve.records.journal import Journal, JournalError, NewEvent


def test_events_come_back_as_they_were_written(tmp_path: Path) -> None:
    with Journal(tmp_path, clock=lambda: 12.5) as writer:
        written = writer.append([NewEvent("a", None, {"x": (1, 2), "f": 0.1}), NewEvent("b", "g000-001", {})])
        read_meanwhile = journal.events(tmp_path / "journal.db")
    assert written == read_meanwhile == journal.events(tmp_path / "journal.db")
    assert [(event.id, event.time, event.kind, event.uid) for event in written] == [
        (1, 12.5, "a", None),
        (2, 12.5, "b", "g000-001"),
    ]
    assert written[0].payload == {"x": [1, 2], "f": 0.1}
    assert journal.events(tmp_path / "journal.db", after=1) == written[1:]


def test_an_append_is_whole_or_not_at_all(tmp_path: Path) -> None:
    with Journal(tmp_path) as writer:
        with pytest.raises(ValueError, match="JSON"):
            writer.append([NewEvent("good", None, {}), NewEvent("bad", None, {"x": float("nan")})])
        assert writer.events() == []
        writer.append([NewEvent("good", None, {})])
        assert [event.id for event in writer.events()] == [1]


def test_it_is_written_through_to_the_disk(tmp_path: Path) -> None:
    with Journal(tmp_path) as writer:
        assert writer._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_second_writer_is_refused_with_the_holder(tmp_path: Path) -> None:
    with Journal(tmp_path):
        assert journal.is_held(tmp_path)
        with pytest.raises(JournalError, match=f"host {platform.node()}, pid {os.getpid()}"):
            Journal(tmp_path)
    assert not journal.is_held(tmp_path)
    Journal(tmp_path).close()


def test_looking_whether_it_is_held_refuses_nobody(tmp_path: Path) -> None:
    import fcntl
    import threading

    Journal(tmp_path).close()
    with (tmp_path / "lock").open("rb") as reader:  # as is_held does, but for longer
        fcntl.flock(reader, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (reader, fcntl.LOCK_UN)).start()
        Journal(tmp_path).close()


def test_a_folder_without_a_search(tmp_path: Path) -> None:
    assert not journal.holds_search(tmp_path)
    with pytest.raises(JournalError, match="no such file"):
        journal.events(tmp_path / "journal.db")
    sqlite3.connect(tmp_path / "journal.db").close()  # as if the writer was killed before it created the table
    assert not journal.holds_search(tmp_path)
    Journal(tmp_path).close()  # as if the writer was killed before the first event
    assert not journal.holds_search(tmp_path)


def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("something else, long enough to be no empty database" * 20)
    with pytest.raises(JournalError, match="not a database"):
        journal.events(tmp_path / "journal.db")
    with pytest.raises(JournalError, match="not a database"):
        Journal(tmp_path)
    assert not journal.is_held(tmp_path)


def test_a_journal_that_another_machine_writes_is_read_from_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of its log is memory of that machine: read here, it would be old."""
    asked: list[str] = []
    select = journal._select

    def noted(uri: str, after: int, limit: int) -> list[tuple[int, float, str, str | None, str]]:
        asked.append(uri)
        return select(uri, after, limit)

    monkeypatch.setattr(journal, "_select", noted)
    with Journal(tmp_path) as written:
        written.append([NewEvent("a", None, {}), NewEvent("b", None, {})])
        assert journal.is_from_here(tmp_path)
        assert journal.last_writer(tmp_path) == f"host {platform.node()}, pid {os.getpid()}"
        assert [event.kind for event in journal.events(written.path)] == ["a", "b"]
        assert [str(tmp_path) in uri for uri in asked] == [True]
        (tmp_path / "lock").write_text("host far, pid 1")
        assert not journal.is_from_here(tmp_path)
        before = (tmp_path / "journal.db-shm").stat().st_mtime_ns
        for count in range(3):
            written.append([NewEvent(str(count), None, {})])
            before = (tmp_path / "journal.db-shm").stat().st_mtime_ns
            kinds = [event.kind for event in journal.events(written.path, after=1)]
            assert kinds == ["b", *map(str, range(count + 1))]
            assert (tmp_path / "journal.db-shm").stat().st_mtime_ns == before
        assert [str(tmp_path) in uri for uri in asked] == [True, False, False, False]


def test_a_copy_is_taken_again_if_the_log_begins_anew_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the copies of journal and log the writer puts the log into the journal and begins another one."""
    copy, tidied = shutil.copyfile, []
    with Journal(tmp_path) as written:
        written.append([NewEvent(str(count), None, {}) for count in range(50)])
        (tmp_path / "lock").write_text("host far, pid 1")

        def tidy(source: Path, target: Path) -> None:
            copy(source, target)
            if source.name == "journal.db" and len(tidied) < 2:
                written._connection.execute("PRAGMA wal_checkpoint(RESTART)")
                tidied.extend(written.append([NewEvent("later", None, {})]))

        monkeypatch.setattr(journal.shutil, "copyfile", tidy)
        read = journal.events(written.path)
        assert [event.kind for event in read] == [*map(str, range(50)), "later", "later"]
        monkeypatch.setattr(journal, "COPY_TRIES", 1)
        tidied.clear()
        with pytest.raises(JournalError, match="while nobody tidies it"):
            journal.events(written.path)
