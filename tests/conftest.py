"""Properties without a clock, and one local Ray for all the tests that need one.

Ray's start takes about five seconds, an executor's in it one. Properties are about values, not about time: a busy
machine must not fail them.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no deadline", settings(), deadline=None)  # the parent: under CI the examples are fixed ones
settings.load_profile("no deadline")

os.environ["MLFLOW_LOGGING_LEVEL"] = "CRITICAL"  # as the tracker has it, even if a test imports MLflow before it does
IN_SEVERAL_PROCESSES = "PYTEST_XDIST_WORKER" in os.environ
os.environ["YOLOV4_EVOLVE_CACHE"] = "off"  # tests leave the user's cache of pictures alone
IN_WORKERS = Path(__file__).parent / "evolve" / "execution" / "in_workers"


def pytest_collection_finish() -> None:
    """Give TensorFlow one thread, as a trial has it, if tests run in several processes.

    TensorFlow refuses another number of threads after its first operation, so without this the tests of trials would
    fail in a process that ran a test of the network before them.
    """
    if IN_SEVERAL_PROCESSES and "tensorflow" in sys.modules:
        threading = sys.modules["tensorflow"].config.threading
        threading.set_intra_op_parallelism_threads(1)
        threading.set_inter_op_parallelism_threads(1)


@pytest.fixture(scope="session")
def worker_modules() -> Iterator[None]:
    """Objectives of the tests can be imported by name, here and in processes started from here."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(IN_WORKERS), before)))
    sys.path.insert(0, str(IN_WORKERS))
    yield
    sys.path.remove(str(IN_WORKERS))
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="session")
def local_ray(worker_modules: None) -> Iterator[None]:
    """Ray on this machine with room for three workers of one thread; executors made in this process join it."""
    from evolve.execution import ray_cluster

    with ray_cluster.initialised(None, workers=3, threads=1, gpus_per_trial=0):
        yield
