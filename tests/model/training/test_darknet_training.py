"""Ten training steps with preset darknet, against Darknet's own arithmetic written out in numpy.

The other implementation goes through cells and truths one by one in float64, as yolo_layer.c, box.c and
convolutional_layer.c of AlexeyAB/darknet do (commit 59596d78). It shares only the network with ours: the forward pass,
and backpropagation from the output maps through the layers. Both keep their own velocities. Each step starts from our
weights: a network with random weights is so sensitive that float32's rounding alone separates two trainings in a few
steps.
"""

import math
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf

from evolve.trial_config import TrialConfig
from model import presets
from model.training import train
from model.training.trainer import Trainer

SIZE, BATCH, MINI_BATCHES = 64, 8, 2
CLASSES = ("a", "b", "c")
ANCHORS = [(4, 6), (8, 6), (9, 12), (16, 12), (14, 24), (28, 20), (30, 34), (50, 38), (60, 60)]
MASKS = {8: (0, 1, 2), 16: (3, 4, 5), 32: (6, 7, 8)}
FIRST = 996  # of 6000 steps: the end of the burn-in, then the full rate


@dataclass
class Cfg:
    """The keys of cfg/yolov4.cfg that the arithmetic needs."""

    iou_normalizer: float = 0.07
    cls_normalizer: float = 1.0
    obj_normalizer: float = 1.0
    iou_thresh: float = 0.213
    ignore_thresh: float = 0.7
    max_delta: float = 5.0
    label_smooth_eps: float = 0.0
    learning_rate: float = 0.0013
    learning_rate_min: float | None = None  # of policy sgdr with one cycle; None: policy steps, before its first drop
    max_batches: int = 6000
    burn_in: int = 1000
    momentum: float = 0.949
    decay: float = 0.0005


SCALE_X_Y = {8: 1.2, 16: 1.1, 32: 1.05}


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """IoU of boxes (x, y, w, h) around their centres."""
    wide = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    high = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    shared = wide * high if wide > 0 and high > 0 else 0.0
    return shared / (a[2] * a[3] + b[2] * b[3] - shared) if shared else 0.0


def ciou_steps(p: tuple[float, ...], t: tuple[float, ...]) -> list[float]:
    """dx, dy, dw, dh of box.c: dx_box_iou for CIoU; boxes (x, y, w, h) in shares of the picture."""
    (px, py, pw, ph), (tx, ty, tw, th) = p, t
    top, bottom, left, right = py - ph / 2, py + ph / 2, px - pw / 2, px + pw / 2
    t_top, t_bottom, t_left, t_right = ty - th / 2, ty + th / 2, tx - tw / 2, tx + tw / 2
    wide, high = min(right, t_right) - max(left, t_left), min(bottom, t_bottom) - max(top, t_top)
    shared = wide * high
    union = pw * ph + tw * th - shared
    shared_by = {
        "top": -wide if top > t_top else 0.0,
        "bottom": wide if bottom < t_bottom else 0.0,
        "left": -high if left > t_left else 0.0,
        "right": high if right < t_right else 0.0,
    }
    area_by = {"top": -pw, "bottom": pw, "left": -ph, "right": ph}
    edge = {name: (union * shared_by[name] - shared * (area_by[name] - shared_by[name])) / union**2 for name in area_by}
    dx, dy = edge["left"] + edge["right"], edge["top"] + edge["bottom"]
    dw, dh = edge["right"] - edge["left"], edge["bottom"] - edge["top"]
    if wide <= 0 or high <= 0:
        dx = dy = dw = dh = 0.0
    c_wide, c_high = max(right, t_right) - min(left, t_left), max(bottom, t_bottom) - min(top, t_top)
    c = c_wide**2 + c_high**2
    s = (px - tx) ** 2 + (py - ty) ** 2
    wide_by_x, wide_by_w = (right > t_right) - (left < t_left), 0.5 * ((right > t_right) + (left < t_left))
    high_by_y, high_by_h = (bottom > t_bottom) - (top < t_top), 0.5 * ((bottom > t_bottom) + (top < t_top))
    dx += (2 * (tx - px) * c - 2 * c_wide * wide_by_x * s) / c**2
    dy += (2 * (ty - py) * c - 2 * c_high * high_by_y * s) / c**2
    dw += 2 * c_wide * wide_by_w * s / c**2
    dh += 2 * c_high * high_by_h * s / c**2
    angles = math.atan(tw / th) - math.atan(pw / ph)
    aspect = 4 / math.pi**2 * angles**2
    alpha = aspect / (1 - shared / union + aspect + 0.000001)
    return [dx, dy, dw + alpha * 8 / math.pi**2 * angles * ph, dh - alpha * 8 / math.pi**2 * angles * pw]


