"""Our training settings as Darknet's keys of [net] and [yolo], and notes on settings that Darknet has no key for.

Settings are given by address ("optimizer.learning_rate"), as in a search's winner; those left out have their defaults.
POSITIVES, the number of positive anchors per picture in the training, may stand among them: it converts a learning rate
that belongs to a loss per positive anchor to Darknet's, whose loss is summed over a picture.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from data.config import AugmentConfig
from model.config import LossConfig, OptimizerConfig, PostConfig, RegularizationConfig, TrainConfig

Options = list[tuple[str, str]]

CONFIGS = {
    "loss": LossConfig,
    "optimizer": OptimizerConfig,
    "regularization": RegularizationConfig,
    "train": TrainConfig,
    "augment": AugmentConfig,
    "post": PostConfig,
}
POSITIVES = "positives_per_picture"
# Darknet's hand-written box gradients are scaled differently from a true derivative, so a weight of the true loss does
# not carry over: Darknet's own values are written (docs/decisions/0003-loss-reduction.md).
BOX_NORMALIZER = 0.07
MAX_DELTA = 5.0
# What Darknet always does and has no key for; a setting with another value gets a note.
ALWAYS_IN_DARKNET: dict[str, Any] = {
    "augment.mosaic_min_offset": 0.2,
    "augment.mosaic_off_share": 0.0,
    "augment.cutmix_prob": 0.0,
    "augment.min_visible_share": 0.0,
    "loss.objectness_gamma": 0.0,
    "loss.class_weight": 1.0,
    "optimizer.norm_momentum": 0.99,
    "regularization.dropblock_ramp_share": 0.85,
    "train.size_period": 10,
}
# What Darknet does not have, with the value that switches it off or is the default.
NOT_IN_DARKNET: dict[str, Any] = {
    "post.nms_iou": PostConfig.nms_iou,
    "regularization.sat_goal": "empty",
    "train.final_size_share": 0.0,
    "train.precision": "float32",
}
# What Darknet applies to half of the pictures or steps, whenever it is on.
APPLIED_AT_HALF = {"augment.flip_prob", "augment.mosaic_prob", "augment.mixup_prob", "regularization.sat_prob"}


def with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of CONFIGS by address, with defaults; others, such as the detector's, are left out."""
    known = {f"{room}.{f.name}": f.default for room, config in CONFIGS.items() for f in fields(config)}
    return {address: settings.get(address, default) for address, default in known.items()}


def cfg_number(value: float) -> str:
    """A number in a cfg's notation."""
    return f"{value:.9g}"


def net_options(settings: Mapping[str, Any], height: int, width: int, *, letterbox: bool) -> Options:
    """The keys of [net]."""
    value, factor = with_defaults(settings), _rate_factor(settings)
    rate = value["optimizer.learning_rate"] * factor
    options: Options = [
        ("batch", cfg_number(value["train.batch"])),
        ("subdivisions", cfg_number(value["train.subdivisions"])),
        ("width", cfg_number(width)),
        ("height", cfg_number(height)),
        ("channels", "3"),
        ("momentum", cfg_number(value["optimizer.momentum"])),
        ("decay", cfg_number(value["optimizer.weight_decay"] / factor)),
        ("angle", "0"),
        *((key, cfg_number(value[f"augment.{key}"])) for key in ("saturation", "exposure", "hue")),
        ("flip", "1" if value["augment.flip_prob"] > 0 else "0"),
        ("learning_rate", cfg_number(rate)),
        ("burn_in", cfg_number(_share(value["optimizer.burn_in_share"], value["train.steps"]))),
        ("max_batches", cfg_number(value["train.steps"])),
        *_policy(value, rate),
    ]
    options += [("letter_box", "1")] if letterbox else []
    if _has_mosaic(value, letterbox):
        options.append(("mosaic", "1"))
    elif value["augment.mixup_prob"] > 0:
        options.append(("mixup", "1"))
    if value["optimizer.ema_decay"] > 0:
        options.append(("ema_alpha", cfg_number(value["optimizer.ema_decay"])))
    if value["regularization.sat_prob"] > 0 and value["regularization.sat_norm"] == "raw":
        options.append(("adversarial_lr", cfg_number(value["regularization.sat_strength"])))
    return options


def _rate_factor(settings: Mapping[str, Any]) -> float:
    """Darknet's learning rate over ours, for about equal steps.

    A loss that is divided by the positive anchors has a gradient that many times smaller than Darknet's. The product of
    rate and weight decay is the share by which a step shrinks the weights, so the decay changes the other way.
    """
    positives: float = settings.get(POSITIVES, 0.0)
    per_positive = with_defaults(settings)["loss.reduction"] == "positive"
    return 1.0 / positives if per_positive and positives > 0 else 1.0


def _policy(value: Mapping[str, Any], rate: float) -> Options:
    steps = value["train.steps"]
    if value["optimizer.policy"] == "steps":
        return [("policy", "steps"), ("steps", f"{round(0.8 * steps)},{round(0.9 * steps)}"), ("scales", ".1,.1")]
    factor = round(value["optimizer.cycle_factor"])  # Darknet takes whole numbers
    cycles = value["optimizer.cycles"]
    parts = sum(factor**cycle for cycle in range(cycles))
    return [
        ("policy", "sgdr"),
        ("sgdr_cycle", cfg_number(math.ceil(steps / parts))),
        ("sgdr_mult", cfg_number(factor)),
        ("learning_rate_min", cfg_number(rate * value["optimizer.final_learning_rate_share"])),
    ]


