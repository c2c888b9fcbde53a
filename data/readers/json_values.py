"""Values of JSON from unknown tools: numbers that may be text, ids of any type, and short forms for messages."""

from collections.abc import Iterable

JsonId = str | int


def numbers(values: object) -> list[float] | None:
    """The values as floats, also from text; None if one is no number. NaN passes: it is reported with its box."""
    if not isinstance(values, Iterable) or isinstance(values, str | dict):
        return None
    floats = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            floats.append(float(value))
        except (ValueError, OverflowError):
            return None
    return floats


def comparable_id(value: object) -> JsonId:
    """An id for comparisons; 7, 7.0 and "7" become equal, since exporters write different ones."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int | str) else short(value)


def short(value: object) -> str:
    """The value in at most 80 characters, for messages; only the first parts of a list, and none of a mapping."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        first = ("[...]" if isinstance(item, list) else short(item) for item in value[:5])
        return "[" + ", ".join(first) + (", ...]" if len(value) > 5 else "]")
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a huge number"
    return repr(value)[:80]
