"""The command doctor: checks whether this machine can run a search, and says how to fix what is wrong.

Light to import, and it loads neither TensorFlow nor Ray into this process: versions come from the
installed metadata, and TensorFlow runs in a process of its own, only if there is a GPU.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from io import StringIO
from json import dumps
from pathlib import Path

from evolve.execution import resources
from evolve.file_names import MLFLOW_FILE, RUNS
from evolve.process.files import nearest
from evolve.process.terminal import command, say

DISTRIBUTION = "yolov4-evolve"
DISK_BYTES = 2 * 2**30  # states and checkpoints of a search in progress, MLflow, Ray's logs
WORKER_BYTES = 1.5 * 2**30  # a process with TensorFlow and a small detector
RAY_BYTES = 1.5 * 2**30  # the controller, Ray's own processes
TENSORFLOW_SECONDS = 180.0  # its first import on a slow disk
CONNECT_SECONDS = 3.0
COUNT_GPUS = "import tensorflow as tf; print('GPUS', len(tf.config.list_physical_devices('GPU')))"
SETUP = "make setup"


@dataclass(frozen=True)
class Check:
    """The result of one check. mend: what to type or do if it failed, else empty."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


def checks() -> list[Check]:
    """Run all checks, in the order of the table; none of them raises."""
    all_checks: tuple[Callable[[], Check], ...] = (
        _python,
        _packages,
        _opencv,
        _bytecode,
        _gpus,
        _ray_address,
        _ray_authentication,
        _memory,
        _shared_memory,
        _disk,
        _tracking,
    )
    return [_run_check(check) for check in all_checks]


def run(json: bool) -> int:
    """Print the checks as a table or as one JSON document; returns 0 if all passed, else 1."""
    results = checks()
    ok = all(check.ok for check in results)
    if json:
        say(dumps({"ok": ok, "checks": [asdict(check) for check in results]}, indent=2))
    else:
        _print_table(results)
    return 0 if ok else 1


