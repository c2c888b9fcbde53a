"""The recipe: the numbers that shape a search, read from search_spaces/recipes/*.yaml by name.

`fast` and `seed` have the same shape (100 sets, the best 10, 10 mutants of each, two child
generations); `seed` trains every trial to the end, `fast` stops most of them at rungs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from importlib.resources import files
from pathlib import Path

from evolve.genetics import early_stopping, seeding
from evolve.genetics.operators import SMALLEST_STRENGTH
from evolve.genetics.plain import check_keys, error_prefix, finite_number, fraction, mapping, read_file, whole_number

COUNTS = ("population", "elites", "children", "generations", "screening", "controls", "candidates", "confirm_seeds")
# The others: 1. A single seed would have no variance to compare with.
LEAST = {"generations": 0, "controls": 0, "confirm_seeds": 2}
AUTO = "auto"  # number of the verdict's seeds: by the noise of the candidates
LEAST_AUTO = 3  # seeds of a verdict whose number is not given


@dataclass(frozen=True)
class VerdictSeeds:
    """How many fresh seeds the verdict has."""

    seeds: int | str | None = None  # a number; AUTO: as many as it takes to see `gain`; None: as many as confirm_seeds
    at_most: int = 12  # of AUTO
    gain: float = 0.01  # the gain in fitness that is worth knowing

    def __post_init__(self) -> None:
        with error_prefix("verdict"):
            known = self.seeds in (None, AUTO) or (isinstance(self.seeds, int) and self.seeds >= 2)
            _require(known, "seeds", f"{AUTO}, or a whole number of at least 2", self)
            _require(self.at_most >= LEAST_AUTO, "at_most", f"at least {LEAST_AUTO}", self)
            _require(self.gain > 0, "gain", "above 0", self)

    def to_plain(self) -> dict[str, object]:
        """Plain values for YAML or JSON."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Recipe:
    """How many individuals, how long they train, how they mutate."""

    name: str
    population: int = 100  # individuals of the first generation
    elites: int = 10  # parents of each child generation
    children: int = 10  # per elite
    generations: int = 2  # child generations after the first
    seeding: str = seeding.RANDOM  # fills the first generation beside the defaults: a name in seeding.SEEDINGS
    screening: int = 1  # mutants per child, of which a model chooses; 1: journals without it had no model
    rungs: tuple[Fraction, ...] = (Fraction(1),)  # shares of the full budget, rising; the last is 1
    keep: Fraction = Fraction(1)  # share of the trials entering a rung that go on from it, rounded up
    controls: int = 0  # trials below the first cut that are trained to the end; 0: journals without it had none
    mutation_rate: float = 0.5  # probability that a gene changes
    mutation_strength: float = 0.2  # standard deviation of a change, in the gene's [0, 1]
    candidates: int = 1  # the best ones that compete for the win with fresh seeds; 1: journals without it had one
    confirm_seeds: int = 3  # fresh seeds per candidate
    verdict: VerdictSeeds = field(default_factory=VerdictSeeds)  # other fresh seeds, for winner and opponents

    def __post_init__(self) -> None:
        with error_prefix(f"recipe {self.name!r}"):
            for name in COUNTS:
                _require(getattr(self, name) >= LEAST.get(name, 1), name, f"at least {LEAST.get(name, 1)}", self)
            _require(self.elites <= self.population, "elites", f"at most population={self.population}", self)
            _require(self.seeding in seeding.SEEDINGS, "seeding", f"one of {', '.join(seeding.SEEDINGS)}", self)
            rising = all(low < high for low, high in zip((Fraction(0), *self.rungs), self.rungs, strict=False))
            _require(rising, "rungs", "shares above 0, rising", self)
            _require(bool(self.rungs) and self.rungs[-1] == 1, "rungs", "1 as the last share", self)
            _require(0 < self.keep <= 1, "keep", "above 0, at most 1", self)
            _require(0 < self.mutation_rate <= 1, "mutation_rate", "above 0, at most 1", self)
            strength = f"{SMALLEST_STRENGTH} to 1"
            _require(SMALLEST_STRENGTH <= self.mutation_strength <= 1, "mutation_strength", strength, self)
            if self.verdict.seeds == AUTO:  # with one candidate, nothing is trained that would tell the noise
                _require(self.candidates >= 2, "candidates", f"at least 2 for verdict: seeds: {AUTO}", self)

    def rung_steps(self, steps: int) -> tuple[int, ...]:
        """The step of each rung for a full budget of `steps`: rounded up, distinct, the last is `steps`."""
        return early_stopping.rung_steps(self.rungs, steps)

    def planned_trials(self, population: int, steps: int) -> tuple[int, ...]:
        """The number of trials at each rung of a generation if none fails, controls included."""
        rungs = len(self.rung_steps(steps))
        return early_stopping.planned_trials(population, rungs, self.keep, self.elites, self.controls)

    @property
    def verdict_seeds(self) -> tuple[int, int]:
        """The least and the largest number of seeds that the verdict may have."""
        if self.verdict.seeds == AUTO:
            return LEAST_AUTO, self.verdict.at_most
        given = self.verdict.seeds if isinstance(self.verdict.seeds, int) else self.confirm_seeds
        return given, given

    def to_plain(self) -> dict[str, object]:
        """Plain values for YAML or JSON; `parse` makes the same recipe of them."""
        plain: dict[str, object] = {each.name: getattr(self, each.name) for each in fields(self)}
        plain["verdict"] = self.verdict.to_plain()
        absent = {"screening": 1, "controls": 0, "verdict": VerdictSeeds().to_plain()}  # as in earlier journals
        for name, value in absent.items():
            if plain[name] == value:
                del plain[name]
        return {**plain, "rungs": [str(share) for share in self.rungs], "keep": str(self.keep)}


