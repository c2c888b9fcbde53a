"""The search space: which genes are searched in which domains, and the settings that all trials share.

A space is a YAML file with the keys name, genes, trial, recipe, fitness, known and final_steps (search_spaces/*.yaml).
Whether an address exists in a trial's configuration is checked in evolve/trial_config.py, not here.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from evolve.genetics import known_sets
from evolve.genetics.domains import Choice, Domain, Integer, Linear, Log, Ordinal, in_kind_of, inside
from evolve.genetics.genome import Genome
from evolve.genetics.plain import check_keys, error_prefix, finite_number, mapping, read_file, read_value, whole_number
from evolve.trial import Setting, Value

__all__ = ["DEFAULT_FITNESS", "Choice", "Domain", "Integer", "Linear", "Log", "Ordinal", "SearchSpace", "load", "parse"]

KEYS = ("name", "genes", "trial", "recipe", "fitness", "known", "final_steps")
DEFAULT_RECIPE = "fast"
DEFAULT_FITNESS: Mapping[str, float] = {"val/map50_95": 1.0}


@dataclass(frozen=True)
class SearchSpace:
    """The genes' domains, the settings that every trial shares, the recipe, the fitness weights, the known sets."""

    name: str
    genes: Mapping[str, Domain]  # by address, sorted
    trial: Mapping[str, Setting] = field(default_factory=dict)  # fixed values by address
    recipe: Mapping[str, object] = field(default_factory=lambda: {"name": DEFAULT_RECIPE})
    fitness: Mapping[str, float] = field(default_factory=lambda: dict(DEFAULT_FITNESS))  # score -> weight
    # Sets that the verdict compares the winner with, beside the defaults: name -> gene -> value. A gene that a set
    # does not name has its default. They are never individuals of the search.
    known: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    final_steps: int | None = None  # schedule of `evolve train`, if it is to be longer than a trial's; None: a trial's

    def __post_init__(self) -> None:
        if self.final_steps is not None and self.final_steps < 1:
            raise ValueError(f"final_steps: expected at least 1, got {self.final_steps}")
        for address in sorted(set(self.genes) & set(self.trial)):
            raise ValueError(f"gene {address!r}: expected under genes or under trial, got it in both")
        _check_fitness(self.fitness)
        for name in ("genes", "trial"):  # sorted, so that the order of lines in a file does not matter
            object.__setattr__(self, name, dict(sorted(getattr(self, name).items())))
        object.__setattr__(self, "known", known_sets.checked(self.known, self.genes))

    def defaults(self) -> Genome:
        """The genome in which every gene has its default."""
        return Genome({address: domain.default for address, domain in self.genes.items()})

    def known_genome(self, name: str) -> Genome:
        """The genome of a known set: its values, and the defaults of the genes that it does not name."""
        return Genome({**self.defaults(), **self.known[name]})

    def genome(self, values: Mapping[str, object]) -> Genome:
        """The genome with these values; ValueError names a gene that is unknown, missing or outside its domain."""
        for gene in values:
            if gene not in self.genes:
                raise ValueError(f"gene {gene!r}: expected one of the space: {', '.join(self.genes)}")
        checked = {}
        for gene, domain in self.genes.items():
            with error_prefix(f"gene {gene!r}"):
                if gene not in values:
                    raise ValueError("expected a value, got none")
                checked[gene] = inside(values[gene], domain)
        return Genome(checked)

    def size(self) -> int | None:
        """The number of different genomes; None if it is not countable."""
        counts = [domain.count() for domain in self.genes.values()]
        known = [count for count in counts if count is not None]
        return math.prod(known) if len(known) == len(counts) else None

    def with_gene_fixed(self, address: str, value: object) -> "SearchSpace":
        """A copy of the space in which the address is not searched but has this value in every trial.

        Text is read as in a YAML file: "1e-4" is a number. The value may be outside the gene's domain, which only
        says where to search; the trial's configuration checks it. The value holds for the known sets too, which lose
        their own; a known set that has no other value is left out.
        """
        with error_prefix(f"setting {address!r}"):
            plain = read_value(value) if isinstance(value, str) else value
            fixed = _setting(in_kind_of(self.genes.get(address), plain))
        genes = {name: domain for name, domain in self.genes.items() if name != address}
        known = known_sets.without_gene(self.known, address)
        return replace(self, genes=genes, trial={**self.trial, address: fixed}, known=known)

    def to_plain(self) -> dict[str, object]:
        """Plain values for YAML or JSON; `parse` makes the same space of them."""
        return {
            "name": self.name,
            "genes": {address: domain.to_plain() for address, domain in self.genes.items()},
            "trial": {
                address: list(value) if isinstance(value, tuple) else value for address, value in self.trial.items()
            },
            "recipe": dict(self.recipe),
            "fitness": dict(self.fitness),
            # left out if empty, as in the journals of searches without them
            **({"known": {name: dict(values) for name, values in self.known.items()}} if self.known else {}),
            **({} if self.final_steps is None else {"final_steps": self.final_steps}),
        }


