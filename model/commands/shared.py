"""What the commands share: options, output, and importing Keras without TensorFlow's log lines."""

import argparse
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from data.command_line import add_flags, add_json, complain
from model.config import NmsKind, PostConfig, Variant

if TYPE_CHECKING:
    from model.commands.weights import SavedDetector
    from model.darknet.importer import DarknetOptions

VARIANTS = get_args(Variant)
NAMED_BY_OPTION = {"--cfg": "cfg", "--names": "class names"}  # what FILE is, in print_note
LARGEST_SIZE = 8192  # pixels; a mistyped size would ask for more memory than there is


def load_keras() -> None:
    """Import Keras and its backend, and hide the lines that TensorFlow writes at every log level.

    C++ writes them to file descriptor 2, so that is redirected to a temporary file; if the import fails, they are
    shown. Nothing is hidden if stderr is closed or no temporary file can be made.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with ExitStack() as stack:
        try:
            hidden = stack.enter_context(tempfile.TemporaryFile())
            terminal = os.dup(2)
        except OSError:
            import keras

            return
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(hidden.fileno(), 2)
        try:
            import keras  # noqa: F401
        except BaseException:
            hidden.seek(0)
            os.write(terminal, hidden.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def checked_size(size: int) -> int:
    """The size, if a network can have an input of that side in pixels; else ValueError."""
    if size < 32 or size % 32:
        raise ValueError(f"--size: expected a multiple of 32, got {size}")
    return size


def read_size(text: str) -> tuple[int, int]:
    """(height, width) from "416" or "320x512" (height x width), as argparse's type."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"expected a side such as 416, or height x width such as 320x512, got {text}")
    for part in parts:
        if not 32 <= int(part) <= LARGEST_SIZE or int(part) % 32:
            raise argparse.ArgumentTypeError(f"expected a multiple of 32 up to {LARGEST_SIZE}, got {part}")
    return int(parts[0]), int(parts[-1])


def add_size(command: argparse._ActionsContainer, default: str) -> None:
    """Add --size."""
    help_ = f"input in pixels: 416, or height x width such as 320x512 (default: {default})"
    command.add_argument("--size", type=read_size, metavar="S", help=help_)


def add_weights(command: argparse.ArgumentParser) -> None:
    """Add --weights, and the options for what a Darknet file does not contain."""
    command.add_argument(
        "--weights", type=Path, required=True, metavar="FILE",
        help="a checkpoint (.keras), a Darknet file (.weights), or an export (.onnx, .tflite, SavedModel folder)",
    )  # fmt: skip
    add_darknet(command)


def add_darknet(
    command: argparse._ActionsContainer, names: str = "class names, one per line (default: the file's)"
) -> None:
    """Add --cfg, --variant, --classes and --names, which state what a .weights file does not contain."""
    command.add_argument(
        "--cfg", type=Path, metavar="FILE",
        help="cfg of a .weights file (default: the cfg of its name beside it, or in cfg or data there)",
    )  # fmt: skip
    command.add_argument(
        "--variant", choices=VARIANTS, help="variant of a .weights file without a cfg (default: by its length)"
    )
    command.add_argument(
        "--classes", type=int, metavar="N", help="class count of a .weights file (default: the cfg's, or by its length)"
    )
    command.add_argument("--names", type=Path, metavar="FILE", help=names)


def darknet_options(options: argparse.Namespace, size: tuple[int, int] | None = None) -> "DarknetOptions":
    """The values of add_darknet's options."""
    from model.darknet.importer import DarknetOptions

    if options.classes is not None and options.classes < 1:
        raise ValueError(f"--classes: expected at least 1, got {options.classes}")
    return DarknetOptions(options.cfg, options.names, options.variant, options.classes, size)


def find_weights(path: Path, options: argparse.Namespace) -> "SavedDetector":
    """The detector that the options of add_weights name; a note on stderr says what had to be assumed."""
    from model.commands.find_weights import find

    detector = find(path, darknet_options(options, options.size))
    print_note(detector.note, detector.open_options)
    return detector


