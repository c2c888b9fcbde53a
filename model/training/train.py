"""The training loop: a generator over the steps of a schedule, with Reports now and then."""

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from model.config import DetectorConfig, LossConfig, OptimizerConfig, RegularizationConfig, TrainConfig
from model.training import loss, schedule
from model.training.adversarial import norm_index
from model.training.batch_pass import LOSSES, SETTINGS
from model.training.trainer import Batch, Trainer

# Keys of the draws that are a training's own, beside those of weights (by layer) and of pictures (the data room's).
_SAT, _NETWORK = 1_000_001, 1_000_002
Made = TypeVar("Made")


class Settings(Protocol):
    """The configuration of a training, room by room."""

    @property
    def detector(self) -> DetectorConfig: ...
    @property
    def loss(self) -> LossConfig: ...
    @property
    def optimizer(self) -> OptimizerConfig: ...
    @property
    def regularization(self) -> RegularizationConfig: ...
    @property
    def train(self) -> TrainConfig: ...


@dataclass(frozen=True)
class Report:
    """Mean losses since the last report, seconds by kind, and graphs traced."""

    step: int
    losses: Mapping[str, float]
    seconds: Mapping[str, float]
    traces: int


class Diverged(Exception):
    """The loss is NaN or infinite; the message names the step and the terms."""


def settings_vector(step: int, config: Settings) -> NDArray[np.float32]:
    """The scalars of update number `step` (from 1) in the order of SETTINGS."""
    steps, optimizer, regularization = config.train.steps, config.optimizer, config.regularization
    value = {
        "learning_rate": schedule.learning_rate(step, steps, optimizer),
        "momentum": optimizer.momentum,
        "weight_decay": optimizer.weight_decay,
        "max_gradient_norm": optimizer.max_gradient_norm,
        "backbone_active": 0.0 if schedule.is_frozen(step, steps, optimizer) else 1.0,
        "ema_decay": schedule.ema_decay(step, optimizer),
        "norm_momentum": optimizer.norm_momentum,
        "cross_mini_batch": float(regularization.cmbn),
        "dropblock_rate": schedule.dropblock_rate(step, steps, regularization),
        "sat_strength": regularization.sat_strength,
        "sat_norm": norm_index(regularization.sat_norm),
        "scale_xy_8": config.detector.scale_xy_8,
        "scale_xy_16": config.detector.scale_xy_16,
        "scale_xy_32": config.detector.scale_xy_32,
        **loss.settings(config.loss)._asdict(),
    }
    return np.asarray([value[name] for name in SETTINGS], np.float32)


def is_adversarial(seed: int, step: int, config: Settings) -> bool:
    """Whether update number `step` (from 1) trains on SAT's pictures: drawn by seed and step, never in the burn-in."""
    if step <= schedule.burn_in_steps(config.train.steps, config.optimizer):
        return False
    return bool(_generator(seed, _SAT, step).random() < config.regularization.sat_prob)


def chance(seed: int, step: int) -> tuple[int, int]:
    """Two numbers below 2^30 that the draws inside the network at this step depend on."""
    first, second = _generator(seed, _NETWORK, step).integers(2**30, size=2)
    return int(first), int(second)


def _generator(seed: int, kind: int, step: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(kind, step))))


def train(
    trainer: Trainer,
    batch_at: Callable[[int], Batch],
    config: Settings,
    *,
    seed: int,
    start_step: int,
    stop_step: int,
    report_every: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Report | int]:
    """Train from start_step to stop_step of the configuration's schedule; each step yields its number or a Report.

    Every report_every steps and at stop_step it is a Report.

    batch_at(k) gives the batch of step k (from 0); it is called in a thread of its own, one batch ahead. Raises
    Diverged at the first loss that is not finite. "data" is the time that a step waited for its batch; the time of a
    step that traced counts as "compile".
    """
    steps = config.train.steps
    seconds = {"data": 0.0, "train": 0.0, "compile": 0.0}
    sums = np.zeros(len(LOSSES))
    since, traces = 0, trainer.traces
    with contextlib.closing(ahead(batch_at, start_step, stop_step)) as batches:
        for step in range(start_step + 1, stop_step + 1):
            begun = clock()
            batch = next(batches)
            fed = clock()
            before = trainer.traces
            values = trainer.step(
                batch,
                settings_vector(step, config),
                chance=chance(seed, step),
                attacked=is_adversarial(seed, step, config),
            )
            seconds["data"] += fed - begun
            seconds["compile" if trainer.traces > before else "train"] += clock() - fed
            if not np.all(np.isfinite(values)):
                named = ", ".join(f"{name} {value:g}" for name, value in zip(LOSSES, values, strict=True))
                raise Diverged(f"the loss is not finite at step {step} of {steps}: {named}")
            sums += values
            since += 1
            if step % report_every == 0 or step == stop_step:
                means = {name: float(total / since) for name, total in zip(LOSSES, sums, strict=True)}
                yield Report(step, means, dict(seconds), trainer.traces - traces)
                seconds = dict.fromkeys(seconds, 0.0)
                sums[:] = 0.0
                since, traces = 0, trainer.traces
            else:
                yield step


def ahead(make: Callable[[int], Made], start: int, stop: int) -> Generator[Made, None, None]:
    """make(start) to make(stop - 1) in turn, each made in a thread while the one before it is in use."""
    if start >= stop:
        return
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as maker:
        coming = maker.submit(make, start)
        for k in range(start, stop):
            made = coming.result()
            if k + 1 < stop:
                coming = maker.submit(make, k + 1)
            yield made
