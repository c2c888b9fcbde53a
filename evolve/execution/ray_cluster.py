"""Ray in this process: a private cluster on this machine, or a running one that is joined. Both have a bound.

Without an address a private cluster is started on the loopback address, with a token that no other process is told, in
a folder of its own (private_folder.py), and goes away with its executor. With one, another process tries the address
first: Ray itself would try for ever, and cannot be interrupted while it does.
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

# Ray prints a dead worker's obituary to stdout, where --json has one document; it reads this when it is imported.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")

import ray
from ray.exceptions import AuthenticationError

from evolve.execution.private_folder import private_folder
from evolve.execution.resources import check_address, workers_on_gpus
from evolve.process import credentials, signals

NAMESPACE = "evolve"
OBJECT_STORE_BYTES = 80 * 2**20  # little more than Ray's least: measurements are small and travel beside the store
CONNECT_SECONDS = 5.0  # for a head to accept a connection
LOOK_SECONDS = 2.0  # the same for a head that was joined
ANSWER_SECONDS = 60.0  # for Ray there to answer a process that joins, the import of Ray included
# Ray replaces 127.0.0.1 by the host's outward address, which a laptop changes in mid-search.
LOOPBACK = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing phones home
    "RAY_enable_metrics_collection": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # CUDA_VISIBLE_DEVICES is ours; also silences a FutureWarning
    "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",  # a container's /dev/shm may be small, and the store hardly used
}
AUTHENTICATION = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
TRY = """
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
    """Ray in this process, for one executor or several; what was started here is ended on the way out."""
    if address is None and ray.is_initialized():
        yield  # the caller's own cluster stays the caller's
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
    """Whether the cluster is gone: nobody answers where its head was, or this process' own node is dead.

    Ray itself ends a process whose head does not answer for a minute, without a word of how to go on.
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
    """A cluster of this process' own."""
    if ignored := os.environ.get("RAY_ADDRESS"):
        logger.warning("RAY_ADDRESS=%s is not used: trials run on this machine; --address %s uses it", ignored, ignored)
    # Ray turns token authentication on by itself, and would write its token to ~/.ray for whoever comes next.
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
    """ValueError or ConnectionError when the address is none, or no Ray answers there in time."""
    check_address(address)
    if address != "auto":
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except OSError as error:
            raise ConnectionError(f"--address {address}: nothing answers there: {error}") from None
    note(f"joining the Ray cluster at {address}, which has {ANSWER_SECONDS:g} s to answer")
    try:
        tried = subprocess.run(  # noqa: S603 (the address is an argument, not a part of the program)
            [sys.executable, "-c", TRY, address],
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
    said = next((line for line in tried.stdout.splitlines() if line.startswith(("joined", "refused"))), "")
    if not said.startswith("joined"):
        refused = said.removeprefix("refused ") or f"Ray ended with exit code {tried.returncode}"
        raise ConnectionError(f"--address {address}: {refused} ({_authentication()})")


def _connect(address: str) -> None:
    """Join a running cluster as a driver; it answered a moment ago."""
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
    """This process' token: Ray reads it once, so a second local cluster needs the same."""
    return secrets.token_hex(32)


@contextlib.contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables while Ray starts: its processes inherit them, later ones of ours do not."""
    unset = [name for name in (*values, *AUTHENTICATION) if name not in os.environ]
    os.environ.update({name: values[name] for name in values if name in unset})
    try:
        yield
    finally:
        for name in unset:  # ray.init sets RAY_AUTH_MODE too
            os.environ.pop(name, None)


def _hide_passwords() -> None:
    """Take passwords out of the command line: Ray tells it to all who see the cluster, `ps` to all on this machine."""
    words = credentials.public_words(sys.orig_argv)
    if words != sys.orig_argv:
        ray._raylet.setproctitle(shlex.join(words))


def _end_cleanly_on_sigterm() -> None:
    """Where the caller has no handler: end as by sys.exit, so that close is called and nothing is left."""
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _leave)


def _leave(signum: int, _frame: object) -> None:
    raise SystemExit(128 + signum)
