"""Seeding: the first generation is the space's defaults, and beside them random genomes or mutants of the defaults.

`random` looks everywhere in the space; `defaults` looks near what is known to work; `mixed` does both, by turns.
Warm starts are genomes that are known to be good, such as winners of other searches; they follow the defaults.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Protocol

import numpy as np

from evolve.genetics import operators
from evolve.genetics.genome import DEFAULTS, Genome, Individual, random_generator, trial_seed, uid_of
from evolve.genetics.plain import error_prefix
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


WARM_START = "warm_start"  # the operator of an individual that was given
MIXED, RANDOM, MUTANTS = "mixed", "random", "defaults"
SEEDINGS: dict[str, Seeding] = {MIXED: mixed, RANDOM: random_genome, MUTANTS: mutant_of_defaults}


def first_generation(
    space: SearchSpace, recipe: SeedingSettings, seed: int, warm_starts: Sequence[Genome] = ()
) -> list[Individual]:
    """The defaults in slot 0, the warm starts in the next slots, the others filled by the seeding; all genomes differ.

    ValueError if the space or the population is too small, or a warm start is outside the space or there twice.
    SpaceExhausted if no new mutant of the defaults is found.
    """
    size = space.size()
    if size is not None and size < recipe.population:
        raise ValueError(
            f"search space {space.name!r}: expected at least as many different genomes as the population of "
            f"{recipe.population}, got {size}"
        )
    _check_warm_starts(space, recipe.population, warm_starts)
    individuals = [Individual(DEFAULTS, space.defaults(), (), 0, 0, "defaults", trial_seed(seed, 0, 0))]
    individuals += [
        Individual(uid_of(0, slot), genome, (), 0, slot, WARM_START, trial_seed(seed, 0, slot))
        for slot, genome in enumerate(warm_starts, start=1)
    ]
    seen = {individual.genome for individual in individuals}
    make = SEEDINGS[recipe.seeding]
    for slot in range(len(individuals), recipe.population):
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


def _check_warm_starts(space: SearchSpace, population: int, warm_starts: Sequence[Genome]) -> None:
    if len(warm_starts) >= population:
        raise ValueError(
            f"warm starts: expected at most {population - 1} beside the defaults in a population of {population}, "
            f"got {len(warm_starts)}"
        )
    seen = {space.defaults(): DEFAULTS}
    for slot, genome in enumerate(warm_starts, start=1):
        with error_prefix(f"warm start {uid_of(0, slot)}"):
            space.genome(genome)
            if genome in seen:
                raise ValueError(f"expected a set that differs from all others, got that of {seen[genome]}")
        seen[genome] = uid_of(0, slot)
