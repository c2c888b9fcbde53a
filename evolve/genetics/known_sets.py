"""Known sets: values that people use already, which the verdict compares the winner with, beside the defaults.

A space names them under `known`: name -> gene -> value. A gene that a set does not name has its default.
"""

import re
from collections.abc import Mapping

from evolve.genetics.domains import Domain, inside
from evolve.genetics.genome import Genome
from evolve.genetics.plain import error_prefix
from evolve.trial import Value

KnownSets = Mapping[str, Mapping[str, Value]]  # name -> gene -> value

# A name is part of uids, folders and metrics. It is no uid of an individual and none of the words that stand beside it.
NAME = re.compile(r"(?!g\d+-\d+$)[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
RESERVED = ("winner", "defaults", "candidate", "candidates", "gain", "known")


def checked(known: KnownSets, genes: Mapping[str, Domain]) -> KnownSets:
    """The known sets, sorted; ValueError for a name that cannot be one, or a value outside its gene's domain."""
    sets: dict[str, Mapping[str, Value]] = {}
    for name, values in sorted(known.items()):
        with error_prefix(f"known set {name!r}"):
            _check_name(name, sets)
            if not values:
                raise ValueError("expected the value of at least one gene, got none, which would be the defaults")
            sets[name] = {gene: _value(gene, value, genes) for gene, value in sorted(values.items())}
    return sets


def without_gene(known: KnownSets, gene: str) -> KnownSets:
    """The known sets without their value of this gene; a set that has no other value is left out."""
    others = {name: {g: value for g, value in values.items() if g != gene} for name, values in known.items()}
    return {name: values for name, values in others.items() if values}


def _check_name(name: str, others: Mapping[str, object]) -> None:
    if not NAME.fullmatch(name) or name.lower() in RESERVED:
        raise ValueError(
            "expected a name of 1 to 40 letters, digits, '-' and '_' that begins with a letter or a digit, "
            f"is not like the uid of an individual, and is none of {', '.join(RESERVED)}"
        )
    if name.lower() in [other.lower() for other in others]:
        raise ValueError("expected names that differ in more than upper and lower case")


def _value(gene: str, value: object, genes: Mapping[str, Domain]) -> Value:
    """The value as the genome has it; ValueError if it is outside the gene's domain."""
    if gene not in genes:
        raise ValueError(f"expected only genes of the space ({', '.join(genes) or 'it has none'}), got {gene!r}")
    with error_prefix(f"gene {gene!r}"):
        return Genome({gene: inside(value, genes[gene])})[gene]
