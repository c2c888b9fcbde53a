"""Which trials are stopped early: at each rung only the best go on (successive halving).

A budget is in optimizer steps; a rung is a share of it. Successive halving inside a generation
(Jamieson and Talwalkar 2016, arXiv:1502.07943), with fixed sets: nobody is promoted from a rung before
everyone who entered it has a result, so nothing depends on the order in which trials end.
"""

import math
from collections.abc import Mapping
from fractions import Fraction


def rung_steps(rungs: tuple[Fraction, ...], steps: int) -> tuple[int, ...]:
    """The step of each rung, rising; the last is `steps`. Rungs that fall on the same step are one rung."""
    if steps < 1:
        raise ValueError(f"expected at least 1 step, got steps={steps!r}")
    return tuple(sorted({math.ceil(share * steps) for share in rungs}))


def promoted(scores: Mapping[str, float], entered: int, keep: Fraction, at_least: int) -> tuple[str, ...]:
    """The uids that go on from a rung, best first, ties by uid.

    `scores` are those of the trials that reached the rung; `entered` also counts the failed ones,
    so that failures do not make a rung more severe. The best ceil(entered * keep) go on, but at least
    `at_least` of them (the elites to be chosen later), or all if there are fewer.
    """
    if len(scores) > entered:
        raise ValueError(f"expected scores of at most the {entered} trials that entered, got {len(scores)}")
    quota = max(math.ceil(entered * keep), at_least)
    return tuple(sorted(scores, key=lambda uid: (-scores[uid], uid))[:quota])
