"""The folder of a private Ray cluster: open to its owner alone, removed with its search, swept only after a kill."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from evolve.execution import private_folder

WAITS = "import time, sys; sys.stdout.write('x'); sys.stdout.flush(); time.sleep(600)"
# A search to be killed: it makes a folder and a process that writes there, prints both, and waits.
SEARCH = """
import subprocess, sys, time
from evolve.execution.private_folder import private_folder
with private_folder(print) as folder:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=(folder / "log").open("w"))
    print(folder.parent, child.pid, flush=True)
    time.sleep(600)
"""

pytestmark = pytest.mark.skipif(not private_folder.PROCESSES.is_dir(), reason="needs /proc")


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, with a path that is short enough for Ray."""
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        monkeypatch.setenv("TMPDIR", short)
        yield Path(short)


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts processes that end with the test."""
    started: list[subprocess.Popen[str]] = []

    def begin(*command: str, **options: Any) -> subprocess.Popen[str]:
        started.append(subprocess.Popen(command, text=True, **options))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def lives(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_nobody_else_gets_into_what_ray_opens_to_all(root: Path) -> None:
    with private_folder.private_folder(print) as folder:
        folder.chmod(0o777)  # as Ray does it
        assert folder.parent.parent == root
        assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert list(root.iterdir()) == []


def test_processes_that_are_left_go_with_the_folder(root: Path, start: Any) -> None:
    with private_folder.private_folder(print) as folder:
        left = start(sys.executable, "-c", WAITS, stdout=(folder / "log").open("w"))
        os.kill(left.pid, signal.SIGSTOP)  # even one that handles no signal
    assert left.wait(timeout=30) == -signal.SIGKILL
    assert list(root.iterdir()) == []


def test_what_a_killed_search_left_is_swept_by_the_next(root: Path, start: Any) -> None:
    killed = start(sys.executable, "-c", SEARCH, stdout=subprocess.PIPE)
    left, child = killed.stdout.readline().split()
    killed.kill()
    killed.wait()
    assert Path(left).is_dir()
    assert lives(int(child))
    said: list[str] = []
    with private_folder.private_folder(said.append):
        assert not Path(left).exists()
        assert not lives(int(child))
    assert said == [f"{left}: removed, a search that was killed had left it"]


def test_a_living_search_is_left_alone(root: Path, start: Any) -> None:
    living = start(sys.executable, "-c", SEARCH, stdout=subprocess.PIPE)
    folder, child = living.stdout.readline().split()
    os.kill(living.pid, signal.SIGSTOP)  # also one that is suspended at the moment
    with private_folder.private_folder(pytest.fail):
        pass
    assert Path(folder).is_dir()
    assert lives(int(child))
    os.kill(int(child), signal.SIGKILL)


def test_who_reads_a_log_is_no_process_of_the_folder(root: Path, start: Any) -> None:
    folder = root / f"{private_folder.PREFIX}dead"
    folder.mkdir()
    (folder / private_folder.LOCK_FILE).touch()
    (folder / "log").write_text("last words\n")
    reader = start(sys.executable, "-c", WAITS, stdin=(folder / "log").open(), stdout=subprocess.PIPE)
    reader.stdout.read(1)
    assert private_folder.sweep(root) == [folder]
    assert lives(reader.pid)


def test_other_users_folders_and_other_things_of_the_name_are_left_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign, elsewhere = root / f"{private_folder.PREFIX}foreign", root / "elsewhere"
    foreign.mkdir()
    elsewhere.mkdir()
    (root / f"{private_folder.PREFIX}link").symlink_to(elsewhere)
    (root / f"{private_folder.PREFIX}file").touch()
    before = sorted(root.iterdir())
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with private_folder.private_folder(pytest.fail) as folder:
        assert folder.is_dir()
    monkeypatch.undo()
    assert sorted(root.iterdir()) == before


def test_a_folder_without_a_lock_is_left_alone_while_somebody_writes_there(root: Path, start: Any) -> None:
    folder = root / f"{private_folder.PREFIX}earlier"
    folder.mkdir()
    writer = start(sys.executable, "-c", WAITS, stdout=(folder / "log").open("w"))
    assert private_folder.sweep(root) == []
    writer.kill()
    writer.wait()
    assert private_folder.sweep(root) == [folder]
    assert not folder.exists()


def test_a_folder_that_is_swept_before_it_is_locked_is_made_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def make(**options: Any) -> str:
        made.append(Path(new(**options)))
        if len(made) == 1:
            shutil.rmtree(made[0])  # as if a sweeper came first
        return str(made[-1])

    new = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", make)
    with private_folder.private_folder(print) as folder:
        assert (folder.parent, folder.is_dir()) == (made[1], True)
    lock = private_folder.fcntl.flock

    def late(handle: Any, how: int) -> None:
        if len(made) == 3:
            shutil.rmtree(made[2])  # as if it came between opening and locking
        lock(handle, how)

    monkeypatch.setattr(private_folder.fcntl, "flock", late)
    with private_folder.private_folder(print) as folder:
        assert (folder.parent, folder.is_dir()) == (made[3], True)


@pytest.mark.parametrize("length", [20, 21, 90])
def test_a_sockets_path_fits_whatever_tmpdir_says(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    long = parent / ("x" * (length - len(str(parent)) - 1))
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.setattr(private_folder, "sweep", lambda _root: [])  # leave the machine's own /tmp alone
    # The longest of Ray 2.60's sockets, in the folder that it makes itself: date, time, microseconds, process number.
    name = "session_2026-11-28_08-56-25_342282_4194304/sockets/plasma_store"
    with private_folder.private_folder(print) as folder:
        assert (folder.parent.parent == long) == (length <= 20)
        path = folder / name
        path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))  # OSError: AF_UNIX path too long
    shutil.rmtree(parent)
