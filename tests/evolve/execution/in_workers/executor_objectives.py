"""Objectives for the executors' tests. Workers import this module by name: its folder is on their PYTHONPATH."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from evolve.trial import GpuNotUsable, Measurement, Objective, Progress, Report, TrialDiverged, TrialSpec


def scripted_objective(*, note: str = "") -> Objective:
    """Behaves as the spec's setting "do" says, and reports its process in the scores."""
    if note:
        raise ValueError(note)
    trained: list[str] = []  # the warm state of this worker

    def train(spec: TrialSpec) -> Iterator[Report]:
        trained.append(spec.uid)
        for step in range(spec.start_step + 1, spec.stop_step):
            yield Measurement(step, {"total": 1.0 / step})
        if spec.config.get("do") == "breathe":
            yield Progress(spec.stop_step)
        _do(str(spec.config.get("do", "")), spec)
        yield Measurement(
            spec.stop_step, {"total": 0.5}, {"val/map50_95": 0.25, "pid": float(os.getpid()), "trained": len(trained)}
        )

    return train


def _do(what: str, spec: TrialSpec) -> None:
    if what == "diverge":
        raise TrialDiverged(f"loss 'box' is nan at step {spec.stop_step}")
    if what == "crash":
        raise KeyError("no such layer")
    if what == "die":
        os._exit(7)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "slow":
        time.sleep(float(str(spec.config.get("seconds", 1.0))))
    if what == "hang":
        time.sleep(600.0)
    if what == "hang once" and _is_first(spec):
        time.sleep(600.0)
    if what == "stop once" and _is_first(spec):
        time.sleep(2.0)  # until what it reported has left the process
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)


def _is_first(spec: TrialSpec) -> bool:
    """Whether no attempt at this trial has come here before; "marker" is a file of the test."""
    try:
        Path(str(spec.config["marker"])).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def without_gpu() -> Objective:
    """Raises the real objective's error for a TensorFlow without a GPU."""
    raise GpuNotUsable("TensorFlow sees no GPU: run `make setup` or search with --cpu")


def made_so_often(*, tally: str, times: int) -> Objective:
    """The scripted objective; after a number of calls its data set is gone."""
    with Path(tally).open("a", encoding="utf-8") as file:
        file.write("made\n")
    if len(Path(tally).read_text(encoding="utf-8").splitlines()) > times:
        raise FileNotFoundError("the data set is gone")
    return scripted_objective()


def dying() -> Objective:
    """Kills its worker while the objective is made."""
    os._exit(3)


def environment_objective() -> Objective:
    """Reports the environment of its process as scores."""
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "TF_CPP_MIN_LOG_LEVEL")

    def train(spec: TrialSpec) -> Iterator[Measurement]:
        scores = {name: float(os.environ[name]) for name in names}
        yield Measurement(
            spec.stop_step, {}, {**scores, "gpus_hidden": float(os.environ["CUDA_VISIBLE_DEVICES"] == "")}
        )

    return train


def tensorflow_objective() -> Objective:
    """Reports what TensorFlow really uses: the threads of its pool, and the cores that a matrix product keeps busy."""
    import tensorflow as tf

    def train(spec: TrialSpec) -> Iterator[Measurement]:
        product = tf.ones((1500, 1500)) @ tf.ones((1500, 1500))
        begun_cpu, begun = time.process_time(), time.perf_counter()
        for _ in range(10):
            product = tf.linalg.matmul(product, product) * 0.0
        product.numpy()
        cores = (time.process_time() - begun_cpu) / (time.perf_counter() - begun)
        names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
        yield Measurement(spec.stop_step, {}, {"pool": float(names.count("tf_Compute")), "cores": cores})

    return train
