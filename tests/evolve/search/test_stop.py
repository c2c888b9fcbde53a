"""A command stopped at any moment: exit code 130, how to go on, nothing left behind; after a kill a later sweep."""

import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.records.journal import events, holds_search, is_held
from evolve.records.state import SearchState, fold

pytestmark = pytest.mark.medium

HERE = Path(__file__).parent
SIMULATED, ON_RAY = HERE / "simulated_command.py", HERE / "simulated_on_ray.py"
SHAPE = ["--population", "8", "--elites", "2", "--children", "3", "--generations", "1", "--seed", "5"]
PATIENCE_SECONDS = 120.0
HOW_TO_GO_ON = "stopped; nothing that was finished is lost; go on with: evolve resume s"

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts an evolve command in the test's folder; it does not outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(script: Path, *words: str, **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, **options.pop("environment", {})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [sys.executable, str(script), *words]
        started.append(subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **pipes))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def new(*more: str) -> list[str]:
    return ["search", "--out", "s", *SHAPE, *(more or ("--tracking-uri", "none"))]


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_events(folder: Path, count: int) -> bool:
    return holds_search(folder / "s") and len(events(folder / "s" / "journal.db")) >= count


def state_of(folder: Path) -> SearchState:
    return fold(events(folder / "s" / "journal.db"))


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_before_the_search_has_begun(number: signal.Signals, name: str, start: Start, tmp_path: Path) -> None:
    process = start(SIMULATED, *new(), environment={"SIMULATED_READING": "60"})
    time.sleep(2.0)  # until it reads the data set
    process.send_signal(number)
    assert process.communicate(timeout=30) == ("", f"evolve: stopped by {name}; the same command starts it again\n")
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seconds", ["2", "60"])
def test_while_workers_start(seconds: str, start: Start, tmp_path: Path) -> None:
    """Also if the workers take longer to start than a command may take to end."""
    process = start(SIMULATED, *new(), environment={"SIMULATED_START": seconds})
    wait_until(process, lambda: (tmp_path / "starting").exists())
    process.send_signal(signal.SIGTERM)
    said, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (130, "evolve: stopping\n")
    assert said.splitlines()[-1] == HOW_TO_GO_ON
    assert (state_of(tmp_path).phase, state_of(tmp_path).reason) == ("interrupted", "SIGTERM")
    resumed = start(SIMULATED, "resume", "s")
    assert resumed.wait(timeout=60) == 0


