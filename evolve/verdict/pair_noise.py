"""How much chance is left in the difference of two sets that were trained with the same seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PairNoise:
    """An estimate of the noise of such a difference, from trainings of other sets."""

    variance: float  # of one difference
    freedom: int  # degrees of freedom of the estimate, at least 1


def estimate(table: Sequence[Sequence[float]]) -> PairNoise | None:
    """The noise by several sets that were each trained with the same seeds; None for fewer than two sets or seeds.

    table: [set][seed] scores. A score is the mean of its set, plus what its seed does to all sets, plus noise that is
    its own (a two-way layout without replication). What a seed does to all cancels in a difference, which so has twice
    the variance of the last part, the residual: its squares over (sets - 1) (seeds - 1) degrees of freedom (Scheffe,
    The Analysis of Variance, 1959, chapter 4).
    """
    freedom = (len(table) - 1) * (len(table[0]) - 1) if table else 0
    if freedom <= 0:
        return None
    of_sets = [math.fsum(row) / len(row) for row in table]
    of_seeds = [math.fsum(column) / len(column) for column in zip(*table, strict=True)]
    common = math.fsum(of_sets) / len(of_sets)
    squares = (
        (score - of_set - of_seed + common) ** 2
        for row, of_set in zip(table, of_sets, strict=True)
        for score, of_seed in zip(row, of_seeds, strict=True)
    )
    return PairNoise(2 * math.fsum(squares) / freedom, freedom)
