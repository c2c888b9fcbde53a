"""What changes over the steps of a schedule: learning rate, DropBlock, frozen backbone, moving average.

Learning rate: burn-in, then cosines with restarts (YOLOv4 paper 3.4; SGDR, arXiv 1608.03983) or steps (Darknet).
`step` is always the number of an update, from 1, in a schedule of `steps` updates.
"""

import math

from model.config import OptimizerConfig, RegularizationConfig

BURN_IN_POWER = 4  # Darknet: lr * (iteration / burn_in)^4


def burn_in_steps(steps: int, config: OptimizerConfig) -> int:
    """The number of the first update at the policy's own rate; the updates before it are the burn-in."""
    return math.ceil(config.burn_in_share * steps)


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """The rate of update number `step`.

    Burn-in is part of the first cosine, as in Darknet. A cosine's last update has the final rate.
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
    """Darknet's steps and scales: factor 0.1 from the update at 80 % of the schedule on, 0.01 from 90 % on."""
    if 10 * step >= 9 * steps:
        return 0.01
    return 0.1 if 10 * step >= 8 * steps else 1.0


def _cycle(step: int, steps: int, config: OptimizerConfig) -> tuple[float, float]:
    """Start and end of the cycle of an update, in updates; a boundary belongs to the cycle that it ends (Darknet).

    The cycles are 1, f, f^2 ... long and fill the schedule, so a boundary need not be a whole number.
    """
    # The last length is 1, so that no factor can overflow; the first ones may underflow to 0 instead.
    lengths = [config.cycle_factor ** (k - config.cycles + 1) for k in range(config.cycles)]
    total, start, covered = sum(lengths), 0.0, 0.0
    for length in lengths[:-1]:
        covered += length
        end = steps * (covered / total)
        if step <= end * (1 + 1e-12):  # rounding may put a whole boundary slightly lower
            return start, end
        start = end
    return start, float(steps)


def dropblock_rate(step: int, steps: int, config: RegularizationConfig) -> float:
    """The share of cells to drop: linear from 0 to the full rate at dropblock_ramp_share of the schedule.

    As scheduled in the DropBlock paper (arXiv 1810.12890, 3), whose ramp takes the whole training; Darknet's takes 0.85
    of it. In Darknet the block's size grows as well; in the paper and here it is constant.
    """
    ramp = config.dropblock_ramp_share * steps
    return config.dropblock_rate if step >= ramp else config.dropblock_rate * step / ramp


def is_frozen(step: int, steps: int, config: OptimizerConfig) -> bool:
    """Whether the backbone's weights are frozen in this update (Darknet's stopbackward)."""
    return step / steps <= config.freeze_share


def ema_decay(step: int, config: OptimizerConfig) -> float:
    """The decay of the weights' moving average in this update; 0 if off, which makes the average equal to the weights.

    It warms up as TensorFlow's ExponentialMovingAverage does with num_updates: (1 + step) / (10 + step) while
    that is less than the decay, so that the initial weights do not stay in the average.
    """
    return min(config.ema_decay, (1 + step) / (10 + step))
