"""`python -m model summary|evaluate|predict|pretrain|convert|export`: the detector without the search.

Parses the command line and calls model/commands. Only these commands read data sets and pictures; the rest of model/
takes only boxes and letterbox from data/. Input is checked before TensorFlow loads.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from model.commands import convert, evaluate, export, predict, pretrain, summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 2 for wrong input, 1 for work that failed, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        result: int = options.run(options)
        if sys.stdout is not None:  # None if the parent process closed it
            sys.stdout.flush()
        return result
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # the reader of stdout has closed it, as `head` does; Python would raise again when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if options.debug:
            raise
        print(f"{_prefix(error)}{error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1


def _prefix(error: Exception) -> str:
    """Empty for our own errors, which are whole sentences; the type's name for others."""
    return "" if isinstance(error, ValueError) else f"{type(error).__name__}: "


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model", description="A detector, without the search.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (summary, evaluate, predict, pretrain, convert, export):
        command.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
