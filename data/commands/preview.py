"""The command `python -m data preview DIR --out grid.png [--augment]`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from data import command_line

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: "_SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Add the command `preview` to the others."""
    command = subparsers.add_parser("preview", help="write a grid of pictures with their boxes, to look at")
    command.add_argument("folder", type=Path, metavar="DIR", help="the data set's folder")
    command.add_argument("--out", type=Path, required=True, metavar="FILE.png", help="the picture to write")
    command.add_argument(
        "--augment", action="store_true", help="show pictures as training sees them, with the default settings"
    )
    command.add_argument("--split", default="train", help="train, val or test (default: train)")
    command.add_argument("--pictures", type=int, default=12, help="how many (default: 12)")
    command.add_argument("--side", type=int, default=320, help="side of each picture, in pixels (default: 320)")
    command.add_argument("--seed", type=int, default=0, help="chooses the pictures and their changes (default: 0)")
    command_line.add_format(command)
    command_line.add_flags(command, run)
    return command


def run(options: argparse.Namespace) -> int:
    """Write the grid and return the exit code."""
    from data.commands import preview_grid
    from data.config import AugmentConfig
    from data.dataset import SPLITS
    from data.sets import read  # imported after parsing, so that --help and a wrong flag answer at once

    if options.out.suffix.lower() != ".png":
        raise ValueError(f"--out: expected a name that ends in .png, got '{options.out}'")
    if options.seed < 0:
        raise ValueError(f"--seed: expected 0 or more, got {options.seed}")
    if options.split not in SPLITS:
        raise ValueError(f"--split: expected one of {list(SPLITS)}, got '{options.split}'")
    augment = AugmentConfig() if options.augment else None
    config = preview_grid.GridConfig(augment, options.seed, options.pictures, options.side)
    dataset = read.load_split(options.folder, options.split, options.format)
    preview_grid.write_grid(
        dataset.splits[options.split],
        dataset.class_names,
        options.out,
        config,
    )
    shown = min(options.pictures, len(dataset.splits[options.split]))
    command_line.say(f"{options.out}: {shown} pictures of {dataset.root}, split {options.split}")
    return 0
