"""The folder of a private Ray cluster: accessible to its owner alone, removed with its search or after a kill.

    TMP/evolve-ray-XXXXXXXX/      0700, so that other users cannot reach what Ray opens to all (0777)
        lock                      held by the process that owns the cluster
        r/                        Ray's sockets and logs

The kernel releases the lock when its holder dies, however it dies. So a folder whose lock can be taken belongs to a
search that was killed: its processes are ended, and it is removed. Folders of other users, and locked ones, are left
alone.
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
LOCK_FILE, RAY_FOLDER = "lock", "r"
# A Unix socket's path has at most 107 characters; /evolve-ray-XXXXXXXX/r takes 22 and Ray's names in it 64.
SHORT_PATH = 20
PROCESSES = Path("/proc")
DYING_SECONDS = 5.0  # how long to wait until killed processes are gone


@contextmanager
def private_folder(note: Callable[[str], None]) -> Iterator[Path]:
    """A new folder for Ray, removed afterwards together with its processes. First sweeps folders of killed searches."""
    root = _root()
    for gone in sweep(root):
        note(f"{gone}: removed, a search that was killed had left it")
    folder, lock = _make_folder(root)
    with lock, signals.before_cutoff(lambda: remove(folder)):
        try:
            yield folder / RAY_FOLDER
        finally:
            remove(folder)


def sweep(root: Path) -> list[Path]:
    """Remove the folders, and end the processes, that this user's killed searches left under `root`; returns them."""
    return [folder for folder in sorted(root.glob(f"{PREFIX}*")) if _is_ours(folder) and _remove_if_abandoned(folder)]


def remove(folder: Path) -> None:
    """End the processes that use a folder, and remove it."""
    deadline = time.monotonic() + DYING_SECONDS
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def processes_of(folder: Path) -> list[int]:
    """Ids of this user's other processes that write to files in the folder, as all of Ray's write their logs.

    Empty without /proc (macOS): there Ray's own reaper ends what a killed process started.
    """
    ids = []
    for process in PROCESSES.glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is another user's
            if process.stat().st_uid == os.geteuid() and int(process.name) != os.getpid() and _writes(process, folder):
                ids.append(int(process.name))
    return ids


def _root() -> Path:
    """The folder for temporary files; /tmp if its path is too long for a socket in it."""
    usual = tempfile.gettempdir()
    return Path(usual if len(usual) <= SHORT_PATH else "/tmp")  # noqa: S108 (only the owner can open the folder in it)


def _make_folder(root: Path) -> tuple[Path, IO[bytes]]:
    """Create a folder; returns it with its lock, which is held."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        with suppress(FileNotFoundError):  # another process swept it before it was locked
            lock = (folder / LOCK_FILE).open("wb")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_current_lock(folder, lock):
                (folder / RAY_FOLDER).mkdir()
                return folder, lock
            lock.close()


def _is_ours(folder: Path) -> bool:
    with suppress(OSError):  # gone meanwhile
        return not folder.is_symlink() and folder.is_dir() and folder.stat().st_uid == os.geteuid()
    return False


def _remove_if_abandoned(folder: Path) -> bool:
    """Remove the folder if its search was killed; returns whether it was removed."""
    try:
        lock = (folder / LOCK_FILE).open("rb")
    except FileNotFoundError:
        # From an earlier version, which had no lock; or created this moment: its owner notices and creates another one
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
        if not _is_current_lock(folder, lock):
            return False
        remove(folder)
    return not folder.exists()


def _is_current_lock(folder: Path, lock: IO[bytes]) -> bool:
    """Whether the open file is still the folder's lock: the folder may have been swept before it was locked."""
    with suppress(FileNotFoundError):
        return os.path.samestat((folder / LOCK_FILE).stat(), os.fstat(lock.fileno()))
    return False


def _writes(process: Path, folder: Path) -> bool:
    """Whether a process has a file in the folder open for writing; somebody who reads a log does not."""
    inside = f"{folder}{os.sep}"
    for handle in (process / "fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if str(handle.readlink()).startswith(inside) and _is_open_for_writing(process / "fdinfo" / handle.name):
                return True
    return False


def _is_open_for_writing(fdinfo: Path) -> bool:
    """Whether the octal flags in a file of /proc/PID/fdinfo (Linux) include writing."""
    words = fdinfo.read_text(encoding="ascii").split()
    return bool(int(words[words.index("flags:") + 1], 8) & (os.O_WRONLY | os.O_RDWR))
