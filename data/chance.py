"""Stateless chance: a generator for a key, with no memory of what was drawn before.

Philox counts: its key holds two words (seed, step) and its counter four, of which the generator itself
advances the lowest. Place and stream stand in the two highest words, so no two keys ever share a number.
Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What the chance is for; one number each."""

    PICTURE = 0  # augmentation of one place in one batch
    ORDER = 1  # the order of the pictures in an epoch
    SHAPE = 2  # the training shape of a period of steps
    SPLIT = 3  # cutting a missing split, and the embedded digits into slices: other keys, other things
    ANCHORS = 4  # starts of k-means
    SCENE = 5  # embedded scenes
    CROP = 6  # crops of objects
    RESIZE = 7  # Darknet's resize of the pictures of one place
    CUTMIX = 8  # CutMix of one place: whether, where, with which picture and how that one is changed
    MIXUP = 9  # the same for MixUp
    CLASS_MIX = 10  # CutMix and mosaic of pictures to classify


def generator(stream: Stream, seed: int, step: int = 0, place: int = 0) -> np.random.Generator:
    """The generator of this key. All arguments: 0 .. 2^64 - 1."""
    key = np.array([seed, step], dtype=np.uint64)
    counter = np.array([0, 0, place, int(stream)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
