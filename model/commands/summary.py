"""`python -m model summary`: counts a network's parameters, convolutions, operations and output maps."""

import argparse
from dataclasses import replace

from data.command_line import print_json, say
from model.commands.shared import VARIANTS, add_size, finish, load_keras
from model.config import YOLOV4_TINY, DetectorConfig

DEFAULT_SIZE = (416, 416)
PRESETS = ("darknet", "paper")  # model/presets.NAMES, repeated because presets loads YAML


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    command = subparsers.add_parser("summary", help="parameters, convolutions, operations and output maps")
    command.add_argument(
        "--variant", choices=VARIANTS, default="yolov4", help="the released network of that name (default yolov4)"
    )
    command.add_argument(
        "--preset",
        choices=PRESETS,
        default="darknet",
        help="for yolov4: as released, or with every technique of the paper (default darknet)",
    )
    add_size(command, "416")
    command.add_argument("--classes", type=int, default=80, help="number of classes (default 80)")
    command.add_argument("--width", type=float, default=1.0, help="factor on the channels (default 1)")
    command.add_argument("--depth", type=float, default=1.0, help="factor on the residual units (default 1)")
    finish(command, run)


def run(options: argparse.Namespace) -> int:
    """Print the counts of the chosen network."""
    if options.classes < 1:
        raise ValueError(f"--classes: expected at least 1, got {options.classes}")
    size = options.size or DEFAULT_SIZE
    config = _config(options)
    load_keras()
    from model.network import architecture
    from model.network.summary import summarize

    network = summarize(architecture.build(config, options.classes), size)
    if options.json:
        print_json(
            {
                "total": network.total,
                "trainable": network.trainable,
                "convolutions": network.convolutions,
                "bflops": round(network.bflops, 3),
                "outputs": [list(shape) for shape in network.outputs],
            }
        )
        return 0
    preset = f" ({options.preset})" if options.variant == "yolov4" else ""
    say(
        f"{options.variant}{preset}, {options.classes} classes, {size[0]}x{size[1]} (height x width), "
        f"width {config.width:g}, depth {config.depth:g}"
    )
    say(f"parameters    {network.total:,} ({network.trainable:,} trainable)")
    say(f"convolutions  {network.convolutions}")
    say(f"BFLOPs        {network.bflops:.3f} a picture")
    say("outputs       " + ", ".join("x".join(map(str, shape)) for shape in network.outputs))
    return 0


def _config(options: argparse.Namespace) -> DetectorConfig:
    """The network's settings; ValueError if the variant does not support them."""
    from model import presets

    if options.variant == "yolov4":
        return replace(presets.detector_config(options.preset), width=options.width, depth=options.depth)
    if options.preset != "darknet":
        raise ValueError(f"--preset: expected darknet, as yolov4-tiny has no other, got {options.preset}")
    return replace(YOLOV4_TINY, width=options.width, depth=options.depth)
