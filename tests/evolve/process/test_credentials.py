"""Passwords in a tracking store's address: never kept or shown, and found again on a resume."""

from pathlib import Path

import pytest

from evolve.process import credentials

# address, the form that is kept, the secrets that must appear nowhere
ADDRESSES = [
    ("http://me:hunter2@mlflow.example:5000", "http://mlflow.example:5000", ["hunter2"]),
    ("https://a-token@mlflow.example/ml", "https://mlflow.example/ml", ["a-token"]),
    ("http://me:hun/ter2@mlflow.example", "http://mlflow.example", ["hun/ter2"]),
    ("https://me:hun%40ter2@mlflow.example", "https://mlflow.example", ["hun%40ter2", "hun@ter2"]),
    ("postgresql://me:hunter2@db.example/ml", "postgresql://me@db.example/ml", ["hunter2"]),
    ("postgresql://me:hun@ter2@db.example/ml", "postgresql://me@db.example/ml", ["hun@ter2"]),
    ("mysql+pymysql://me:hun/ter2@db:3306/ml@1", "mysql+pymysql://me@db:3306/ml@1", ["hun/ter2"]),
    ("postgresql://db/ml?user=me&password=hunter2", "postgresql://db/ml?user=me", ["hunter2"]),
    ("postgresql://db/ml?sslmode=require&sslpassword=hun%2Fter2", "postgresql://db/ml?sslmode=require", ["hun%2Fter2"]),
    ("mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dhunter2", "mssql+pyodbc:///", ["hunter2"]),
]
OPEN = [
    "http://mlflow.example:5000",
    "https://mlflow.example/a@b",
    "http://[::1]:5000/x@y",
    "postgresql://me@db.example/ml",
    "postgresql:///ml?host=/var/run&sslmode=require",
    "sqlite:////home/me@work/a:b@c.db",
    "file:///home/me:x@work/mlruns",
    "databricks://profile",
    "runs/mlflow",
]


@pytest.mark.parametrize(("uri", "kept", "secrets"), ADDRESSES)
def test_a_password_is_neither_kept_nor_shown(uri: str, kept: str, secrets: list[str]) -> None:
    assert credentials.public(uri) == kept
    assert credentials.has_secret(uri)
    for said in (
        f"cannot connect to {uri}",
        f"at {uri}/api: timed out",
        *(f"tried ({secret}), no" for secret in secrets),
    ):
        hidden = credentials.hide(said, uri)
        for secret in secrets:
            assert secret not in hidden
        assert said.split()[0] in hidden


@pytest.mark.parametrize("uri", OPEN)
def test_what_has_no_password_stays_as_it_is(uri: str) -> None:
    assert credentials.public(uri) == uri
    assert not credentials.has_secret(uri)
    assert credentials.hide("me and the database: nothing to hide", uri) == "me and the database: nothing to hide"


def test_a_word_that_holds_the_password_stays_readable() -> None:
    hidden = credentials.hide(
        "postgresql: no pg_hba entry for postgres, password postgres", "postgresql://a:postgres@h/d"
    )
    assert hidden == "postgresql: no pg_hba entry for ***, password ***"


@pytest.mark.parametrize(("uri", "kept", "_secrets"), ADDRESSES)
def test_the_variable_brings_the_password_of_the_same_store_alone(uri: str, kept: str, _secrets: list[str]) -> None:
    assert credentials.with_password(kept, {"MLFLOW_TRACKING_URI": uri}) == uri
    assert credentials.with_password(kept, {"MLFLOW_TRACKING_URI": "http://me:x@elsewhere"}) == kept
    assert credentials.with_password(kept, {}) == kept


def test_the_file_of_an_embedded_database() -> None:
    assert credentials.database_file("sqlite:////a/runs/mlflow.db") == Path("/a/runs/mlflow.db")
    assert credentials.database_file("sqlite:///runs/mlflow.db?timeout=5") == Path("runs/mlflow.db")
    assert credentials.database_file("sqlite://") is None
    assert credentials.database_file("sqlite:///:memory:") is None
    assert credentials.database_file("http://mlflow.example") is None


@pytest.mark.parametrize(("address", "kept", "secret"), ADDRESSES)
def test_a_command_line_shows_no_secret(address: str, kept: str, secret: list[str]) -> None:
    words = ["evolve", "search", "--tracking-uri", address, f"--tracking-uri={address}", "--out=x=y"]
    shown = credentials.public_words(words)
    assert shown == ["evolve", "search", "--tracking-uri", kept, f"--tracking-uri={kept}", "--out=x=y"]
    assert not any(one in word for one in secret for word in shown)