def deltas_of_picture(
    raw: dict[int, np.ndarray], truths: list[tuple[float, float, float, float, int]], cfg: Cfg
) -> dict[int, np.ndarray]:
    """Darknet's l.delta of one picture by stride: raw maps [gh, gw, 3, 5+c], truths (x, y, w, h, class)."""
    shape = [(0.0, 0.0, w / SIZE, h / SIZE) for w, h in ANCHORS]
    out = {}
    for stride, x in raw.items():
        grid, mask = SIZE // stride, MASKS[stride]
        delta = np.zeros_like(x)

        def box(i: int, j: int, n: int, x=x, grid=grid, mask=mask, stride=stride) -> tuple[float, ...]:
            k, (aw, ah) = SCALE_X_Y[stride], ANCHORS[mask[n]]
            px, py, pw, ph = x[j, i, n, :4]
            return (
                (i + k * sigmoid(px) - 0.5 * (k - 1)) / grid,
                (j + k * sigmoid(py) - 0.5 * (k - 1)) / grid,
                math.exp(pw) * aw / SIZE,
                math.exp(ph) * ah / SIZE,
            )

        for j in range(grid):
            for i in range(grid):
                for n in range(3):
                    shows = any(sigmoid(v) > 0.25 for v in x[j, i, n, 5:])
                    best = max((overlap(box(i, j, n), t[:4]) for t in truths if shows), default=0.0)
                    delta[j, i, n, 4] = (
                        0.0 if best > cfg.ignore_thresh else -cfg.obj_normalizer * sigmoid(x[j, i, n, 4])
                    )
        for *t, label in truths:
            i, j = int(t[0] * grid), int(t[1] * grid)
            ious = [overlap(anchor, (0.0, 0.0, t[2], t[3])) for anchor in shape]
            best_n = int(np.argmax(ious))
            for n, anchor in enumerate(mask):
                if anchor != best_n and ious[anchor] <= cfg.iou_thresh:
                    continue
                dx, dy, dw, dh = ciou_steps(box(i, j, n), tuple(t))
                steps = [dx, dy, dw * math.exp(x[j, i, n, 2]), dh * math.exp(x[j, i, n, 3])]
                delta[j, i, n, :4] += np.clip(cfg.iou_normalizer * np.asarray(steps), -cfg.max_delta, cfg.max_delta)
                delta[j, i, n, 4] = cfg.obj_normalizer * (1 - sigmoid(x[j, i, n, 4]))
                eps = cfg.label_smooth_eps
                if delta[j, i, n, 5 + label]:  # another truth was here: one more class
                    delta[j, i, n, 5 + label] = 1 - eps / 2 - sigmoid(x[j, i, n, 5 + label])
                    continue
                for c in range(len(CLASSES)):
                    delta[j, i, n, 5 + c] = (c == label) * (1 - eps) + eps / 2 - sigmoid(x[j, i, n, 5 + c])
        for j in range(grid):
            for i in range(grid):
                for n in range(3):
                    classes = int((delta[j, i, n, 5:] > 0).sum())
                    if delta[j, i, n, 4] != 0 and classes:
                        delta[j, i, n, :4] /= classes
        out[stride] = delta
    return out


