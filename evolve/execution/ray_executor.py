"""Trials on Ray Core: one warm actor a slot is the training process and runs lease after lease.

What costs is not Ray but TensorFlow (its import, the tracing of a train step), so an actor is kept
after a trial that ended or diverged, and replaced after an exception, a hang or the death of its process.
Plain num_cpus and num_gpus, no placement groups, no restarts by Ray: retries belong to the search.

A slot takes leases while its worker is up: its process has found room in the cluster and made its objective.
Fewer workers than were asked for are said, with what is missing, and the search goes on with those; none for
too long is an error.

With an address, this package must be importable on every node under the same path or installed there, and the
data and the state of trials must lie under the same paths.
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
from evolve.execution.executor import Ended, Event, Lease, Measured, Progressed, Started
from evolve.execution.ray_cluster import NAMESPACE, initialised
from evolve.execution.worker import Begun, Over, TrialWorker, Unable, environment
from evolve.process import signals
from evolve.process.terminal import duration
from evolve.trial import Failure, GpuNotUsable, Measurement, ObjectiveFactory, Progress

START_SECONDS = 600.0  # without any worker that is up: room must be found, which a cluster may have to make first
MAKE_SECONDS = 1800.0  # for a worker to load TensorFlow and its data
SAY_SECONDS = 5.0  # a worker that finds no room is said after these
ROOM_SECONDS = 30.0  # the same where others may have taken the room: by now it would have been found
SLOW_SECONDS = 60.0  # one that has room and is not up after these, too
OBITUARY_SECONDS = 60.0  # for Ray to say what became of a worker that it has lost sight of
ASK_SECONDS = 1.0  # between two questions for that
SHORT_SECONDS = 0.5  # of a wait inside of Ray, during which no signal is acted on
LOOK_SECONDS = 0.05  # between two looks for what Ray does not tell: a name that is free again
CLUSTER_SECONDS = 10.0  # between two looks at the cluster; it is lost when it was so twice
START_TRIES = 3  # a slot whose processes die while they start is given up after so many

BROKEN = Failure("worker_lost", "the connection to its worker broke")

logger = logging.getLogger(__name__)


class _Stage(Enum):
    """Where a slot's worker stands."""

    ABSENT = "absent"  # not asked for yet: its name is still its predecessor's
    PLACED = "placed"  # Ray looks for room, then starts its process
    MAKING = "making"  # it makes its objective
    UP = "up"
    UNSEEN = "unseen"  # Ray lost sight of it while it had a lease; what became of it is asked
    GIVEN_UP = "given up"


@dataclass(frozen=True)
class _Place:
    """Where a worker's process is."""

    node_id: str  # Ray's
    host: str
    pid: int


@dataclass(frozen=True)
class _Work:
    lease: Lease
    stream: Any  # Ray's generator of references to the worker's items


@dataclass
class _Slot:
    name: str
    stage: _Stage = _Stage.ABSENT
    since: float = 0.0  # of the stage
    asked: float = 0.0  # when what became of it was asked last
    tries: int = 0  # processes in a row that died before they were up
    actor: Any = None
    answer: Any = None  # Ray's reference to what the stage waits for
    place: _Place | None = None
    work: _Work | None = None

    @property
    def waited_for(self) -> Any:
        """What Ray is to say next of this slot, or None."""
        if self.answer is not None or self.stage is _Stage.UNSEEN:
            return self.answer
        return self.work and self.work.stream

    @property
    def expected(self) -> bool:
        """Whether something is to happen to it of which Ray says nothing."""
        return self.stage is _Stage.ABSENT or (self.stage is _Stage.UNSEEN and self.answer is None)


class _Worker(TrialWorker):
    """A training process that can say where it is."""

    def place(self) -> _Place:
        return _Place(ray.get_runtime_context().get_node_id(), platform.node(), os.getpid())


