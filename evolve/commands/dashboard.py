"""`make dashboard`: MLflow's own UI on 127.0.0.1 over the searches of this checkout, opened at the latest one.

It opens the ready-made view of the generations with its charts on the screen (evolve/records/views.py).

Starts MLflow's server as a process of its own, waits until it answers, prints the link and stays until Ctrl-C.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from evolve.file_names import JOURNAL_FILE, LATEST, MLFLOW_ARTIFACTS, MLFLOW_FILE, RUNS
from evolve.process import signals
from evolve.process.terminal import complain, say
from evolve.records import views
from evolve.records.journal import JournalError, events
from evolve.records.run_updates import EXPERIMENT
from evolve.records.state import SearchState, begin

HOST = "127.0.0.1"
FIRST_PORT, LAST_PORT = 5000, 5099
LOG_FILE = "dashboard.log"
START_SECONDS = 180.0  # a cold disk and two busy cores: seen 20 to 40
STOP_SECONDS = 3.0  # twice this is less than what evolve/process/signals.py allows for the end
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # its job workers are for evaluating language models
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


class DashboardError(ValueError):
    """The dashboard cannot be shown; the message says why."""


def free_port(first: int = FIRST_PORT, last: int = LAST_PORT) -> int:
    """The first free port of the range; DashboardError if all are taken."""
    for port in range(first, last + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise DashboardError(f"dashboard: expected a free port from {first} to {last} on {HOST}, all are taken")


def latest_search(runs: Path) -> SearchState:
    """The beginning of the search that runs/latest points to; DashboardError if there is none, or none in MLflow."""
    journal = runs / LATEST.name / JOURNAL_FILE
    try:
        if not journal.is_file():
            raise DashboardError(f"{runs}: no search yet; start one with: make evolve")
        first = events(journal, limit=1)
    except (JournalError, OSError) as error:
        raise DashboardError(str(error)) from error
    if not first:
        raise DashboardError(f"{runs / LATEST.name}: the search was ended before it began; start one with: make evolve")
    if not (runs / MLFLOW_FILE).is_file():
        raise DashboardError(
            f"{runs / MLFLOW_FILE}: expected what the searches sent to MLflow, found no such file; a search with "
            "--tracking-uri is shown by that server, and one just started needs a few seconds"
        )
    return begin(first[0])


def server_command(runs: Path, port: int) -> list[str]:
    """The command that starts MLflow's server: one process, reachable from this machine only."""
    store = f"sqlite:///{(runs / MLFLOW_FILE).resolve()}"
    artifacts = (runs / MLFLOW_ARTIFACTS).resolve().as_uri()
    stores = ["--backend-store-uri", store, "--artifacts-destination", artifacts]
    return [sys.executable, "-m", "mlflow", "server", *stores, "--host", HOST, "--port", str(port), "--workers", "1"]


def link(address: str, experiment: str, search_id: str) -> str:
    """The address of the page that lists the runs of one search as a tree.

    MLflow loads 100 runs at a time: ordered by kind, the generations and the search come before the trials.
    """
    query = {
        "searchFilter": f"tags.`evolve.search` = '{search_id}'",
        "orderByKey": "tags.`evolve.kind`",
        "orderByAsc": "true",
        **views.MODE,
    }
    return f"{address}/#/experiments/{experiment}/runs?{urllib.parse.urlencode(query, quote_via=urllib.parse.quote)}"


