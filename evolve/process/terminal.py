"""What commands share: output that never raises, tables, command lines to copy, and the error WorkFailed."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_write_errors: list[Exception] = []  # errors that kept `say` and `complain` from writing


class InputError(ValueError):
    """Something the user gave is wrong; the message is one sentence for the terminal."""


class WorkFailed(Exception):
    """Work that failed although its input was valid; the original exception is its cause."""


def say(text: str = "") -> None:
    """Write a line to stdout, flushed. Never raises: a closed stdout or a full disk stops no work (`write_error`)."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """Write a line to stderr; never raises."""
    _write(sys.stderr, text)


def write_error() -> Exception | None:
    """The first error that kept text from being written, except by a reader that closed (as `head` does), or None."""
    return next((error for error in _write_errors if not isinstance(error, BrokenPipeError)), None)


def reader_has_gone() -> bool:
    """Whether whoever read stdout or stderr has closed it, as `head` does when it has enough."""
    return any(isinstance(error, BrokenPipeError) for error in _write_errors)


def begin() -> None:
    """Begin a command: forget earlier write errors, and open /dev/null for standard streams that are closed (`>&-`).

    If stdout stayed closed, the next file that is opened would take its place, and get what is printed.
    """
    _write_errors.clear()
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free descriptor, which is this one


def command(program: str, *words: object) -> str:
    """A command line to copy into a shell, with its words quoted.

    program: evolve, one of our modules with commands (data, model), or any other program. A path that begins with a
    dash gets ./ in front, so that it is not taken for a flag.
    """
    start = [program]
    if program == "evolve":
        start = _this_program()
    elif program in ("data", "model"):
        start = [_typed(Path(sys.executable)), "-m", program]
    return shlex.join([*start, *map(_word, words)])


def path_from_here(path: Path) -> Path:
    """The path relative to the working directory if it is inside, else unchanged."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the folder was deleted
        return path
    return path.relative_to(here) if path.is_relative_to(here) else path


def short_value(value: object) -> str:
    """A gene's value as text for a table."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def working(*passing: type[Exception]) -> Iterator[None]:
    """Turn any error raised inside into WorkFailed, except for the types in `passing`."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (WorkFailed, *passing)):
            raise
        # Errors of these types say what is wrong; others need their name in front: the text of a KeyError is a key.
        text = isinstance(error, ValueError | RuntimeError | OSError) and str(error)
        raise WorkFailed(text or f"{type(error).__name__}: {error}") from error


def duration(seconds: float) -> str:
    """Seconds with a unit: 45 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def table(rows: Sequence[Sequence[object]]) -> str:
    """Rows as aligned text, the first one as the header; None is shown as -, a float with four decimals."""
    texts = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in texts]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])


def _this_program() -> list[str]:
    """The words that `evolve` was called by: evolve, .venv/bin/evolve, python -m evolve ..."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py" and program.parent.name == "evolve":
        return [_typed(Path(sys.executable)), "-m", "evolve"]
    return [_typed(program) if program.name == "evolve" else "evolve"]


def _typed(path: Path) -> str:
    """A program as one types it: its name if PATH finds it by that, else its path from here."""
    return path.name if shutil.which(path.name) == str(path) else str(path_from_here(path))


def _word(word: object) -> str:
    text = str(word)
    return f"./{text}" if isinstance(word, Path) and text.startswith("-") else text


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed by whoever started this process
        return
    try:
        try:
            stream.write(f"{text}\n")
        except UnicodeEncodeError:  # the terminal's encoding lacks a character, for instance of a file name
            stream.write(f"{text.encode(stream.encoding, 'backslashreplace').decode(stream.encoding)}\n")
        stream.flush()
    except (OSError, ValueError) as error:
        _write_errors.append(error)
        with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())  # else flushing the buffer would fail again at the exit


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
