"""The settings of model/: frozen dataclasses that check themselves when made; standard library only.

The controller uses this file to check a search space without loading Keras or TensorFlow.
A field is structural (it shapes the graph) only if it is listed in STRUCTURAL; every other field
reaches the compiled train step as a tensor, so that changing it traces nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from data.config import require

Variant = Literal["yolov4", "yolov4-tiny"]
Activation = Literal["mish", "leaky"]
Shortcut = Literal["add", "per_feature", "per_channel"]
ShortcutNormalization = Literal["relu", "softmax"]
DropBlockPlace = Literal["none", "neck", "backbone", "both"]
BoxLoss = Literal["ciou", "diou", "giou", "mse"]
BoxGradient = Literal["exact", "darknet"]
Reduction = Literal["picture", "positive"]
NORMS_KEPT = 31  # steps whose gradient norms are kept, for optimizer.spike_factor
Policy = Literal["cosine", "steps"]
Precision = Literal["float32", "bfloat16", "float16"]
SatGoal = Literal["empty", "truth"]
SatNorm = Literal["sign", "l2", "raw"]
NmsKind = Literal["plain", "diou"]

SHOWN_SCORE = 0.25  # the lowest score of what people are shown, Darknet's default too
DARKNET_POINTS = (0, 11, 101)  # recalls that Darknet's AP is a mean over; 0: the area under the curve
RELEASED_MASKS = "released"
NUM_MAPS: Mapping[str, int] = {"yolov4": 3, "yolov4-tiny": 2}
MOST_ANCHORS = 100  # far above any cfg's, so that a mistyped index does not make a huge table of anchors


def require_choice(value: object, name: str, kind: Any) -> None:
    """Raise ValueError if the value is not one of a Literal's words."""
    require(value in get_args(kind), name, " or ".join(map(repr, get_args(kind))), value)


@dataclass(frozen=True)
class DetectorConfig:
    """The network. The defaults are Darknet's cfg/yolov4.cfg, YOLOV4_TINY is cfg/yolov4-tiny.cfg."""

    variant: Variant = "yolov4"
    # The anchor indices of each output map, finest map first, as in Darknet's mask= lines: "0,1,2/3,4,5/6,7,8".
    masks: str = RELEASED_MASKS  # "released": those of the variant's released cfg
    width: float = 1.0  # multiplies every channel count but the output maps'
    depth: float = 1.0  # multiplies the residual units of each stage, to at least one; yolov4-tiny has none
    backbone_activation: Activation = "mish"
    neck_activation: Activation = "leaky"  # of neck and heads
    sam: bool = False  # modified spatial attention: a point-wise gate in each head
    shortcut: Shortcut = "add"  # other than "add": MiWRC, weighted residual connections, in the backbone
    shortcut_normalization: ShortcutNormalization = "relu"
    # Factor of the weighted mean; 2 makes fresh weights the plain sum, for imported backbones.
    shortcut_gain: float = 1.0
    # The parts of the network with DropBlock layers; their strength is regularization.dropblock_rate.
    dropblock_place: DropBlockPlace = "none"
    dropblock_size: int = 7  # side of a block in cells, odd; at most the map's side
    # Grid sensitivity (Darknet's scale_x_y) by stride: tensors, used in training and inference alike.
    scale_xy_8: float = 1.2  # yolov4-tiny has no such map
    scale_xy_16: float = 1.1
    scale_xy_32: float = 1.05

    def __post_init__(self) -> None:
        require_choice(self.variant, "detector.variant", Variant)
        self._check_masks()
        require(0 < self.width <= 4, "detector.width", "above 0, at most 4", self.width)
        require(0 < self.depth <= 4, "detector.depth", "above 0, at most 4", self.depth)
        for name in ("backbone_activation", "neck_activation"):
            value = getattr(self, name)
            require_choice(value, f"detector.{name}", Activation)
        require_choice(self.shortcut, "detector.shortcut", Shortcut)
        require_choice(self.shortcut_normalization, "detector.shortcut_normalization", ShortcutNormalization)
        require(0 < self.shortcut_gain <= 4, "detector.shortcut_gain", "above 0, at most 4", self.shortcut_gain)
        require_choice(self.dropblock_place, "detector.dropblock_place", DropBlockPlace)
        odd = self.dropblock_size >= 1 and self.dropblock_size % 2 == 1
        require(odd, "detector.dropblock_size", "an odd number of cells", self.dropblock_size)
        for stride in (8, 16, 32):
            value = getattr(self, f"scale_xy_{stride}")
            require(1 <= value <= 2, f"detector.scale_xy_{stride}", "1 to 2", value)
        if self.variant == "yolov4-tiny":
            for name, value in NOT_IN_TINY.items():
                expected = f"{value!r}, as yolov4-tiny has no other"
                require(getattr(self, name) == value, f"detector.{name}", expected, getattr(self, name))

    @property
    def own_masks(self) -> tuple[tuple[int, ...], ...] | None:
        """The masks as numbers, finest map first; None if they are those of the released network."""
        if self.masks == RELEASED_MASKS:
            return None
        return tuple(tuple(int(index) for index in mask.split(",")) for mask in self.masks.split("/"))

    def _check_masks(self) -> None:
        num_maps = NUM_MAPS[self.variant]
        example = "/".join(f"{3 * k},{3 * k + 1},{3 * k + 2}" for k in range(num_maps))
        expected = (
            f"'{RELEASED_MASKS}', or {num_maps} lists of different numbers below {MOST_ANCHORS} such as '{example}'"
        )
        lists = [mask.split(",") for mask in self.masks.split("/")] if isinstance(self.masks, str) else []
        good = len(lists) == num_maps and all(
            len(set(mask)) == len(mask) and all(_is_anchor_index(index) for index in mask) for mask in lists
        )
        require(good or self.masks == RELEASED_MASKS, "detector.masks", expected, self.masks)

    @property
    def scale_xy(self) -> tuple[float, ...]:
        """Grid sensitivity in the order of the output maps: strides 8, 16, 32; for yolov4-tiny 16, 32."""
        all_strides = (self.scale_xy_8, self.scale_xy_16, self.scale_xy_32)
        return all_strides[1:] if self.variant == "yolov4-tiny" else all_strides


