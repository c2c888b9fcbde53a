"""Operators: genomes in, a genome out.

Mutation works on each gene's position in [0, 1] (domains.py), so that one strength fits all genes.
"""

from collections.abc import Collection
from typing import Protocol

import numpy as np

from evolve.genetics.domains import Choice, Domain, Integer, Ordinal
from evolve.genetics.genome import Genome
from evolve.genetics.space import SearchSpace
from evolve.trial import Value

MUTATION = "gaussian"  # the name in MUTATIONS of the one that breeds children
BREEDING_TRIES = 1000  # draws for one child before its space counts as exhausted
SMALLEST_STRENGTH = 1e-3  # smaller steps drown in the noise of a training, and in 12 digits


class SpaceExhausted(ValueError):  # a normal end of a search; named like StopIteration, without "Error"
    """No new genome is left: the search has had all that could be drawn."""


class Mutation(Protocol):
    """Makes a child from one parent."""

    def __call__(
        self, parent: Genome, space: SearchSpace, rng: np.random.Generator, *, rate: float, strength: float
    ) -> Genome: ...


def mutate(parent: Genome, space: SearchSpace, rng: np.random.Generator, *, rate: float, strength: float) -> Genome:
    """A child in the space that differs from its parent in at least one gene.

    Each gene changes with probability `rate`; if none was drawn, one random gene changes. A float moves by a
    Gaussian of standard deviation `strength` in [0, 1], reflected at the bounds. An integer or an ordinal gene moves
    likewise, by at least one value. A choice takes one of its other values, all equally likely. A gene with a single
    value stays.
    """
    if not 0 <= rate <= 1 or not SMALLEST_STRENGTH <= strength <= 1:
        raise ValueError(
            f"expected a rate of 0 to 1 and a strength of {SMALLEST_STRENGTH} to 1, "
            f"got rate={rate}, strength={strength}"
        )
    movable = [gene for gene, domain in space.genes.items() if domain.count() != 1]
    if not movable:
        raise SpaceExhausted(f"search space {space.name!r}: expected a gene with two values or more, got none")
    drawn = [gene for gene, chance in zip(movable, rng.random(len(movable)), strict=True) if chance < rate]
    if not drawn:
        drawn = [movable[int(rng.integers(len(movable)))]]
    values = dict(parent)
    for gene in drawn:
        values[gene] = _moved(parent[gene], space.genes[gene], rng, strength)
    return Genome(values)


def _moved(value: Value, domain: Domain, rng: np.random.Generator, strength: float) -> Value:
    """A mutated value: another one of the domain."""
    if isinstance(domain, Choice):
        others = [other for other in domain.values if other != value]
        return others[int(rng.integers(len(others)))]
    unit = domain.to_unit(value)
    if isinstance(domain, Integer | Ordinal):
        move = strength * rng.standard_normal()
        moved = domain.from_unit(reflect(unit + move))
        return moved if moved != value else _neighbour(unit, domain, upwards=move > 0)
    while True:  # rounding to 12 digits undoes one step in a hundred at the very worst (see domains.NARROWEST)
        moved_float = domain.from_unit(reflect(unit + strength * rng.standard_normal()))
        if moved_float != value:
            return moved_float


def _neighbour(unit: float, domain: Integer | Ordinal, *, upwards: bool) -> Value:
    """The next value in the direction of the step; at a bound the one on the other side. unit: the value's position."""
    share = (1 if upwards else -1) / domain.count()
    return domain.from_unit(unit + share if 0 <= unit + share <= 1 else unit - share)


def reflect(position: float) -> float:
    """Fold a position back into [0, 1] as between two mirrors; clipping would pile up values at the bounds."""
    folded = position % 2.0
    return 2.0 - folded if folded > 1.0 else folded


MUTATIONS: dict[str, Mutation] = {"gaussian": mutate}


def new_child(
    uid: str,
    parent: Genome,
    space: SearchSpace,
    rng: np.random.Generator,
    seen: Collection[Genome],
    *,
    rate: float,
    strength: float,
) -> Genome:
    """A child of the parent whose genome is not in `seen`; drawn again until it is new. `uid` is the parent's.

    SpaceExhausted if BREEDING_TRIES draws give no new genome.
    """
    for _ in range(BREEDING_TRIES):
        genome = MUTATIONS[MUTATION](parent, space, rng, rate=rate, strength=strength)
        if genome not in seen:
            return genome
    raise SpaceExhausted(
        f"search space {space.name!r}: expected a new child of {uid} in {BREEDING_TRIES} draws, "
        "got only genomes that the search has already"
    )
