"""The model room's settings: frozen dataclasses, standard library only, checked when made.

The controller reads this file to check a search space without loading Keras or TensorFlow.
A field is structural (it shapes the graph) only if it is listed in STRUCTURAL; every other
one reaches the compiled train step as a tensor, so that changing it traces nothing.
"""

from dataclasses import dataclass
from typing import Literal

from data.config import require

Activation = Literal["mish", "leaky"]
NmsKind = Literal["plain", "diou"]


@dataclass(frozen=True)
class DetectorConfig:
    """The network. 1.0/1.0 with the defaults is Darknet's cfg/yolov4.cfg."""

    width: float = 1.0  # multiplies every channel count but the output maps'
    depth: float = 1.0  # multiplies the residual units of each stage, at least one stays
    backbone_activation: Activation = "mish"
    neck_activation: Activation = "leaky"
    # Grid sensitivity (Darknet's scale_x_y) by stride: tensors, used in training and inference alike.
    scale_xy_8: float = 1.2
    scale_xy_16: float = 1.1
    scale_xy_32: float = 1.05

    def __post_init__(self) -> None:
        require(0 < self.width <= 4, "detector.width", "above 0, at most 4", self.width)
        require(0 < self.depth <= 4, "detector.depth", "above 0, at most 4", self.depth)
        for name in ("backbone_activation", "neck_activation"):
            value = getattr(self, name)
            require(value in ("mish", "leaky"), f"detector.{name}", "'mish' or 'leaky'", value)
        for stride in (8, 16, 32):
            value = getattr(self, f"scale_xy_{stride}")
            require(1 <= value <= 2, f"detector.scale_xy_{stride}", "1 to 2", value)

    @property
    def scale_xy(self) -> tuple[float, float, float]:
        """Grid sensitivity in the order of the outputs: strides 8, 16, 32."""
        return (self.scale_xy_8, self.scale_xy_16, self.scale_xy_32)


@dataclass(frozen=True)
class LossConfig:
    """The three terms, each summed over cells, anchors and truths, averaged over the batch."""

    box_weight: float = 4.0
    objectness_weight: float = 1.0
    class_weight: float = 1.0
    iou_threshold: float = 0.213  # anchors of at least this shape IoU answer for a truth too; 1 switches that off
    ignore_threshold: float = 0.7  # a negative that overlaps a truth more than this may be left out
    label_smoothing: float = 0.0
    objectness_gamma: float = 0.0  # negatives weighted by their own score to this power (focal style); 0 is plain BCE

    def __post_init__(self) -> None:
        for name in ("box_weight", "objectness_weight", "class_weight", "objectness_gamma"):
            value = getattr(self, name)
            require(value >= 0, f"loss.{name}", "0 or more", value)
        for name in ("iou_threshold", "ignore_threshold"):
            value = getattr(self, name)
            require(0 < value <= 1, f"loss.{name}", "above 0, at most 1", value)
        require(0 <= self.label_smoothing < 1, "loss.label_smoothing", "0 <= eps < 1", self.label_smoothing)


@dataclass(frozen=True)
class OptimizerConfig:
    """SGD with momentum and coupled weight decay on kernels, burn-in, then one half cosine."""

    learning_rate: float = 0.0013
    momentum: float = 0.949
    weight_decay: float = 0.0005
    burn_in_share: float = 0.05  # share of the schedule; the rate grows with the 4th power (Darknet)
    final_learning_rate_share: float = 0.01  # of learning_rate, at the last step
    max_gradient_norm: float = 10.0  # global norm; Darknet clips each delta instead (max_delta=5)
    norm_momentum: float = 0.99  # of batch normalization's running statistics

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, "optimizer.learning_rate", "above 0", self.learning_rate)
        require(0 <= self.momentum < 1, "optimizer.momentum", "0 <= momentum < 1", self.momentum)
        require(self.weight_decay >= 0, "optimizer.weight_decay", "0 or more", self.weight_decay)
        require(0 <= self.burn_in_share < 1, "optimizer.burn_in_share", "0 <= share < 1", self.burn_in_share)
        require(
            0 <= self.final_learning_rate_share <= 1,
            "optimizer.final_learning_rate_share",
            "0 to 1",
            self.final_learning_rate_share,
        )
        require(self.max_gradient_norm > 0, "optimizer.max_gradient_norm", "above 0", self.max_gradient_norm)
        require(0 <= self.norm_momentum < 1, "optimizer.norm_momentum", "0 <= momentum < 1", self.norm_momentum)


@dataclass(frozen=True)
class TrainConfig:
    """Length in steps, batch and shapes."""

    steps: int = 6000  # optimizer steps of the full budget: the schedule's whole length
    batch: int = 64
    size: int = 416  # side of the square network input at evaluation, pixels
    sizes: tuple[int, ...] = (416,)  # random training shapes: one of these a period
    size_period: int = 10  # steps between draws of the training shape

    def __post_init__(self) -> None:
        require(self.steps >= 1, "train.steps", "at least 1", self.steps)
        require(self.batch >= 1, "train.batch", "at least 1", self.batch)
        require(len(self.sizes) >= 1, "train.sizes", "at least one size", self.sizes)
        for side in (self.size, *self.sizes):
            require(side >= 32 and side % 32 == 0, "train.sizes", "multiples of 32", side)
        require(self.size_period >= 1, "train.size_period", "at least 1", self.size_period)


STRUCTURAL = frozenset(
    {
        "detector.width",
        "detector.depth",
        "detector.backbone_activation",
        "detector.neck_activation",
        "train.batch",
        "train.size",
        "train.sizes",
    }
)


@dataclass(frozen=True)
class PostConfig:
    """From decoded candidates to detections: score cut and NMS.

    The same for every trial and never genes: they would buy AP without training.
    """

    score: float = 0.005  # of objectness x class probability; Darknet's `map` command
    nms_iou: float = 0.45
    nms: NmsKind = "diou"
    nms_beta: float = 0.6  # power of the distance term (cfg/yolov4.cfg: beta_nms; the DIoU paper has 1)
    max_candidates: int = 400  # a picture's best (box, class) pairs that reach NMS
    max_detections: int = 100  # a picture's, as COCO counts

    def __post_init__(self) -> None:
        require(0 <= self.score < 1, "post.score", "0 <= score < 1", self.score)
        require(0 < self.nms_iou <= 1, "post.nms_iou", "above 0, at most 1", self.nms_iou)
        require(self.nms in ("plain", "diou"), "post.nms", "'plain' or 'diou'", self.nms)
        require(self.nms_beta > 0, "post.nms_beta", "above 0", self.nms_beta)
        require(self.max_candidates >= 1, "post.max_candidates", "at least 1", self.max_candidates)
        require(self.max_detections >= 1, "post.max_detections", "at least 1", self.max_detections)