def test_the_end_of_the_terminal(start: Start, tmp_path: Path) -> None:
    """A window is closed or a connection breaks: writing to the terminal fails."""
    master, terminal = pty.openpty()

    def take_terminal() -> None:
        import fcntl
        import termios

        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    process = start(
        SIMULATED,
        *new(),
        environment={"SIMULATED_SLEEP": "0.1"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        preexec_fn=take_terminal,
    )
    os.close(terminal)
    wait_until(process, lambda: has_events(tmp_path, 15))
    os.close(master)
    assert process.wait(timeout=30) == 130
    assert (state_of(tmp_path).phase, state_of(tmp_path).reason) == ("interrupted", "SIGHUP")


def test_a_reader_that_has_gone_stops_no_search(start: Start, tmp_path: Path) -> None:
    process = start(SIMULATED, *new(), environment={"SIMULATED_SLEEP": "0.01"})
    wait_until(process, lambda: has_events(tmp_path, 5))
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert state_of(tmp_path).phase == "finished"


def test_a_tracker_that_hangs_is_not_waited_for(start: Start, tmp_path: Path) -> None:
    """A tracking server that accepts connections but never answers; MLflow alone would wait half a minute."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = start(SIMULATED, *new("--tracking-uri", uri), environment={"SIMULATED_SLEEP": "0.3"})
        silent.settimeout(PATIENCE_SECONDS)
        connection, _ = silent.accept()  # MLflow waits for an answer from now on
        wait_until(process, lambda: has_events(tmp_path, 10))
        process.send_signal(signal.SIGTERM)
        said, complaint = process.communicate(timeout=20)
        connection.close()
    assert (process.returncode, complaint) == (130, "")
    assert said.splitlines()[-1] == HOW_TO_GO_ON
    assert (state_of(tmp_path).phase, state_of(tmp_path).reason) == ("interrupted", "SIGTERM")


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for Ray's folders, with a path that is short enough for it; every test must leave it empty."""
    short = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    yield short
    left = sorted(short.iterdir())
    shutil.rmtree(short, ignore_errors=True)
    assert left == []


def processes_in(folder: Path) -> list[int]:
    """The processes whose TMPDIR is this folder, as that of all Ray processes."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TMPDIR={folder}\0" in environ.read_text(errors="replace"):
                found.append(int(environ.parent.name))
        except OSError:
            continue  # it ended, or is another user's
    return found


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM, signal.SIGHUP])
def test_while_ray_starts(number: signal.Signals, start: Start, tmp_path: Path, temporary: Path) -> None:
    # a session of its own, as in a terminal: Ctrl-C and SIGHUP reach all of its processes
    process = start(ON_RAY, *new(), environment={"TMPDIR": str(temporary)}, start_new_session=True)
    wait_until(process, lambda: any(temporary.glob("evolve-ray-*/**/session_*/logs/*")))
    os.killpg(process.pid, number)
    said, complaint = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, complaint
    assert said.splitlines()[-1] == HOW_TO_GO_ON, complaint
    assert not is_held(tmp_path / "s")  # if Ray's start took too long, the end was not journalled, as after a kill
    assert processes_in(temporary) == []


@pytest.mark.slow
def test_killed_stopped_and_stopped_again_on_ray(start: Start, tmp_path: Path, temporary: Path) -> None:
    environment = {"TMPDIR": str(temporary), "SIMULATED_SLEEP": "0.3"}
    first = start(ON_RAY, *new("--tracking-uri", "none", "--workers", "2"), environment=environment)
    wait_until(first, lambda: has_events(tmp_path, 16))
    [folder] = temporary.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700  # Ray's own folder inside it is open to all
    [*_, started] = [event for event in events(tmp_path / "s" / "journal.db") if event.kind == "attempt_started"]
    worker = int(str(started.payload["node"]).rpartition("/")[2])
    os.kill(worker, signal.SIGSTOP)  # so that it cannot notice that its controller is gone
    first.kill()
    first.wait()
    assert worker in processes_in(temporary)
    second = start(ON_RAY, "resume", "s", environment=environment)
    wait_until(second, lambda: has_events(tmp_path, 30))
    assert not folder.exists()
    assert worker not in processes_in(temporary)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # the first one counts
        second.send_signal(number)
        time.sleep(0.7)
    said, complaint = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 130
    removed = f" {folder}: removed, a search that was killed had left it"  # after the time of day
    assert any(line.endswith(removed) for line in said.splitlines())
    assert said.splitlines()[-1] == HOW_TO_GO_ON
    assert set(complaint.splitlines()) <= {"evolve: stopping"}
    assert (state_of(tmp_path).phase, state_of(tmp_path).reason) == ("interrupted", "SIGTERM")
    assert processes_in(temporary) == []


@pytest.mark.slow
def test_evolve_stop_lets_the_workers_reach_their_rungs(start: Start, tmp_path: Path, temporary: Path) -> None:
    environment = {"TMPDIR": str(temporary), "SIMULATED_SLEEP": "0.5"}
    search = start(ON_RAY, *new("--tracking-uri", "none", "--workers", "2"), environment=environment)
    wait_until(search, lambda: has_events(tmp_path, 14))
    asked = start(SIMULATED, "stop", "s")
    said, complaint = asked.communicate(timeout=PATIENCE_SECONDS)
    assert (asked.returncode, complaint) == (0, "")
    assert said.splitlines()[-1] == "s: stopped; go on with: evolve resume s"
    said, complaint = search.communicate(timeout=PATIENCE_SECONDS)
    assert search.returncode == 130, complaint
    assert said.splitlines()[-1] == HOW_TO_GO_ON
    state = state_of(tmp_path)
    assert (state.phase, state.reason) == ("interrupted", "evolve stop")
    begun = [record for record in state.individuals.values() if record.attempts]
    assert begun
    assert all(len(record.rungs) == record.attempts for record in begun)  # no piece was cut
    assert processes_in(temporary) == []
