"""MixUp for detection: two whole pictures laid over each other, with the boxes of both. Not part of YOLOv4.

Zhang et al., "mixup", arXiv 1710.09412; for detection: Zhang et al., "Bag of Freebies for Training Object Detection
Neural Networks", arXiv 1902.04103: both pictures keep their places, nothing is stretched to fit the other. There the
share is Beta(1.5, 1.5) and weighs each object's loss. Our batches carry no weights: every box counts in full, so both
pictures must be there to be seen. We draw the share from Beta(32, 32) (0.38 to 0.62 in 19 of 20 pictures), as the
trainers do that count the boxes of both in full (YOLOv5).
"""

from dataclasses import dataclass

import numpy as np

from data.batches import augment
from data.batches.augment import Change
from data.config import AugmentConfig

_NUM_DRAWS = 2
_CONCENTRATION = 32


@dataclass(frozen=True)
class MixUp:
    """The other picture, what happens to it, and the first one's share of the colours."""

    share: float
    partner: int
    change: Change


def draw_mixup(rng: np.random.Generator, config: AugmentConfig, num_pictures: int) -> MixUp | None:
    """A MixUp, or None; takes the same count of numbers from rng either way."""
    wanted, partner = rng.random(_NUM_DRAWS).tolist()
    change = augment.draw_resized_change(rng, config)
    # The middle one of 2a - 1 even draws is Beta(a, a): the count is fixed, which a rejection sampler's is not.
    share = float(np.median(rng.random(2 * _CONCENTRATION - 1)))
    if wanted >= config.mixup_prob:
        return None
    return MixUp(share, int(partner * num_pictures), change)
