"""Settings of the data package: frozen dataclasses, standard library only, checked when made.

The controller reads this file to check a search space without loading OpenCV or TensorFlow.
"""

from dataclasses import dataclass
from typing import Literal

Fit = Literal["stretch", "letterbox"]

FORMATS = ("coco", "voc", "yolo")  # of data sets: the names in read.READERS and convert.WRITERS
# Pictures are stored at this multiple of the largest network side: a larger one would alias in the single bilinear
# warp of training, a smaller one would blur narrow jitter crops.
STORE_FACTOR = 1.5


def require(condition: bool, name: str, expected: str, got: object) -> None:
    """Raise a ValueError that names the setting, what was expected and what came, unless the condition holds."""
    if not condition:
        raise ValueError(f"{name}: expected {expected}, got {got!r}")


@dataclass(frozen=True)
class AugmentConfig:
    """Changes to training pictures. None of these settings shapes the graph, so all may be genes.

    Defaults are those of Darknet's cfg/yolov4.cfg unless a comment says otherwise.
    """

    jitter: float = 0.3  # each edge moves by U(-jitter, jitter) x side
    flip_prob: float = 0.5  # horizontal
    hue: float = 0.1  # share of the colour circle, both ways
    saturation: float = 1.5  # factor U(1, s), inverted with probability 1/2
    exposure: float = 1.5  # the same on brightness (V of HSV)
    mosaic_prob: float = 0.5  # per picture (Darknet draws it per loading chunk)
    mosaic_min_offset: float = 0.2  # the cut point is in [offset, 1 - offset] of the side
    mosaic_off_share: float = 0.0  # no mosaic in this last share of the schedule; Darknet: 0
    cutmix_prob: float = 0.0  # per picture that is not a mosaic; not in Darknet's detector
    cutmix_min_side: float = 0.3  # the pasted rectangle's sides are U(min, max) of the picture's (Darknet's classifier)
    cutmix_max_side: float = 0.8
    cutmix_min_visible: float = 0.3  # a box with a smaller visible share is dropped
    mixup_prob: float = 0.0  # per picture that is neither mosaic nor CutMix; not in YOLOv4
    resize: float = 1.0  # factor U(1, r), inverted with probability 1/2, on the jittered crop (Scaled-YOLOv4: 1.5)
    min_visible_share: float = 0.1  # a box cut to less is dropped; Darknet: none is; Model Garden: 0.1

    def __post_init__(self) -> None:
        require(0 <= self.jitter < 0.5, "augment.jitter", "0 <= jitter < 0.5", self.jitter)
        require(0 <= self.hue <= 0.5, "augment.hue", "0 to 0.5", self.hue)
        require(self.saturation >= 1, "augment.saturation", "a factor >= 1", self.saturation)
        require(self.exposure >= 1, "augment.exposure", "a factor >= 1", self.exposure)
        require(1 <= self.resize <= 4, "augment.resize", "a factor of 1 to 4", self.resize)
        shares = ("flip_prob", "mosaic_prob", "mosaic_off_share", "min_visible_share")
        for name in (*shares, "cutmix_prob", "cutmix_min_visible", "mixup_prob"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"augment.{name}", "0 to 1", value)
        require(
            0 < self.mosaic_min_offset <= 0.5,
            "augment.mosaic_min_offset",
            "above 0, at most 0.5",
            self.mosaic_min_offset,
        )
        for name, low in (("cutmix_min_side", 0.0), ("cutmix_max_side", self.cutmix_min_side)):
            value = getattr(self, name)
            require(max(low, 0.01) <= value <= 1, f"augment.{name}", f"{max(low, 0.01):g} to 1", value)


@dataclass(frozen=True)
class InputConfig:
    """How pictures are fed to the network. Fixed during a search: it defines the task, not the training."""

    fit: Fit = "stretch"  # Darknet's choice; training and evaluation must use the same
    max_boxes: int = 200  # boxes a training picture can hold (Darknet: max=200); shapes the graph

    def __post_init__(self) -> None:
        require(self.fit in ("stretch", "letterbox"), "input.fit", "'stretch' or 'letterbox'", self.fit)
        require(self.max_boxes >= 1, "input.max_boxes", "at least 1", self.max_boxes)