def load(path: str | Path) -> SearchSpace:
    """The search space in a YAML file."""
    return parse(read_file(path), str(path))


def parse(plain: object, source: str) -> SearchSpace:
    """The space from plain values; errors begin with `source`, such as the file's name."""
    with error_prefix(source):
        top = mapping(plain, f"a search space with the keys {', '.join(KEYS)}")
        check_keys(top, KEYS, required=("name", "genes"))
        if not isinstance(top["name"], str):
            raise ValueError(f"expected name to be a word, got {top['name']!r}")
        return SearchSpace(
            name=top["name"],
            genes=_genes(top["genes"]),
            trial=_trial(top.get("trial")),
            recipe=_recipe(top.get("recipe", DEFAULT_RECIPE)),
            fitness=_fitness(top.get("fitness", DEFAULT_FITNESS)),
            known=_known(top.get("known")),
            final_steps=None if "final_steps" not in top else whole_number(top["final_steps"], "final_steps"),
        )


def _genes(plain: object) -> dict[str, Domain]:
    genes = {}
    for address, line in mapping(plain, "genes by their address").items():
        with error_prefix(f"gene {address!r}"):
            genes[address] = domain_of(line)
    return genes


def _range(kind: Callable[..., Domain]) -> Callable[[Mapping[str, object]], Domain]:
    def build(line: Mapping[str, object]) -> Domain:
        keys = ("low", "high", "default")
        check_keys(line, ("scale", *keys), required=keys)
        return kind(**{key: line[key] for key in keys})

    return build


def _listed(kind: Callable[..., Domain]) -> Callable[[Mapping[str, object]], Domain]:
    def build(line: Mapping[str, object]) -> Domain:
        check_keys(line, ("scale", "values", "default"), required=("values", "default"))
        values = line["values"]
        if not isinstance(values, list | tuple):
            raise ValueError(f"expected a list of values, got {values!r}")
        return kind(tuple(values), line["default"])

    return build


SCALES: Mapping[str, Callable[[Mapping[str, object]], Domain]] = {
    "linear": _range(Linear),
    "log": _range(Log),
    "integer": _range(Integer),
    "choice": _listed(Choice),
    "ordinal": _listed(Ordinal),
}


def domain_of(plain: object) -> Domain:
    """The domain in a gene's line of a space file."""
    line = mapping(plain, "a domain such as {scale: log, low: 1e-4, high: 1e-2, default: 1e-3}")
    scale = line.get("scale")
    if not isinstance(scale, str) or scale not in SCALES:
        raise ValueError(f"expected a scale out of {', '.join(SCALES)}, got {scale!r}")
    return SCALES[scale](line)


def _trial(plain: object) -> dict[str, Setting]:
    trial = {}
    for address, value in mapping({} if plain is None else plain, "settings by their address").items():
        with error_prefix(f"trial {address!r}"):
            trial[address] = _setting(value)
    return trial


def _setting(value: object) -> Setting:
    if isinstance(value, float):
        return finite_number(value, "the value")
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return tuple(whole_number(item, "each item of a list") for item in value)
    raise ValueError(f"expected a number, a word, true/false or a list of whole numbers, got {value!r}")


def _known(plain: object) -> dict[str, Mapping[str, Value]]:
    known = {}
    for name, values in mapping({} if plain is None else plain, "known sets by their name").items():
        with error_prefix(f"known set {name!r}"):
            known[name] = mapping(values, "values by the address of their gene")
    return known  # type: ignore[return-value]  # the space checks the values itself


def _recipe(plain: object) -> dict[str, object]:
    if isinstance(plain, str):
        return {"name": plain}
    with error_prefix("recipe"):
        return {"name": DEFAULT_RECIPE, **mapping(plain, "a recipe's name, or a mapping with its name and changes")}


def _fitness(plain: object) -> dict[str, float]:
    with error_prefix("fitness"):
        weights = mapping(plain, "weights by the name of their score")
        return {name: finite_number(weight, f"the weight of {name!r}") for name, weight in weights.items()}


def _check_fitness(weights: Mapping[str, float]) -> None:
    if not any(weights.values()):
        raise ValueError(f"fitness: expected a weight other than 0, got {dict(weights)!r}")
    for name in weights:
        if not name.startswith("val/"):  # nothing may be chosen by the test split
            raise ValueError(f"fitness: expected validation scores such as 'val/map50_95', got {name!r}")
