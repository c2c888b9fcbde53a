"""A tracking store's password appears in no file and no message, and the store is still reached."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from evolve.__main__ import main
from evolve.records.journal import events

pytestmark = pytest.mark.medium  # MLflow: 3 s to import
SHAPE = ["--population", "3", "--elites", "1", "--children", "1", "--generations", "0", "--candidates", "1"]
BASIC = "Basic " + base64.b64encode(b"me:hunter2").decode()


@pytest.fixture
def server() -> Iterator[tuple[int, list[str | None]]]:
    """A server that refuses every request and records its authorization."""
    heard: list[str | None] = []

    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization"))
            self.send_response(401)
            self.end_headers()
            self.wfile.write(f"who is {self.headers.get('Authorization')}?".encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_address[1], heard
        listening.shutdown()


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_it_is_nowhere(
    server: tuple[int, list[str | None]],
    simulated: Any,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    port, _ = server
    uri, kept = f"http://me:hunter2@127.0.0.1:{port}", f"http://127.0.0.1:{port}"
    assert main(["search", "--out", "s", *SHAPE, "--tracking-uri", uri]) == 0
    main(["status", "s", "--json"])
    main(["lineage", "s", "--json"])
    main(["resume", "s"])
    main(["resume", "s", "--tracking-uri", uri])
    said = "".join(capsys.readouterr()) + caplog.text
    assert "hunter2" not in said
    assert b"hunter2" not in everything(Path("s"))
    [request] = [event.payload["request"] for event in events(Path("s/journal.db")) if event.kind == "search_created"]
    assert isinstance(request, dict)
    assert request["tracking_uri"] == kept
    assert f"note: no password of {kept} is in the journal; give --tracking-uri again, or set " in said
    assert f"MLflow at {kept} does not have everything of this search: " in said


def test_a_resume_reaches_the_store_with_the_password_from_elsewhere(
    server: tuple[int, list[str | None]],
    simulated: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    port, heard = server
    with_password, without = f"http://me:hunter2@127.0.0.1:{port}", f"http://127.0.0.1:{port}"
    assert main(["search", "--out", "s", *SHAPE, "--tracking-uri", with_password]) == 0
    assert set(heard) == {BASIC}
    for name in ("flag", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME"):
        heard.clear()
        capsys.readouterr()
        with monkeypatch.context() as patch:
            if name == "MLFLOW_TRACKING_URI":
                patch.setenv(name, with_password)
            if name == "MLFLOW_TRACKING_USERNAME":
                patch.setenv(name, "me")
                patch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
            assert main(["resume", "s", *(["--tracking-uri", with_password] if name == "flag" else [])]) == 0
        assert set(heard) == {BASIC}, name
        assert "no password" not in capsys.readouterr().err
    heard.clear()
    assert main(["resume", "s"]) == 0
    assert set(heard) == {None}
    assert f"note: no password of {without} is in the journal" in capsys.readouterr().err
    heard.clear()
    assert main(["resume", "s", "--tracking-uri", "none"]) == 0
    assert heard == []


def test_a_store_without_a_password_needs_no_note(simulated: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--out", "s", *SHAPE, "--tracking-uri", f"sqlite:///{Path.cwd()}/a.db"]) == 0
    assert main(["resume", "s"]) == 0
    assert capsys.readouterr().err == ""
    assert json.loads(json.dumps(events(Path("s/journal.db"))[0].payload["request"]))["tracking_password"] is False


@pytest.mark.parametrize("words", [["--tracking-url", "{}"], ["--tracking_uri={}"], ["{}"], ["--seed", "{}"]])
def test_a_command_line_that_is_wrong_is_named_without_it(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    address = "http://me:hunter2@mlflow.example"
    with pytest.raises(SystemExit):
        main(["search", *(word.format(address) for word in words)])
    said = capsys.readouterr().err
    assert "http://mlflow.example" in said
    assert "hunter2" not in said
