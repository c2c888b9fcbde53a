"""What the commands of this room share: options, output, and loading Keras without its noise."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from model.config import PostConfig

VARIANTS = ("yolov4",)


def say(text: str) -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    say(json.dumps(document, indent=2, ensure_ascii=False))


def load_keras() -> None:
    """Import Keras and its backend, without the lines that TensorFlow writes past every log level.

    They go to file descriptor 2 from C++; if the import fails they are shown after all.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            import keras  # noqa: F401
        except BaseException:
            said.seek(0)
            os.write(terminal, said.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def checked_size(size: int) -> int:
    """The side of a network's input, or ValueError."""
    if size < 32 or size % 32:
        raise ValueError(f"--size: expected a multiple of 32, got {size}")
    return size


def add_weights(command: argparse.ArgumentParser) -> None:
    """--weights."""
    command.add_argument("--weights", type=Path, required=True, metavar="FILE", help="a checkpoint (.keras) of ours")


def add_post(command: argparse.ArgumentParser, score: float) -> None:
    """--score, --nms-iou and --nms."""
    command.add_argument("--score", type=float, default=score, help=f"lowest score of a detection (default {score})")
    command.add_argument(
        "--nms-iou", type=float, default=PostConfig.nms_iou, help=f"overlap that NMS allows ({PostConfig.nms_iou})"
    )
    command.add_argument("--nms", choices=("plain", "diou"), default=PostConfig.nms, help="default: diou")


def finish(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """--json and --debug, and what the command does."""
    command.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    command.add_argument("--debug", action="store_true", help="show where an error comes from")
    command.set_defaults(run=run)
