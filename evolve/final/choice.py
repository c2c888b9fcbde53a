"""Which detector of a training to take: the last one, or the one with the best validation score.

The best of ten scores is too high on average, and only the last detector has the whole schedule behind it. So the last
one is taken unless an earlier one was better by more than MARGIN. Only validation decides, never the test split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evolve.final import curve
from evolve.final.curve import Point

# About two standard deviations of a score between seeds (docs/decisions/0013-statistics-before-scores.md: 0.011).
MARGIN = 0.02


@dataclass(frozen=True)
class Choice:
    """The last and the best point of a training, and whether the best one is taken."""

    last: Point
    best: Point
    lead: float  # fitness of the best above that of the last; 0 if they are the same, or if neither has a fitness

    @property
    def takes_best(self) -> bool:
        """Whether the best detector is taken, not the last."""
        return self.lead > MARGIN

    @property
    def taken(self) -> Point:
        """The point of the detector to take."""
        return self.best if self.takes_best else self.last


def choose(points: Sequence[Point], weights: Mapping[str, float]) -> Choice:
    """The choice among the points of a whole training."""
    last = points[-1]
    best = curve.best(points, weights)
    if best is None:
        return Choice(last, last, 0.0)
    return Choice(last, best, (curve.score(best, weights) or 0.0) - (curve.score(last, weights) or 0.0))
