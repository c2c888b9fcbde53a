"""Stateless chance: each key gets its own random generator, whatever was drawn before.

Philox has a key of two words, here (seed, step), and a counter of four words, of which drawing advances the lowest.
Index and stream are the two highest words of the counter, so the generators of two keys never share a number.
Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What the random numbers are for; each purpose has a stream of its own."""

    PICTURE = 0  # augmentation of one picture of a batch
    ORDER = 1  # the order of the pictures in an epoch
    SHAPE = 2  # the training shape of a period of steps
    SPLIT = 3  # cutting missing splits, and cutting the embedded digits into slices, which have other keys
    ANCHORS = 4  # starting points of k-means
    SCENE = 5  # embedded scenes
    CROP = 6  # crops of objects
    RESIZE = 7  # Darknet's resize, for one picture of a batch
    CUTMIX = 8  # CutMix of one picture: whether, where, with which other picture and how that is changed
    MIXUP = 9  # the same for MixUp
    CLASS_MIX = 10  # CutMix and mosaic of pictures to classify


def generator(stream: Stream, seed: int, step: int = 0, index: int = 0) -> np.random.Generator:
    """The generator of this key, from its start. seed, step, index: 0 to 2^64 - 1.

    index: tells apart the generators of one step, for example by the position in the batch.
    """
    key = np.array([seed, step], dtype=np.uint64)
    counter = np.array([0, 0, index, int(stream)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
