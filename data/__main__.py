"""`python -m data check DIR`: what is in a data set, and what is wrong with it."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

FORMATS = ("coco", "voc", "yolo")  # read.READERS, written out so that --help loads nothing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 2 for a data set that cannot be used, 1 for work that failed, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    try:
        return _check(options)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if options.debug:
            raise
        # Errors of ours are whole sentences; any other one needs its kind.
        prefix = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        print(f"{prefix}{error}", file=sys.stderr)
        return 2 if isinstance(error, (ValueError, OSError)) else 1


def _check(options: argparse.Namespace) -> int:
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
    command.add_argument("--debug", action="store_true", help="show where an error comes from")
    return parser


if __name__ == "__main__":
    sys.exit(main())
