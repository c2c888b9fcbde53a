"""MixUp for detection: blend two whole pictures and keep the boxes of both. Not part of YOLOv4.

Zhang et al., "mixup", arXiv 1710.09412; for detection: Zhang et al., "Bag of Freebies for Training Object Detection
Neural Networks", arXiv 1902.04103: neither picture is stretched to fit the other. There the share is
Beta(1.5, 1.5) and weighs the loss of each object. Our batches carry no weights: every box counts in full, so both
pictures must be clearly visible. We draw the share from Beta(32, 32) (0.38 to 0.62 in 19 of 20 pictures), as YOLOv5
does, which counts the boxes of both in full too.
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
    """The other picture, the change to it, and the share of the first picture in the colours."""

    share: float
    partner: int
    change: Change


def draw_mixup(rng: np.random.Generator, config: AugmentConfig, num_pictures: int) -> MixUp | None:
    """Draw a MixUp, or None; takes equally many numbers from rng either way."""
    wanted, partner = rng.random(_NUM_DRAWS).tolist()
    change = augment.draw_resized_change(rng, config)
    # The median of 2a - 1 uniform draws is Beta(a, a), and takes a fixed count of draws, unlike a rejection sampler.
    share = float(np.median(rng.random(2 * _CONCENTRATION - 1)))
    if wanted >= config.mixup_prob:
        return None
    return MixUp(share, int(partner * num_pictures), change)
