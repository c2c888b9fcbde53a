"""Which trials are stopped early: at each rung only the best go on (successive halving), and a few controls.

A budget is in optimizer steps; a rung is a share of it. Successive halving inside a generation
(Jamieson and Talwalkar 2016, arXiv:1502.07943), with fixed sets: nobody is promoted from a rung before
everyone who entered it has a result, so nothing depends on the order in which trials end.

Controls are trials drawn by lot among those below a cut. They are trained to the end whatever their scores, beside the
best and not instead of them: only so is it known what the end says about a trial that a rung would stop
(rung_correlation.py).
"""

import math
from collections.abc import Mapping
from fractions import Fraction

CONTROLS_AT_MOST = 10  # a rung has at most one control for so many trials that entered it


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
    return tuple(sorted(scores, key=lambda uid: (-scores[uid], uid))[: _quota(entered, keep, at_least)])


def control_share(below: int, entered: int, controls: int) -> Fraction:
    """The share of the trials below the first cut of a generation that become controls.

    That is `controls` of them, but at most a tenth of the trials that entered, rounded down. The share holds for the
    later cuts of the generation too (num_controls), so that each trial below any cut has about the same chance.
    """
    return Fraction(min(controls, entered // CONTROLS_AT_MOST, below), below)


def num_controls(below: int, share: Fraction) -> int:
    """The number of controls among the trials below a cut: the share of them, rounded up."""
    return math.ceil(below * share)


def planned_trials(population: int, rungs: int, keep: Fraction, at_least: int, controls: int) -> tuple[int, ...]:
    """The number of trials at each rung if none fails, controls included."""
    competing, drawn, share = population, 0, None
    trials = []
    for _ in range(rungs):
        trials.append(competing + drawn)
        go_on = min(competing, _quota(competing, keep, at_least))
        below = competing - go_on
        if below and share is None:
            share = control_share(below, competing, controls)
        drawn += num_controls(below, share) if share is not None else 0
        competing = go_on
    return tuple(trials)


def _quota(entered: int, keep: Fraction, at_least: int) -> int:
    return max(math.ceil(entered * keep), at_least)
