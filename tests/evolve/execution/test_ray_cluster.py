"""Several nodes, one of them lost; a cluster without room; an address that does not answer. All on one machine."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

IN_WORKERS = Path(__file__).parent / "in_workers"
PATIENCE_SECONDS = 400.0  # each scenario has a bound of its own


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Any]]:
    """The results of the scenarios of on_nodes.py."""
    folder = Path(tempfile.mkdtemp(prefix="n", dir="/tmp"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(IN_WORKERS)])}
    done = subprocess.run(
        [sys.executable, str(IN_WORKERS / "on_nodes.py"), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (folder / "found.json").is_file(), done.stderr[-2000:]
    yield json.loads((folder / "found.json").read_text(encoding="utf-8"))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_two_workers_where_there_is_room_for_one(found: dict[str, Any]) -> None:
    """Leases go to the worker that is up; what is missing is reported; the other worker comes up when a node joins."""
    seen = found["room_for_one_of_two"]
    assert seen["failures"] == [None, None, None]
    assert seen["few"][-1] == (
        "1 of 2 workers are up; CPU is short: 2 workers need 1 each, the cluster has 1; "
        "the search goes on with those that are up"
    )
    assert seen["later"][-1] == "2 of 2 workers are up"


@pytest.mark.slow
def test_no_worker_within_the_bound_names_what_was_asked_for_and_what_there_is(found: dict[str, Any]) -> None:
    seen = found["room_for_none"]
    assert seen["error"] == (
        "no worker was up within 15 s: expected room for 2 workers, 4 CPU each; "
        "the cluster has 1 CPU (1 free) and 0 GPU (0 free) on 2 nodes"
    )
    assert seen["notes"][-1] == "0 of 2 workers are up; CPU is short: 2 workers need 4 each, the cluster has 1"


@pytest.mark.slow
@pytest.mark.parametrize("where", ["a_stopped_process", "a_stopped_process_elsewhere"])
def test_a_process_that_neither_reports_nor_hears_is_ended_and_its_room_is_free(
    where: str, found: dict[str, Any]
) -> None:
    seen = found[where]
    [(kind, reason), again] = seen["failures"]
    assert (kind, again) == ("hung", None)
    assert reason.startswith("no sign of life for 3 s after step 3 of 4")
    first, second = seen["pids"]
    assert first != second
    assert seen["alive"] == [False, False]
    assert seen["score"] == 0.25  # what it is without a hang
    assert any("it is ended after 3 s of silence" in note for note in seen["notes"])


@pytest.mark.slow
def test_a_lost_node_is_no_fault_of_its_trial_and_the_slot_waits_for_another(found: dict[str, Any]) -> None:
    seen = found["a_lost_node"]
    kind, reason = seen["failure"]
    assert (kind, reason.startswith("ActorDiedError: its node has died")) == ("node_lost", True), reason
    assert any(note.startswith("0 of 1 workers are up; CPU is short") for note in seen["notes"])
    assert seen["after"] is None


@pytest.mark.slow
def test_a_lost_head_is_an_error_with_a_sentence(found: dict[str, Any]) -> None:
    """Ray itself would end the process after a minute, without our message."""
    assert found["a_lost_head"]["error"].startswith("the Ray cluster is lost: ")


JOIN = """
import sys
from evolve.execution import ray_cluster, ray_executor
from evolve.trial import ObjectiveFactory
ray_cluster.ANSWER_SECONDS = 5.0
try:
    ray_executor.RayExecutor(ObjectiveFactory("no:matter"), workers=1, address=sys.argv[1], note=print)
except ConnectionError as error:
    print(error)
"""


@pytest.mark.medium
def test_an_address_that_accepts_and_says_nothing_has_a_bound() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", JOIN, address], capture_output=True, text=True, timeout=60, check=False
        )
    word, error = done.stdout.splitlines()
    assert word == f"joining the Ray cluster at {address}, which has 5 s to answer"
    assert error.startswith(f"--address {address}: no answer within 5 s; expected the head of a Ray cluster there")
