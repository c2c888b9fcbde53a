"""Trials on Ray Core: one warm actor a slot is the training process and runs lease after lease.

What costs is not Ray but TensorFlow (its import, the tracing of a train step), so an actor is kept
after a trial that ended or diverged, and replaced after an exception or the death of its process.
Plain num_cpus and num_gpus, no placement groups, no restarts by Ray: retries belong to the search.

Without an address a private cluster on this machine is started, and goes away with the executor. With
one, this package must be importable on every node under the same path or installed there, and the
data and the state of trials must lie under the same paths.
"""

import atexit
import contextlib
import functools
import logging
import os
import re
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Ray prints a dead worker's obituary to stdout, where --json has one document; it reads this when it is imported.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")

import ray
from ray.exceptions import AuthenticationError, RayError, RayTaskError

from evolve.execution.attempt import REASON_LENGTH, failure_of
from evolve.execution.executor import Ended, Event, Lease, Measured, Started
from evolve.execution.resources import check_address, workers_on_gpus
from evolve.execution.worker import Begun, Over, TrialWorker, Unable, environment
from evolve.trial import Failure, GpuNotUsable, Measurement, ObjectiveFactory

NAMESPACE = "evolve"
OBJECT_STORE_BYTES = 80 * 2**20  # little more than Ray's least: measurements are small and travel beside the store
START_SECONDS = 600.0  # for the first worker to load TensorFlow and its data; on a cluster, also to find room
NAME_FREE_SECONDS = 30.0  # a killed actor's name is given back by Ray's control service, a little later
CONNECT_SECONDS = 5.0
# Ray replaces 127.0.0.1 by the host's outward address, which a laptop changes in mid-search.
LOOPBACK = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
SHORT_PATH = 20  # of the 107 characters of a Unix socket's path, our folder's name takes 20 and Ray's names in it 65
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing phones home
    "RAY_enable_metrics_collection": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # CUDA_VISIBLE_DEVICES is ours; also silences a FutureWarning
    "RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE": "1",  # a container's /dev/shm may be small, and the store hardly used
}
AUTHENTICATION = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Work:
    lease: Lease
    stream: Any  # Ray's generator of references to the worker's items


@dataclass
class _Slot:
    name: str
    actor: Any
    work: _Work | None = None


