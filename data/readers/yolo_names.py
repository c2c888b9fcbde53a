"""Read class names of YOLO and Darknet data sets: in YAML, or one on each line."""

import re
from collections.abc import Hashable, Mapping, Sequence

from data.dataset import DatasetError
from data.problems import Report
from data.readers import text_files
from data.readers.dataset_file import DatasetFile

_MAX_COUNT = 100_000
_WHOLE = re.compile(r"\d{1,6}(\.0*)?")
_NUMBERED = re.compile(r"\s*(\d+)(?:\s*[:,;=]\s*|\s+)(\S.*)")


def from_yaml(names: object, count: int | None, source: DatasetFile) -> tuple[str, ...]:
    """The names in a list, in a mapping of number to name or name to number, or in one text.

    names: YAML's value, with words as written. count: how many classes the file states, or None. DatasetError if the
    names are wrong.
    """
    if isinstance(names, str):
        names = _in_text(names, count)
    if isinstance(names, list) and names and all(isinstance(item, dict) and len(item) == 1 for item in names):
        names = {key: value for item in names for key, value in item.items()}  # - 0: cat
    if isinstance(names, dict):
        names = _in_order(names, source)
    if not isinstance(names, list) or not names:
        raise DatasetError(f"{source.path}: names: expected a list of class names, got {spell(names)}")
    for name in names:
        if not isinstance(name, str):
            raise DatasetError(f"{source.path}: names: expected text, got {spell(name)}")
    return _each_once(names, source)


def _in_text(names: str, count: int | None) -> object:
    """The names that a text lists, separated by commas or spaces; the text itself if that is uncertain."""
    inside = names.strip().removeprefix("[").removesuffix("]")
    for parts in (inside.split(","), inside.split()):
        listed = [part.strip().strip("'\"") for part in parts]
        if len(listed) == count or (
            count is None and (len(listed) > 1 or len(inside.split()) == 1) and ":" not in inside
        ):
            return listed
        if count is None:
            break
    return names


def _in_order(names: Mapping[object, object], source: DatasetFile) -> list[object]:
    """The names in the order of their numbers 0, 1, 2 ...; DatasetError if a number is missing."""
    numbers = {_number(key): name for key, name in names.items()}
    if not any(isinstance(key, int | float) for key in numbers):  # cat: 0
        numbers = {_number(number): name for name, number in names.items()} if _are_hashable(names) else {}
    if set(numbers) != set(range(len(names))):
        raise DatasetError(
            f"{source.path}: names: expected the numbers 0 to {len(names) - 1} as keys, got "
            + ", ".join(spell(_number(key)) for key in list(names)[:10])
        )
    return [numbers[number] for number in range(len(names))]


def _are_hashable(names: Mapping[object, object]) -> bool:
    return all(isinstance(number, Hashable) for number in names.values())


def _number(key: object) -> object:
    """The number of a class, written as 0 or 0.0; anything else unchanged."""
    return int(float(key)) if isinstance(key, str) and _WHOLE.fullmatch(key) else key


def from_file(source: DatasetFile, report: Report) -> tuple[str, ...]:
    """The names in a text file, one on each line; empty lines at the end do not count."""
    try:
        lines = text_files.read(source, report).rstrip().splitlines()
    except text_files.TextError as error:
        raise DatasetError(f"{source.path}: expected class names: {error}") from error
    if not lines:
        raise DatasetError(f"{source.path}: expected a class name on each line, got an empty file")
    if lines[0].startswith("# "):
        raise DatasetError(
            f"{source.path}: expected a class name on each line, got the comment {spell(lines[0])}: delete it, since "
            "the first line names class 0"
        )
    numbered = {match[1]: match[2] for line in lines if (match := _NUMBERED.fullmatch(line))}
    numbers = [str(number) for number in range(len(lines))]
    if numbered.keys() == set(numbers):
        lines = [numbered[number] for number in numbers]  # 0 cat, 1 dog, in any order
    return _each_once(lines, source)


def _each_once(names: Sequence[str], source: DatasetFile) -> tuple[str, ...]:
    texts: dict[str, None] = {}
    for name in names:
        if not name.strip():
            raise DatasetError(f"{source.path}: names: expected text, got an empty name for class {len(texts)}")
        if name.strip() in texts:
            raise DatasetError(f"{source.path}: names: expected each class once, got {spell(name)} twice")
        texts[name.strip()] = None
    return tuple(texts)


def numbers_as_names(count: int, source: DatasetFile, report: Report) -> tuple[str, ...]:
    """Class numbers as names, which is reported."""
    detail = f"no names of the {count} classes: their numbers are used"
    report.add("missing_class_names", source.relative_path, detail)
    return tuple(str(number) for number in range(count))


def class_count(value: object) -> int | None:
    """A count of classes, given as 2, 2.0 or "2"; None for anything else."""
    if isinstance(value, str) and len(value) < 20:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_COUNT else None


def spell(value: object) -> str:
    """The value, cut to a readable length; for a list or mapping only its type, since aliases can make it endless."""
    if isinstance(value, dict | list | set | tuple):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a huge number"
    return repr(value[:80] if isinstance(value, str | bytes) else value)
