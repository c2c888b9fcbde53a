"""Class names as YOLO and Darknet data sets give them: in a YAML, or a name a line."""

from collections.abc import Sequence

from data.example import DatasetError, Problem
from data.readers import text
from data.readers.folder import File

_MAX_COUNT = 100_000


def from_yaml(names: object, source: File) -> tuple[str, ...]:
    """A list of names, or a mapping of number to name, all of them text as the file has it."""
    if isinstance(names, dict):
        numbers = {int(key) if isinstance(key, str) and key.isdecimal() and len(key) < 7 else key: key for key in names}
        if set(numbers) != set(range(len(names))):
            raise DatasetError(
                f"{source.path}: names: expected the numbers 0 to {len(names) - 1} as keys, got "
                + ", ".join(spell(key) for key in list(names)[:10])
            )
        names = [names[numbers[number]] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DatasetError(f"{source.path}: names: expected a list of class names, got {spell(names)}")
    for name in names:
        if not isinstance(name, str):
            raise DatasetError(f"{source.path}: names: expected text, got {spell(name)}")
    return _each_once(names, source)


def from_file(source: File, problems: list[Problem]) -> tuple[str, ...]:
    """A name a line; empty lines at the end do not count."""
    try:
        lines = text.read(source.path, str(source.place), problems).rstrip().splitlines()
    except text.TextError as error:
        raise DatasetError(f"{source.path}: expected class names: {error}") from error
    if not lines:
        raise DatasetError(f"{source.path}: expected a class name a line, got an empty file")
    return _each_once(lines, source)


def _each_once(names: Sequence[str], source: File) -> tuple[str, ...]:
    texts: dict[str, None] = {}
    for name in names:
        if not name.strip():
            raise DatasetError(f"{source.path}: names: expected text, got an empty name for class {len(texts)}")
        if name.strip() in texts:
            raise DatasetError(f"{source.path}: names: expected each class once, got {spell(name)} twice")
        texts[name.strip()] = None
    return tuple(texts)


def numbered(count: int, source: File, problems: list[Problem]) -> tuple[str, ...]:
    """Numbers for names; one of the problems."""
    detail = f"no names of the {count} classes: called by their numbers"
    problems.append(Problem("missing_class_names", str(source.place), detail))
    return tuple(str(number) for number in range(count))


def is_count(value: object) -> bool:
    """Whether this can be the number of classes."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_COUNT


def spell(value: object) -> str:
    """The value, cut to a readable length; of a list or mapping only its kind, as aliases can make it endless."""
    if isinstance(value, dict | list | set | tuple):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a huge number"
    return repr(value[:80] if isinstance(value, str | bytes) else value)
