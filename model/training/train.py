"""The training loop: a generator over the steps of a schedule that yields a Report at some of them."""

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
from model.training.batch_pass import REPORTED, SETTINGS, TERMS
from model.training.trainer import Trainer, TrainingBatch

# Keys of the training loop's draws; those of weights are keyed by layer, those of pictures in the data room.
_SAT, _NETWORK = 1_000_001, 1_000_002
Item = TypeVar("Item")


class TrainingSettings(Protocol):
    """The configuration of a training, part by part."""

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
    """Mean losses, seconds by kind and number of graphs traced since the last report."""

    step: int
    losses: Mapping[str, float]
    seconds: Mapping[str, float]
    traces: int


class Diverged(Exception):
    """The loss is NaN or infinite; the message names the step and the terms."""


def settings_vector(step: int, config: TrainingSettings) -> NDArray[np.float32]:
    """The scalars of update number `step` (from 1) in the order of SETTINGS."""
    steps, optimizer, regularization = config.train.steps, config.optimizer, config.regularization
    value = {
        "learning_rate": schedule.learning_rate(step, steps, optimizer),
        "momentum": optimizer.momentum,
        "weight_decay": optimizer.weight_decay,
        "max_gradient_norm": optimizer.max_gradient_norm,
        "spike_factor": optimizer.spike_factor,
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


def is_adversarial(seed: int, step: int, config: TrainingSettings) -> bool:
    """Whether update number `step` (from 1) trains on SAT's pictures: drawn by seed and step, never during burn-in."""
    if step <= schedule.burn_in_steps(config.train.steps, config.optimizer):
        return False
    return bool(_generator(seed, _SAT, step).random() < config.regularization.sat_prob)


def chance(seed: int, step: int) -> tuple[int, int]:
    """Two numbers below 2^30: the seed of the draws inside the network at this step."""
    first, second = _generator(seed, _NETWORK, step).integers(2**30, size=2)
    return int(first), int(second)


def _generator(seed: int, kind: int, step: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(kind, step))))


def train(
    trainer: Trainer,
    batch_at: Callable[[int], TrainingBatch],
    config: TrainingSettings,
    *,
    seed: int,
    steps: range,
    report_every: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Report | int]:
    """Train these steps of the configuration's schedule, counted from 0.

    Yields a Report after every report_every steps and after the last, else how many steps are done. batch_at(k) returns
    the batch of step k; it is called in a thread of its own, one batch ahead. Raises Diverged at the first loss that is
    not finite. In Report.seconds, "data" is the time spent waiting for batches; steps that traced count as "compile".
    """
    seconds = {"data": 0.0, "train": 0.0, "compile": 0.0}
    sums = np.zeros(len(REPORTED))
    steps_summed, traces = 0, trainer.traces
    with contextlib.closing(prefetch(batch_at, steps.start, steps.stop)) as batches:
        for step in range(steps.start + 1, steps.stop + 1):
            start = clock()
            batch = next(batches)
            batch_ready = clock()
            traces_before = trainer.traces
            values = trainer.step(
                batch,
                settings_vector(step, config),
                chance=chance(seed, step),
                attacked=is_adversarial(seed, step, config),
            )
            seconds["data"] += batch_ready - start
            seconds["compile" if trainer.traces > traces_before else "train"] += clock() - batch_ready
            if not np.all(np.isfinite(values)):
                terms = ", ".join(
                    f"{name} {value:g}"
                    for name, value in zip((*TERMS, "gradient_norm"), values[: len(TERMS) + 1], strict=True)
                )
                raise Diverged(f"the loss is not finite at step {step} of {config.train.steps}: {terms}")
            sums += values
            steps_summed += 1
            if step % report_every == 0 or step == steps.stop:
                means = {name: float(total / steps_summed) for name, total in zip(REPORTED, sums, strict=True)}
                yield Report(step, means, dict(seconds), trainer.traces - traces)
                seconds = dict.fromkeys(seconds, 0.0)
                sums[:] = 0.0
                steps_summed, traces = 0, trainer.traces
            else:
                yield step


def prefetch(make: Callable[[int], Item], start: int, stop: int) -> Generator[Item, None, None]:
    """Yield make(start) to make(stop - 1); each is made in a thread while the one before it is in use."""
    if start >= stop:
        return
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as maker:
        pending = maker.submit(make, start)
        for k in range(start, stop):
            item = pending.result()
            if k + 1 < stop:
                pending = maker.submit(make, k + 1)
            yield item