def _is_anchor_index(text: str) -> bool:
    """Whether it is an anchor's index without sign, white space or leading zeros, so that it is written back equal."""
    return text.isdecimal() and text.isascii() and str(int(text[:4])) == text and int(text) < MOST_ANCHORS


# Settings of layers that yolov4-tiny does not have, and their only allowed values.
NOT_IN_TINY = {"depth": 1.0, "sam": False, "shortcut": "add", "dropblock_place": "none"}
YOLOV4_TINY = DetectorConfig(variant="yolov4-tiny", backbone_activation="leaky", scale_xy_16=1.05)
RELEASED: Mapping[str, DetectorConfig] = {"yolov4": DetectorConfig(), "yolov4-tiny": YOLOV4_TINY}


@dataclass(frozen=True)
class LossConfig:
    """The loss's three terms, each summed over cells, anchors and truths."""

    reduction: Reduction = "picture"  # what the sums are divided by: the number of pictures, or of positive anchors
    box: BoxLoss = "ciou"
    box_gradient: BoxGradient = "exact"  # "darknet": its hand-written one, for CIoU only (training/darknet_deltas.py)
    max_delta: float = 0.0  # bound on each step of that gradient (Darknet: 5); 0 is off
    box_weight: float = 4.0
    objectness_weight: float = 1.0
    class_weight: float = 1.0
    iou_threshold: float = 0.213  # anchors above this shape IoU are assigned to a truth too; 1 switches that off
    ignore_threshold: float = 0.7  # a negative that overlaps a truth more than this may be ignored
    label_smoothing: float = 0.0
    objectness_gamma: float = 0.0  # weights negatives by their own score to this power (focal style); 0 is plain BCE

    def __post_init__(self) -> None:
        require_choice(self.box, "loss.box", BoxLoss)
        require_choice(self.box_gradient, "loss.box_gradient", BoxGradient)
        require_choice(self.reduction, "loss.reduction", Reduction)
        exact = self.box_gradient == "exact"
        require(self.box == "ciou" or exact, "loss.box", "'ciou' with loss.box_gradient: darknet", self.box)
        fits = self.max_delta == 0 or not exact
        require(fits, "loss.max_delta", "0 without loss.box_gradient: darknet", self.max_delta)
        for name in ("max_delta", "box_weight", "objectness_weight", "class_weight", "objectness_gamma"):
            value = getattr(self, name)
            require(value >= 0, f"loss.{name}", "0 or more", value)
        for name in ("iou_threshold", "ignore_threshold"):
            value = getattr(self, name)
            require(0 < value <= 1, f"loss.{name}", "above 0, at most 1", value)
        require(0 <= self.label_smoothing < 1, "loss.label_smoothing", "0 <= eps < 1", self.label_smoothing)


