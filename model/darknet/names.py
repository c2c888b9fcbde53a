"""Reads files of class names: one name per line, as in Darknet's .names."""

from __future__ import annotations

import re
from pathlib import Path

from model.darknet import texts

LARGEST = 1 << 24  # bytes
EXPECTED = "expected one class name per line"
# How files of other kinds begin; their lines must not be taken for class names.
OF_CFG = re.compile(r"\[(net|network|convolutional)\]")
OF_DATA = re.compile(r"(classes|train|valid|names|backup)\s*=")


class NamesError(ValueError):
    """A file holds no class names; the message names the file and what is wrong."""


def read(path: Path, count: int | None = None) -> tuple[str, ...]:
    """The names; blank lines do not count.

    count: how many classes there are, None if not known. Darknet counts a blank line as a class too, so NamesError is
    raised if there are `count` lines and one of them is blank.
    """
    lines = _lines(path)
    blank = next((line_number for line_number, line in enumerate(lines, start=1) if not line), None)
    if blank is not None and len(lines) == count:
        raise NamesError(f"{path}: line {blank}: expected a class name, as {count} lines are {count} classes, got none")
    names = tuple(line for line in lines if line)
    if not names:
        raise NamesError(f"{path}: {EXPECTED}, got none")
    for pattern, kind in ((OF_CFG, "a cfg"), (OF_DATA, "a .data file")):
        if pattern.match(names[0]):
            raise NamesError(f"{path}: {EXPECTED}, got {kind}")
    repeated = next((name for k, name in enumerate(names) if name in names[:k]), None)
    if repeated is not None:
        raise NamesError(f"{path}: expected each class once, got {repeated!r} twice")
    return names


def _lines(path: Path) -> list[str]:
    """The lines without surrounding white space and without empty ones at the end."""
    try:
        if path.stat().st_size > LARGEST:
            raise NamesError(f"{path}: {EXPECTED}, got more than {LARGEST} bytes")
        text = texts.decode(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise NamesError(f"{path}: expected a text file (UTF-8) with one class name per line: {error}") from error
    if "\0" in text:
        raise NamesError(f"{path}: expected a text file with one class name per line, got binary content")
    return [line.strip() for line in text.rstrip().splitlines()]
