"""Trials on Ray Core: each slot has one warm actor, the training process, which runs lease after lease.

TensorFlow's import and the tracing of a train step take long, so an actor is kept after a trial that ended or
diverged, and replaced after an exception, a hang or the death of its process.
Plain num_cpus and num_gpus, no placement groups, no restarts by Ray: retries are the search's decision.

A slot takes leases while its worker is up: its process has a place in the cluster and has made its objective.
If fewer workers are up than were asked for, a sentence says what is missing, and the search goes on with them; if
none is up for too long, that is an error.

With an address, this package must be importable under the same path on every node, or installed there, and the
data and the state of trials must have the same paths on all nodes.
"""

import atexit
import contextlib
import logging
import os
import platform
import re
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from evolve.execution import ray_cluster  # before Ray: it sets what Ray reads when it is imported

# isort: split
import ray
from ray.exceptions import ActorAlreadyExistsError, ActorUnavailableError, NodeDiedError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from evolve.execution import resources
from evolve.execution.attempt import REASON_LENGTH, failure_of
from evolve.execution.executor import Ended, Lease, LeaseEvent, Measured, Progressed, Started
from evolve.execution.ray_cluster import NAMESPACE, initialised
from evolve.execution.worker import CannotTrain, LeaseBegun, LeaseOver, TrialWorker, environment
from evolve.process import signals
from evolve.process.terminal import duration
from evolve.trial import Failure, GpuNotUsable, Measurement, ObjectiveFactory, Progress

START_SECONDS = 600.0  # longest time without any worker that is up; a cluster may have to add nodes first
MAKE_SECONDS = 1800.0  # longest time for a worker to load TensorFlow and its data
SAY_SECONDS = 5.0  # a worker without room is reported after this time; also the least time between two reports
LOOK_FOR_ROOM_SECONDS = 1.0  # between two looks at whether there is something to report
ROOM_SECONDS = 30.0  # free resources are considered only after this time: starting workers may still take them
SLOW_SECONDS = 60.0  # a worker that has room but is not up is reported after this time
OBITUARY_SECONDS = 60.0  # longest time for Ray to say why a worker is unreachable
ASK_SECONDS = 1.0  # between two such questions
SHORT_SECONDS = 0.5  # longest wait inside of Ray, during which no signal is handled
LOOK_SECONDS = 0.05  # between two tries of what Ray gives no event for, such as a free actor name
CLUSTER_SECONDS = 10.0  # between two checks of the cluster; after two failures in a row it is lost
START_TRIES = 3  # a slot is given up after this number of processes that died while starting

BROKEN = Failure("worker_lost", "the connection to its worker broke")

logger = logging.getLogger(__name__)


class _Stage(Enum):
    """The stage of a slot's worker."""

    ABSENT = "absent"  # not requested yet: the actor's name is still taken by its predecessor
    PLACED = "placed"  # Ray looks for room, then starts its process
    MAKING = "making"  # it makes its objective
    UP = "up"
    UNSEEN = "unseen"  # unreachable while it had a lease; Ray is asked why
    GIVEN_UP = "given up"


@dataclass(frozen=True)
class _ProcessLocation:
    """The node, host and id of a worker's process."""

    node_id: str  # Ray's id of the node
    host: str
    pid: int


@dataclass(frozen=True)
class _RunningLease:
    lease: Lease
    stream: Any  # Ray's generator of references to the worker's items


@dataclass
class _Slot:
    name: str
    stage: _Stage = _Stage.ABSENT
    since: float = 0.0  # when the stage began
    asked: float = 0.0  # when Ray was last asked why the worker is unreachable
    tries: int = 0  # number of processes in a row that died before they were up
    actor: Any = None
    answer: Any = None  # Ray's reference to the result that the stage waits for
    location: _ProcessLocation | None = None
    running: _RunningLease | None = None

    @property
    def waited_for(self) -> Any:
        """Ray's reference to the next result of this slot, or None."""
        if self.answer is not None or self.stage is _Stage.UNSEEN:
            return self.answer
        return self.running and self.running.stream

    @property
    def expected(self) -> bool:
        """Whether the slot waits for something that Ray gives no event for."""
        return self.stage is _Stage.ABSENT or (self.stage is _Stage.UNSEEN and self.answer is None)


