"""Addresses of tracking stores: which forms are valid, which stores answer, and that MLflow agrees."""

import contextlib
import re
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.records import tracking_uri

RIGHT = [
    "http://127.0.0.1:5000",
    "https://user:secret@tracking.example.org/mlflow",
    "http://[::1]:5000",
    "sqlite:///runs/mlflow.db",
    "sqlite:////tmp/a folder/c#d/mlflow.db?timeout=20",
    "sqlite+pysqlite:///x.db",
    "databricks",
    "databricks://profile",
]
WRONG = [
    "mlruns",
    "./mlruns",
    "/data/mlruns",
    "file:///data/mlruns",
    "",
    "htp://x",
    "http:/x",
    "http://",
    "http://:5000",
    "http://host:99999",
    "http://host:port",
    " http://host",
    "localhost:5000",
    "127.0.0.1:5000",
    "sqlite://",
    "sqlite:///",
    "sqlite:///:memory:",
    "sqlite://host/x.db",
    "sqlite:/x.db",
    "postgres://user@host/name",
    "postgresql:///name",
    "mysql+nothing://user@host/name",
    "ftp://host",
]


@pytest.mark.parametrize("uri", RIGHT)
def test_what_is_a_store(uri: str) -> None:
    tracking_uri.check(uri)


@pytest.mark.parametrize("uri", WRONG)
def test_what_is_none(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tracking_uri.FILES_ALLOWED, raising=False)
    with pytest.raises(ValueError, match=r"^tracking store.*: expected .*, got"):
        tracking_uri.check(uri)


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"expected sqlite:///FILE, but {tmp_path} is a folder"):
        tracking_uri.check(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize("uri", ["postgresql:///ml?host=/run/postgresql", "mssql+pyodbc:///?odbc_connect=DSN%3Dml"])
def test_a_database_may_be_named_by_its_query(uri: str) -> None:
    with pytest.raises(ValueError, match=r"expected a database with its driver, got: No module named"):
        tracking_uri.check(uri)


def test_a_file_of_another_kind_is_no_database_and_stays_what_it_is(tmp_path: Path) -> None:
    """A file with the default's name is a damaged database instead, which the tracker renames."""
    notes, new, database = (tmp_path / name for name in ("notes.txt", "new.db", "old.db"))
    notes.write_text("what I did last summer")
    new.touch()
    with contextlib.closing(sqlite3.connect(database)) as made:
        made.execute("CREATE TABLE x (y)")
    with pytest.raises(ValueError, match=rf"but {re.escape(str(notes))} is no SQLite database$"):
        tracking_uri.check(f"sqlite:///{notes}")
    notes.rename(tmp_path / "mlflow.db")
    for path in (new, database, tmp_path / "nothing.db", tmp_path / "mlflow.db"):
        tracking_uri.check(f"sqlite:///{path}")


def test_a_folder_is_a_store_where_mlflow_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracking_uri.FILES_ALLOWED, "true")
    tracking_uri.check("mlruns")
    with pytest.raises(ValueError, match="got ''"):
        tracking_uri.check("")


def test_a_database_needs_its_driver() -> None:
    """The locked packages include no database driver; SQLite's comes with Python."""
    with pytest.raises(
        ValueError, match=r"tracking store postgresql://user@host/x: expected a database with its driver"
    ) as no:
        tracking_uri.check("postgresql://user:secret@host/x")
    assert "secret" not in str(no.value)


def test_what_answers_and_what_does_not(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert tracking_uri.unreachable(f"http://127.0.0.1:{port}") is None
    said = tracking_uri.unreachable(f"http://me:secret@127.0.0.1:{port}/x")
    assert said is not None
    assert said.startswith(f"nothing answers at http://127.0.0.1:{port}/x: ")
    assert tracking_uri.unreachable("databricks") is None
    assert tracking_uri.unreachable(f"sqlite:///{tmp_path}/not/yet/there.db") is None
    (tmp_path / "file").touch()
    assert (
        tracking_uri.unreachable(f"sqlite:///{tmp_path}/file/x.db")
        == f"sqlite:///{tmp_path}/file/x.db cannot be written"
    )


def test_looking_at_an_address_loads_no_mlflow() -> None:
    code = (
        "import sys; from evolve.records import tracking_uri, mlflow_tracker\n"
        "tracking_uri.check('sqlite:///x.db'); tracking_uri.check('http://x'); assert 'mlflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.medium
def test_mlflow_judges_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MLflow has a store for each accepted address, and none for a refused one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(tracking_uri.FILES_ALLOWED, raising=False)
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry as registry

    takes_more = {"", "http:/x", "http://", "http://:5000", "http://host:99999", "http://host:port", " http://host"}
    takes_more |= {"sqlite://", "sqlite:///", "sqlite:///:memory:"}  # stores that cannot be reached, or keep nothing
    for uri in WRONG:
        if uri not in takes_more:
            with pytest.raises(
                Exception, match=r"."
            ):  # of many kinds: a plain word, a missing driver, an unknown scheme
                registry.get_store(uri, None)
    for uri in RIGHT:
        if not uri.startswith("sqlite"):  # those would be created
            assert registry.get_store_builder(uri) is not None
