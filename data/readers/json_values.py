"""Values of JSON that strangers wrote: numbers that may be text, ids of any kind, and short spellings of them."""

from collections.abc import Iterable

Key = str | int


def numbers(values: object) -> list[float] | None:
    """The values as floats, those spelled as text too; None when one is no number. NaN passes: it is told as a box."""
    if not isinstance(values, Iterable) or isinstance(values, str | dict):
        return None
    found = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            found.append(float(value))
        except (ValueError, OverflowError):
            return None
    return found


def key(value: object) -> Key:
    """An id; 7, 7.0 and "7" are one, as some exporters write one and some the other."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int | str) else short(value)


def short(value: object) -> str:
    """At most 80 signs of it; of a list or mapping at most its first parts."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        first = ("[...]" if isinstance(each, list) else short(each) for each in value[:5])
        return "[" + ", ".join(first) + (", ...]" if len(value) > 5 else "]")
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a huge number"
    return repr(value)[:80]
