"""What commands have in common at the terminal: lines of text, and work that failed."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class WorkFailed(Exception):
    """Work that failed after its input was found right; the exception that it met is its cause."""


def say(text: str = "") -> None:
    """One line on stdout, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def program() -> str:
    """How `evolve` was called, so that a command in a sentence can be typed as it is: evolve, .venv/bin/evolve ..."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py" and called.parent.name == "evolve":
        return f"{python()} -m evolve"
    return _typed(called) if called.name == "evolve" else "evolve"


def python() -> str:
    """This Python, as it can be typed."""
    return _typed(Path(sys.executable))


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


def _typed(path: Path) -> str:
    if shutil.which(path.name) == str(path):
        return path.name
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
