"""`python -m model summary`: parameters, convolutions, operations and output maps of a network."""

import argparse

from model.commands.shared import VARIANTS, checked_size, finish, load_keras, print_json, say
from model.config import DetectorConfig


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's options."""
    command = subparsers.add_parser("summary", help="parameters, convolutions, operations and output maps")
    command.add_argument("--variant", choices=VARIANTS, default="yolov4", help="the released network of that name")
    command.add_argument("--size", type=int, default=416, help="side of the input in pixels (default 416)")
    command.add_argument("--classes", type=int, default=80, help="number of classes (default 80)")
    command.add_argument("--width", type=float, default=1.0, help="factor on the channels (default 1)")
    command.add_argument("--depth", type=float, default=1.0, help="factor on the residual units (default 1)")
    finish(command, run)


def run(options: argparse.Namespace) -> int:
    """What the network of a variant is."""
    config = DetectorConfig(width=options.width, depth=options.depth)
    size = checked_size(options.size)
    if options.classes < 1:
        raise ValueError(f"--classes: expected at least 1, got {options.classes}")
    load_keras()
    from model import detector
    from model.summary import summarize

    found = summarize(detector.build(config, options.classes), size)
    if options.json:
        print_json(
            {
                "total": found.total,
                "trainable": found.trainable,
                "convolutions": found.convolutions,
                "bflops": round(found.bflops, 3),
                "outputs": [list(shape) for shape in found.outputs],
            }
        )
        return 0
    say(f"{options.variant}, {options.classes} classes, {size}x{size}, width {config.width:g}, depth {config.depth:g}")
    say(f"parameters    {found.total:,} ({found.trainable:,} trainable)")
    say(f"convolutions  {found.convolutions}")
    say(f"BFLOPs        {found.bflops:.3f} a picture")
    say("outputs       " + ", ".join("x".join(map(str, shape)) for shape in found.outputs))
    return 0
