"""Seeding: the first generation, the space's defaults and what is beside them: random genomes, or mutants of them.

`random` looks everywhere, `defaults` near what is known to work: the second alternative of the recipe that this search
is after.
"""

from collections.abc import Collection
from typing import Protocol

import numpy as np

from evolve.genetics import operators
from evolve.genetics.genome import DEFAULTS, Genome, Individual, generator, trial_seed, uid_of
from evolve.genetics.space import SearchSpace


class Settings(Protocol):
    """What a recipe says of the first generation. A protocol, since recipe.py asks here which seedings there are."""

    @property
    def population(self) -> int: ...
    @property
    def seeding(self) -> str: ...
    @property
    def mutation_rate(self) -> float: ...
    @property
    def mutation_strength(self) -> float: ...


class Seeding(Protocol):
    """Makes a genome for the first generation that is not among the seen ones."""

    def __call__(
        self, space: SearchSpace, recipe: Settings, rng: np.random.Generator, seen: Collection[Genome], /
    ) -> Genome: ...


def at_random(space: SearchSpace, _recipe: Settings, rng: np.random.Generator, seen: Collection[Genome]) -> Genome:
    """Uniform in [0, 1] of each gene."""
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


def near_defaults(space: SearchSpace, recipe: Settings, rng: np.random.Generator, seen: Collection[Genome]) -> Genome:
    """A mutant of the defaults, as children of elites are bred; SpaceExhausted when there is no new one."""
    rate, strength = recipe.mutation_rate, recipe.mutation_strength
    return operators.new_child(DEFAULTS, space.defaults(), space, rng, seen, rate=rate, strength=strength)


RANDOM, MUTANTS = "random", "defaults"
SEEDINGS: dict[str, Seeding] = {RANDOM: at_random, MUTANTS: near_defaults}


def first_generation(space: SearchSpace, recipe: Settings, seed: int) -> list[Individual]:
    """Slot 0 is the defaults, the others are as the recipe's seeding makes them; no genome is there twice."""
    size = space.size()
    if size is not None and size < recipe.population:
        raise ValueError(
            f"search space {space.name!r}: expected at least as many different genomes as the population of "
            f"{recipe.population}, got {size}"
        )
    defaults = Individual(DEFAULTS, space.defaults(), (), 0, 0, "defaults", trial_seed(seed, 0, 0))
    individuals, seen = [defaults], {defaults.genome}
    make = SEEDINGS[recipe.seeding]
    mutants = recipe.seeding == MUTANTS
    for slot in range(1, recipe.population):
        genome = make(space, recipe, generator(seed, 0, slot), seen)
        seen.add(genome)
        individuals.append(
            Individual(
                uid=uid_of(0, slot),
                genome=genome,
                parents=(DEFAULTS,) if mutants else (),
                generation=0,
                slot=slot,
                operator=operators.MUTATION if mutants else RANDOM,
                seed=trial_seed(seed, 0, slot),
            )
        )
    return individuals
