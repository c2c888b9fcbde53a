"""The folder of a private Ray cluster: its owner's alone, gone with its search, or swept when that was killed.

    TMP/evolve-ray-XXXXXXXX/      0700, so that nobody else reaches what Ray opens to all (0777)
        lock                      held by the process whose cluster it is, from before anybody can find it
        r/                        Ray's: sockets, logs

The kernel gives the lock back when its holder dies, however it dies, and to nobody before. So a folder whose lock can
be taken belongs to a search that was killed: its processes are ended, and it goes. Folders of other users, and those
that are locked, are left alone.
"""

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from evolve.process import signals

PREFIX = "evolve-ray-"
LOCK, OF_RAY = "lock", "r"
# Of the 107 characters of a Unix socket's path, /evolve-ray-XXXXXXXX/r takes 22 and Ray's names in it 64.
SHORT_PATH = 20
PROCESSES = Path("/proc")
DYING_SECONDS = 5.0  # for processes that were killed to be gone


@contextmanager
def private_folder(note: Callable[[str], None]) -> Iterator[Path]:
    """A new folder for Ray, removed afterwards with all processes that are left in it; what others left goes first."""
    root = _root()
    for gone in sweep(root):
        note(f"{gone}: removed, a search that was killed had left it")
    folder, lock = _made(root)
    with lock, signals.at_last(lambda: remove(folder)):
        try:
            yield folder / OF_RAY
        finally:
            remove(folder)


def sweep(root: Path) -> list[Path]:
    """End and remove what searches of this user that were killed left in a folder for temporary files."""
    return [folder for folder in sorted(root.glob(f"{PREFIX}*")) if _is_ours(folder) and _sweep(folder)]


def remove(folder: Path) -> None:
    """End the processes of a folder, and remove it."""
    deadline = time.monotonic() + DYING_SECONDS
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def processes_of(folder: Path) -> list[int]:
    """This user's other processes that write to files in the folder, as all of Ray's do to their logs.

    Where there is no /proc (macOS), none: there Ray's own reaper ends what a killed process started.
    """
    found = []
    for process in PROCESSES.glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is another user's
            if process.stat().st_uid == os.geteuid() and int(process.name) != os.getpid() and _writes(process, folder):
                found.append(int(process.name))
    return found


def _root() -> Path:
    """Where temporary files go, but short enough for a socket's path in it."""
    usual = tempfile.gettempdir()
    return Path(usual if len(usual) <= SHORT_PATH else "/tmp")  # noqa: S108 (the folder in it is its owner's alone)


def _made(root: Path) -> tuple[Path, IO[bytes]]:
    """A new folder and its lock, held."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        with suppress(FileNotFoundError):  # swept before it was locked
            lock = (folder / LOCK).open("wb")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_there(folder, lock):
                (folder / OF_RAY).mkdir()
                return folder, lock
            lock.close()


def _is_ours(folder: Path) -> bool:
    with suppress(OSError):  # gone meanwhile
        return not folder.is_symlink() and folder.is_dir() and folder.stat().st_uid == os.geteuid()
    return False


def _sweep(folder: Path) -> bool:
    """Whether the folder was one to remove."""
    try:
        lock = (folder / LOCK).open("rb")
    except FileNotFoundError:
        # Of an earlier version, which had no lock, or made this very moment: whose owner would notice and go elsewhere
        if processes_of(folder):
            return False
        remove(folder)
        return not folder.exists()
    except OSError:
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False  # its search lives
        if not _is_there(folder, lock):
            return False
        remove(folder)
    return not folder.exists()


def _is_there(folder: Path, lock: IO[bytes]) -> bool:
    """Whether the lock is still the one in the folder: it may have been swept between opening and locking it."""
    with suppress(FileNotFoundError):
        return os.path.samestat((folder / LOCK).stat(), os.fstat(lock.fileno()))
    return False


def _writes(process: Path, folder: Path) -> bool:
    """Whether a process has a file in the folder open for writing; a reader of logs has not."""
    inside = f"{folder}{os.sep}"
    for handle in (process / "fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if str(handle.readlink()).startswith(inside) and _is_open_for_writing(process / "fdinfo" / handle.name):
                return True
    return False


def _is_open_for_writing(described: Path) -> bool:
    """By the flags in an fdinfo of Linux' /proc, an octal number."""
    words = described.read_text(encoding="ascii").split()
    return bool(int(words[words.index("flags:") + 1], 8) & (os.O_WRONLY | os.O_RDWR))