class Darknet:
    """A network and Darknet's update of its weights."""

    def __init__(self, model: keras.Model, cfg: Cfg) -> None:
        self.model, self.cfg = model, cfg
        self.updates = [np.zeros(v.shape) for v in model.trainable_variables]
        self.forward = tf.function(lambda images: self.model(images, training=True), autograph=False)
        self.backward = tf.function(self._backward, autograph=False)

    def _backward(self, images: tf.Tensor, upstream: list[tf.Tensor]) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            maps = self.model(images, training=True)
        return tape.gradient(maps, [v.value for v in self.model.trainable_variables], output_gradients=upstream)

    def rate(self, iteration: int) -> float:
        """network.c: get_current_rate, up to the first drop of policy steps."""
        cfg = self.cfg
        if iteration < cfg.burn_in:
            return cfg.learning_rate * (iteration / cfg.burn_in) ** 4
        if cfg.learning_rate_min is None:
            return cfg.learning_rate
        cosine = math.cos(iteration * math.pi / cfg.max_batches)
        return cfg.learning_rate_min + 0.5 * (cfg.learning_rate - cfg.learning_rate_min) * (1.0 + cosine)

    def step(
        self, iteration: int, images: np.ndarray, truths: list[list[tuple[float, float, float, float, int]]]
    ) -> None:
        per = BATCH // MINI_BATCHES
        for first in range(0, BATCH, per):
            part = tf.constant(images[first : first + per], tf.float32) / 255.0
            maps = self.forward(part)
            raw = [m.numpy().astype(np.float64).reshape(*m.shape[:3], 3, -1) for m in maps]
            strides = [SIZE // m.shape[1] for m in maps]
            found = [
                deltas_of_picture({s: r[k] for s, r in zip(strides, raw, strict=True)}, truths[first + k], self.cfg)
                for k in range(per)
            ]
            upstream = [
                tf.constant(np.stack([-f[s] for f in found]).reshape(m.shape), tf.float32)
                for s, m in zip(strides, maps, strict=True)
            ]
            gradients = self.backward(part, upstream)
            for update, gradient in zip(self.updates, gradients, strict=True):
                update -= gradient.numpy()
        rate = self.rate(iteration)
        for variable, update in zip(self.model.trainable_variables, self.updates, strict=True):
            value = np.asarray(variable.value, np.float64)
            if variable.name in ("kernel", "shortcut_weights"):
                update -= self.cfg.decay * BATCH * value
            variable.assign(value + rate / BATCH * update)
            update *= self.cfg.momentum


class Pictures:
    """A batch of noise with up to five boxes a picture, two of them on one anchor of one cell."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.images = rng.integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
        self.boxes = np.zeros((BATCH, 6, 4), np.float32)
        self.classes = np.full((BATCH, 6), -1, np.int32)
        for k in range(BATCH):
            count = int(rng.integers(1, 6))
            side = rng.uniform(4, 50, (count, 2))
            corner = rng.uniform(0, SIZE - side)
            self.boxes[k, :count] = np.concatenate([corner, corner + side], axis=1)
            self.classes[k, :count] = rng.integers(0, 3, count)
        self.boxes[0, :2], self.classes[0, :2] = [[20, 20, 34, 32], [21, 20, 35, 33]], [0, 2]

    def truths(self) -> list[list[tuple[float, float, float, float, int]]]:
        return [
            [
                (
                    float(x1 + x2) / 2 / SIZE,
                    float(y1 + y2) / 2 / SIZE,
                    float(x2 - x1) / SIZE,
                    float(y2 - y1) / SIZE,
                    int(c),
                )
                for (x1, y1, x2, y2), c in zip(boxes.astype(np.float64), classes, strict=True)
                if c >= 0
            ]
            for boxes, classes in zip(self.boxes, self.classes, strict=True)
        ]


def trainer_of(settings: dict[str, object]) -> tuple[Trainer, TrialConfig]:
    size = {
        "detector.width": 0.04,
        "detector.depth": 0.1,
        "train.size": SIZE,
        "train.sizes": (SIZE,),
        "train.steps": 6000,
    }
    batch = {"train.batch": BATCH, "train.subdivisions": MINI_BATCHES, "train.mini_batches_at_once": 1}
    config = TrialConfig.from_settings({**settings, **size, **batch})
    return Trainer(config.detector, CLASSES, ANCHORS, train=config.train), config


# The paper's techniques that change the network or the pictures are off: here it is about the loss and the update.
PLAIN = {"regularization.cmbn": False, "regularization.dropblock_rate": 0.0, "detector.dropblock_place": "none"}
PAPER = Cfg(learning_rate=0.00261, learning_rate_min=1e-5, max_delta=math.inf, label_smooth_eps=0.1)


@pytest.mark.parametrize(("preset", "cfg"), [("darknet", Cfg()), pytest.param("paper", PAPER, marks=pytest.mark.slow)])
def test_ten_steps_are_darknets(preset: str, cfg: Cfg) -> None:
    settings = {**presets.load(preset), **PLAIN}
    ours, config = trainer_of(settings)
    ours.reset(3)
    theirs = Darknet(trainer_of(settings)[0].model, cfg)
    for k in range(10):
        theirs.model.set_weights(ours.model.get_weights())
        before = [np.asarray(v.value).copy() for v in ours.model.trainable_variables]
        pictures = Pictures(k)
        ours.step(pictures, train.settings_vector(FIRST + k, config))
        theirs.step(FIRST + k, pictures.images, pictures.truths())
        for our_weight, their_weight, weight_before in zip(
            ours.model.trainable_variables, theirs.model.trainable_variables, before, strict=True
        ):
            moved = np.abs(np.asarray(their_weight.value) - weight_before).max()
            difference = np.abs(np.asarray(our_weight.value) - np.asarray(their_weight.value)).max()
            assert moved > 0, (k, our_weight.path)
            last_digit = 2**-23 * np.abs(weight_before).max()  # of the weights themselves, in float32
            assert difference <= 2e-3 * moved + 2 * last_digit, (k, our_weight.path)
