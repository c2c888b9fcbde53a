"""Fidelity: how a part of the budget decides who may spend the rest.

A budget is in optimizer steps; a rung is a share of it. Successive halving inside a generation
(Jamieson and Talwalkar 2016, arXiv:1502.07943), with fixed sets: everyone who entered a rung
is told before anyone is promoted, so nothing depends on the order of arrival.
"""

import math
from collections.abc import Mapping
from fractions import Fraction


def rung_steps(rungs: tuple[Fraction, ...], steps: int) -> tuple[int, ...]:
    """The step each rung stands at, rising, the last at `steps`; rungs that fall on one step are one rung."""
    if steps < 1:
        raise ValueError(f"expected at least 1 step, got steps={steps!r}")
    return tuple(sorted({math.ceil(share * steps) for share in rungs}))


def promoted(scores: Mapping[str, float], entered: int, keep: Fraction, at_least: int) -> tuple[str, ...]:
    """The uids that go on from a rung, best first, ties by uid.

    `scores` are those of the trials that reached the rung alive; `entered` counts the failed ones too,
    so that failures don't make a rung more severe. The best ceil(entered * keep) go on, at least
    `at_least` (the elites to be chosen later), as far as there are any.
    """
    if len(scores) > entered:
        raise ValueError(f"expected scores of at most the {entered} trials that entered, got {len(scores)}")
    quota = max(math.ceil(entered * keep), at_least)
    return tuple(sorted(scores, key=lambda uid: (-scores[uid], uid))[:quota])
