"""`python -m data`: check a data set, preview its pictures, compute its anchors, convert it to another format."""

import argparse
import io
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from data.commands import preview
from data.config import FORMATS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 2 for wrong input, 1 for work that failed, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may hold any bytes
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if options.debug:
            raise
        # Our own errors are whole sentences; any other is shown with its type.
        prefix = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        print(f"{prefix}{error}", file=sys.stderr)
        return 2 if isinstance(error, (ValueError, OSError)) else 1


def _check(options: argparse.Namespace) -> int:
    from rich.console import Console  # imported after parsing, so that --help and a wrong flag answer at once

    from data.sets import check

    findings = check.check_dataset(options.folder, options.format)
    if options.json:
        _print_json(findings.to_plain())
    else:
        check.show_findings(findings, Console())
    if findings.error is not None:
        print(findings.error, file=sys.stderr)
        return 2
    return 0


def _anchors(options: argparse.Namespace) -> int:
    import numpy as np

    from data.sets import anchors, read

    if options.size < 32 or options.size % 32:
        raise ValueError(f"--size: expected a multiple of 32, got {options.size}")
    dataset = read.load_own_splits(options.folder, options.format, strict=False)
    _report_problems(dataset.root, [problem.kind for problem in dataset.problems])
    examples = dataset.splits.get("train") or next(iter(dataset.splits.values()))
    sizes = anchors.for_dataset(examples, options.size, options.fit)
    wh = anchors.network_sizes(examples, options.size, options.fit)
    masks, mean_iou = anchors.anchor_masks(sizes, wh), anchors.mean_iou(wh, np.array(sizes))
    warnings = [mask.warning for mask in masks if mask.warning]
    if options.json:
        document = {
            "size": options.size,
            "fit": options.fit,
            "boxes": len(wh),
            "anchors": sizes,
            "mean_iou": mean_iou,
            "masks": [{"stride": mask.stride, "anchors": mask.anchors, "share": mask.share} for mask in masks],
            "warnings": warnings,
        }
        _print_json(document)
        return 0
    print(f"{len(wh)} boxes at {options.size} pixels ({options.fit}): mean IoU with the best anchor {mean_iou:.3f}")
    for mask in masks:
        spelled = "  ".join(f"{width:g},{height:g}" for width, height in mask.anchors)
        print(f"  stride {mask.stride:>2}: {spelled}  ({mask.share:.0%} of the boxes)")
    for warning in warnings:
        print(f"warning: {warning}")
    return 0


def _convert(options: argparse.Namespace) -> int:
    from data.sets import convert

    dataset = convert.convert_dataset(options.folder, options.target, options.to, options.format)
    _report_problems(dataset.root, [problem.kind for problem in dataset.problems])
    images = ", ".join(f"{split} {len(examples)}" for split, examples in dataset.splits.items())
    boxes = sum(len(example.boxes) for examples in dataset.splits.values() for example in examples)
    print(f"{options.target}: {options.to} from {dataset.format}, images: {images}, {boxes} boxes")
    return 0


def _report_problems(root: Path, kinds: Sequence[str]) -> None:
    """Print to stderr how many problems of each kind the data set has."""
    if kinds:
        counts = ", ".join(f"{count} {kind}" for kind, count in Counter(kinds).items())
        print(f"{root}: {counts} (`python -m data check` lists them)", file=sys.stderr)


def _print_json(document: object) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data", description="Check, preview and convert detection data sets."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("check", help="count what is usable, and list what was fixed or skipped")
    command.add_argument("folder", type=Path, metavar="DIR", help="the data set's folder")
    command.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    _add_common(command, _check)

    preview.add_parser(commands)

    command = commands.add_parser("anchors", help="anchor sizes for the training boxes, by k-means with IoU")
    command.add_argument("folder", type=Path, metavar="DIR", help="the data set's folder")
    command.add_argument("--size", type=int, default=416, help="side of the network's input, in pixels (default: 416)")
    command.add_argument(
        "--fit",
        choices=("stretch", "letterbox"),
        default="stretch",
        help="how pictures are fitted to the network's input (default: stretch)",
    )
    command.add_argument("--json", action="store_true", help="one JSON document instead of the list")
    _add_common(command, _anchors)

    command = commands.add_parser("convert", help="write the same data set in another format")
    command.add_argument("folder", type=Path, metavar="SRC", help="the data set's folder")
    command.add_argument("target", type=Path, metavar="DST", help="a new or empty folder")
    command.add_argument("--to", choices=FORMATS, required=True, help="the format to write")
    _add_common(command, _convert)
    return parser


def _add_common(command: argparse.ArgumentParser, run: object) -> None:
    command.add_argument("--format", choices=FORMATS, help="the data set's format (default: detected)")
    command.add_argument("--debug", action="store_true", help="show where an error comes from")
    command.set_defaults(run=run)


if __name__ == "__main__":
    sys.exit(main())
