"""Checks the address of a tracking store before a search begins. Light to import: no MLflow.

An address that MLflow does not accept is wrong input and refused. A store that does not answer only gets a note: the
search goes on without it, and what is missing is sent later.
"""

import os
import socket
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from evolve.file_names import MLFLOW_FILE
from evolve.process import credentials

SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
HOSTED = ("databricks",)
SQLITE_START = b"SQLite format 3\0"  # sqlite.org/fileformat.html, 1.3
PLUGINS = "mlflow.tracking_store"  # entry points by which packages bring stores of their own
FILES_ALLOWED = "MLFLOW_ALLOW_FILE_STORE"  # MLflow 3 refuses a store of files without it
EXAMPLES = "http://HOST:PORT, sqlite:///FILE, another database that MLflow knows, or none"
CONNECT_SECONDS = 3.0
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}


def check(uri: str) -> None:
    """ValueError unless MLflow accepts the address, by its form and the installed packages."""
    try:
        parts = urlsplit(uri)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError(_expected(uri)) from None
    kind = parts.scheme.partition("+")[0]
    if uri in HOSTED or kind in HOSTED or kind in {plugin.name for plugin in entry_points(group=PLUGINS)} - {""}:
        return
    if kind in SERVERS and (not parts.hostname or not port_is_valid or uri != uri.strip()):
        raise ValueError(_expected(uri))
    if kind in DATABASES:
        _check_database(uri, parts)
    elif kind == "file" or not parts.scheme:
        _check_files(uri)
    elif kind not in SERVERS:
        raise ValueError(_expected(uri))


def unreachable(uri: str) -> str | None:
    """Why the store cannot be written now, in one sentence; None if no reason is known."""
    parts = urlsplit(uri)
    kind = parts.scheme.partition("+")[0]
    if kind == "sqlite" and (file := _sqlite_file(uri)) is not None:
        folder = next(parent for parent in file.parents if parent.exists())
        if (
            not folder.is_dir()
            or not os.access(folder, os.W_OK | os.X_OK)
            or (file.exists() and not os.access(file, os.W_OK))
        ):
            return f"{shown(uri)} cannot be written"
    elif kind in PORTS and parts.hostname:
        try:
            socket.create_connection((parts.hostname, parts.port or PORTS[kind]), CONNECT_SECONDS).close()
        except OSError as error:
            return f"nothing answers at {shown(uri)}: {error}"
    return None


def shown(uri: str) -> str:
    """The address without its secrets, as messages show it."""
    return credentials.public(uri)


def _expected(uri: str) -> str:
    return f"tracking store: expected {EXAMPLES}, got {shown(uri)!r}"


def _check_database(uri: str, parts: SplitResult) -> None:
    if not uri.startswith(f"{parts.scheme}://"):
        raise ValueError(_expected(uri))
    if parts.scheme.partition("+")[0] == "sqlite":
        file = _sqlite_file(uri)
        if parts.netloc or file is None:
            raise ValueError(f"tracking store: expected sqlite:///FILE, got {shown(uri)!r}")
        if file.is_dir():
            raise ValueError(f"tracking store: expected sqlite:///FILE, but {file} is a folder")
        if file.name != MLFLOW_FILE and _has_other_content(file):  # ours is damaged: it will be renamed
            raise ValueError(f"tracking store: expected sqlite:///FILE, but {file} is no SQLite database")
        return
    if not parts.hostname and not parts.query:  # a query may name the host: host=/run/postgresql, odbc_connect=...
        raise ValueError(f"tracking store: expected {parts.scheme}://USER@HOST/NAME, got {shown(uri)!r}")
    _check_driver(uri)


def _has_other_content(file: Path) -> bool:
    """Whether the file has content that is not an SQLite database; False if it cannot be read."""
    try:
        with file.open("rb") as handle:
            start = handle.read(len(SQLITE_START))
    except OSError:
        return False
    return start not in (b"", SQLITE_START)


def _check_driver(uri: str) -> None:
    """ValueError if the database's driver package is missing: the store could never be reached."""
    from sqlalchemy.engine import make_url  # MLflow's own
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except (ArgumentError, ImportError) as error:
        raise ValueError(f"tracking store {shown(uri)}: expected a database with its driver, got: {error}") from None


def _check_files(uri: str) -> None:
    allowed = os.environ.get(FILES_ALLOWED, "").lower() in ("true", "1")
    if not allowed or not uri:
        raise ValueError(f"{_expected(uri)} (MLflow 3 takes a folder only with {FILES_ALLOWED}=true)")


def _sqlite_file(uri: str) -> Path | None:
    """The database's file, as SQLAlchemy reads the address (a # is part of the name); None if it is in memory."""
    name = uri.partition(":///")[2].partition("?")[0]
    return None if name in ("", ":memory:") else Path(name).resolve()
