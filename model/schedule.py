"""Learning rate over steps: burn-in, then one half cosine (YOLOv4 paper 3.4; SGDR, arXiv 1608.03983)."""

import math

from model.config import OptimizerConfig

BURN_IN_POWER = 4  # Darknet: lr * (iteration / burn_in)^4


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """The rate of update number `step` (1 is the first) of a schedule of `steps` updates.

    Burn-in counts inside the cosine's cycle, as in Darknet; the last update gets the final rate.
    """
    burn_in = math.ceil(config.burn_in_share * steps)
    if step < burn_in:
        return config.learning_rate * (step / burn_in) ** BURN_IN_POWER
    lowest = config.learning_rate * config.final_learning_rate_share
    return lowest + (config.learning_rate - lowest) / 2 * (1 + math.cos(math.pi * step / steps))
