"""Visible GPUs, usable cores, and the number of workers that follows from them."""

import subprocess

import pytest

from evolve.execution import resources

# What `nvidia-smi -L` of driver 550 prints.
LISTED = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-5a1c7b0e-0000-1111-2222-333344445555)
GPU 1: NVIDIA RTX A2000 (12 GB) (UUID: GPU-77aa0000-1111-2222-3333-444455556666)
  MIG 1g.10gb     Device  0: (UUID: MIG-0f0f0f0f-0000-5555-9999-000000000000)
"""


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["NVIDIA H100 80GB HBM3", "NVIDIA RTX A2000 (12 GB)"]),
        ("", []),
        ("-1", []),
        ("1", ["NVIDIA RTX A2000 (12 GB)"]),
        ("1,0", ["NVIDIA RTX A2000 (12 GB)", "NVIDIA H100 80GB HBM3"]),
        ("GPU-77aa", ["NVIDIA RTX A2000 (12 GB)"]),
        ("7", []),
    ],
)
def test_gpus_in_sight_are_those_listed_and_let_through(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, names: list[str]
) -> None:
    def listing(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, LISTED, "")

    monkeypatch.setattr(resources.subprocess, "run", listing)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert resources.gpus_in_sight() == names


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("nvidia-smi"),
        subprocess.TimeoutExpired("nvidia-smi", 10),
        subprocess.CalledProcessError(9, "nvidia-smi"),
    ],
)
def test_without_a_working_driver_no_gpu_is_in_sight(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(resources.subprocess, "run", failing)
    assert resources.gpus_in_sight() == []


@pytest.mark.parametrize(
    ("gpus", "share", "workers"),
    [(4, 1, 4), (4, 0.5, 8), (1, 0.34, 2), (2, 0.3, 6), (3, 2, 1), (4, 2, 2), (1, 0.1, 10), (0, 1, 0), (1, 2, 0)],
)
def test_a_share_of_a_gpu_never_spans_two(gpus: int, share: float, workers: int) -> None:
    assert resources.workers_on_gpus(gpus, share) == workers


@pytest.mark.parametrize(
    ("cores", "gpus", "share", "cpu_only", "expected"),
    [
        (2, 0, 0, False, (2, 1)),
        (16, 4, 1, True, (16, 1)),
        (16, 4, 1, False, (4, 4)),
        (16, 4, 0.5, False, (8, 2)),
        (2, 4, 1, False, (4, 1)),
    ],
)
def test_default_workers(
    monkeypatch: pytest.MonkeyPatch, cores: int, gpus: int, share: float, cpu_only: bool, expected: tuple[int, int]
) -> None:
    monkeypatch.setattr(resources, "cpu_count", lambda: cores)
    monkeypatch.setattr(resources, "gpus_in_sight", lambda: ["a GPU"] * gpus)
    assert resources.default_workers(share, cpu_only) == expected


def test_more_gpu_than_there_is_is_refused_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "gpus_in_sight", lambda: ["a GPU"])
    with pytest.raises(ValueError, match=r"gpus_per_trial=2: expected .* got 1; .*--cpu"):
        resources.default_workers(2, cpu_only=False)


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000\n", None), ("200000 100000\n", 2), ("50000 100000\n", 1), ("350000 100000\n", 3), ("", None)],
)
def test_the_quota_of_a_container_in_whole_cores(quota: str, cores: int | None) -> None:
    assert resources._quota_cores(quota) == cores


def test_this_machine_has_cores() -> None:
    assert resources.cpu_count() >= 1


NODE = {"CPU": 4.0, "GPU": 1.0, "memory": 1e9}


@pytest.mark.parametrize(
    ("workers", "needs", "nodes", "free", "words"),
    [
        (2, {"CPU": 1, "GPU": 0}, [{"CPU": 1.0}], None, "CPU is short: 2 workers need 1 each, the cluster has 1"),
        (2, {"CPU": 2, "GPU": 1}, [NODE], None, "GPU is short: 2 workers need 1 each, the cluster has 1"),
        # Enough in total, but three cores on each of two machines have no room for a third worker with two cores.
        (
            3,
            {"CPU": 2, "GPU": 0},
            [{"CPU": 3.0}, {"CPU": 3.0}],
            None,
            "no 3 workers with 2 CPU each fit on its nodes, which have 3 CPU, 3 CPU",
        ),
        (
            1,
            {"CPU": 1, "GPU": 1},
            [{"CPU": 8.0}],
            {"CPU": 8.0},
            "GPU is short: a worker needs 1, the cluster has 0",
        ),
        # The totals would be enough, but others use them.
        (
            2,
            {"CPU": 2, "GPU": 0},
            [NODE],
            {"CPU": 1.0, "GPU": 1.0},
            "CPU is short: 2 workers need 2 each, the cluster has 4, 1 of them free",
        ),
        (2, {"CPU": 2, "GPU": 0}, [NODE], {"CPU": 2.0}, None),
        (2, {"CPU": 2, "GPU": 0.5}, [NODE], None, None),
        (4, {"CPU": 1, "GPU": 0.25}, [NODE], {"CPU": 1.0, "GPU": 0.25}, None),
        (1, {"CPU": 1, "GPU": 0}, [], None, "CPU is short: a worker needs 1, the cluster has 0"),
    ],
)
def test_what_a_cluster_lacks(
    workers: int,
    needs: dict[str, float],
    nodes: list[dict[str, float]],
    free: dict[str, float] | None,
    words: str | None,
) -> None:
    said = resources.shortage(workers, needs, nodes, free)
    assert said is None if words is None else said is not None and said.startswith(words)


def test_what_a_cluster_offers_and_a_worker_needs() -> None:
    assert resources.cluster_in_words([NODE, {"CPU": 2.0}], {"CPU": 5.0}) == (
        "the cluster has 6 CPU (5 free) and 1 GPU (0 free) on 2 nodes"
    )
    assert resources.cluster_in_words([NODE], {}) == "the cluster has 4 CPU (0 free) and 1 GPU (0 free) on 1 node"
    assert resources.needs_in_words({"CPU": 4.0, "GPU": 0.5}) == "4 CPU and 0.5 GPU"
    assert resources.needs_in_words({"CPU": 1.0, "GPU": 0.0}) == "1 CPU"