class RayExecutor:
    """Runs leases on `workers` warm Ray actors. Its start waits for the first worker's objective.

    address: None starts a private cluster on this machine, whatever RAY_ADDRESS says (a warning tells
    that it is not used), or takes the cluster this very process has already initialised Ray with;
    "auto" or HOST:PORT connects. search_id names the actors, `evolve/<search_id>/slot-<k>`.
    """

    def __init__(
        self,
        factory: ObjectiveFactory,
        *,
        workers: int,
        gpus_per_trial: float = 0,
        threads: int = 1,
        address: str | None = None,
        search_id: str | None = None,
    ) -> None:
        if workers < 1 or threads < 1 or gpus_per_trial < 0:
            raise ValueError(
                "expected workers >= 1, threads >= 1 and gpus_per_trial >= 0, "
                f"got {workers}, {threads} and {gpus_per_trial:g}"
            )
        self._factory = factory
        self._prefix = f"evolve/{search_id or secrets.token_hex(4)}"
        self._options: dict[str, Any] = {
            "num_cpus": threads,
            "num_gpus": gpus_per_trial,
            "max_restarts": 0,
            "max_task_retries": 0,
            "namespace": NAMESPACE,
            "runtime_env": {"env_vars": environment(threads, gpus_per_trial)},
        }
        self._slots: list[_Slot] = []
        self._events: list[Event] = []  # kept here, so that a Ctrl-C in poll loses none
        self._closed = False
        self._cluster = contextlib.ExitStack()
        atexit.register(self.close)  # before Ray's own: the folder of a private cluster goes as well
        try:
            self._cluster.enter_context(
                initialised(address, workers=workers, threads=threads, gpus_per_trial=gpus_per_trial)
            )
            names = [f"slot-{k}" for k in range(workers)]
            self._slots = [_Slot(name, self._new_actor(name)) for name in names]
            self._wait_for_first(START_SECONDS)
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        """How many leases can run at once."""
        return len(self._slots)

    def submit(self, lease: Lease) -> None:
        """Start a lease on a free slot; ValueError when none is free."""
        slot = next((slot for slot in self._slots if slot.work is None), None)
        if slot is None:
            running = ", ".join(slot.work.lease.spec.uid for slot in self._slots if slot.work) or "nothing"
            raise ValueError(
                f"expected a free slot for {lease.spec.uid}, but {running} runs in all {self.slots} of them"
            )
        slot.work = _Work(lease, slot.actor.run.options(num_returns="streaming").remote(lease))

    def poll(self, timeout_seconds: float) -> Sequence[Event]:
        """Events since the last poll, in the order seen; waits up to the timeout for the first one."""
        wait_seconds = 0.0 if self._events else timeout_seconds
        while busy := [(slot, slot.work) for slot in self._slots if slot.work is not None]:
            ready, _ = ray.wait([work.stream for _, work in busy], num_returns=1, timeout=wait_seconds)
            if not ready:
                break
            for slot, work in busy:
                if work.stream is ready[0]:
                    self._events.append(self._next(slot, work))
            wait_seconds = 0.0  # what else has come is taken, nothing more is waited for
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Stop what runs and give everything back. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        for slot in self._slots:
            _kill(slot.actor)
        self._slots = []
        self._cluster.close()

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _next(self, slot: _Slot, work: _Work) -> Event:
        """The next item of a busy slot's stream as an event; frees the slot at its end."""
        try:
            item = ray.get(next(work.stream))
        except RayTaskError as error:  # the worker catches its trials' exceptions: this one arose on the way here
            item = Over(failure_of(error.cause if isinstance(error.cause, Exception) else error))
        except (RayError, StopIteration) as error:
            item = Over(Failure("worker_lost", _death(error)))
        if isinstance(item, Begun):
            return Started(work.lease, slot.name, item.node)
        if isinstance(item, Measurement):
            return Measured(work.lease, item)
        slot.work = None
        if isinstance(item, Unable):
            raise _unable(item)
        if item.failure is not None and item.failure.kind != "diverged":
            self._replace(slot)
        return Ended(work.lease, item.failure)

    def _replace(self, slot: _Slot) -> None:
        """Give the slot a new process: a crashed one may hold memory, threads or a half-changed objective."""
        _kill(slot.actor)
        slot.actor = self._new_actor(slot.name)
        slot.actor.ready.remote()  # warms up in the background; when that fails, the next lease says so

    def _new_actor(self, name: str) -> Any:
        actor_class = ray.remote(TrialWorker)
        deadline = time.monotonic() + NAME_FREE_SECONDS
        while True:
            try:
                return actor_class.options(name=f"{self._prefix}/{name}", **self._options).remote(self._factory)
            except ValueError:  # the name is still its predecessor's
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _wait_for_first(self, seconds: float) -> None:
        """Return when one worker is ready; raise what kept it from that."""
        waiting = [slot.actor.ready.remote() for slot in self._slots]
        answered, _ = ray.wait(waiting, num_returns=1, timeout=seconds)
        if not answered:
            offered = {name: ray.cluster_resources().get(name, 0) for name in ("CPU", "GPU")}
            raise TimeoutError(
                f"no worker was ready after {seconds:g} s: expected room for num_cpus={self._options['num_cpus']}, "
                f"num_gpus={self._options['num_gpus']:g}; Ray offers {offered['CPU']:g} CPUs, {offered['GPU']:g} GPUs"
            )
        try:
            problem = ray.get(answered[0])
        except RayError as error:
            raise RuntimeError(f"a worker died while it made {self._factory.target}: {_death(error)}") from None
        if problem is not None:
            raise _unable(problem)