def print_note(note: str, open_options: Sequence[str] = ()) -> None:
    """Write a note to stderr, with the options that would replace what was assumed; nothing if it is empty."""
    if note:
        options = ", ".join(f"{option} FILE names its {NAMED_BY_OPTION[option]}" for option in open_options)
        complain(f"{note}{f' ({options})' if options else ''}")


def add_post(command: argparse.ArgumentParser, score: float) -> None:
    """Add --score, --nms-iou, --nms and --nms-beta."""
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
        help=f"of diou NMS: power of the distance term (default: the file's, else {PostConfig.nms_beta})",
    )


def post_config(options: argparse.Namespace, detector: "SavedDetector", score: float, **limits: int) -> PostConfig:
    """The score cut and NMS: from the options, else from the file, else `score` and the defaults.

    ValueError if the options contradict NMS inside the file's graph.
    """
    in_graph = detector.post
    own = in_graph or detector.tuned or PostConfig(nms=detector.nms)
    nms: NmsKind = options.nms or own.nms
    if options.nms_beta is not None and nms != "diou":
        raise ValueError(f"--nms-beta: expected --nms diou with it, as {nms} NMS has no distance term")
    post = PostConfig(
        score=max(score, in_graph.score) if in_graph and options.score is None else _given(options.score, score),
        nms_iou=_given(options.nms_iou, own.nms_iou),
        nms=nms,
        nms_beta=_given(options.nms_beta, own.nms_beta),
        **limits,
    )
    if in_graph is not None:
        for option, wanted, fixed in (
            ("--nms", post.nms, in_graph.nms),
            ("--nms-iou", post.nms_iou, in_graph.nms_iou),
            ("--nms-beta", post.nms_beta, in_graph.nms_beta),
        ):
            if wanted != fixed:
                raise ValueError(f"{option}: expected {fixed}, as NMS is inside {detector.path}, got {wanted}")
        if post.score < in_graph.score:
            raise ValueError(
                f"--score: expected at least {in_graph.score}, where {detector.path} cuts, got {post.score}"
            )
    return post


def nms_line(post: PostConfig, detector: "SavedDetector") -> str:
    """A phrase on the NMS that is used, and whether a search tuned it for the file."""
    beta = f", beta {post.nms_beta:g}" if post.nms == "diou" else ""
    tuned = detector.tuned
    same = tuned and (post.nms, post.nms_iou, post.nms_beta) == (tuned.nms, tuned.nms_iou, tuned.nms_beta)
    return f"{post.nms} NMS at {post.nms_iou:g}{beta}{' (tuned on validation, from the file)' if same else ''}"


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def progress(items: Iterable[Any], total: int, label: str, *, lines: bool = False) -> Iterator[Any]:
    """Yield the items and show a progress bar meanwhile, if there is a terminal.

    lines: whether the caller writes lines to stdout meanwhile; on the same terminal they then appear above the bar.
    """
    on_stdout = lines and sys.stdout.isatty()
    if not (on_stdout or sys.stderr.isatty()):
        yield from items
        return
    from rich.console import Console
    from rich.progress import Progress

    # rich sends stdout's lines to its own console: right if that is stdout, wrong if stdout is a pipe
    with Progress(console=Console(stderr=not on_stdout), transient=True, redirect_stdout=on_stdout) as bar:
        yield from bar.track(items, total, description=label)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text in columns: the first aligned left, the others right; the first row is the header."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, padding=(0, 0, 0, 2), header_style="")
    for column, heading in enumerate(rows[0]):
        grid.add_column(heading, justify="right" if column else "left", no_wrap=True)
    for row in rows[1:]:
        grid.add_row(*map(Text, row))  # as it is: a class may be called [red]
    console = Console(file=io.StringIO(), width=sum(4 + 2 * len(cell) for row in rows for cell in row))  # never wraps
    with console.capture() as drawn:
        console.print(grid)
    return drawn.get().rstrip("\n")


def finish(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Add --json and --debug, and set the function that runs the command."""
    add_json(command)
    add_flags(command, run)