def _require(condition: bool, name: str, expected: str, settings: "Recipe | VerdictSeeds") -> None:
    if not condition:
        value = getattr(settings, name)
        shown = [str(share) for share in value] if isinstance(value, tuple) else str(value)
        raise ValueError(f"expected {name} to be {expected}, got {name}={shown}")


KEYS = tuple(each.name for each in fields(Recipe))
VERDICT_KEYS = tuple(each.name for each in fields(VerdictSeeds))


def names() -> list[str]:
    """The names of the recipes that exist."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def load(recipe: str | Mapping[str, object], overrides: Mapping[str, object] | None = None) -> Recipe:
    """Load a recipe by its name, or by a mapping with its name and changes; then apply overrides that are not None."""
    changes = {"name": recipe} if isinstance(recipe, str) else dict(recipe)
    name = changes.get("name")
    if name not in names():
        raise ValueError(f"recipe: expected one of {', '.join(names())}, got {name!r}")
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    with error_prefix(f"recipe {name!r}"):
        check_keys({**changes, **given}, KEYS)
    path = _folder() / f"{name}.yaml"
    base = mapping(read_file(path), "a recipe")
    with error_prefix(str(path)):
        check_keys(base, KEYS, required=KEYS)  # a recipe file has all numbers
    with error_prefix(f"recipe {name!r}"):
        layers = [_verdict(layer["verdict"]) for layer in (base, changes, given) if "verdict" in layer]
        verdict = {key: value for layer in layers for key, value in layer.items()}
    return parse({**base, **changes, **given, "verdict": verdict})


def parse(plain: object) -> Recipe:
    """The recipe from plain values, as `to_plain` gives them."""
    values = mapping(plain, "a recipe")
    with error_prefix(f"recipe {values.get('name')!r}"):
        check_keys(values, KEYS, required=("name",))
        checked = {key: _value(key, value) for key, value in values.items()}
    return Recipe(**checked)  # type: ignore[arg-type]


def _verdict(value: object) -> dict[str, object]:
    plain = mapping(value, "verdict to be a mapping such as {seeds: auto, at_most: 12, gain: 0.01}")
    with error_prefix("verdict"):
        check_keys(plain, VERDICT_KEYS)
    return plain


def _verdict_seeds(plain: Mapping[str, object]) -> VerdictSeeds:
    with error_prefix("verdict"):
        checked: dict[str, object] = dict(plain)
        if plain.get("seeds", AUTO) not in (AUTO, None):
            checked["seeds"] = whole_number(plain["seeds"], "seeds")
        if "at_most" in plain:
            checked["at_most"] = whole_number(plain["at_most"], "at_most")
        if "gain" in plain:
            checked["gain"] = finite_number(plain["gain"], "gain")
    return VerdictSeeds(**checked)  # type: ignore[arg-type]


def _value(key: str, value: object) -> object:
    if key == "verdict":
        return _verdict_seeds(_verdict(value))
    if key in COUNTS:
        return whole_number(value, key)
    if key == "keep":
        return fraction(value, key)
    if key == "rungs":
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected rungs to be a list of shares, got {value!r}")
        return tuple(fraction(share, "each of the rungs") for share in value)
    if key in ("name", "seeding"):
        if not isinstance(value, str):
            raise ValueError(f"expected {key} to be a word, got {value!r}")
        return value
    return finite_number(value, key)


def _folder() -> Path:
    return Path(str(files("search_spaces"))) / "recipes"
