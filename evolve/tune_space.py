"""Search spaces in Python: a dict of addresses with the domains of ray.tune becomes a SearchSpace.

The only file that knows ray.tune's domains; evolve/task.py imports it only for --space module:NAME.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from importlib import import_module, invalidate_caches
from math import ceil, floor
from pathlib import Path
from types import ModuleType

import numpy as np
from ray.tune.search import sample

from evolve.genetics import space as spaces
from evolve.genetics.plain import error_prefix, mapping
from evolve.genetics.space import SearchSpace
from evolve.trial import Setting

PASSED_ON = ("recipe", "fitness", "known", "final_steps")  # to the YAML space as they are
KEYS = ("name", "genes", "defaults", "trial", *PASSED_ON)  # as in a YAML space; other keys are genes
MOST_VALUES = 1000  # of a gene that moves in steps
TAKEN = "tune.uniform, loguniform, quniform, randint, qrandint, choice, or a list of values"

# The kinds of a ray.tune domain and its sampler -> the name of the function that makes them, without its "q"
Kind = tuple[type, type]
NAMES: Mapping[Kind, str] = {
    (sample.Float, sample.Uniform): "uniform",
    (sample.Float, sample.LogUniform): "loguniform",
    (sample.Float, sample.Normal): "randn",
    (sample.Integer, sample.Uniform): "randint",
    (sample.Integer, sample.LogUniform): "lograndint",
    (sample.Categorical, sample.Uniform): "choice",
    (sample.Function, sample.BaseSampler): "sample_from",
}


def load(target: str, own_defaults: Mapping[str, Setting]) -> tuple[SearchSpace, tuple[str, ...]]:
    """The space of that name in a module, `module:NAME`, and notes as of `parse`; ValueError if there is none.

    The module is imported from the working directory or from where Python finds it. NAME is a dict or a SearchSpace.
    """
    with error_prefix(target):
        module_name, _, name = target.partition(":")
        if not all(part.isidentifier() for part in [*module_name.split("."), name]) or module_name.endswith(".py"):
            raise ValueError(
                "expected a YAML file that exists, or module:NAME such as my_space:SPACE (its folder: the working "
                "directory, or one of PYTHONPATH)"
            )
        module = _imported(module_name)
        if not hasattr(module, name):
            dicts = [key for key, value in vars(module).items() if isinstance(value, dict) and not key.startswith("_")]
            raise ValueError(
                f"expected a name of {getattr(module, '__file__', None) or module_name}, got {name!r}; "
                f"its dicts are: {', '.join(dicts) or 'none'}"
            )
        plain = getattr(module, name)
    return (plain, ()) if isinstance(plain, SearchSpace) else parse(plain, target, own_defaults)


def parse(
    plain: object, source: str, own_defaults: Mapping[str, Setting] | None = None
) -> tuple[SearchSpace, tuple[str, ...]]:
    """The space in a dict, and a note if genes take a default that the dict does not name; errors begin with `source`.

    Keys are genes by their address, and KEYS; `defaults` has the genes' defaults by address. A
    gene's value is a domain of ray.tune, a list (a choice), or a line as in a YAML space; a number, a word or a truth
    value is a fixed setting. Dicts may be nested: {"loss": {"box": ...}} has the gene loss.box.
    own_defaults: of settings by address; a gene that `defaults` lacks takes its own.
    """
    own = own_defaults or {}
    with error_prefix(source):
        top = mapping(plain, "a dict with addresses of genes as keys and domains of ray.tune as values")
        entries = _flat({key: value for key, value in top.items() if key not in KEYS}) | _flat(top.get("genes", {}))
        named, trial = _flat(top.get("defaults", {})), _flat(top.get("trial", {}))
        fixed = {address: value for address, value in entries.items() if _is_setting(value, own.get(address))}
        lines: dict[str, dict[str, object]] = {}
        taken = []
        for address in sorted(entries.keys() - fixed.keys()):
            with error_prefix(f"gene {address!r}"):
                line = _line(entries[address])
                if address in named:
                    line["default"] = named.pop(address)
                elif "default" not in line:
                    line["default"] = _own_default(address, line, own)
                    taken.append(f"{address} {line['default']}")
                lines[address] = line
        for address in named:
            raise ValueError(f"defaults: {address!r}: expected one of the genes: {', '.join(lines)}")
        rest: dict[str, object] = {key: top[key] for key in PASSED_ON if key in top}
    space = {"name": top.get("name", source), "genes": lines, "trial": {**fixed, **trial}, **rest}
    note = f"space: defaults that {source} does not name are those of the settings: {', '.join(taken)}"
    return spaces.parse(space, source), (note,) if taken else ()


def _flat(plain: object, prefix: str = "") -> dict[str, object]:
    """The entries of nested dicts by address, with Python's numbers for numpy's; a line of a YAML space is an entry."""
    entries: dict[str, object] = {}
    for key, value in mapping(plain, "a dict with addresses as keys").items():
        if isinstance(value, Mapping) and not {"scale", "grid_search"} & value.keys():
            entries |= _flat(value, f"{prefix}{key}.")
        else:
            entries[prefix + key] = value.item() if isinstance(value, np.generic) else value
    return entries


@contextmanager
def _working_directory_first() -> Iterator[None]:
    """Look for modules in the working directory first, as `python -m` does and an installed command does not."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(here)


