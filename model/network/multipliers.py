"""Applies the width and depth multipliers; imports no Keras, because files are checked without it."""

CHANNEL_STEP = 4  # scaled channel counts are multiples of this


def scaled_channels(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of CHANNEL_STEP and at least one step."""
    return max(CHANNEL_STEP, round(channels * width / CHANNEL_STEP) * CHANNEL_STEP)


def scaled_units(units: int, depth: float) -> int:
    """`units` times `depth`, rounded, at least 1."""
    return max(1, round(units * depth))
