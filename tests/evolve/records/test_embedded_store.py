"""A database that only one process creates, whole or not at all, and that is renamed if it is broken."""

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from evolve.records import embedded_store
from evolve.records.journal import Journal, NewEvent

NOON = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def make(path: Path) -> None:
    """Like MLflow's last steps: a table and its first row."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE experiments (name TEXT)")
        database.execute("INSERT INTO experiments VALUES ('Default')")
        database.commit()


def rows(path: Path) -> list[tuple[str]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT name FROM experiments").fetchall()


def test_several_at_once_make_it_once(tmp_path: Path) -> None:
    made: list[Path] = []
    ready = threading.Barrier(5)

    def make_and_note(path: Path) -> None:
        made.append(path)
        make(path)

    def start() -> None:
        ready.wait()
        embedded_store.ensure_database(tmp_path / "runs" / "mlflow.db", make_and_note)

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 1
    assert rows(tmp_path / "runs" / "mlflow.db") == [("Default",)]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [".mlflow.db.lock", "mlflow.db"]


KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from evolve.records import embedded_store
def make(path):
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE experiments (name TEXT)")
    database.commit()
    os.kill(os.getpid(), signal.SIGKILL)
embedded_store.ensure_database(Path(sys.argv[1]), make)
"""


def test_a_kill_in_the_middle_leaves_nothing_that_the_next_start_trips_over(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", KILLED, str(database)], timeout=60).returncode == -9
        assert not database.exists()
    embedded_store.ensure_database(database, make)
    assert rows(database) == [("Default",)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mlflow.db.lock", "mlflow.db"]


def test_a_failure_in_the_middle_too(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.touch()
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        embedded_store.ensure_database(tmp_path / "mlflow.db", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".mlflow.db.lock"]


def test_an_empty_file_is_no_database_and_what_is_there_is_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.touch()
    embedded_store.ensure_database(database, make)
    embedded_store.ensure_database(database, lambda _path: pytest.fail("it is there"))
    assert rows(database) == [("Default",)]


def test_a_lock_that_another_keeps_ends_by_itself(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    with (
        embedded_store.locked(database),
        pytest.raises(TimeoutError, match=r"mlflow\.db: another process"),
        embedded_store.locked(database, 0.2),
    ):
        pass


def half_made(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE experiments (name TEXT)")
        database.execute("CREATE TABLE metrics (step INTEGER)")


def without_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")


def garbage(path: Path) -> None:
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 50)


def torn(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE experiments (name TEXT)")
        database.executemany("INSERT INTO experiments VALUES (?)", [("x" * 500,)] * 200)
        database.commit()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("break_it", "why"),
    [(half_made, "half made"), (without_tables, "half made"), (garbage, "damaged"), (torn, "damaged")],
)
def test_a_broken_one_is_kept_under_a_name_and_made_again(break_it: object, why: str, tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    for name in ("mlflow.db.broken-2027-01-15T08-00-00Z", "mlflow.db.broken-2027-01-15T08-00-00Z-2"):
        break_it(database)  # type: ignore[operator]
        content = database.read_bytes()
        renamed = embedded_store.rename_broken(database, NOON)
        assert renamed is not None
        assert why in renamed[0]
        assert renamed[1] == tmp_path / name
        assert renamed[1].read_bytes() == content
        assert not database.exists()
    embedded_store.ensure_database(database, make)
    assert embedded_store.rename_broken(database, NOON) is None
    assert rows(database) == [("Default",)]


def test_a_locked_one_is_not_broken(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    make(database)
    with closing(sqlite3.connect(database, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert embedded_store.why_broken(database) is None
    assert embedded_store.why_broken(tmp_path / "none.db") is None


def begin(directory: Path, request: dict[str, object]) -> None:
    with Journal(directory) as journal:
        journal.append([NewEvent("search_created", None, {"search_id": directory.name, "request": request})])


def test_which_journals_belong_to_a_database(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    begin(tmp_path / "a-default", {"tracking_uri": None})
    begin(tmp_path / "b-named", {"tracking_uri": f"sqlite:///{database}"})
    begin(tmp_path / "c-elsewhere", {"tracking_uri": "http://mlflow.example"})
    begin(tmp_path / "d-none", {"tracking_uri": "none"})
    begin(tmp_path / "e-from-python", {})
    (tmp_path / "f-broken").mkdir()
    garbage(tmp_path / "f-broken" / "journal.db")
    (tmp_path / "latest").symlink_to("a-default")
    begin(tmp_path / "g-running", {"tracking_uri": None})
    with Journal(tmp_path / "g-running"):
        journals = embedded_store.journals_beside(database)
    assert [path.parent.name for path in journals] == ["a-default", "b-named", "e-from-python"]
