"""Plain values: the values of a YAML file, numbers as people write them, errors that name the place.

A search space and a recipe are plain values (mappings, lists, numbers, words) before they are
checked; this file reads them and holds the checks that both need.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from data import safe_yaml


def read_file(path: str | Path) -> object:
    """The plain value of a YAML file; a ValueError that begins with the path when it cannot be read."""
    with named(str(path)):
        try:
            with Path(path).open("rb") as file:
                content = file.read(safe_yaml.MAX_CHARACTERS + 1)  # whatever the file's length
            if len(content) > safe_yaml.MAX_CHARACTERS:
                raise ValueError(f"expected YAML of at most {safe_yaml.MAX_CHARACTERS:,} bytes, got more")
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"expected UTF-8 text, got {error.reason} at byte {error.start}") from None
        except OSError as error:
            raise ValueError(f"expected a readable YAML file, got {error.strerror or error}") from None
        return safe_yaml.load(text)


def read_value(text: str) -> object:
    """A value as typed on a command line, by the rules of the files: "1e-4", "true", "mish", "[64, 96]"."""
    return safe_yaml.load(text)


def to_yaml(plain: object) -> str:
    """The text of plain values as a YAML file holds them; `read_file` gives the same values back."""
    return safe_yaml.dump(plain)


@contextmanager
def named(place: str) -> Iterator[None]:
    """Put the place before the sentence of any ValueError raised inside: `file: gene 'x': expected ...`."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error.__cause__


def mapping(value: object, what: str) -> dict[str, object]:
    """The value as a mapping with words as keys."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected {what}, got {value!r}")
    for key in value:
        if not isinstance(key, str):
            raise ValueError(f"expected words as keys of {what}, got {key!r}")
    return dict(value)


def check_keys(given: Iterable[str], allowed: Iterable[str], required: Iterable[str] = ()) -> None:
    """Refuse an unknown or a missing key by name, with the right ones."""
    given, right = set(given), list(allowed)
    for key in sorted(given - set(right)):
        raise ValueError(f"unknown key {key!r}, expected one of {', '.join(right)}")
    for key in required:
        if key not in given:
            raise ValueError(f"expected the key {key!r}, got {', '.join(sorted(given)) or 'no key'}")


def rounded(value: float) -> float:
    """Rounded to 12 significant digits, so that any text form of it reads back as the same number; -0 is 0."""
    return float(f"{value:.12g}") + 0.0


def number(value: object, name: str) -> float:
    """A finite number, rounded to 12 significant digits."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected {name} to be a finite number, got {value!r}")
    return rounded(value)


def whole(value: object, name: str) -> int:
    """A whole number; 1e3 is one too."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected {name} to be a whole number, got {value!r}")
    return value


def fraction(value: object, name: str) -> Fraction:
    """An exact share: 1, 0.25, "1/9"."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            pass  # not a fraction: said below, as for every other wrong value
    raise ValueError(f"expected {name} to be a fraction such as '1/9', got {value!r}")
