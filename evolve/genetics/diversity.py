"""How much the individuals of a generation differ: the mean distance between two of them."""

from collections.abc import Sequence

import numpy as np

from evolve.genetics.domains import Choice
from evolve.genetics.genome import Genome
from evolve.genetics.space import SearchSpace


def diversity(space: SearchSpace, genomes: Sequence[Genome]) -> float | None:
    """The mean distance of two genomes, 0 (all are equal) to 1; None for fewer than two, or a space without genes.

    The distance is Gower's (Biometrics 27, 1971), the usual one where numbers and choices are mixed. It is the mean
    over the genes of |difference| on the gene's scale of 0 to 1, and for a choice of 0 or 1: equal or not.
    """
    if len(genomes) < 2 or not space.genes:
        return None
    return float(np.mean([_mean_distance(space, gene, genomes) for gene in space.genes]))


def _mean_distance(space: SearchSpace, gene: str, genomes: Sequence[Genome]) -> float:
    """The mean distance of two genomes in one gene."""
    domain = space.genes[gene]
    units = np.array([domain.to_unit(genome[gene]) for genome in genomes])
    distances = np.abs(units[:, None] - units[None, :])
    if isinstance(domain, Choice):
        distances = (distances > 0).astype(float)
    return float(distances.sum() / (len(genomes) * (len(genomes) - 1)))