class RayExecutor:
    """Runs leases on `workers` warm Ray actors. Its start waits until the first of them is up.

    address: None starts a private cluster on this machine, whatever RAY_ADDRESS says (a warning tells
    that it is not used), or takes the cluster this very process has already initialised Ray with;
    "auto" or HOST:PORT connects. search_id names the actors, `evolve/<search_id>/slot-<k>`.
    note gets a sentence when something is waited for.
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
        self._events: list[Event] = []  # kept here, so that a Ctrl-C in poll loses none
        self._said = ""  # what was last said of workers that are not up
        self._closed = False
        self._private = address is None and not ray.is_initialized()
        self._cluster = contextlib.ExitStack()
        atexit.register(self.close)  # before Ray's own: the folder of a private cluster goes as well
        try:
            self._cluster.enter_context(
                initialised(address, workers=workers, threads=threads, gpus_per_trial=gpus_per_trial, note=note)
            )
            self._up_at = self._looked_at = self._said_at = time.monotonic()
            self._was_lost = False
            self._slots = [_Slot(f"slot-{k}", since=self._up_at) for k in range(workers)]
            while not self.slots:
                self._turn(SAY_SECONDS)
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        """How many leases can run at once: workers that are up."""
        return sum(slot.stage in (_Stage.UP, _Stage.UNSEEN) for slot in self._slots)

    def submit(self, lease: Lease) -> None:
        """Start a lease on a free slot, waiting for one that is on its way up; ValueError when all run something."""
        deadline = time.monotonic() + self._start_seconds
        while (slot := self._free_slot()) is None and self._is_one_coming() and time.monotonic() < deadline:
            self._turn(SAY_SECONDS)
        if slot is None:
            running = ", ".join(slot.work.lease.spec.uid for slot in self._slots if slot.work) or "nothing"
            raise ValueError(
                f"expected a free slot for {lease.spec.uid}, but {running} runs in all {self.slots} of them"
            )
        with signals.held(says=False):
            slot.work = _Work(lease, slot.actor.run.options(num_returns="streaming").remote(lease))

    def poll(self, timeout_seconds: float) -> Sequence[Event]:
        """Events since the last poll, in the order seen; waits up to the timeout for the first one."""
        if self._turn(0.0 if self._events else timeout_seconds):
            while self._turn(0.0):
                pass  # what else has come is taken, nothing more is waited for
        events, self._events = self._events, []
        return events

    def end(self, lease: Lease, failure: Failure) -> None:
        """End a running lease with its process; its slot gets a new one."""
        slot = next((slot for slot in self._slots if slot.work is not None and slot.work.lease == lease), None)
        if slot is None:
            raise ValueError(f"{lease.spec.uid}: expected a lease that runs, attempt {lease.attempt} does not")
        with signals.held(says=False):
            _kill_process(slot)
            self._over(slot, failure)

    def close(self) -> None:
        """Stop what runs and give everything back. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        with signals.held():
            for slot in self._slots:
                if slot.work is not None:
                    _kill_process(slot)
                _kill(slot.actor)
            self._slots = []
            self._cluster.close()

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _free_slot(self) -> _Slot | None:
        return next((slot for slot in self._slots if slot.stage is _Stage.UP and slot.work is None), None)

    def _is_one_coming(self) -> bool:
        return any(slot.stage in (_Stage.ABSENT, _Stage.PLACED, _Stage.MAKING) for slot in self._slots)

    def _turn(self, timeout_seconds: float) -> bool:
        """Wait for one thing to happen to any slot, and act on it; False when nothing did.

        Raises what no trial can help, and when no worker was up for too long. A signal waits for a moment: where it
        comes inside of Ray, the exception that its handler raises is lost, and another one comes out.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            left = deadline - time.monotonic()
            with signals.held(says=False):
                happened = self._short_turn(max(0.0, min(left, SHORT_SECONDS)))
            if happened or left <= SHORT_SECONDS or not self._is_anything_expected():
                return happened

    def _is_anything_expected(self) -> bool:
        return any(slot.waited_for is not None or slot.expected for slot in self._slots)

    def _short_turn(self, timeout_seconds: float) -> bool:
        for slot in self._slots:
            if slot.stage is _Stage.ABSENT:
                self._ask_for_worker(slot)
        self._look_around()
        waited_for = [(slot, slot.waited_for) for slot in self._slots if slot.waited_for is not None]
        if not waited_for:
            if any(slot.expected for slot in self._slots):
                time.sleep(min(timeout_seconds, LOOK_SECONDS))
            return False
        ready, _ = ray.wait([answer for _, answer in waited_for], num_returns=1, timeout=timeout_seconds)
        for slot, answer in waited_for:
            if ready and answer is ready[0]:
                self._act_on(slot)
        return bool(ready)

    def _act_on(self, slot: _Slot) -> None:
        """Ray has something to say of the slot."""
        if slot.stage is _Stage.PLACED:
            self._placed(slot)
        elif slot.stage is _Stage.MAKING:
            self._made(slot)
        elif slot.stage is _Stage.UNSEEN:
            self._seen_again(slot)
        elif slot.work is not None:
            self._take_item(slot, slot.work)

    # From asking for a worker to one that is up

    def _ask_for_worker(self, slot: _Slot) -> None:
        actor_class = ray.remote(_Worker).options(name=f"{self._prefix}/{slot.name}", **self._options)
        with contextlib.suppress(ActorAlreadyExistsError):  # its predecessor, for a moment
            slot.actor = actor_class.remote(self._factory)
            self._move(slot, _Stage.PLACED, slot.actor.place.remote())

    def _placed(self, slot: _Slot) -> None:
        try:
            slot.place = ray.get(slot.answer)
        except RayError as error:
            self._died_in_start(slot, _lost(error))
        else:
            self._move(slot, _Stage.MAKING, slot.actor.ready.remote())

    def _made(self, slot: _Slot) -> None:
        try:
            problem = ray.get(slot.answer)
        except RayError as error:
            self._died_in_start(slot, _lost(error))
            return
        if problem is not None:
            raise _unable(problem)
        slot.tries = 0
        self._up_at = time.monotonic()
        self._move(slot, _Stage.UP, None)

    def _died_in_start(self, slot: _Slot, failure: Failure) -> None:
        slot.tries += failure.kind == "worker_lost"
        _kill(slot.actor)
        if slot.tries < START_TRIES:
            self._move(slot, _Stage.ABSENT, None)
            return
        self._move(slot, _Stage.GIVEN_UP, None)
        if all(other.stage is _Stage.GIVEN_UP for other in self._slots):
            raise RuntimeError(f"a worker died while it made {self._factory.target}: {failure.reason}")
        self._note(f"{slot.name} is given up: {START_TRIES} workers died in it while they started: {failure.reason}")

    def _move(self, slot: _Slot, stage: _Stage, answer: Any) -> None:
        slot.stage, slot.answer, slot.since = stage, answer, time.monotonic()

    # A lease, from its first item to its end

    def _take_item(self, slot: _Slot, work: _Work) -> None:
        """The next item of a busy slot's stream, as an event."""
        try:
            item = ray.get(next(work.stream))
        except RayTaskError as error:  # the worker catches its trials' exceptions: this one arose on the way here
            item = Over(failure_of(error.cause if isinstance(error.cause, Exception) else error))
        except ActorUnavailableError:  # its process died, or its machine; Ray knows which of them a little later
            self._move(slot, _Stage.UNSEEN, None)
            return
        except (RayError, StopIteration) as error:
            item = Over(_lost(error))
        if isinstance(item, Begun):
            self._events.append(Started(work.lease, slot.name, item.node))
        elif isinstance(item, Measurement):
            self._events.append(Measured(work.lease, item))
        elif isinstance(item, Progress):
            self._events.append(Progressed(work.lease, item.step))
        elif isinstance(item, Unable):
            slot.work = None
            raise _unable(item)
        else:
            self._over(slot, item.failure)

    def _seen_again(self, slot: _Slot) -> None:
        """What became of a worker that was lost sight of; one that is there is not to be trusted any more."""
        try:
            ray.get(slot.answer)
        except ActorUnavailableError:
            slot.answer = None  # asked again
        except RayError as error:
            self._over(slot, _lost(error))
        else:
            self._over(slot, BROKEN)

    def _over(self, slot: _Slot, failure: Failure | None) -> None:
        """The slot's lease is over. A crashed process may hold memory, threads or a half-changed objective."""
        if slot.work is not None:
            self._events.append(Ended(slot.work.lease, failure))
        slot.work = None
        if failure is not None and failure.kind != "diverged":
            _kill(slot.actor)
            self._move(slot, _Stage.ABSENT, None)

    # What is waited for has a bound and a word

    def _look_around(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.stage is _Stage.MAKING and now - slot.since > MAKE_SECONDS:
                _kill_process(slot)
                reason = f"its objective was not made within {duration(MAKE_SECONDS)}"
                self._died_in_start(slot, Failure("worker_lost", reason))
            elif slot.stage is _Stage.UNSEEN and now - slot.since > OBITUARY_SECONDS:
                self._over(slot, BROKEN)
            elif slot.stage is _Stage.UNSEEN and slot.answer is None and now - slot.asked > ASK_SECONDS:
                slot.asked, slot.answer = now, slot.actor.place.remote()
        if now - self._looked_at > CLUSTER_SECONDS:
            self._looked_at = now
            self._look_at_cluster()
        if self.slots:
            self._up_at = now
        elif now - self._up_at > self._start_seconds and not any(slot.stage is _Stage.MAKING for slot in self._slots):
            nodes, free = _cluster()
            asked = f"{len(self._slots)} workers, {resources.in_words(self._needs)} each"
            raise TimeoutError(
                f"no worker was up within {duration(self._start_seconds)}: expected room for {asked}; "
                f"{resources.offer(nodes, free)}"
            )
        if now - self._said_at > SAY_SECONDS:
            self._said_at = now
            self._say_how_many(now)

    def _look_at_cluster(self) -> None:
        lost = ray_cluster.is_lost()
        if lost and self._was_lost:
            raise ConnectionError("the Ray cluster is lost: its head or this machine's node does not answer any more")
        self._was_lost = lost

    def _say_how_many(self, now: float) -> None:
        """A sentence when workers are missing, with the reason, and one when all have come."""
        up, wanted = self.slots, len(self._slots)
        why = self._why_missing(now)
        sentence = f"{up} of {wanted} workers are up{why and f'; {why}'}"
        if sentence != self._said and (why or (self._said and up == wanted)):
            self._note(sentence)
            self._said = sentence

    def _why_missing(self, now: float) -> str:
        """Why some are not up for longer than it takes; empty where there is nothing to say."""
        placed = [now - slot.since for slot in self._slots if slot.stage in (_Stage.ABSENT, _Stage.PLACED)]
        making = [now - slot.since for slot in self._slots if slot.stage is _Stage.MAKING]
        if max(placed, default=0.0) > SAY_SECONDS:
            nodes, free = _cluster()
            # Our own processes that are still starting have their room, too
            judged = None if self._private or max(placed) < ROOM_SECONDS else free
            if lack := resources.shortage(len(self._slots), self._needs, nodes, judged):
                return f"{lack}; the search goes on with those that are up" if self.slots else lack
        if max(making, default=0.0) > SLOW_SECONDS:
            return "the rest is still loading TensorFlow and the data"
        return "the processes of the rest are still starting" if max(placed, default=0.0) > SLOW_SECONDS else ""


def _cluster() -> tuple[list[dict[str, float]], dict[str, float]]:
    """The resources of each node, and what is free of all of them."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]], ray.available_resources()


def _unable(problem: Unable) -> Exception:
    """The exception to raise here for what a worker met; the worker's traceback is a note on it."""
    text = f"a worker could not {problem.what}: {problem.kind}: {problem.reason}"
    error = GpuNotUsable(problem.reason) if problem.gpu else RuntimeError(text)
    error.add_note(problem.traceback)
    return error


def _lost(error: BaseException) -> Failure:
    """What a worker's end was: of its machine, where Ray says so, else of its process."""
    node = (
        isinstance(error, NodeDiedError)
        or getattr(error, "preempted", False)
        or re.search("node has (died|crashed)", str(error)) is not None
    )
    return Failure("node_lost" if node else "worker_lost", _death(error))


def _death(error: BaseException) -> str:
    """One sentence of Ray's page-long report on a dead worker: how its process ended, or its node."""
    text = " ".join(str(error).split())
    detail = re.search(r"(?:Worker exit detail: |The actor died because )(.*?)(?: Some common causes|$)", text)
    return f"{type(error).__name__}: {detail[1] if detail else text}"[:REASON_LENGTH]


def _kill(actor: Any) -> None:
    """End an actor's process; that it is dead already is fine, or Ray gone, which would be started anew to say so."""
    if actor is not None and ray.is_initialized():
        with contextlib.suppress(RayError, ValueError):
            ray.kill(actor, no_restart=True)


def _kill_process(slot: _Slot) -> None:
    """End a worker that may not hear. Ray asks a process to exit: one that hangs loses its name, but keeps its room."""
    place = slot.place
    if place is None:
        return
    if place.host == platform.node():
        _kill_pid(place.pid)
        return
    there = NodeAffinitySchedulingStrategy(place.node_id, soft=False)
    ray.remote(_kill_pid).options(num_cpus=0, scheduling_strategy=there, max_retries=0).remote(place.pid)


def _kill_pid(pid: int) -> None:
    """SIGKILL, unless the number is another process' by now."""
    with contextlib.suppress(OSError):
        title = Path(f"/proc/{pid}/cmdline")
        if not title.parent.parent.is_dir() or title.read_bytes().startswith(b"ray::"):
            os.kill(pid, signal.SIGKILL)