@dataclass(frozen=True)
class OptimizerConfig:
    """SGD with momentum and coupled weight decay on kernels; burn-in, then cosines or steps."""

    learning_rate: float = 0.0013
    momentum: float = 0.949
    weight_decay: float = 0.0005
    burn_in_share: float = 0.05  # share of the schedule; the rate grows with the 4th power of the step (Darknet)
    policy: Policy = "cosine"  # "steps": a tenth from 80 % of the schedule on, a hundredth from 90 % (Darknet)
    cycles: int = 1  # cosines one after the other, each from the full rate (SGDR)
    cycle_factor: float = 2.0  # each cycle is this many times as long as the one before (Darknet's sgdr_mult)
    final_learning_rate_share: float = 0.01  # of learning_rate, at the end of a cosine
    max_gradient_norm: float = 10.0  # global norm above which a gradient is shortened; 0 is off
    spike_factor: float = 0.0  # the same, in medians of the last norms (training/gradient_clip.py); 0 is off
    norm_momentum: float = 0.99  # of batch normalization's running statistics
    ema_decay: float = 0.0  # of the weights' moving average, which is then evaluated and saved; 0 is off
    freeze_share: float = 0.0  # first share of the schedule, in which the backbone's weights are frozen

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, "optimizer.learning_rate", "above 0", self.learning_rate)
        require(0 <= self.momentum < 1, "optimizer.momentum", "0 <= momentum < 1", self.momentum)
        require(self.weight_decay >= 0, "optimizer.weight_decay", "0 or more", self.weight_decay)
        require(0 <= self.burn_in_share < 1, "optimizer.burn_in_share", "0 <= share < 1", self.burn_in_share)
        require_choice(self.policy, "optimizer.policy", Policy)
        require(self.cycles >= 1, "optimizer.cycles", "at least 1", self.cycles)
        require(self.cycle_factor >= 1, "optimizer.cycle_factor", "at least 1", self.cycle_factor)
        require(
            0 <= self.final_learning_rate_share <= 1,
            "optimizer.final_learning_rate_share",
            "0 to 1",
            self.final_learning_rate_share,
        )
        require(self.max_gradient_norm >= 0, "optimizer.max_gradient_norm", "0 or more", self.max_gradient_norm)
        fits = self.spike_factor == 0 or self.spike_factor >= 1
        require(fits, "optimizer.spike_factor", "0 (off), or 1 or more", self.spike_factor)
        require(0 <= self.norm_momentum < 1, "optimizer.norm_momentum", "0 <= momentum < 1", self.norm_momentum)
        require(0 <= self.ema_decay < 1, "optimizer.ema_decay", "0 <= decay < 1", self.ema_decay)
        require(0 <= self.freeze_share <= 1, "optimizer.freeze_share", "0 to 1", self.freeze_share)


@dataclass(frozen=True)
class RegularizationConfig:
    """Techniques that act on training steps only; they do not change inference."""

    cmbn: bool = False  # normalize a mini-batch also with the statistics of those before it in its batch
    dropblock_rate: float = 0.0  # share of the cells that DropBlock drops at full strength
    dropblock_ramp_share: float = 0.85  # share of the schedule over which the rate grows from 0
    sat_prob: float = 0.0  # share of the steps after burn-in that are self-adversarial
    sat_strength: float = 0.008  # size of the change, in the unit of sat_norm
    # "sign": strength is the change per channel; "l2": its norm over the picture's; "raw": a rate, as in Darknet.
    sat_norm: SatNorm = "sign"
    # "empty": towards a picture without objects (paper); "truth": away from the truth (FGSM).
    sat_goal: SatGoal = "empty"

    def __post_init__(self) -> None:
        for name in ("dropblock_ramp_share", "sat_prob"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"regularization.{name}", "0 to 1", value)
        require(0 <= self.dropblock_rate < 1, "regularization.dropblock_rate", "0 <= rate < 1", self.dropblock_rate)
        require(self.sat_strength >= 0, "regularization.sat_strength", "0 or more", self.sat_strength)
        require_choice(self.sat_norm, "regularization.sat_norm", SatNorm)
        require_choice(self.sat_goal, "regularization.sat_goal", SatGoal)


