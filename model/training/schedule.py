"""What changes over the steps of a schedule: learning rate, DropBlock, frozen backbone, moving average.

Learning rate: burn-in, then cosines with restarts (YOLOv4 paper 3.4; SGDR, arXiv 1608.03983) or steps (Darknet).
`step` is everywhere the number of an update, 1 the first, of a schedule of `steps` updates.
"""

import math

from model.config import OptimizerConfig, RegularizationConfig

BURN_IN_POWER = 4  # Darknet: lr * (iteration / burn_in)^4


def burn_in_steps(steps: int, config: OptimizerConfig) -> int:
    """The number of the first update at the policy's own rate; those before it are the burn-in."""
    return math.ceil(config.burn_in_share * steps)


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """The rate of update number `step`.

    Burn-in counts inside the first cosine, as in Darknet. A cosine's last update gets the final rate.
    """
    burn_in = burn_in_steps(steps, config)
    if step < burn_in:
        return config.learning_rate * (step / burn_in) ** BURN_IN_POWER
    if config.policy == "steps":
        return config.learning_rate * _drop(step, steps)
    start, end = _cycle(step, steps, config)
    lowest = config.learning_rate * config.final_learning_rate_share
    angle = min(math.pi * (step - start) / (end - start), math.pi)
    return lowest + (config.learning_rate - lowest) / 2 * (1 + math.cos(angle))


def _drop(step: int, steps: int) -> float:
    """Darknet's steps and scales: 0.1 from the update at 80 % of the schedule on, 0.01 from that at 90 %."""
    if 10 * step >= 9 * steps:
        return 0.01
    return 0.1 if 10 * step >= 8 * steps else 1.0


def _cycle(step: int, steps: int, config: OptimizerConfig) -> tuple[float, float]:
    """Start and end of the cycle of an update, in updates; a boundary belongs to the cycle that it ends (Darknet).

    The cycles are 1, f, f^2 ... long and fill the schedule, so a boundary need not be a whole number.
    """
    # Longest last and 1, so that no factor can overflow: the first ones may shrink to nothing instead.
    lengths = [config.cycle_factor ** (k - config.cycles + 1) for k in range(config.cycles)]
    total, start, covered = sum(lengths), 0.0, 0.0
    for length in lengths[:-1]:
        covered += length
        end = steps * (covered / total)
        if step <= end * (1 + 1e-12):  # a whole boundary may come out a rounding below it
            return start, end
        start = end
    return start, float(steps)


def dropblock_rate(step: int, steps: int, config: RegularizationConfig) -> float:
    """The share of cells to drop: linear from 0 to the full rate at dropblock_ramp_share of the schedule.

    As in the DropBlock paper (arXiv 1810.12890, 3: scheduled), whose ramp takes the whole training; Darknet's takes
    0.85 of it. Darknet lets the block's size grow as well, ours and the paper's keep it.
    """
    ramp = config.dropblock_ramp_share * steps
    return config.dropblock_rate if step >= ramp else config.dropblock_rate * step / ramp


def is_frozen(step: int, steps: int, config: OptimizerConfig) -> bool:
    """Whether the backbone's weights stand still in this update (Darknet's stopbackward)."""
    return step / steps <= config.freeze_share


def ema_decay(step: int, config: OptimizerConfig) -> float:
    """The decay of the weights' moving average in this update; 0, which makes the average the weights, when off.

    It warms up as TensorFlow's ExponentialMovingAverage does with num_updates: (1 + step) / (10 + step) while
    that is less than the decay, so that the fresh weights of the beginning do not stay in the average.
    """
    return min(config.ema_decay, (1 + step) / (10 + step))