def _imported(name: str) -> ModuleType:
    with _working_directory_first():
        try:
            return import_module(name)
        except (Exception, SystemExit) as error:  # whatever a module does while it is imported
            raise ValueError(f"expected a module that can be imported, got: {type(error).__name__}: {error}") from error


def _is_setting(value: object, own_default: Setting | None) -> bool:
    """Whether the entry is a fixed setting; a list is one if the setting is a list, and else a choice."""
    return isinstance(value, bool | int | float | str) or (
        isinstance(own_default, tuple) and isinstance(value, list | tuple)
    )


def _own_default(address: str, line: dict[str, object], own_defaults: Mapping[str, Setting]) -> Setting:
    """The default of the setting itself; ValueError if there is none, or it is outside the gene's domain."""
    if address not in own_defaults:
        raise ValueError("expected its default under 'defaults', as there is no setting of this name that has one")
    own, values = own_defaults[address], line.get("values")
    inside = next(iter(values), own) if isinstance(values, list) else line.get("low")
    domain = spaces.domain_of({**line, "default": inside})
    try:
        domain.to_unit(own)  # type: ignore[arg-type]  # it refuses a list
    except ValueError as error:
        raise ValueError(f"{error}, the setting's own default: expected another one under 'defaults'") from None
    return own


def _line(value: object) -> dict[str, object]:
    """The gene's line in a space file, perhaps without a default."""
    if isinstance(value, sample.Domain):
        return _of_domain(value)
    if isinstance(value, list | tuple):
        return _choice(value)
    if isinstance(value, Mapping) and "scale" in value:
        return dict(value)
    what = "tune.grid_search" if isinstance(value, Mapping) else repr(value)
    raise ValueError(f"expected {TAKEN}, got {what}")


def _of_domain(domain: sample.Domain) -> dict[str, object]:
    sampler, step = domain.get_sampler(), None
    if isinstance(sampler, sample.Quantized):
        sampler, step = sampler.get_sampler(), sampler.q
    name = _name(domain, sampler)
    convert = CONVERSIONS.get((name, step is not None))
    if convert is None:
        raise ValueError(f"expected {TAKEN}, got tune.{'' if step is None else 'q'}{name}")
    return convert(domain, step)


def _name(domain: sample.Domain, sampler: sample.Sampler) -> str:
    for (kind, sampler_kind), name in NAMES.items():
        if isinstance(domain, kind) and isinstance(sampler, sampler_kind):
            return name
    return type(domain).__name__


def _choice(values: Sequence[object]) -> dict[str, object]:
    return {"scale": "choice", "values": [one.item() if isinstance(one, np.generic) else one for one in values]}


def _multiples(domain: sample.Domain, step: float) -> dict[str, object]:
    """The multiples of a step in the domain as an ordinal gene. qrandint leaves out its upper end if the step is 1."""
    if not step > 0:
        raise ValueError(f"expected a step above 0, got {step!r}")
    exact = Fraction(str(step))
    first, last = ceil(Fraction(str(domain.lower)) / exact), floor(Fraction(str(domain.upper)) / exact)
    whole = isinstance(domain, sample.Integer)
    if whole and step == 1:
        last -= 1
    if (count := last - first + 1) > MOST_VALUES:
        raise ValueError(f"expected at most {MOST_VALUES} multiples of {step}, got {count}; use tune.uniform")
    values = [index * exact for index in range(first, last + 1)]
    return {"scale": "ordinal", "values": [int(value) if whole else float(value) for value in values]}


CONVERSIONS: Mapping[tuple[str, bool], Callable[..., dict[str, object]]] = {  # name, whether it has a step
    ("uniform", False): lambda domain, _: {"scale": "linear", "low": domain.lower, "high": domain.upper},
    ("loguniform", False): lambda domain, _: {"scale": "log", "low": domain.lower, "high": domain.upper},
    ("randint", False): lambda domain, _: {"scale": "integer", "low": domain.lower, "high": domain.upper - 1},
    ("choice", False): lambda domain, _: _choice(domain.categories),
    ("uniform", True): _multiples,
    ("randint", True): _multiples,
}
