"""Ray in this process: starts a private cluster on this machine or joins a running one, within a bounded time.

Without an address a private cluster is started on the loopback address, with a token that no other process gets, in
a folder of its own (private_folder.py); it ends with its executor. With an address, another process tries to join
first: Ray itself would try for ever and cannot be interrupted meanwhile.
"""

import contextlib
import functools
import logging
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

# Ray prints reports on dead workers to stdout, which --json needs for itself; Ray reads this when it is imported.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")

import ray
from ray.exceptions import AuthenticationError

from evolve.execution.private_folder import private_folder
from evolve.execution.resources import check_address, workers_on_gpus
from evolve.process import credentials, signals

NAMESPACE = "evolve"
OBJECT_STORE_BYTES = 80 * 2**20  # little more than Ray's minimum: measurements are small and bypass the store
CONNECT_SECONDS = 5.0  # for a head to accept a connection before joining
LOOK_SECONDS = 2.0  # the same for a head that was joined already
ANSWER_SECONDS = 60.0  # for the cluster to answer a process that joins, including the import of Ray
# Ray replaces 127.0.0.1 by the host's external address, which can change on a laptop during a search.
LOOPBACK = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no usage reports
    "RAY_enable_metrics_collection": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # CUDA_VISIBLE_DEVICES is ours; also silences a FutureWarning
    "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",  # a container's /dev/shm may be small; the store is hardly used
}
AUTHENTICATION = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
JOIN_PROGRAM = """
import logging, os, sys
import ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)
    print("joined")
except BaseException as error:
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    print("refused", first)
sys.stdout.flush()
os._exit(0)
"""

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def initialised(
    address: str | None,
    *,
    workers: int,
    threads: int,
    gpus_per_trial: float,
    note: Callable[[str], None] = logger.warning,
) -> Iterator[None]:
    """Initialise Ray in this process for one executor or several; afterwards end what was started here."""
    if address is None and ray.is_initialized():
        yield  # the caller initialised Ray and shuts it down
        return
    if address is not None and ray.is_initialized():
        raise ValueError(f"--address {address}: Ray is already initialised in this process; call ray.shutdown() first")
    _hide_passwords()
    with contextlib.ExitStack() as stack:
        if address is None:
            folder = stack.enter_context(private_folder(note))
            stack.callback(ray.shutdown)
            _start_local(folder, workers, threads, gpus_per_trial)
        else:
            _check_answers(address, note)
            stack.callback(ray.shutdown)
            _connect(address)
        yield


def is_lost() -> bool:
    """Whether the cluster is gone: its head does not answer, or this process' own node is dead.

    Ray itself would end this process after a minute without an answer, and not say how to resume.
    """
    if not _head_answers():
        return True
    own = ray.get_runtime_context().get_node_id()
    return any(node["NodeID"] == own and not node["Alive"] for node in ray.nodes())


def _head_answers() -> bool:
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), LOOK_SECONDS).close()
    except OSError:
        return False
    return True


def _start_local(folder: Path, workers: int, threads: int, gpus_per_trial: float) -> None:
    """Start a private cluster of this process."""
    if ignored := os.environ.get("RAY_ADDRESS"):
        logger.warning("RAY_ADDRESS=%s is not used: trials run on this machine; --address %s uses it", ignored, ignored)
    # Ray turns on token authentication by itself, and would write its token to ~/.ray, where later clusters use it.
    token = {} if any(name in os.environ for name in AUTHENTICATION) else {"RAY_AUTH_TOKEN": _token()}
    _end_cleanly_on_sigterm()
    with _variables({**QUIET, **token}), signals.held():
        ray.init(
            address="local",
            num_cpus=workers * threads,
            num_gpus=None if gpus_per_trial > 0 else 0,
            namespace=NAMESPACE,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=OBJECT_STORE_BYTES,
            _node_ip_address=LOOPBACK,
            _temp_dir=str(folder),
        )
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if gpus_per_trial > 0 and workers_on_gpus(gpus, gpus_per_trial) < workers:
        raise ValueError(
            f"expected GPUs for {workers} workers of {gpus_per_trial:g} each, Ray finds {gpus} on this machine; "
            "use fewer --workers, a smaller --gpus-per-trial, or --cpu"
        )


def _check_answers(address: str, note: Callable[[str], None]) -> None:
    """ValueError if the address has a wrong form; ConnectionError if no Ray cluster answers there in time."""
    check_address(address)
    if address != "auto":
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except OSError as error:
            raise ConnectionError(f"--address {address}: nothing answers there: {error}") from None
    note(f"joining the Ray cluster at {address}, which has {ANSWER_SECONDS:g} s to answer")
    try:
        trial = subprocess.run(  # noqa: S603 (the address is an argument, not a part of the program)
            [sys.executable, "-c", JOIN_PROGRAM, address],
            env={**QUIET, **os.environ},
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ConnectionError(
            f"--address {address}: no answer within {ANSWER_SECONDS:g} s; expected the head of a Ray cluster there "
            f"that this machine is a node of ({_authentication()})"
        ) from None
    answer = next((line for line in trial.stdout.splitlines() if line.startswith(("joined", "refused"))), "")
    if not answer.startswith("joined"):
        reason = answer.removeprefix("refused ") or f"Ray ended with exit code {trial.returncode}"
        raise ConnectionError(f"--address {address}: {reason} ({_authentication()})")


def _connect(address: str) -> None:
    """Join a running cluster as a driver, after _check_answers."""
    _end_cleanly_on_sigterm()
    try:
        with _variables(QUIET), signals.held():
            ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
    except (AuthenticationError, ConnectionError, RuntimeError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ConnectionError(f"--address {address}: {first} ({_authentication()})") from None


def _authentication() -> str:
    return (
        f"RAY_AUTH_MODE is {os.environ.get('RAY_AUTH_MODE', 'not set')}: expected what the head was started with, "
        "'token' with its token in RAY_AUTH_TOKEN or ~/.ray/auth_token, or 'disabled'"
    )


@functools.cache
def _token() -> str:
    """This process' token: Ray reads it only once, so a second private cluster needs the same one."""
    return secrets.token_hex(32)


@contextlib.contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while Ray starts: Ray's processes inherit them, later processes of ours do not."""
    unset = [name for name in (*values, *AUTHENTICATION) if name not in os.environ]
    os.environ.update({name: values[name] for name in values if name in unset})
    try:
        yield
    finally:
        for name in unset:  # ray.init sets RAY_AUTH_MODE too
            os.environ.pop(name, None)


def _hide_passwords() -> None:
    """Remove passwords from this process' command line, which Ray shows in its cluster and `ps` on this machine."""
    words = credentials.public_words(sys.orig_argv)
    if words != sys.orig_argv:
        ray._raylet.setproctitle(shlex.join(words))


def _end_cleanly_on_sigterm() -> None:
    """If the caller has no handler for SIGTERM, end as by sys.exit, so that executors are closed."""
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _leave)


def _leave(signum: int, _frame: object) -> None:
    raise SystemExit(128 + signum)
