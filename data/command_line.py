"""What the commands of `python -m data` and `python -m model` share: flags, output, and the exit codes of errors."""

import argparse
import io
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from data.config import FORMATS

if TYPE_CHECKING:
    from data.dataset import Dataset

WRONG_INPUT, FAILED, STOPPED = 2, 1, 130  # exit codes
INPUT_ERRORS = (ValueError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


def add_flags(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Add --debug, and set the function that runs the command."""
    command.add_argument("--debug", action="store_true", help="show where an error comes from")
    command.set_defaults(run=run)


def add_json(command: argparse.ArgumentParser) -> None:
    """Add --json."""
    command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def add_format(command: argparse.ArgumentParser) -> None:
    """Add --format, of a data set."""
    command.add_argument("--format", choices=FORMATS, help="the data set's format (default: detected)")


def run(parser: argparse.ArgumentParser, words: Sequence[str] | None) -> int:
    """Parse the words (None: the shell's), run the command, and return its exit code.

    2 for wrong input, 1 for work that failed, 130 for Ctrl-C. An error is one sentence on stderr; with --debug it is
    raised.
    """
    options = parser.parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may hold any bytes
    try:
        code = int(options.run(options))
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:
        # The reader of stdout has closed it, as `head` does; Python would raise again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if options.debug:
            raise
        # Our own errors are whole sentences; any other is shown with its type.
        complain(str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")
        return WRONG_INPUT if isinstance(error, INPUT_ERRORS) else FAILED


def say(text: str) -> None:
    """Write a line to stdout; nothing if the parent process closed it."""
    if sys.stdout is not None:
        sys.stdout.write(text + "\n")


def complain(text: str) -> None:
    """Write a line to stderr; nothing if the parent process closed it."""
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")


def print_json(document: object) -> None:
    """Write one JSON document to stdout."""
    say(json.dumps(document, indent=2, ensure_ascii=False))


def report_problems(dataset: "Dataset") -> None:
    """Write to stderr how many problems of each kind the data set has: what was skipped is not scored."""
    counts = Counter(problem.kind for problem in dataset.problems)
    if counts:
        listing = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        complain(f"{dataset.root}: {listing} (`python -m data check` lists them)")
