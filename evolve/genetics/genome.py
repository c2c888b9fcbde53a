"""Genomes and individuals, and the seeds that belong to a place in the search.

Chance is keyed by (search seed, generation, slot) alone: never by the search's id, the host or
the order in which trials end. So two searches with one seed breed the same individuals.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from evolve.genetics.plain import named, number
from evolve.trial import Value

_TRIAL_STREAM = 1  # third part of the key: what a trial draws is no part of what breeds it


class Genome(Mapping[str, Value]):
    """Gene -> value; immutable, hashable, in the order of the genes' names.

    Floats are rounded to 12 significant digits, so a genome read back from YAML, JSON or SQLite equals
    the one written. Equality and hash are by the (gene, value) pairs, whatever order they came in.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = {gene: _canonical(gene, values[gene]) for gene in sorted(values)}
        self._hash = hash(tuple(self._values.items()))

    def __getitem__(self, gene: str) -> Value:
        return self._values[gene]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type["Genome"], tuple[dict[str, Value]]]:
        # Made anew on the other side: hashes of words differ between processes.
        return (Genome, (self._values,))

    def __repr__(self) -> str:
        return f"Genome({self._values!r})"


def _canonical(gene: str, value: object) -> Value:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int) and not isinstance(value, np.generic):
        return value
    if isinstance(value, float):
        with named(f"gene {gene!r}"):
            return number(value, "the value")
    raise ValueError(f"gene {gene!r}: expected a number, a word or true/false, got {value!r}")


@dataclass(frozen=True)
class Individual:
    """One genome at its place in the search, and where it came from."""

    uid: str
    genome: Genome
    parents: tuple[str, ...]  # uids; of the first generation only mutants of the defaults have one
    generation: int
    slot: int
    operator: str  # "defaults", "random", or a name in operators.MUTATIONS
    seed: int  # of its trial, 31 bits


def uid_of(generation: int, slot: int) -> str:
    """The individual's name in its search: g001-042."""
    return f"g{generation:03d}-{slot:03d}"


DEFAULTS = uid_of(0, 0)  # the space's defaults are the first individual of every search


def generator(seed: int, generation: int, slot: int) -> np.random.Generator:
    """The random generator that seeds or breeds the individual at this place."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(generation, slot))))


def trial_seed(seed: int, generation: int, slot: int) -> int:
    """The seed of the trial at this place, 0 to 2**31 - 1; of another stream than its generator."""
    sequence = np.random.SeedSequence(seed, spawn_key=(generation, slot, _TRIAL_STREAM))
    return int(sequence.generate_state(1, np.uint32)[0]) >> 1
