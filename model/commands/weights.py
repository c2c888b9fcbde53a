"""Any file of weights, ready for pictures: a checkpoint of ours, a Darknet file, or an export.

What a file says of itself is read at once, without TensorFlow; the network is made when `load` is called.
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
class Weights:
    """A detector: its input in pixels, and whether that may change; the NMS that it is used with.

    tuned: its NMS is what a search found best for the detector on validation. post: the score cut and NMS inside the
    file, where it has them. config: of the network, where it can be built. note: a sentence on what was assumed of it,
    open_options: which options would have said it.
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
        """(height, width) to run at; ValueError where the file has one size and another is wanted."""
        own = (self.height, self.width)
        if self.fixed_size and wanted not in (None, own):
            raise ValueError(
                f"--size: expected {own[0]}x{own[1]} (height x width), the size that {self.path} was exported for, "
                f"got {wanted[0]}x{wanted[1]}"
            )
        return wanted or own
