"""What commands have in common at the terminal: lines of text, and work that failed."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

_unsaid: list[Exception] = []  # what kept `say` and `complain` from writing


class WorkFailed(Exception):
    """Work that failed after its input was found right; the exception that it met is its cause."""


def say(text: str = "") -> None:
    """One line on stdout, at once. Never raises: a stdout that is closed or full stops no work (see `unsaid`)."""
    _write(sys.stdout, text)


def complain(text: str) -> None:
    """One line on stderr; never raises."""
    _write(sys.stderr, text)


def unsaid() -> Exception | None:
    """Why something could not be written; None if all was, or if whoever read it had enough, as `head` has."""
    return next((error for error in _unsaid if not isinstance(error, BrokenPipeError)), None)


def begin() -> None:
    """A command begins: all is said so far, and a standard stream that the caller has closed (`>&-`) is held.

    Else the next file that is opened would become stdout, and get what others print.
    """
    _unsaid.clear()
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one


def command(program: str, *words: object) -> str:
    """A command that can be typed as it stands, however the words look; paths and words are quoted for a shell.

    program: evolve, or one of our modules with commands (data, model), or any other. A path that begins with a dash is
    written from ./ on, so that it is no flag.
    """
    start = [program]
    if program == "evolve":
        start = _this_program()
    elif program in ("data", "model"):
        start = [_typed(Path(sys.executable)), "-m", program]
    return shlex.join([*start, *map(_word, words)])


def shown(path: Path) -> Path:
    """A path as a person would type it from here."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the folder was deleted
        return path
    return path.relative_to(here) if path.is_relative_to(here) else path


def short(value: object) -> str:
    """A gene's value as it stands in a table."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def working(*passing: type[Exception]) -> Iterator[None]:
    """From here on an error is work that failed, whatever its type, but for the types that pass."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (WorkFailed, *passing)):
            raise
        said = isinstance(error, ValueError | RuntimeError | OSError) and str(error)  # those have sentences
        raise WorkFailed(said or f"{type(error).__name__}: {error}") from error


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def table(rows: Sequence[Sequence[object]]) -> str:
    """Rows as aligned text, the first one above a line; None is shown as -, a float with four decimals."""
    texts = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[place]) for row in texts) for place in range(len(texts[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in texts]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])


def _this_program() -> list[str]:
    """How `evolve` was called: evolve, .venv/bin/evolve, python -m evolve ..."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py" and called.parent.name == "evolve":
        return [_typed(Path(sys.executable)), "-m", "evolve"]
    return [_typed(called) if called.name == "evolve" else "evolve"]


def _typed(path: Path) -> str:
    return path.name if shutil.which(path.name) == str(path) else str(shown(path))


def _word(word: object) -> str:
    text = str(word)
    return f"./{text}" if isinstance(word, Path) and text.startswith("-") else text


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed by whoever started this process
        return
    try:
        try:
            stream.write(f"{text}\n")
        except UnicodeEncodeError:  # a locale or a name of a file beyond what the terminal can show
            stream.write(f"{text.encode(stream.encoding, 'backslashreplace').decode(stream.encoding)}\n")
        stream.flush()
    except (OSError, ValueError) as error:
        _unsaid.append(error)
        with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())  # what waits in its buffer would fail again at the exit


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
