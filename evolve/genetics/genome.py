"""Genomes and individuals, and the random generators and seeds of each slot of a generation.

Chance is keyed by (search seed, generation, slot) alone: never by the search's id, the host or
the order in which trials end. So two searches with the same seed breed the same individuals.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from evolve.genetics.plain import error_prefix, finite_number
from evolve.trial import Value

# Third part of the key, so that what is drawn for different purposes comes from different streams.
_TRIAL_STREAM, _SCREENING_STREAM, _CONTROL_STREAM, _BOOTSTRAP_STREAM = 1, 2, 3, 4


class Genome(Mapping[str, Value]):
    """Gene -> value: immutable, hashable, sorted by the genes' names.

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
        # Rebuilt when unpickled: hashes of strings differ between processes.
        return (Genome, (self._values,))

    def __repr__(self) -> str:
        return f"Genome({self._values!r})"


def _canonical(gene: str, value: object) -> Value:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int) and not isinstance(value, np.generic):
        return value
    if isinstance(value, float):
        with error_prefix(f"gene {gene!r}"):
            return finite_number(value, "the value")
    raise ValueError(f"gene {gene!r}: expected a number, a word or true/false, got {value!r}")


@dataclass(frozen=True)
class Individual:
    """One genome with its slot in a generation, and its origin."""

    uid: str
    genome: Genome
    parents: tuple[str, ...]  # uids; in the first generation only mutants of the defaults have one
    generation: int
    slot: int
    operator: str  # "defaults", "warm_start", "random", or a name in operators.MUTATIONS
    seed: int  # of its trial, 0 to 2**31 - 1
    predicted: float | None = None  # its fitness before it trained, by the model that chose it; None: none was asked


def uid_of(generation: int, slot: int) -> str:
    """The individual's uid in its search, such as g001-042."""
    return f"g{generation:03d}-{slot:03d}"


DEFAULTS = uid_of(0, 0)  # the space's defaults are the first individual of every search


def random_generator(seed: int, *key: int) -> np.random.Generator:
    """The generator of a key; (generation, slot) for seeding or breeding the individual in this slot."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))


def keyed_seed(seed: int, *key: int) -> int:
    """A seed from 0 to 2**31 - 1 that depends on seed and key alone."""
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint32)[0]) >> 1


def screening_generator(seed: int, generation: int, slot: int, draw: int) -> np.random.Generator:
    """The generator of mutant number `draw`, from 1, that a model may choose instead of the slot's own (number 0)."""
    return random_generator(seed, generation, slot, _SCREENING_STREAM, draw)


def control_generator(seed: int, generation: int, rung: int) -> np.random.Generator:
    """The generator that draws controls among the trials below the cut of a rung."""
    return random_generator(seed, generation, rung, _CONTROL_STREAM)


def bootstrap_generator(seed: int, generations: int, rung: int) -> np.random.Generator:
    """The generator that resamples the trials of so many generations for a rung's interval."""
    return random_generator(seed, generations, rung, _BOOTSTRAP_STREAM)


def trial_seed(seed: int, generation: int, slot: int) -> int:
    """The seed of the trial of this slot, 0 to 2**31 - 1; its stream differs from random_generator's."""
    return keyed_seed(seed, generation, slot, _TRIAL_STREAM)