def _unable(problem: Unable) -> Exception:
    """The exception to raise here for what a worker met; the worker's traceback is a note on it."""
    text = f"a worker could not {problem.what}: {problem.kind}: {problem.reason}"
    error = GpuNotUsable(problem.reason) if problem.gpu else RuntimeError(text)
    error.add_note(problem.traceback)
    return error


def _death(error: BaseException) -> str:
    """One sentence of Ray's page-long report on a dead worker: how its process ended."""
    text = " ".join(str(error).split())
    detail = re.search(r"Worker exit detail: (.*?)(?: Some common causes|$)", text)
    return f"{type(error).__name__}: {detail[1] if detail else text}"[:REASON_LENGTH]


def _kill(actor: Any) -> None:
    """End an actor's process; that it is dead already is fine."""
    with contextlib.suppress(RayError, ValueError):
        ray.kill(actor, no_restart=True)


@contextlib.contextmanager
def initialised(address: str | None, *, workers: int, threads: int, gpus_per_trial: float) -> Iterator[None]:
    """Ray in this process, for one executor or several; what was started here is ended on the way out."""
    if address is None and ray.is_initialized():
        yield  # the caller's own cluster stays the caller's
        return
    if address is not None and ray.is_initialized():
        raise ValueError(f"--address {address}: Ray is already initialised in this process; call ray.shutdown() first")
    with contextlib.ExitStack() as stack:
        if address is None:
            folder = stack.enter_context(_temporary_folder())
            stack.callback(ray.shutdown)
            _start_local(folder, workers, threads, gpus_per_trial)
        else:
            stack.callback(ray.shutdown)
            _connect(address)
        yield


def _start_local(folder: Path, workers: int, threads: int, gpus_per_trial: float) -> None:
    """A cluster of this process' own on the loopback address, with a token that no other process is told."""
    if ignored := os.environ.get("RAY_ADDRESS"):
        logger.warning("RAY_ADDRESS=%s is not used: trials run on this machine; --address %s uses it", ignored, ignored)
    # Ray turns token authentication on by itself, and would write its token to ~/.ray for whoever comes next.
    token = {} if any(name in os.environ for name in AUTHENTICATION) else {"RAY_AUTH_TOKEN": _token()}
    with _variables({**QUIET, **token}), _own_sigterm():
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


def _connect(address: str) -> None:
    """Join a running cluster as a driver; ValueError or ConnectionError say what is wrong with the address."""
    check_address(address)
    if address != "auto":
        host, _, port = address.rpartition(":")
        try:  # Ray itself tries for a minute
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except OSError as error:
            raise ConnectionError(f"--address {address}: nothing answers there: {error}") from None
    try:
        with _variables(QUIET), _own_sigterm():
            ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
    except (AuthenticationError, ConnectionError, RuntimeError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ConnectionError(
            f"--address {address}: {first} (RAY_AUTH_MODE is {os.environ.get('RAY_AUTH_MODE', 'not set')}: "
            "expected what the head was started with, 'token' with its token in RAY_AUTH_TOKEN or ~/.ray/auth_token, "
            "or 'disabled')"
        ) from None


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


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep the caller's SIGTERM handler, which ray.init replaces by one that kills without a clean end."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler if callable(handler) else _leave)


def _leave(signum: int, _frame: object) -> None:
    """Where the caller has no handler: end as by sys.exit, so that close is called and nothing is left."""
    raise SystemExit(128 + signum)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Ray's sockets and logs, removed afterwards; short enough for a socket's path whatever TMPDIR says."""
    root = tempfile.gettempdir()
    short = root if len(root) <= SHORT_PATH else "/tmp"  # noqa: S108 (the folder in it is new and its owner's alone)
    with tempfile.TemporaryDirectory(prefix="evolve-ray-", dir=short, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
