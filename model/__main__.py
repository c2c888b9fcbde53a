"""`python -m model summary|evaluate|predict|pretrain|convert|export`: the detector without the search.

Parses the command line and calls model/commands. Only these commands read data sets; the rest of model/ takes from
data/ what a box, a drawing and a file on disk are. Input is checked before TensorFlow loads.
"""

import argparse
import sys
from collections.abc import Sequence

from data import command_line
from model.commands import convert, evaluate, export, predict, pretrain, summary


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code: 2 for wrong input, 1 for work that failed, 130 for Ctrl-C."""
    return command_line.run(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model", description="A detector, without the search.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (summary, evaluate, predict, pretrain, convert, export):
        command.add_parser(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
