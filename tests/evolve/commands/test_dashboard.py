"""The dashboard: its link, its port, its errors if there is nothing to show, and one real start."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from evolve.commands import dashboard
from evolve.records import views
from evolve.records.journal import Journal, NewEvent

CREATED = {
    "search_id": "20260101T000000-s0",
    "seed": 0,
    "steps": 9,
    "recipe_name": "fast",
    "recipe": {"name": "fast", "generations": 1},
    "space": {"name": "tiny", "genes": {}},
    "data": {"path": "embedded"},
    "objective": {},
    "request": {},
    "threads": 1,
    "workers": 1,
    "versions": {},
}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """runs/latest points to a search that has just begun."""
    with Journal(tmp_path / "first") as journal:
        journal.append([NewEvent("search_created", None, CREATED)])
    (tmp_path / "latest").symlink_to("first")
    return tmp_path


def test_the_link_lists_the_runs_of_one_search_generations_first() -> None:
    page = dashboard.link("http://127.0.0.1:5000", "3", "a-s0")
    place, _, query = page.partition("?")
    asked = parse_qs(query)
    assert place == "http://127.0.0.1:5000/#/experiments/3/runs"
    assert asked["searchFilter"] == ["tags.`evolve.search` = 'a-s0'"]
    assert asked["orderByKey"] == ["tags.`evolve.kind`"]
    kinds = ["confirmation", "generation", "search", "trial"]
    assert sorted(kinds)[-1] == "trial"  # so ordering by kind puts the trials last


def test_without_views_of_this_search_it_opens_the_list_of_runs(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "mlflow.db").touch()
    search = dashboard.latest_search(runs)
    monkeypatch.setattr(dashboard, "curves_link", lambda *_: None)
    own = views.tags(search, {})
    later = views.tags(replace(search, started_at=search.started_at + 1), {})
    for tags, opened in ((own, "viewStateShareKey"), ({}, "searchFilter"), (later, "searchFilter")):
        page = dashboard.say_links("http://127.0.0.1:5000", "3", tags, search)
        assert opened in page
        assert ("no ready-made views" in capsys.readouterr().out) == (opened == "searchFilter")


def test_a_taken_port_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        assert dashboard.free_port(taken, taken + 20) > taken
        with pytest.raises(dashboard.DashboardError, match=f"a free port from {taken} to {taken}"):
            dashboard.free_port(taken, taken)


def test_without_a_search_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboard.main(["--runs", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"{tmp_path}: no search yet; start one with: make evolve\n"


def test_a_search_that_was_not_sent_here_is_said(runs: Path) -> None:
    with pytest.raises(dashboard.DashboardError, match="--tracking-uri"):
        dashboard.latest_search(runs)
    (runs / "mlflow.db").touch()
    assert dashboard.latest_search(runs).search_id == "20260101T000000-s0"


def test_a_screen_is_needed_to_open_a_browser() -> None:
    assert not dashboard.can_open({}) or sys.platform == "darwin"
    assert dashboard.can_open({"DISPLAY": ":0"})


def test_the_servers_words_go_elsewhere_where_the_runs_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dashboard._open_log(tmp_path) as log:
        assert log.name == str(tmp_path / "dashboard.log")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with dashboard._open_log(tmp_path / "none") as log:
        assert Path(log.name).parent == tmp_path
        assert Path(log.name).name.startswith("evolve-dashboard-")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with dashboard._open_log(tmp_path / "none") as log:
        assert log.name == os.devnull


def test_what_cannot_be_read_is_one_sentence(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: Path) -> bool:
        raise PermissionError(13, "Permission denied", "journal.db")

    monkeypatch.setattr(Path, "is_file", fails)
    assert dashboard.main(["--runs", str(runs)]) == 2
    assert capsys.readouterr().err == "[Errno 13] Permission denied: 'journal.db'\n"


@pytest.mark.medium
def test_it_serves_the_latest_search_until_ctrl_c(runs: Path) -> None:
    from evolve.records.mlflow_tracker import MlflowTracker

    tracker = MlflowTracker(runs / "first" / "journal.db", f"sqlite:///{runs / 'mlflow.db'}")
    tracker.start()
    tracker.close(120)
    assert tracker.problem is None
    shown = subprocess.Popen(
        [sys.executable, "-m", "evolve.commands.dashboard", "--runs", str(runs), "--port", "5200"],
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "DISPLAY"},
        text=True,
    )
    assert shown.stdout is not None
    printed = []
    while "Ctrl-C" not in "".join(printed[-1:]):
        printed.append(shown.stdout.readline())
    page, listed, curves = (line.strip() for line in printed if "/#/experiments/" in line)
    address, _, query = page.partition("/#/")
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 our own server
        assert b"MLflow" in answer.read()
    asked = parse_qs(query.partition("?")[2])
    assert (asked["viewStateShareKey"], asked["compareRunsMode"]) == (["evolve-generations"], ["CHART"])
    assert "searchFilter" in listed
    assert curves.startswith(page.partition("/runs?")[0])
    assert "/model-metrics?" in curves
    assert all("workflowType=machine_learning" in link for link in (page, listed, curves)), "each names its mode"
    shown.send_signal(signal.SIGINT)
    rest, _ = shown.communicate(timeout=60)
    assert shown.returncode == 0
    assert "Dashboard ended." in rest
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) != 0, "the server is gone too"


# A server that serves nothing: the test checks that it ends.
WAITING = """
import sys
from evolve.commands import dashboard
from evolve.records import views
dashboard.server_command = lambda *_: [sys.executable, "-c", "import time; time.sleep(600)"]
dashboard.latest_search = lambda _runs: None
sys.exit(dashboard.main(["--runs", sys.argv[1], "--port", "5300"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_server_ends_with_the_command_whatever_ends_that(number: signal.Signals, tmp_path: Path) -> None:
    shown = subprocess.Popen([sys.executable, "-c", WAITING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert shown.stdout is not None
    assert shown.stdout.readline().startswith("Starting MLflow")
    children: list[str] = []
    while not children:
        children = Path(f"/proc/{shown.pid}/task/{shown.pid}/children").read_text().split()
    shown.send_signal(number)
    shown.communicate(timeout=60)
    assert shown.returncode == 0
    assert not Path(f"/proc/{children[0]}").exists()