def _print_table(results: list[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("", "check", "found"):
        table.add_column(column, overflow="fold")
    for check in results:
        mark = Text("ok", style="green") if check.ok else Text("NO", style="bold red")
        detail = Text(check.detail)
        if check.mend:
            detail.append(f"\n-> {check.mend}", style="yellow")
        table.add_row(mark, Text(check.name), detail)
    text = StringIO()
    Console(file=text, force_terminal=sys.stdout is not None and sys.stdout.isatty()).print(table)
    say(text.getvalue().rstrip("\n"))


def _run_check(check: Callable[[], Check]) -> Check:
    """The result of one check; an exception in it is a failed check, and the others still run."""
    try:
        return check()
    except Exception as error:
        name = check.__name__.strip("_").replace("_", " ")
        return Check(name, False, f"cannot be checked: {type(error).__name__}: {error}", "fix what the error names")


def _check(name: str, ok: bool, detail: str, mend: str) -> Check:
    return Check(name, ok, detail, "" if ok else mend)


def _python() -> Check:
    version = sys.version_info
    ok = (3, 11) <= version[:2] < (3, 14)
    return _check("python", ok, f"{sys.version.split()[0]}, expected 3.11 to 3.13", "install Python 3.11, 3.12 or 3.13")


def _packages() -> Check:
    """Whether every required package is installed in the required version."""
    from packaging.requirements import Requirement  # comes with Ray and MLflow

    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return Check("packages", False, f"{DISTRIBUTION} is not installed in {sys.prefix}", SETUP)
    wrong = []
    required = [Requirement(line) for line in lines]
    needed = [package for package in required if package.marker is None or package.marker.evaluate({"extra": ""})]
    for package in needed:
        try:
            version = importlib.metadata.version(package.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{package.name} is missing, expected {package.specifier}")
            continue
        if not package.specifier.contains(version, prereleases=True):
            wrong.append(f"{package.name} is {version}, expected {package.specifier}")
    return _check("packages", not wrong, "; ".join(wrong) or f"{len(needed)} in their ranges", SETUP)


def _opencv() -> Check:
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        mend = "sudo apt-get install -y libgl1 libglib2.0-0" if ".so" in str(error) else SETUP
        return Check("opencv", False, str(error), mend)
    return Check("opencv", True, f"{cv2.__version__} loads, its system libraries with it")


def _bytecode() -> Check:
    """Without compiled bytecode every worker compiles TensorFlow anew: 18 s instead of 7 s on two cores."""
    name = "PYTHONDONTWRITEBYTECODE"
    if not os.environ.get(name):
        return Check("bytecode", True, f"{name} is not set")
    bare = [package for package in ("tensorflow", "keras", "ray", "mlflow") if not _has_bytecode(package)]
    return _check(
        "bytecode",
        not bare,
        f"{name} is set"
        + (f" and {', '.join(bare)} not compiled: imports are slow" if bare else ", packages compiled"),
        command(sys.executable, "-m", "compileall", "-q", Path(sys.prefix, "lib")),
    )


def _has_bytecode(package: str) -> bool:
    """Whether a package's __init__ is compiled; True if it is not installed, which _packages reports."""
    spec = importlib.util.find_spec(package)
    return spec is None or spec.cached is None or Path(spec.cached).is_file()


def _gpus() -> Check:
    gpus = resources.gpus_in_sight()
    if not gpus:
        return Check("gpu", True, "none in sight: trials run on the CPU")
    seen = _tensorflow_gpus()
    return _check(
        "gpu",
        seen >= len(gpus),
        f"{len(gpus)} in sight ({', '.join(sorted(set(gpus)))}), TensorFlow can use {max(seen, 0)}",
        "make setup LOCK=locks/cuda.txt, or search with --cpu",
    )


def _tensorflow_gpus() -> int:
    """The number of GPUs that TensorFlow lists in a fresh process; -1 if it fails."""
    try:
        answer = subprocess.run(  # noqa: S603 (our own interpreter and words)
            [sys.executable, "-c", COUNT_GPUS],
            capture_output=True,
            text=True,
            timeout=TENSORFLOW_SECONDS,
            check=False,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return -1
    count = re.search(r"GPUS (\d+)", answer)
    return int(count[1]) if count else -1


def _ray_address() -> Check:
    address = os.environ.get("RAY_ADDRESS", "")
    if not address:
        return Check("ray address", True, "RAY_ADDRESS is not set: a search starts Ray on this machine")
    detail = f"RAY_ADDRESS={address} is used by --address auto alone"
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return Check("ray address", True, detail)
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        return Check(
            "ray address", False, f"{detail}; nothing answers there: {error}", "unset RAY_ADDRESS, or start it"
        )
    return Check("ray address", True, f"{detail}; something answers there")


def _ray_authentication() -> Check:
    """Ray 2.59 and later ask for a token; a cluster's head, workers and driver must agree."""
    mode = os.environ.get("RAY_AUTH_MODE", "")
    source = "RAY_AUTH_TOKEN" if os.environ.get("RAY_AUTH_TOKEN") else _token_file()
    token = f"a token in {source}" if source else "no token"
    detail = f"RAY_AUTH_MODE {'is ' + mode if mode else 'is not set'}, {token}"
    if mode not in ("", "token", "disabled"):
        return Check("ray auth", False, detail, "set RAY_AUTH_MODE to token or disabled, or unset it")
    if mode == "token" and not source and os.environ.get("RAY_ADDRESS"):
        return Check("ray auth", False, detail, "put the token of the cluster's head in RAY_AUTH_TOKEN")
    return Check(
        "ray auth", True, f"{detail}: fine on this machine; with --address set it as the cluster's head has it"
    )


def _token_file() -> str:
    """The file that Ray reads its token from; empty if there is none, or no home folder to look in."""
    try:
        path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
        return str(path) if path.is_file() else ""
    except (OSError, RuntimeError):
        return ""


def _memory() -> Check:
    free = _available_bytes()
    if free is None:
        return Check("memory", True, "this system does not report its free memory")
    workers = resources.cpu_count()
    needed = RAY_BYTES + WORKER_BYTES * workers
    fitting = max(1, int((free - RAY_BYTES) / WORKER_BYTES))
    detail = f"{_gib(free)} free; {workers} workers on the CPU want about {_gib(needed)}"
    return _check("memory", free >= needed, detail, f"free some, or search with --workers {fitting}")


def _available_bytes() -> float | None:
    """Memory that new processes can have, within the limit of a container; None if the system does not report it."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kib = {line.partition(":")[0]: line.split()[1] for line in lines}
    free = float(kib.get("MemAvailable", 0)) * 1024
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = (group / "memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return free
    return min(free, float(limit) - float(used)) if limit.isdigit() else free


def _shared_memory() -> Check:
    name, path = "shared memory", Path("/dev/shm")  # noqa: S108 (looked at, not written)
    if not path.is_dir():
        return Check(name, True, f"{path} is not there: Ray keeps its small object store in the temporary folder")
    free = shutil.disk_usage(path).free
    where = "there" if free >= 100 * 2**20 else "in the temporary folder, which is fine here: hardly anything is in it"
    return Check(name, True, f"{_gib(free)} free in {path}; Ray keeps its object store {where}")


def _disk() -> Check:
    free = shutil.disk_usage(nearest(RUNS)).free
    detail = f"{_gib(free)} free for runs/, expected {_gib(DISK_BYTES)}"
    return _check("disk", free >= DISK_BYTES, detail, "free some, or search with --out on another disk")


def _tracking() -> Check:
    """The default tracking store is runs/mlflow.db; a file that is there must be writable as well as its folder."""
    store = RUNS / MLFLOW_FILE
    folder = nearest(store.parent)
    ok = os.access(folder, os.W_OK | os.X_OK) and (not store.exists() or os.access(store, os.W_OK))
    detail = f"{store.resolve()} can {'' if ok else 'not '}be written"
    mend = f"{command('chmod', 'u+w', folder.resolve())}, or search with --out and --tracking-uri"
    return _check("tracking store", ok, detail, mend)


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