@dataclass(frozen=True)
class TrainConfig:
    """Length in steps, batch and shapes."""

    steps: int = 6000  # optimizer steps of the full budget: the schedule's whole length
    batch: int = 64
    subdivisions: int = 1  # mini-batches per batch; each is normalized by itself, or with cmbn also by those before it
    mini_batches_at_once: int = 1  # how many go through the network together; fewer need less memory
    precision: Precision = "float32"  # of the convolutions; losses, decoding and statistics stay in float32
    size: int = 416  # side of the square network input at evaluation, pixels
    sizes: tuple[int, ...] = (416,)  # sizes for random training shapes: one is drawn per period
    size_period: int = 10  # steps between draws of the training shape
    final_size_share: float = 0.0  # last share of the schedule, all of it at `size`
    # Training pictures used to estimate normalization statistics before each score; 0: the running statistics.
    statistics_pictures: int = 0

    def __post_init__(self) -> None:
        require(self.steps >= 1, "train.steps", "at least 1", self.steps)
        require(self.batch >= 1, "train.batch", "at least 1", self.batch)
        fits = self.subdivisions >= 1 and self.batch % self.subdivisions == 0
        require(fits, "train.subdivisions", f"a divisor of the batch, {self.batch}", self.subdivisions)
        fits = self.mini_batches_at_once >= 1 and self.subdivisions % self.mini_batches_at_once == 0
        expected = f"a divisor of the subdivisions, {self.subdivisions}"
        require(fits, "train.mini_batches_at_once", expected, self.mini_batches_at_once)
        require_choice(self.precision, "train.precision", Precision)
        require(len(self.sizes) >= 1, "train.sizes", "at least one size", self.sizes)
        for side in (self.size, *self.sizes):
            require(side >= 32 and side % 32 == 0, "train.sizes", "multiples of 32", side)
        require(0 <= self.final_size_share <= 1, "train.final_size_share", "0 to 1", self.final_size_share)
        require(self.size_period >= 1, "train.size_period", "at least 1", self.size_period)
        require(self.statistics_pictures >= 0, "train.statistics_pictures", "0 or more", self.statistics_pictures)


STRUCTURAL = frozenset(
    {
        "detector.variant",
        "detector.masks",
        "detector.width",
        "detector.depth",
        "detector.backbone_activation",
        "detector.neck_activation",
        "detector.sam",
        "detector.shortcut",
        "detector.shortcut_normalization",
        "detector.shortcut_gain",
        "detector.dropblock_place",
        "detector.dropblock_size",
        "regularization.sat_goal",
        "train.batch",
        "train.subdivisions",
        "train.mini_batches_at_once",
        "train.precision",
        "train.size",
        "train.sizes",
    }
)


@dataclass(frozen=True)
class PostConfig:
    """From decoded candidates to detections: score cut and NMS.

    The same for every trial and never genes, because they would raise AP without better training.
    """

    score: float = 0.005  # of objectness x class probability; Darknet's `map` command
    nms_iou: float = 0.45
    nms: NmsKind = "diou"
    nms_beta: float = 0.6  # power of the distance term (cfg/yolov4.cfg: beta_nms; the DIoU paper has 1)
    max_candidates: int = 400  # how many of a picture's best (box, class) pairs reach NMS
    max_detections: int = 100  # per picture, as in COCO

    def __post_init__(self) -> None:
        require(0 <= self.score < 1, "post.score", "0 <= score < 1", self.score)
        require(0 < self.nms_iou <= 1, "post.nms_iou", "above 0, at most 1", self.nms_iou)
        require(self.nms in ("plain", "diou"), "post.nms", "'plain' or 'diou'", self.nms)
        require(self.nms_beta > 0, "post.nms_beta", "above 0", self.nms_beta)
        require(self.max_candidates >= 1, "post.max_candidates", "at least 1", self.max_candidates)
        require(self.max_detections >= 1, "post.max_detections", "at least 1", self.max_detections)
