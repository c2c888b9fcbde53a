"""Scenarios on a Ray cluster of several nodes, all on this machine; run by test_ray_cluster.py, prints one JSON."""

import json
import os
import signal
import sys
import tempfile
import time
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": sys.argv[1]}

from ray.cluster_utils import Cluster

from evolve.execution import ray_executor
from evolve.execution.dispatch import Lost, dispatch
from evolve.execution.executor import Ended, Lease, Measured, Started
from evolve.execution.watch import Patience, WatchedExecutor
from evolve.trial import Failure, ObjectiveFactory, TrialSpec

FACTORY = ObjectiveFactory("executor_objectives:scripted_objective")
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
ENDS_BY_ITSELF_SECONDS = 90.0  # a scenario that would wait for ever fails after this


def lease(uid: str, **config: Any) -> Lease:
    return Lease(TrialSpec(uid, config, seed=0, stop_step=4), attempt=1)


class Cut(Exception):
    """The scenario took too long."""


@contextmanager
def bounded() -> Any:
    def cut(*_: object) -> None:
        raise Cut(f"not over within {ENDS_BY_ITSELF_SECONDS:g} s")

    signal.signal(signal.SIGALRM, cut)
    signal.alarm(int(ENDS_BY_ITSELF_SECONDS))
    yield
    signal.alarm(0)


def executor(cluster: Cluster, notes: list[str], workers: int, **options: Any) -> ray_executor.RayExecutor:
    return ray_executor.RayExecutor(FACTORY, workers=workers, address=cluster.address, note=notes.append, **options)


def ended(executor: Any, *leases: Lease) -> list[Ended]:
    """The ends of the leases, each tried once."""
    return [event for event in dispatch(executor, deque(leases)) if isinstance(event, Ended)]


def room_for_one_of_two(cluster: Cluster) -> dict[str, Any]:
    notes: list[str] = []
    with executor(cluster, notes, workers=2) as made:
        ends = ended(made, *[lease(f"g000-{k:03d}", do="slow", seconds=3) for k in range(3)])
        few = list(notes)
        cluster.add_node(**NODE)
        while made.slots < 2:
            made.poll(0.5)
        while not notes[len(few) :] or "2 of 2" not in notes[-1]:
            made.poll(0.5)
    cluster.remove_node(list(cluster.worker_nodes)[-1])
    return {"failures": [end.failure for end in ends], "few": few, "later": notes[len(few) :]}


def room_for_none(cluster: Cluster) -> dict[str, Any]:
    notes: list[str] = []
    try:
        executor(cluster, notes, workers=2, threads=4, start_seconds=3 * ray_executor.SAY_SECONDS)
    except TimeoutError as error:
        return {"error": str(error), "notes": notes}
    return {}


def a_stopped_process(cluster: Cluster) -> dict[str, Any]:
    """The only worker is suspended in the middle of a trial: it neither reports nor handles signals."""
    notes: list[str] = []
    marker = Path(tempfile.mkdtemp(dir=sys.argv[1])) / "marker"
    stuck = lease("g000-000", do="stop once", marker=str(marker))
    with executor(cluster, notes, workers=1) as made:
        watched = WatchedExecutor(made, Patience(least_seconds=3.0, unknown_seconds=30.0), notes.append)
        seen = list(dispatch(watched, deque([stuck])))
        pids = [event.node.rpartition("/")[2] for event in seen if isinstance(event, Started)]
        last = [event.measurement for event in seen if isinstance(event, Measured)][-1]
    ends = [event for event in seen if isinstance(event, Lost | Ended)]
    return {
        "failures": [end.failure and (end.failure.kind, end.failure.reason) for end in ends],
        "pids": pids,
        "alive": [Path(f"/proc/{pid}").exists() for pid in pids],
        "score": last.scores["val/map50_95"],
        "notes": notes,
    }


def a_stopped_process_elsewhere(cluster: Cluster) -> dict[str, Any]:
    """The same on another machine, as far as the executor knows: it cannot end the process itself."""
    platform = ray_executor.platform
    ray_executor.platform = SimpleNamespace(node=lambda: "another")
    try:
        return a_stopped_process(cluster)
    finally:
        ray_executor.platform = platform


def a_lost_node(cluster: Cluster) -> dict[str, Any]:
    notes: list[str] = []
    with executor(cluster, notes, workers=1) as made:
        made.submit(lease("g000-000", do="hang"))
        while not any(isinstance(event, Started) for event in made.poll(0.5)):
            pass
        cluster.remove_node(list(cluster.worker_nodes)[-1], allow_graceful=False)
        events: list[Any] = []
        while not any(isinstance(event, Ended) for event in events):
            events.extend(made.poll(0.5))
        failure: Failure = events[-1].failure
        while not any(note.startswith("0 of 1 workers") for note in notes):  # no worker is up now, which is reported
            made.poll(0.5)
        cluster.add_node(**NODE)
        [end] = ended(made, lease("g000-001"))
    return {"failure": [failure.kind, failure.reason], "after": end.failure, "notes": notes}


def a_lost_head(cluster: Cluster) -> dict[str, Any]:
    with executor(cluster, [], workers=1) as made:
        ray_executor.CLUSTER_SECONDS = 1.0
        made.submit(lease("g000-000", do="hang"))
        cluster.head_node.kill_gcs_server()
        try:
            while True:
                made.poll(0.5)
        except ConnectionError as error:
            return {"error": str(error)}


SCENARIOS = {
    found.__name__: found
    for found in (
        room_for_one_of_two,
        room_for_none,
        a_stopped_process,
        a_stopped_process_elsewhere,
        a_lost_node,
        a_lost_head,
    )
}


def main() -> None:
    cluster = Cluster(head_node_args={**NODE, "num_cpus": 0}, initialize_head=True)
    cluster.add_node(**NODE)
    found = {}
    for name, scenario in SCENARIOS.items():
        begun = time.monotonic()
        try:
            with bounded():
                found[name] = scenario(cluster)
        except Cut as cut:
            found[name] = {"cut": str(cut)}
        sys.stderr.write(f"{name}: {time.monotonic() - begun:.1f} s\n")
    Path(sys.argv[1], "found.json").write_text(json.dumps(found))
    cluster.shutdown()


if __name__ == "__main__":
    main()