def curves_link(address: str, experiment: str, search_id: str) -> str | None:
    """The address of the page with the curves over the generations; None if MLflow lacks the search's run."""
    run_filter = f"tags.`evolve.search` = '{search_id}' and tags.`evolve.kind` = 'search'"
    query = json.dumps({"experiment_ids": [experiment], "filter": run_filter, "max_results": 1}).encode()
    request = urllib.request.Request(  # noqa: S310 our own server, http
        f"{address}/api/2.0/mlflow/runs/search", data=query, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 likewise
        runs = json.load(answer).get("runs", [])
    if not runs:
        return None
    run = f"{address}/#/experiments/{experiment}/runs/{runs[0]['info']['run_id']}"
    return f"{run}/model-metrics?{urllib.parse.urlencode(views.MODE)}"


def wait_for_experiment(
    address: str, server: subprocess.Popen[bytes], log: str, limit_seconds: float = START_SECONDS
) -> tuple[str, dict[str, str]]:
    """Wait until the server answers; returns the experiment's id and tags. DashboardError if it ends or is too slow."""
    deadline = time.monotonic() + limit_seconds
    query = urllib.parse.urlencode({"experiment_name": EXPERIMENT})
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise _ended(server, log)
        try:
            url = f"{address}/api/2.0/mlflow/experiments/get-by-name?{query}"
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 our own server, http
                experiment = json.load(answer)["experiment"]
                return str(experiment["experiment_id"]), {
                    tag["key"]: tag["value"] for tag in experiment.get("tags", [])
                }
        except urllib.error.HTTPError as error:
            raise DashboardError(
                f"dashboard: MLflow's server at {address} has no experiment {EXPERIMENT!r} yet (HTTP {error.code}); "
                "a search just started needs a few seconds"
            ) from error
        except (OSError, ValueError):
            time.sleep(0.2)  # not up yet
    raise DashboardError(f"dashboard: expected MLflow's server to answer within {limit_seconds:g} seconds, it did not")


def can_open(environment: Mapping[str, str]) -> bool:
    """Whether there is a screen to open a browser on."""
    return sys.platform == "darwin" or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def show(runs: Path, first_port: int = FIRST_PORT) -> None:
    """Serve until Ctrl-C."""
    search = latest_search(runs)
    port = free_port(first_port, max(first_port, LAST_PORT))
    address = f"http://{HOST}:{port}"
    say(f"Starting MLflow on {address} ...")
    server: subprocess.Popen[bytes] | None = None
    try:
        with signals.held():  # a signal that comes during the start must still end the server
            server, log = start(runs, port)
        experiment, tags = wait_for_experiment(address, server, log)
        page = say_links(address, experiment, tags, search)
        say("\nCtrl-C ends the dashboard.")
        if can_open(os.environ):
            webbrowser.open(page)
        if server.wait() != 0:
            raise _ended(server, log)
    finally:
        if server is not None:
            stop(server)


def say_links(address: str, experiment: str, tags: Mapping[str, str], search: SearchState) -> str:
    """Print the addresses of the search's pages; returns the one to open. tags: the experiment's."""
    runs = link(address, experiment, search.search_id)
    shown = views.shows(tags.get(f"{views.TAG}{views.GENERATIONS}"), search)
    page = views.link(address, experiment, views.GENERATIONS) if shown else runs
    if shown:
        say(f"\nSearch {search.search_id}, its generations side by side (more under Views on the page):\n  {page}")
    else:
        say("\nThis search has no ready-made views here: an earlier version sent it, or MLflow did not take them.")
    say(f"Search {search.search_id}, its generations and trials:\n  {runs}")
    curves = curves_link(address, experiment, search.search_id)
    if curves:
        say(f"Fitness over the generations, and the verdict:\n  {curves}")
    return page


def start(runs: Path, port: int) -> tuple[subprocess.Popen[bytes], str]:
    """Start MLflow's server; returns its process and the path of its log.

    It has a process group of its own: Ctrl-C reaches only this process, which then ends the whole group.
    """
    with _open_log(runs) as log:
        server = subprocess.Popen(  # noqa: S603 our own interpreter
            server_command(runs, port),
            env={**SETTINGS, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return server, log.name


def _open_log(runs: Path) -> IO[bytes]:
    """Open the server's log: beside the searches, else in the temporary folder, else /dev/null."""
    try:
        return (runs / LOG_FILE).open("wb")
    except OSError:
        pass  # a folder that cannot be written, or a full disk: the server can run without this log
    try:
        return tempfile.NamedTemporaryFile("wb", prefix="evolve-dashboard-", suffix=".log", delete=False)
    except OSError:
        return Path(os.devnull).open("wb")


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and everything it started."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, sign)
        except ProcessLookupError:
            return
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m evolve.commands.dashboard", description=__doc__)
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the searches (default: runs)")
    parser.add_argument("--port", type=int, default=FIRST_PORT, help="first port to try (default: %(default)s)")
    options = parser.parse_args(arguments)
    with signals.caught():
        try:
            show(options.runs, options.port)
        except DashboardError as error:
            complain(str(error))
            return 2
        except KeyboardInterrupt:
            say("\nDashboard ended.")
    return 0


def _ended(server: subprocess.Popen[bytes], log: str) -> DashboardError:
    return DashboardError(f"dashboard: MLflow's server ended with exit code {server.returncode}; why is in {log}")


if __name__ == "__main__":
    sys.exit(main())
