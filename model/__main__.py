"""`python -m model summary|evaluate|predict|pretrain|convert|export`: the detector without the search.

Parses and hands over to model/commands, of which some read data sets and pictures; the rest of the room knows boxes
and letterbox only. What can be wrong is looked at before TensorFlow loads.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from model.commands import convert, evaluate, export, predict, pretrain, summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 2 for wrong input, 1 for work that failed, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        result: int = options.run(options)
        if sys.stdout is not None:  # closed by whoever started us
            sys.stdout.flush()
        return result
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # whoever read stdout has enough, as `head` does; Python would complain again when it closes it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if options.debug:
            raise
        print(f"{_prefix(error)}{error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1


def _prefix(error: Exception) -> str:
    """Errors of ours are whole sentences; any other one needs its kind."""
    return "" if isinstance(error, ValueError) else f"{type(error).__name__}: "


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model", description="A detector, without the search.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (summary, evaluate, predict, pretrain, convert, export):
        command.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
