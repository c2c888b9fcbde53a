"""What commands have in common at the terminal: lines of text, and being asked to stop."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


class StopAsked(KeyboardInterrupt):
    """Ctrl-C, or SIGTERM from a scheduler; its text says which."""


def say(text: str = "") -> None:
    """One line on stdout, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def catch_signals() -> None:
    """From now on Ctrl-C and SIGTERM raise StopAsked; called again after a library took the signals for itself."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)


@contextmanager
def signals_caught() -> Iterator[None]:
    """Catch them inside, and give them back to whoever had them."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    catch_signals()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


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


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise StopAsked("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)
