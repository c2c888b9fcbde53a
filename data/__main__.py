"""`python -m data`: check a data set, preview its pictures, compute its anchors, convert it to another format."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from data import command_line
from data.command_line import say
from data.commands import preview
from data.config import FORMATS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 2 for wrong input, 1 for work that failed, 130 for Ctrl-C."""
    return command_line.run(_parser(), arguments)


def _check(options: argparse.Namespace) -> int:
    from rich.console import Console  # imported after parsing, so that --help and a wrong flag answer at once

    from data.sets import check

    findings = check.check_dataset(options.folder, options.format)
    if options.json:
        command_line.print_json(findings.to_plain())
    else:
        check.show_findings(findings, Console())
    if findings.error is not None:
        command_line.complain(findings.error)
        return 2
    return 0


def _anchors(options: argparse.Namespace) -> int:
    import numpy as np

    from data.sets import anchors, read

    if options.size < 32 or options.size % 32:
        raise ValueError(f"--size: expected a multiple of 32, got {options.size}")
    dataset = read.load_own_splits(options.folder, options.format, strict=False)
    command_line.report_problems(dataset)
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
        command_line.print_json(document)
        return 0
    say(f"{len(wh)} boxes at {options.size} pixels ({options.fit}): mean IoU with the best anchor {mean_iou:.3f}")
    for mask in masks:
        spelled = "  ".join(f"{width:g},{height:g}" for width, height in mask.anchors)
        say(f"  stride {mask.stride:>2}: {spelled}  ({mask.share:.0%} of the boxes)")
    for warning in warnings:
        say(f"warning: {warning}")
    return 0


def _convert(options: argparse.Namespace) -> int:
    from data.sets import convert

    dataset = convert.convert_dataset(options.folder, options.target, options.to, options.format)
    command_line.report_problems(dataset)
    images = ", ".join(f"{split} {len(examples)}" for split, examples in dataset.splits.items())
    boxes = sum(len(example.boxes) for examples in dataset.splits.values() for example in examples)
    say(f"{options.target}: {options.to} from {dataset.format}, images: {images}, {boxes} boxes")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data", description="Check, preview and convert detection data sets."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("check", help="count what is usable, and list what was fixed or skipped")
    command.add_argument("folder", type=Path, metavar="DIR", help="the data set's folder")
    command_line.add_json(command)
    _finish(command, _check)

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
    command_line.add_json(command)
    _finish(command, _anchors)

    command = commands.add_parser("convert", help="write the same data set in another format")
    command.add_argument("folder", type=Path, metavar="SRC", help="the data set's folder")
    command.add_argument("target", type=Path, metavar="DST", help="a new or empty folder")
    command.add_argument("--to", choices=FORMATS, required=True, help="the format to write")
    _finish(command, _convert)
    return parser


def _finish(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    command_line.add_format(command)
    command_line.add_flags(command, run)


if __name__ == "__main__":
    sys.exit(main())
