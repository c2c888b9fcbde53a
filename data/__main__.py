"""`python -m data check DIR`: what is in a data set, and what is wrong with it."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

FORMATS = ("voc", "yolo")  # read.READERS, written out so that --help loads nothing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    options = _parser().parse_args(arguments)
    from rich.console import Console  # after parsing: --help and a wrong flag answer at once

    from data import check

    findings = check.check(options.folder, options.format)
    if options.json:
        print(json.dumps(findings.to_plain(), indent=2, ensure_ascii=False))
    else:
        check.show(findings, Console())
    if findings.error is not None:
        print(findings.error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m data", description="Looks into detection data sets.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("check", help="count what is usable, and list what was mended or skipped")
    command.add_argument("folder", type=Path, metavar="DIR", help="the data set's folder")
    command.add_argument("--format", choices=FORMATS, help="instead of the detected one")
    command.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