def yolo_options(settings: Mapping[str, Any], *, last: bool) -> Options:
    """The keys of a [yolo] section that shape a training; `random` is in the last one, where Darknet reads it."""
    value = with_defaults(settings)
    hand_written = value["loss.box_gradient"] == "darknet"
    max_delta = value["loss.max_delta"] if hand_written else MAX_DELTA
    return [
        ("jitter", cfg_number(value["augment.jitter"])),
        ("resize", cfg_number(value["augment.resize"])),
        ("ignore_thresh", cfg_number(value["loss.ignore_threshold"])),
        ("truth_thresh", "1"),
        ("iou_thresh", cfg_number(value["loss.iou_threshold"])),
        ("label_smooth_eps", cfg_number(value["loss.label_smoothing"])),
        ("iou_loss", value["loss.box"]),
        ("iou_normalizer", cfg_number(value["loss.box_weight"] if hand_written else BOX_NORMALIZER)),
        ("obj_normalizer", cfg_number(value["loss.objectness_weight"])),
        ("cls_normalizer", "1"),
        *([("max_delta", cfg_number(max_delta))] if max_delta > 0 else []),
        *_nms(value),
        *([("max", cfg_number(settings["input.max_boxes"]))] if "input.max_boxes" in settings else []),
        *([("random", cfg_number(_random_factor(value)))] if last else []),
    ]


def _nms(value: Mapping[str, Any]) -> Options:
    if value["post.nms"] == "plain":
        return [("nms_kind", "default")]
    return [("nms_kind", "diounms"), ("beta_nms", cfg_number(value["post.nms_beta"]))]


def _random_factor(value: Mapping[str, Any]) -> float:
    """The largest factor between a training size and the input size, up or down; 0 if there is only one size."""
    size, sizes = value["train.size"], value["train.sizes"]
    factor = max(max(sizes) / size, size / min(sizes))
    return 0.0 if factor == 1 else round(factor, 3)


def dropblock_probability(settings: Mapping[str, Any]) -> str:
    """The value of probability= in [dropout]."""
    return cfg_number(with_defaults(settings)["regularization.dropblock_rate"])


def frozen_steps(settings: Mapping[str, Any]) -> int:
    """Steps during which the backbone is frozen: stopbackward= of its last layer. (1 would freeze it for good.)"""
    value = with_defaults(settings)
    steps = _share(value["optimizer.freeze_share"], value["train.steps"])
    return steps if steps > 1 else 0


def _share(share: float, steps: int) -> int:
    return math.ceil(share * steps)


def _has_mosaic(value: Mapping[str, Any], letterbox: bool) -> bool:
    return value["augment.mosaic_prob"] > 0 and not letterbox


def notes(settings: Mapping[str, Any], *, letterbox: bool) -> Iterator[str]:
    """A line for each of these settings that Darknet has no key for, or treats differently."""
    value = with_defaults(settings)
    for address, always in ALWAYS_IN_DARKNET.items():
        if address in settings and value[address] != always:
            yield f"{address} {value[address]}: no key; Darknet has {always}"
    mixup = value["augment.mixup_prob"] > 0 and not _has_mosaic(value, letterbox)
    attack = value["regularization.sat_prob"] > 0 and value["regularization.sat_norm"] == "raw"
    written = {
        "augment.mixup_prob": mixup,
        "augment.mosaic_prob": _has_mosaic(value, letterbox),
        "regularization.sat_prob": attack,
    }
    drawn = {address for address in APPLIED_AT_HALF if written.get(address, True)}
    for address in sorted(settings.keys() & drawn):
        if value[address] not in (0, 0.5):
            yield f"{address} {value[address]}: no key; Darknet draws with 0.5"
    if value["augment.mosaic_prob"] > 0 and letterbox:
        yield "augment.mosaic_prob: left out, as Darknet refuses mosaic=1 beside letter_box=1"
    if value["augment.mixup_prob"] > 0 and _has_mosaic(value, letterbox):
        yield "augment.mixup_prob: left out, as Darknet uses only one of mosaic and mixup"
    if value["regularization.sat_prob"] > 0 and value["regularization.sat_norm"] != "raw":
        norm = value["regularization.sat_norm"]
        yield f"regularization.sat_prob: SAT is left out, as adversarial_lr is its raw form and this is '{norm}'"
    if value["optimizer.cycles"] > 1 and value["optimizer.cycle_factor"] != round(value["optimizer.cycle_factor"]):
        yield f"optimizer.cycle_factor {value['optimizer.cycle_factor']}: Darknet takes whole numbers"
    if "loss.box_weight" in settings and value["loss.box_gradient"] == "exact":
        weight = value["loss.box_weight"]
        yield f"loss.box_weight {weight}: Darknet scales its gradients differently; iou_normalizer has Darknet's value"
    for address, plain in NOT_IN_DARKNET.items():
        if settings.get(address, plain) != plain and (attack or address != "regularization.sat_goal"):
            yield f"{address} {settings[address]}: no key"
    if value["loss.reduction"] == "positive":
        rate, factor = value["optimizer.learning_rate"], _rate_factor(settings)
        reason = f"learning_rate is {factor:.3g} and decay {1 / factor:.3g} times ours"
        unknown = "the number of positive anchors per picture is not known, so learning_rate is too high for Darknet"
        yield (
            f"optimizer.learning_rate {rate:g}: for a loss per positive anchor, Darknet's is per picture; "
            f"{reason if settings.get(POSITIVES) else unknown}"
        )
    for address in ("optimizer.max_gradient_norm", "optimizer.spike_factor"):
        if settings.get(address, 0) > 0:
            yield f"{address} {value[address]}: no key; Darknet bounds each delta instead (max_delta)"
