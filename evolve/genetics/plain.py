"""Plain values: read from YAML, checked, with errors that name where the value stands.

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
    """The plain value in a YAML file; a ValueError that begins with the path if it cannot be read."""
    with error_prefix(str(path)):
        try:
            with Path(path).open("rb") as file:
                content = file.read(safe_yaml.MAX_CHARACTERS + 1)  # bounded, however long the file is
            if len(content) > safe_yaml.MAX_CHARACTERS:
                raise ValueError(f"expected YAML of at most {safe_yaml.MAX_CHARACTERS:,} bytes, got more")
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"expected UTF-8 text, got {error.reason} at byte {error.start}") from None
        except OSError as error:
            raise ValueError(f"expected a readable YAML file, got {error.strerror or error}") from None
        return safe_yaml.load(text)


def read_value(text: str) -> object:
    """A value as typed on a command line, read as in a YAML file: "1e-4", "true", "mish", "[64, 96]"."""
    return safe_yaml.load(text)


def to_yaml(plain: object) -> str:
    """Plain values as the text of a YAML file; `read_file` gives the same values back."""
    return safe_yaml.dump(plain)


@contextmanager
def error_prefix(prefix: str) -> Iterator[None]:
    """Put a prefix before the message of any ValueError raised inside: `file: gene 'x': expected ...`."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{prefix}: {error}") from error.__cause__


def mapping(value: object, what: str) -> dict[str, object]:
    """The value as a mapping with strings as keys; `what` says in the error what was expected."""
    if not isinstance(value, Mapping):
        raise ValueError(f"expected {what}, got {value!r}")
    for key in value:
        if not isinstance(key, str):
            raise ValueError(f"expected words as keys of {what}, got {key!r}")
    return dict(value)


def check_keys(given: Iterable[str], allowed: Iterable[str], required: Iterable[str] = ()) -> None:
    """ValueError for an unknown or a missing key; the message lists the allowed or the given keys."""
    given, known = set(given), list(allowed)
    for key in sorted(given - set(known)):
        raise ValueError(f"unknown key {key!r}, expected one of {', '.join(known)}")
    for key in required:
        if key not in given:
            raise ValueError(f"expected the key {key!r}, got {', '.join(sorted(given)) or 'no key'}")


def rounded(value: float) -> float:
    """Round to 12 significant digits, so that any text form of it reads back as the same number; -0 becomes 0."""
    return float(f"{value:.12g}") + 0.0


def finite_number(value: object, name: str) -> float:
    """The value as a float rounded to 12 significant digits; ValueError unless it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected {name} to be a finite number, got {value!r}")
    return rounded(value)


def whole_number(value: object, name: str) -> int:
    """The value as an int; ValueError unless it is a whole number, such as 3 or 1e3."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected {name} to be a whole number, got {value!r}")
    return value


def fraction(value: object, name: str) -> Fraction:
    """The value as an exact fraction: 1, 0.25, "1/9"."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            pass  # the error below covers every wrong value
    raise ValueError(f"expected {name} to be a fraction such as '1/9', got {value!r}")