class _Worker(TrialWorker):
    """A training process that can report its location."""

    def location(self) -> _ProcessLocation:
        return _ProcessLocation(ray.get_runtime_context().get_node_id(), platform.node(), os.getpid())


class RayExecutor:
    """Runs leases on `workers` warm Ray actors. The constructor waits until the first of them is up.

    address: None uses the cluster that this process has initialised Ray with, else starts a private cluster on
    this machine; RAY_ADDRESS is not used, and a warning says so. "auto" or HOST:PORT joins a running cluster.
    search_id names the actors, `evolve/<search_id>/slot-<k>`. note gets a sentence when workers are waited for.
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
        note: Callable[[str], None] = logger.warning,
        start_seconds: float = START_SECONDS,
    ) -> None:
        if workers < 1 or threads < 1 or gpus_per_trial < 0:
            raise ValueError(
                "expected workers >= 1, threads >= 1 and gpus_per_trial >= 0, "
                f"got {workers}, {threads} and {gpus_per_trial:g}"
            )
        self._factory = factory
        self._prefix = f"evolve/{search_id or secrets.token_hex(4)}"
        self._needs = {"CPU": float(threads), "GPU": float(gpus_per_trial)}
        self._options: dict[str, Any] = {
            "num_cpus": threads,
            "num_gpus": gpus_per_trial,
            "max_restarts": 0,
            "max_task_retries": 0,
            "namespace": NAMESPACE,
            "runtime_env": {"env_vars": environment(threads, gpus_per_trial)},
        }
        self._note, self._start_seconds = note, start_seconds
        self._slots: list[_Slot] = []
        self._events: list[LeaseEvent] = []  # kept here, so that a Ctrl-C in poll loses none
        self._said, self._said_at = "", 0.0  # the last sentence on workers that are not up, and when it was said
        self._closed = False
        self._private = address is None and not ray.is_initialized()
        self._cluster = contextlib.ExitStack()
        atexit.register(self.close)  # runs before Ray's own handler, and removes the folder of a private cluster
        try:
            self._cluster.enter_context(
                initialised(address, workers=workers, threads=threads, gpus_per_trial=gpus_per_trial, note=note)
            )
            self._up_at = self._looked_at = self._room_looked_at = time.monotonic()
            self._was_lost = False
            self._slots = [_Slot(f"slot-{k}", since=self._up_at) for k in range(workers)]
            while not self.slots:
                self._wait_for_result(SAY_SECONDS)
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        """The number of leases that can run at once: workers that are up."""
        return sum(slot.stage in (_Stage.UP, _Stage.UNSEEN) for slot in self._slots)

    def submit(self, lease: Lease) -> None:
        """Start a lease on a free slot, after waiting for a worker that is starting; ValueError if none is free."""
        deadline = time.monotonic() + self._start_seconds
        while (slot := self._free_slot()) is None and self._is_worker_starting() and time.monotonic() < deadline:
            self._wait_for_result(SAY_SECONDS)
        if slot is None:
            running = ", ".join(slot.running.lease.spec.uid for slot in self._slots if slot.running) or "nothing"
            raise ValueError(
                f"expected a free slot for {lease.spec.uid}, but {running} runs in all {self.slots} of them"
            )
        with signals.held(announce=False):
            slot.running = _RunningLease(lease, slot.actor.run.options(num_returns="streaming").remote(lease))

    def poll(self, timeout_seconds: float) -> Sequence[LeaseEvent]:
        """Events since the last poll, in the order seen; waits up to the timeout for the first one."""
        if self._wait_for_result(0.0 if self._events else timeout_seconds):
            while self._wait_for_result(0.0):
                pass  # take what has arrived meanwhile, without waiting
        events, self._events = self._events, []
        return events

    def end(self, lease: Lease, failure: Failure) -> None:
        """End a running lease by killing its process; its slot gets a new one."""
        slot = next((slot for slot in self._slots if slot.running is not None and slot.running.lease == lease), None)
        if slot is None:
            raise ValueError(f"{lease.spec.uid}: expected a lease that runs, attempt {lease.attempt} does not")
        with signals.held(announce=False):
            _kill_process(slot)
            self._end_lease(slot, failure)

    def close(self) -> None:
        """Stop all leases and workers, and leave or end the cluster. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        with signals.held():
            for slot in self._slots:
                if slot.running is not None:
                    _kill_process(slot)
                _kill(slot.actor)
            self._slots = []
            self._cluster.close()

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _free_slot(self) -> _Slot | None:
        return next((slot for slot in self._slots if slot.stage is _Stage.UP and slot.running is None), None)

    def _is_worker_starting(self) -> bool:
        return any(slot.stage in (_Stage.ABSENT, _Stage.PLACED, _Stage.MAKING) for slot in self._slots)

    def _wait_for_result(self, timeout_seconds: float) -> bool:
        """Wait for the next result of any slot, and handle it; False if there was none within the timeout.

        Raises errors that are not a trial's result, also if no worker was up for too long. Signals are held while Ray
        waits: an exception from a signal handler inside of Ray would be replaced by another one.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            left = deadline - time.monotonic()
            with signals.held(announce=False):
                happened = self._wait_briefly(max(0.0, min(left, SHORT_SECONDS)))
            if happened or left <= SHORT_SECONDS or not self._is_anything_expected():
                return happened

    def _is_anything_expected(self) -> bool:
        return any(slot.waited_for is not None or slot.expected for slot in self._slots)

    def _wait_briefly(self, timeout_seconds: float) -> bool:
        for slot in self._slots:
            if slot.stage is _Stage.ABSENT:
                self._ask_for_worker(slot)
        self._check_waits()
        waited_for = [(slot, slot.waited_for) for slot in self._slots if slot.waited_for is not None]
        if not waited_for:
            if any(slot.expected for slot in self._slots):
                time.sleep(min(timeout_seconds, LOOK_SECONDS))
            return False
        ready, _ = ray.wait([answer for _, answer in waited_for], num_returns=1, timeout=timeout_seconds)
        for slot, answer in waited_for:
            if ready and answer is ready[0]:
                self._handle_result(slot)
        return bool(ready)

    def _handle_result(self, slot: _Slot) -> None:
        """Handle the result that Ray has for the slot."""
        if slot.stage is _Stage.PLACED:
            self._on_placed(slot)
        elif slot.stage is _Stage.MAKING:
            self._on_made(slot)
        elif slot.stage is _Stage.UNSEEN:
            self._on_answer_of_unseen(slot)
        elif slot.running is not None:
            self._take_item(slot, slot.running)

    # From the request for a worker until it is up

    def _ask_for_worker(self, slot: _Slot) -> None:
        actor_class = ray.remote(_Worker).options(name=f"{self._prefix}/{slot.name}", **self._options)
        with contextlib.suppress(ActorAlreadyExistsError):  # its predecessor, for a moment
            slot.actor = actor_class.remote(self._factory)
            self._set_stage(slot, _Stage.PLACED, slot.actor.location.remote())

    def _on_placed(self, slot: _Slot) -> None:
        try:
            slot.location = ray.get(slot.answer)
        except RayError as error:
            self._on_start_failed(slot, _failure_of_death(error))
        else:
            self._set_stage(slot, _Stage.MAKING, slot.actor.ready.remote())

    def _on_made(self, slot: _Slot) -> None:
        try:
            problem = ray.get(slot.answer)
        except RayError as error:
            self._on_start_failed(slot, _failure_of_death(error))
            return
        if problem is not None:
            raise _exception_of(problem)
        slot.tries = 0
        self._up_at = time.monotonic()
        self._set_stage(slot, _Stage.UP, None)

    def _on_start_failed(self, slot: _Slot, failure: Failure) -> None:
        slot.tries += failure.kind == "worker_lost"
        _kill(slot.actor)
        if slot.tries < START_TRIES:
            self._set_stage(slot, _Stage.ABSENT, None)
            return
        self._set_stage(slot, _Stage.GIVEN_UP, None)
        if all(other.stage is _Stage.GIVEN_UP for other in self._slots):
            raise RuntimeError(f"a worker died while it made {self._factory.target}: {failure.reason}")
        self._note(f"{slot.name} is given up: {START_TRIES} workers died in it while they started: {failure.reason}")

    def _set_stage(self, slot: _Slot, stage: _Stage, answer: Any) -> None:
        slot.stage, slot.answer, slot.since = stage, answer, time.monotonic()

    # A lease, from its first item to its end

    def _take_item(self, slot: _Slot, running: _RunningLease) -> None:
        """Turn the next item of a busy slot's stream into an event."""
        try:
            item = ray.get(next(running.stream))
        except RayTaskError as error:  # not the trial's, whose exceptions the worker catches: raised on the way here
            item = LeaseOver(failure_of(error.cause if isinstance(error.cause, Exception) else error))
        except ActorUnavailableError:  # its process or its machine died; Ray knows which a little later
            self._set_stage(slot, _Stage.UNSEEN, None)
            return
        except (RayError, StopIteration) as error:
            item = LeaseOver(_failure_of_death(error))
        if isinstance(item, LeaseBegun):
            self._events.append(Started(running.lease, slot.name, item.node))
        elif isinstance(item, Measurement):
            self._events.append(Measured(running.lease, item))
        elif isinstance(item, Progress):
            self._events.append(Progressed(running.lease, item.step))
        elif isinstance(item, CannotTrain):
            slot.running = None
            raise _exception_of(item)
        else:
            self._end_lease(slot, item.failure)

    def _on_answer_of_unseen(self, slot: _Slot) -> None:
        """End the lease of a worker that was unreachable; even if it answers now, its connection broke."""
        try:
            ray.get(slot.answer)
        except ActorUnavailableError:
            slot.answer = None  # asked again
        except RayError as error:
            self._end_lease(slot, _failure_of_death(error))
        else:
            self._end_lease(slot, BROKEN)

    def _end_lease(self, slot: _Slot, failure: Failure | None) -> None:
        """End the slot's lease. A crashed process is replaced: it may hold memory, threads or a broken objective."""
        if slot.running is not None:
            self._events.append(Ended(slot.running.lease, failure))
        slot.running = None
        if failure is not None and failure.kind != "diverged":
            _kill(slot.actor)
            self._set_stage(slot, _Stage.ABSENT, None)

    # Every wait is bounded and reported

    def _check_waits(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.stage is _Stage.MAKING and now - slot.since > MAKE_SECONDS:
                _kill_process(slot)
                reason = f"its objective was not made within {duration(MAKE_SECONDS)}"
                self._on_start_failed(slot, Failure("worker_lost", reason))
            elif slot.stage is _Stage.UNSEEN and now - slot.since > OBITUARY_SECONDS:
                self._end_lease(slot, BROKEN)
            elif slot.stage is _Stage.UNSEEN and slot.answer is None and now - slot.asked > ASK_SECONDS:
                slot.asked, slot.answer = now, slot.actor.location.remote()
        if now - self._looked_at > CLUSTER_SECONDS:
            self._looked_at = now
            self._check_cluster()
        if self.slots:
            self._up_at = now
        elif now - self._up_at > self._start_seconds and not any(slot.stage is _Stage.MAKING for slot in self._slots):
            nodes, free = _cluster_resources()
            asked = f"{len(self._slots)} workers, {resources.needs_in_words(self._needs)} each"
            raise TimeoutError(
                f"no worker was up within {duration(self._start_seconds)}: expected room for {asked}; "
                f"{resources.cluster_in_words(nodes, free)}"
            )
        if now - self._room_looked_at > LOOK_FOR_ROOM_SECONDS:
            self._room_looked_at = now
            self._report_workers(now)

    def _check_cluster(self) -> None:
        lost = ray_cluster.is_lost()
        if lost and self._was_lost:
            raise ConnectionError("the Ray cluster is lost: its head or this machine's node does not answer any more")
        self._was_lost = lost

    def _report_workers(self, now: float) -> None:
        """Note how many workers are up and why others are missing, and later that all are up."""
        up, wanted = self.slots, len(self._slots)
        reason = self._why_missing(now)
        sentence = f"{up} of {wanted} workers are up{reason and f'; {reason}'}"
        new = sentence != self._said and (reason or (self._said and up == wanted))
        if new and now - self._said_at > SAY_SECONDS:
            self._note(sentence)
            self._said, self._said_at = sentence, now

    def _why_missing(self, now: float) -> str:
        """Why some workers take longer than usual to come up; empty if none does."""
        placed = [now - slot.since for slot in self._slots if slot.stage in (_Stage.ABSENT, _Stage.PLACED)]
        making = [now - slot.since for slot in self._slots if slot.stage is _Stage.MAKING]
        if max(placed, default=0.0) > SAY_SECONDS:
            nodes, free = _cluster_resources()
            # In a private cluster, the resources that are not free are those of our own starting processes
            considered = None if self._private or max(placed) < ROOM_SECONDS else free
            if missing := resources.shortage(len(self._slots), self._needs, nodes, considered):
                return f"{missing}; the search goes on with those that are up" if self.slots else missing
        if max(making, default=0.0) > SLOW_SECONDS:
            return "the rest is still loading TensorFlow and the data"
        return "the processes of the rest are still starting" if max(placed, default=0.0) > SLOW_SECONDS else ""


def _cluster_resources() -> tuple[list[dict[str, float]], dict[str, float]]:
    """The resources of each node, and the free resources of all nodes together."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]], ray.available_resources()


def _exception_of(problem: CannotTrain) -> Exception:
    """The exception to raise here for a worker's problem; the worker's traceback is a note on it."""
    text = f"a worker could not {problem.what}: {problem.kind}: {problem.reason}"
    error = GpuNotUsable(problem.reason) if problem.gpu else RuntimeError(text)
    error.add_note(problem.traceback)
    return error


def _failure_of_death(error: BaseException) -> Failure:
    """The failure behind a worker's end: node_lost if Ray says that its node died, else worker_lost."""
    node = (
        isinstance(error, NodeDiedError)
        or getattr(error, "preempted", False)
        or re.search("node has (died|crashed)", str(error)) is not None
    )
    return Failure("node_lost" if node else "worker_lost", _cause_of_death(error))


def _cause_of_death(error: BaseException) -> str:
    """One sentence from Ray's page-long report on a dead worker: how its process or node ended."""
    text = " ".join(str(error).split())
    detail = re.search(r"(?:Worker exit detail: |The actor died because )(.*?)(?: Some common causes|$)", text)
    return f"{type(error).__name__}: {detail[1] if detail else text}"[:REASON_LENGTH]


def _kill(actor: Any) -> None:
    """End an actor's process, if it is alive. Without Ray do nothing: a call would start a new cluster."""
    if actor is not None and ray.is_initialized():
        with contextlib.suppress(RayError, ValueError):
            ray.kill(actor, no_restart=True)


def _kill_process(slot: _Slot) -> None:
    """Kill a worker's process, even a hanging one: Ray would only ask it to exit, and it would keep its resources."""
    location = slot.location
    if location is None:
        return
    if location.host == platform.node():
        _kill_pid(location.pid)
        return
    on_its_node = NodeAffinitySchedulingStrategy(location.node_id, soft=False)
    ray.remote(_kill_pid).options(num_cpus=0, scheduling_strategy=on_its_node, max_retries=0).remote(location.pid)


def _kill_pid(pid: int) -> None:
    """Kill the process, unless its id belongs to another process by now."""
    with contextlib.suppress(OSError):
        title = Path(f"/proc/{pid}/cmdline")
        if not title.parent.parent.is_dir() or title.read_bytes().startswith(b"ray::"):
            os.kill(pid, signal.SIGKILL)
