"""What this machine offers to trials: visible GPUs, usable cores, and a default number of workers.

Light to import: no Ray, no TensorFlow.
"""

import math
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

NVIDIA_SMI_SECONDS = 10.0
LARGEST_PORT = 65535
CGROUP_CPU = Path("/sys/fs/cgroup/cpu.max")
NAMES = ("CPU", "GPU")  # Ray's names of the resources that workers need
GPU_LINE = re.compile(r"^GPU (?P<index>\d+): (?P<name>.*) \(UUID: (?P<uuid>GPU-[^)]*)\)", re.MULTILINE)


def gpus_in_sight() -> list[str]:
    """Names of the GPUs that `nvidia-smi -L` lists and CUDA_VISIBLE_DEVICES lets through; [] without a driver."""
    try:
        listed = subprocess.run(
            ["nvidia-smi", "-L"],  # noqa: S607 (its path differs by distribution)
            capture_output=True,
            text=True,
            timeout=NVIDIA_SMI_SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return _visible(listed, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _visible(listed: str, visible: str | None) -> list[str]:
    """Names of the GPUs in a `nvidia-smi -L` listing that CUDA_VISIBLE_DEVICES lets through; None: it is not set."""
    gpus = [(match["index"], match["uuid"], match["name"]) for match in GPU_LINE.finditer(listed)]
    if visible is None:
        return [name for _, _, name in gpus]
    wanted = [word.strip() for word in visible.split(",")]
    return [
        name
        for word in wanted
        for index, uuid, name in gpus
        if word == index or (word.startswith("GPU-") and uuid.startswith(word))
    ]


def cpu_count() -> int:
    """The number of cores that this process may use: its affinity, within the quota of its container; at least 1."""
    affinity = getattr(os, "sched_getaffinity", None)  # only on Linux
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota = CGROUP_CPU.read_text(encoding="ascii")
    except OSError:
        return cores
    return max(1, min(cores, _quota_cores(quota) or cores))


def _quota_cores(quota: str) -> int | None:
    """Whole cores of a cgroup's cpu.max, "QUOTA PERIOD" in microseconds; None if the quota is "max"."""
    words = quota.split()
    if len(words) != 2 or not all(word.isdigit() for word in words) or int(words[1]) == 0:
        return None
    return max(1, int(words[0]) // int(words[1]))


def default_workers(gpus_per_trial: float, cpu_only: bool) -> tuple[int, int]:
    """The number of workers, and of threads per worker.

    On the CPU one worker per core with one thread, which wastes nothing. With GPUs one worker per GPU (or share of
    one); they divide the cores among themselves for reading the data.
    """
    cores = cpu_count()
    if cpu_only or gpus_per_trial <= 0:
        return cores, 1
    gpus = len(gpus_in_sight())
    workers = workers_on_gpus(gpus, gpus_per_trial)
    if workers == 0:
        raise ValueError(
            f"gpus_per_trial={gpus_per_trial:g}: expected at least that many GPUs in sight, got {gpus}; "
            "search on the CPU with --cpu"
        )
    return workers, max(1, cores // workers)


def check_gpus(workers: int, gpus_per_trial: float) -> None:
    """ValueError unless this number of workers fits on the visible GPUs."""
    gpus = len(gpus_in_sight())
    if workers_on_gpus(gpus, gpus_per_trial) < workers:
        raise ValueError(
            f"--workers {workers}: expected GPUs for {workers} trials of {gpus_per_trial:g} each, got {gpus} in sight; "
            "use fewer workers, a smaller --gpus-per-trial, or --cpu"
        )


def check_address(address: str) -> None:
    """ValueError unless the address has the form of a Ray cluster's: auto or HOST:PORT."""
    if "://" in address:
        raise ValueError(f"--address {address}: Ray Client is not supported; expected auto or HOST:PORT of the head")
    host, _, port = address.rpartition(":")
    if address != "auto" and not (host and port.isdecimal() and 0 < int(port) <= LARGEST_PORT):
        raise ValueError(f"--address {address}: expected auto or HOST:PORT")


def cluster_in_words(nodes: Sequence[Mapping[str, float]], free: Mapping[str, float]) -> str:
    """A cluster's total and free resources in words. nodes: resources by Ray's names; free: of all nodes together."""
    totals = [f"{sum(node.get(name, 0) for node in nodes):g} {name} ({free.get(name, 0):g} free)" for name in NAMES]
    return f"the cluster has {' and '.join(totals)} on {len(nodes)} {'node' if len(nodes) == 1 else 'nodes'}"


def shortage(
    workers: int, needs: Mapping[str, float], nodes: Sequence[Mapping[str, float]], free: Mapping[str, float] | None
) -> str | None:
    """What a cluster lacks for this number of workers with these needs, in words; None if it seems to have room.

    nodes: each node's resources by Ray's names. free: what is still free on all nodes together after Ray tried to
    place the workers; None if it is too early to consider that.
    """
    needed = {name: amount for name, amount in needs.items() if amount > 0}
    for name, amount in needed.items():
        total = sum(node.get(name, 0.0) for node in nodes)
        left = None if free is None else free.get(name, 0.0)
        if total < workers * amount or (left is not None and left < amount):
            available = f"{total:g}" if left is None else f"{total:g}, {left:g} of them free"
            need = f"{workers} workers need {amount:g} each" if workers > 1 else f"a worker needs {amount:g}"
            return f"{name} is short: {need}, the cluster has {available}"
    fitting = sum(min(int(node.get(name, 0.0) / amount + 1e-9) for name, amount in needed.items()) for node in nodes)
    if fitting < workers:
        each = ", ".join(needs_in_words({name: node.get(name, 0.0) for name in needed}) or "nothing" for node in nodes)
        return f"no {workers} workers with {needs_in_words(needed)} each fit on its nodes, which have {each}"
    return None


def needs_in_words(needs: Mapping[str, float]) -> str:
    """A worker's resources in words, such as "4 CPU and 0.5 GPU"."""
    return " and ".join(f"{amount:g} {name}" for name, amount in needs.items() if amount > 0)


def workers_on_gpus(gpus: int, gpus_per_trial: float) -> int:
    """The number of workers that fit on the GPUs; a share of a GPU never spans two of them."""
    if gpus_per_trial >= 1:
        return gpus // math.ceil(gpus_per_trial)
    return gpus * math.floor(1 / gpus_per_trial + 1e-9)
