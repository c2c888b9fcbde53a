"""How fast one core makes training batches, and what a large data set costs in memory.

`python benchmarks/input_pipeline.py --data DIR --size 416 --json`; without --data the embedded data set.

images_per_second_per_core: images over seconds of this process's own time on one core, so that other work on the
machine does not count; all with every change of the default configuration:
  uncached: plain pictures, each file decoded anew;
  cached:   plain pictures, decoded before and kept on disk, memory-mapped;
  mosaic:   the same, every picture a mosaic of four.
The three take turns within one run, so their ratios hold whatever else the machine does. wall: by the clock.

memory_mb: what a worker's own memory grows by (pages that are no file's) after every picture was used once, for the
data set and for one ten times larger (its files under ten names each), with the pictures in memory (limited to
share_mb) and with them on disk.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import cv2

from data.batches.pipeline import Pipeline
from data.config import STORE_FACTOR, AugmentConfig, InputConfig
from data.dataset import Example
from data.digits import synthetic
from data.pictures.disk_cache import SharedCache
from data.sets import read

BATCH = 16
ROUNDS = 7
SHARE_MB = 32
AMPLE = 1 << 40


def main() -> int:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR", help="a data set; default: the embedded one")
    parser.add_argument("--size", type=int, default=416, help="side of the network's input")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each of the three, in each of seven rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--memory-of", choices=("memory", "disk"), help=argparse.SUPPRESS)
    parser.add_argument("--times", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.data or synthetic.write(Path(folder) / "embedded", seed=0)
        examples = read.load(root).splits["train"]
        if arguments.memory_of:
            print(_growth_mb(examples, arguments.size, arguments.memory_of, arguments.times, Path(folder)))
            return 0
        speed, wall = _speeds(examples, arguments.size, arguments.seconds, Path(folder))
        figures = {
            "images_per_second_per_core": speed,
            "wall": wall,
            "memory_mb": {
                "share_mb": SHARE_MB,
                **{
                    kind: {f"{times}x": _measured_apart(root, arguments.size, kind, times) for times in (1, 10)}
                    for kind in ("memory", "disk")
                },
            },
            "pictures": len(examples),
            "size": arguments.size,
        }
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))
    return 0


def _speeds(
    examples: Sequence[Example], size: int, seconds: float, folder: Path
) -> tuple[dict[str, float], dict[str, float]]:
    """Images a second of this process's time, and of the clock's: medians of the rounds."""
    side = round(STORE_FACTOR * size)
    shared = Pipeline(examples, store_side=side, shared=SharedCache("benchmark", folder / "cache", AMPLE))
    plain, mosaic = (replace(AugmentConfig(), mosaic_prob=prob) for prob in (0.0, 1.0))
    _use_all(shared, len(examples), size)
    kinds = {
        "cached": (shared, plain),
        "uncached": (Pipeline(examples, store_side=side, cache_bytes=0), plain),
        "mosaic": (shared, mosaic),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for number in range(ROUNDS):
        for name, (pipeline, config) in kinds.items():
            found[name].append(_rate(pipeline, config, size, seconds, number))
    own, clock = ({name: round(median(pair[i] for pair in pairs), 1) for name, pairs in found.items()} for i in (0, 1))
    return own, clock


def _rate(pipeline: Pipeline, config: AugmentConfig, size: int, seconds: float, seed: int) -> tuple[float, float]:
    own, clock, step = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() - clock < seconds:
        _batch(pipeline, config, size, seed, step)
        step += 1
    images = step * BATCH
    return images / (time.process_time() - own), images / (time.perf_counter() - clock)


def _batch(pipeline: Pipeline, config: AugmentConfig, size: int, seed: int, step: int) -> None:
    pipeline.batch(
        seed=seed,
        step=step,
        batch=BATCH,
        size=size,
        augment=config,
        progress=0.0,
        input_config=InputConfig(max_boxes=200),
    )


def _use_all(pipeline: Pipeline, count: int, size: int) -> None:
    """Every picture once."""
    for step in range(-(-count // BATCH)):
        _batch(pipeline, AugmentConfig(mosaic_prob=0), size, 0, step)


def _measured_apart(root: Path, size: int, kind: str, times: int) -> float:
    """In a process of its own: memory that was used once is not always given back."""
    command = [sys.executable, __file__, "--data", str(root), "--size", str(size)]
    answer = subprocess.run(  # noqa: S603  this file itself, with paths of ours
        [*command, "--memory-of", kind, "--times", str(times)], check=True, capture_output=True, text=True
    )
    return float(answer.stdout)


def _growth_mb(examples: Sequence[Example], size: int, kind: str, times: int, folder: Path) -> float:
    """Growth of this process's own memory while every picture is used once, in MB."""
    many = [replace(example, path=_renamed(example.path, k, folder)) for k, example in enumerate([*examples] * times)]
    before = _own_bytes()
    pipeline = Pipeline(
        many,
        store_side=round(STORE_FACTOR * size),
        cache_bytes=SHARE_MB << 20,
        shared=SharedCache("benchmark", folder / "cache", AMPLE) if kind == "disk" else None,
    )
    _use_all(pipeline, len(many), size)
    return round((_own_bytes() - before) / (1 << 20), 1)


def _renamed(path: Path, number: int, folder: Path) -> Path:
    """Another name of the same file."""
    name = folder / f"{number}-{path.name}"
    name.symlink_to(path.resolve())
    return name


def _own_bytes() -> int:
    """Resident memory that belongs to no file (Linux)."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status: expected a line RssAnon, got none")


if __name__ == "__main__":
    sys.exit(main())
