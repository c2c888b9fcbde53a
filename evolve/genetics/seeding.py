"""Seeding: the first generation, the space's defaults and random genomes beside them."""

import numpy as np

from evolve.genetics.genome import Genome, Individual, generator, trial_seed, uid_of
from evolve.genetics.recipe import Recipe
from evolve.genetics.space import SearchSpace


def first_generation(space: SearchSpace, recipe: Recipe, seed: int) -> list[Individual]:
    """Slot 0 is the defaults, the others are uniform in [0, 1] of each gene; no genome is there twice."""
    size = space.size()
    if size is not None and size < recipe.population:
        raise ValueError(
            f"search space {space.name!r}: expected at least as many different genomes as the population of "
            f"{recipe.population}, got {size}"
        )
    seen: set[Genome] = set()
    individuals = []
    for slot in range(recipe.population):
        genome = space.defaults() if slot == 0 else _unseen(space, generator(seed, 0, slot), seen)
        seen.add(genome)
        individuals.append(
            Individual(
                uid=uid_of(0, slot),
                genome=genome,
                parents=(),
                generation=0,
                slot=slot,
                operator="defaults" if slot == 0 else "random",
                seed=trial_seed(seed, 0, slot),
            )
        )
    return individuals


def _unseen(space: SearchSpace, rng: np.random.Generator, seen: set[Genome]) -> Genome:
    while True:  # ends: the space holds more genomes than have been seen, and each can be drawn
        units = rng.random(len(space.genes))
        genome = Genome(
            {
                gene: domain.from_unit(float(unit))
                for (gene, domain), unit in zip(space.genes.items(), units, strict=True)
            }
        )
        if genome not in seen:
            return genome
