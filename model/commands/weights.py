"""A detector in any file that we can read: a checkpoint of ours, a Darknet file, or an export.

The file's description is read at once, without TensorFlow; the network is built when `load` is called.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data.config import Fit
from model.config import DetectorConfig, NmsKind, PostConfig, Variant

if TYPE_CHECKING:
    from model.detection.detector import Network


@dataclass(frozen=True)
class SavedDetector:
    """A detector's description, and how to load its network.

    height, width: of the input, pixels; fixed_size: whether it takes no other size. nms: its default kind. tuned: the
    settings whose NMS a search tuned for it on validation. post: the score cut and NMS inside the file's graph. config:
    of the network, if it can be built. note: a sentence on what was assumed; open_options: the options that would
    replace it.
    """

    path: Path
    variant: Variant
    class_names: tuple[str, ...]
    height: int
    width: int
    fit: Fit
    load: Callable[[], "Network"]
    fixed_size: bool = False
    nms: NmsKind = PostConfig.nms
    tuned: PostConfig | None = None
    post: PostConfig | None = None
    config: DetectorConfig | None = None
    note: str = ""
    open_options: tuple[str, ...] = ()

    def size(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        """(height, width) to run at; ValueError if the file has a fixed size and another is wanted."""
        own = (self.height, self.width)
        if self.fixed_size and wanted not in (None, own):
            raise ValueError(
                f"--size: expected {own[0]}x{own[1]} (height x width), the size that {self.path} was exported for, "
                f"got {wanted[0]}x{wanted[1]}"
            )
        return wanted or own
