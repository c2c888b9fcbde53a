"""What the commands of this room share: options, output, and loading Keras without its noise."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from model.config import NmsKind, PostConfig, Variant

if TYPE_CHECKING:
    from model.commands.weights import Weights
    from model.darknet.importer import DarknetOptions

VARIANTS = get_args(Variant)
OPEN = {"--cfg": "cfg", "--names": "class names"}
LARGEST_SIZE = 8192  # pixels; a mistyped size would ask for more memory than there is


def say(text: str) -> None:
    """One line on stdout, where there is one."""
    if sys.stdout is not None:
        sys.stdout.write(text + "\n")


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    say(json.dumps(document, indent=2, ensure_ascii=False))


def load_keras() -> None:
    """Import Keras and its backend, without the lines that TensorFlow writes past every log level.

    They go to file descriptor 2 from C++; if the import fails they are shown after all. Where there is no stderr, or no
    folder to keep them in meanwhile, nothing is hidden.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with ExitStack() as stack:
        try:
            said = stack.enter_context(tempfile.TemporaryFile())
            terminal = os.dup(2)
        except OSError:
            import keras

            return
        if sys.stderr is not None:
            sys.stderr.flush()
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


def read_size(text: str) -> tuple[int, int]:
    """(height, width) from "416" or "320x512", which is height x width; for argparse."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"expected a side such as 416, or height x width such as 320x512, got {text}")
    for part in parts:
        if not 32 <= int(part) <= LARGEST_SIZE or int(part) % 32:
            raise argparse.ArgumentTypeError(f"expected a multiple of 32 up to {LARGEST_SIZE}, got {part}")
    return int(parts[0]), int(parts[-1])


def add_size(command: argparse._ActionsContainer, default: str) -> None:
    """--size."""
    help_ = f"input in pixels: 416, or height x width such as 320x512 (default: {default})"
    command.add_argument("--size", type=read_size, metavar="S", help=help_)


def add_weights(command: argparse.ArgumentParser) -> None:
    """--weights, and what a Darknet file does not say of itself."""
    command.add_argument(
        "--weights", type=Path, required=True, metavar="FILE",
        help="a checkpoint (.keras), a Darknet file (.weights), or an export (.onnx, .tflite, SavedModel folder)",
    )  # fmt: skip
    add_darknet(command)


def add_darknet(
    command: argparse._ActionsContainer, names: str = "class names, one a line (default: the file's)"
) -> None:
    """--cfg, --variant, --classes and --names: what a .weights file does not say of itself."""
    command.add_argument(
        "--cfg", type=Path, metavar="FILE",
        help="of a .weights file: its cfg (default: the one of its name beside it, or in cfg or data there)",
    )  # fmt: skip
    command.add_argument("--variant", choices=VARIANTS, help="of a .weights file without its cfg (default: what fits)")
    command.add_argument(
        "--classes", type=int, metavar="N", help="of a .weights file (default: the cfg's, or by its length)"
    )
    command.add_argument("--names", type=Path, metavar="FILE", help=names)


def darknet_options(options: argparse.Namespace, size: tuple[int, int] | None = None) -> "DarknetOptions":
    """What the options of add_darknet say of a .weights file."""
    from model.darknet.importer import DarknetOptions

    if options.classes is not None and options.classes < 1:
        raise ValueError(f"--classes: expected at least 1, got {options.classes}")
    return DarknetOptions(options.cfg, options.names, options.variant, options.classes, size)


def find_weights(path: Path, options: argparse.Namespace) -> "Weights":
    """What the options of add_weights name; what had to be assumed is told on stderr."""
    from model.commands.find_weights import find

    found = find(path, darknet_options(options, options.size))
    tell(found.note, found.open_options)
    return found


def tell(note: str, open_options: Sequence[str] = ()) -> None:
    """A sentence on stderr, where there is one, with the options that say what was left open."""
    if note:
        options = ", ".join(f"{option} FILE names its {OPEN[option]}" for option in open_options)
        sys.stderr.write(f"{note}{f' ({options})' if options else ''}\n")


def add_post(command: argparse.ArgumentParser, score: float) -> None:
    """--score, --nms-iou, --nms and --nms-beta."""
    command.add_argument("--score", type=float, help=f"lowest score of a detection (default {score})")
    command.add_argument(
        "--nms-iou", type=float, help=f"overlap that NMS allows (default: the file's, else {PostConfig.nms_iou})"
    )
    command.add_argument(
        "--nms", choices=("plain", "diou"), help="default: the file's, else diou; plain for Darknet's files"
    )
    command.add_argument(
        "--nms-beta",
        type=float,
        help=f"of diou: power of the distance (default: the file's, else {PostConfig.nms_beta})",
    )


def post_of(options: argparse.Namespace, found: "Weights", score: float, **limits: int) -> PostConfig:
    """The score cut and NMS: the options', else the file's own, else `score` and the defaults.

    ValueError where NMS inside the file rules out what was asked for.
    """
    inside = found.post
    own = inside or found.tuned or PostConfig(nms=found.nms)
    nms: NmsKind = options.nms or own.nms
    if options.nms_beta is not None and nms != "diou":
        raise ValueError(f"--nms-beta: expected --nms diou beside it, as {nms} NMS has no distance term")
    post = PostConfig(
        score=max(score, inside.score) if inside and options.score is None else _given(options.score, score),
        nms_iou=_given(options.nms_iou, own.nms_iou),
        nms=nms,
        nms_beta=_given(options.nms_beta, own.nms_beta),
        **limits,
    )
    if inside is not None:
        for option, wanted, held in (
            ("--nms", post.nms, inside.nms),
            ("--nms-iou", post.nms_iou, inside.nms_iou),
            ("--nms-beta", post.nms_beta, inside.nms_beta),
        ):
            if wanted != held:
                raise ValueError(f"{option}: expected {held}, as NMS is inside {found.path}, got {wanted}")
        if post.score < inside.score:
            raise ValueError(f"--score: expected at least {inside.score}, where {found.path} cuts, got {post.score}")
    return post


def nms_line(post: PostConfig, found: "Weights") -> str:
    """Which NMS is used, and whether it is what a search tuned for the file."""
    beta = f", beta {post.nms_beta:g}" if post.nms == "diou" else ""
    tuned = found.tuned
    same = tuned and (post.nms, post.nms_iou, post.nms_beta) == (tuned.nms, tuned.nms_iou, tuned.nms_beta)
    return f"{post.nms} NMS at {post.nms_iou:g}{beta}{' (tuned on validation, from the file)' if same else ''}"


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def progress(items: Iterable[Any], total: int, label: str, *, lines: bool = False) -> Iterator[Any]:
    """The items, with a bar on a terminal while they are worked on, and nothing elsewhere.

    lines: whether there will be lines on stdout meanwhile; on one terminal they then go above the bar.
    """
    on_stdout = lines and sys.stdout.isatty()
    if not (on_stdout or sys.stderr.isatty()):
        yield from items
        return
    from rich.console import Console
    from rich.progress import Progress

    # rich sends stdout's lines to its own console: right where that is stdout, wrong for a pipe beside a bar on stderr
    with Progress(console=Console(stderr=not on_stdout), transient=True, redirect_stdout=on_stdout) as bar:
        yield from bar.track(items, total, description=label)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be: the first to the left, numbers to the right; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  "
        + "  ".join(cell.rjust(w) if k else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )


def finish(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """--json and --debug, and what the command does."""
    command.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    command.add_argument("--debug", action="store_true", help="show where an error comes from")
    command.set_defaults(run=run)
