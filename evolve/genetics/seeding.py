"""Seeding: the first generation is the space's defaults, and beside them random genomes or mutants of the defaults.

`random` looks everywhere in the space; `defaults` looks near what is known to work; `mixed` does both, by turns.
"""

from collections.abc import Collection
from contextlib import suppress
from typing import Protocol

import numpy as np

from evolve.genetics import operators
from evolve.genetics.genome import DEFAULTS, Genome, Individual, random_generator, trial_seed, uid_of
from evolve.genetics.space import SearchSpace


class SeedingSettings(Protocol):
    """The settings of a recipe that seeding needs. A protocol, since recipe.py imports this file for SEEDINGS."""

    @property
    def population(self) -> int: ...
    @property
    def seeding(self) -> str: ...
    @property
    def mutation_rate(self) -> float: ...
    @property
    def mutation_strength(self) -> float: ...


class Seeding(Protocol):
    """Makes the genome of a slot of the first generation, not in `seen`; and says whether it mutated the defaults."""

    def __call__(
        self,
        space: SearchSpace,
        recipe: SeedingSettings,
        slot: int,
        rng: np.random.Generator,
        seen: Collection[Genome],
        /,
    ) -> tuple[Genome, bool]: ...


def random_genome(
    space: SearchSpace, _recipe: SeedingSettings, _slot: int, rng: np.random.Generator, seen: Collection[Genome]
) -> tuple[Genome, bool]:
    """A genome whose genes are uniform in their [0, 1]."""
    while True:  # ends: the space has more genomes than `seen`, and each can be drawn
        units = rng.random(len(space.genes))
        genome = Genome(
            {
                gene: domain.from_unit(float(unit))
                for (gene, domain), unit in zip(space.genes.items(), units, strict=True)
            }
        )
        if genome not in seen:
            return genome, False


def mutant_of_defaults(
    space: SearchSpace, recipe: SeedingSettings, _slot: int, rng: np.random.Generator, seen: Collection[Genome]
) -> tuple[Genome, bool]:
    """A mutant of the defaults, bred like the children of elites; SpaceExhausted if no new one is found."""
    rate, strength = recipe.mutation_rate, recipe.mutation_strength
    return operators.new_child(DEFAULTS, space.defaults(), space, rng, seen, rate=rate, strength=strength), True


def mixed(
    space: SearchSpace, recipe: SeedingSettings, slot: int, rng: np.random.Generator, seen: Collection[Genome]
) -> tuple[Genome, bool]:
    """A mutant of the defaults in odd slots, else a random genome; a random one too if no new mutant is found."""
    if slot % 2:
        with suppress(operators.SpaceExhausted):
            return mutant_of_defaults(space, recipe, slot, rng, seen)
    return random_genome(space, recipe, slot, rng, seen)


MIXED, RANDOM, MUTANTS = "mixed", "random", "defaults"
SEEDINGS: dict[str, Seeding] = {MIXED: mixed, RANDOM: random_genome, MUTANTS: mutant_of_defaults}


def first_generation(space: SearchSpace, recipe: SeedingSettings, seed: int) -> list[Individual]:
    """The defaults in slot 0, the other slots filled by the recipe's seeding; all genomes differ."""
    size = space.size()
    if size is not None and size < recipe.population:
        raise ValueError(
            f"search space {space.name!r}: expected at least as many different genomes as the population of "
            f"{recipe.population}, got {size}"
        )
    defaults = Individual(DEFAULTS, space.defaults(), (), 0, 0, "defaults", trial_seed(seed, 0, 0))
    individuals, seen = [defaults], {defaults.genome}
    make = SEEDINGS[recipe.seeding]
    for slot in range(1, recipe.population):
        genome, is_mutant = make(space, recipe, slot, random_generator(seed, 0, slot), seen)
        seen.add(genome)
        individuals.append(
            Individual(
                uid=uid_of(0, slot),
                genome=genome,
                parents=(DEFAULTS,) if is_mutant else (),
                generation=0,
                slot=slot,
                operator=operators.MUTATION if is_mutant else RANDOM,
                seed=trial_seed(seed, 0, slot),
            )
        )
    return individuals
