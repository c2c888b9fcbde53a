"""Which of our networks a cfg describes: what a .weights file beside it is then read as.

A cfg of ours names its configuration; that of another is guessed from a few of its numbers. Either way the sections
that the configuration makes are compared with the cfg's, one by one, so nothing is taken on trust. What a training
chooses freely (anchors, masks, classes, size, grid sensitivity) is the cfg's own, in ours too: people edit it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from model.config import NUM_MAPS, DetectorConfig, Variant
from model.darknet import topology, yolo_anchors
from model.darknet.cfg import Cfg, CfgError
from model.darknet.float_counts import is_output
from model.darknet.sections import Section
from model.network import scales

Keys = Mapping[str, str]
Signature = tuple[tuple[str, str], ...]  # what makes a section what it is

# Keys that change what a network computes and that none of ours has, with the value that changes nothing.
FOREIGN = {"groups": "1", "dilation": "1", "antialiasing": "0", "new_coords": "0", "maxpool_depth": "0", "reverse": "0"}
# Heads of other detectors: what a cfg without [yolo] is told to be.
OTHER_HEADS = {"region": "YOLOv2's", "Gaussian_yolo": "Gaussian YOLOv3's", "detection": "YOLOv1's"}
NOT_OURS = "the network is not supported (expected Darknet's yolov4 or yolov4-tiny)"
DEFAULT_CLASSES = "20"  # Darknet's, where a [yolo] does not say


@dataclass(frozen=True)
class Described:
    """What a cfg says of its detector."""

    config: DetectorConfig
    num_classes: int
    anchors: tuple[tuple[float, float], ...]
    height: int
    width: int
    fit: Literal["stretch", "letterbox"]
    class_names: tuple[str, ...] | None  # a cfg of another has none

    @property
    def sections(self) -> tuple[Section, ...]:
        """The network in Darknet's order."""
        return topology.sections(self.config, self.num_classes)


def describe(cfg: Cfg) -> Described:
    """What the cfg describes; CfgError where it is none of our networks, with the first section that differs."""
    try:
        described = _described(cfg)
    except CfgError:
        raise
    except KeyError as error:
        raise CfgError(f"{cfg.name}: expected {error} in its sections, got none") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise CfgError(f"{cfg.name}: {NOT_OURS}: {str(error)[:200]}") from error
    _compare(cfg, described)
    return described


def _described(cfg: Cfg) -> Described:
    yolos = _heads(cfg)
    variant = _variant(cfg)
    if len(yolos) != NUM_MAPS[variant]:
        raise CfgError(
            f"{cfg.name}: {NOT_OURS}: its first layer is like {variant}'s, which has {NUM_MAPS[variant]} [yolo] "
            f"sections, and it has {len(yolos)}"
        )
    anchors, masks = yolo_anchors.read(cfg.name, yolos)
    if (channels := cfg.net.get("channels", "3")) != "3":
        raise CfgError(f"{cfg.name}: [net] channels={channels[:40]} is not supported: expected 3, for colours")
    finest_first = masks if variant == "yolov4" else masks[::-1]
    num_classes = _num_classes(cfg, yolos)
    config = _config(cfg, variant, yolos)
    return Described(
        replace(config, masks=scales.masks_setting(finest_first)),
        num_classes,
        anchors,
        _side(cfg, "height"),
        _side(cfg, "width"),
        "letterbox" if cfg.net.get("letter_box", "0") not in ("0", "") else "stretch",
        _class_names(cfg, num_classes),
    )


def _heads(cfg: Cfg) -> list[Keys]:
    """The [yolo] sections."""
    yolos = [keys for kind, keys in cfg.sections if kind == "yolo"]
    if not yolos:
        other = next((kind for kind, _ in cfg.sections if kind in OTHER_HEADS), None)
        got = "none" if other is None else f"[{other}], {OTHER_HEADS[other]}"
        raise CfgError(f"{cfg.name}: {NOT_OURS}: expected [yolo] sections, got {got}")
    return yolos


def _variant(cfg: Cfg) -> Variant:
    """The network by its first layer: yolov4-tiny halves the picture at once."""
    kind, keys = cfg.sections[0]
    return "yolov4-tiny" if kind == "convolutional" and keys.get("stride") == "2" else "yolov4"


def _config(cfg: Cfg, variant: Variant, yolos: Sequence[Keys]) -> DetectorConfig:
    """The network's settings, but for its masks."""
    sensitivity: Mapping[str, Any] = _sensitivity(variant, yolos)
    if "detector" in cfg.about:
        try:
            # Comments of before there was yolov4-tiny do not say the variant.
            config = DetectorConfig(**{"variant": variant, **cfg.about["detector"]})
        except (TypeError, ValueError) as error:
            raise CfgError(f"{cfg.name}: its configuration is damaged: {error}") from error
        # The lines have fewer digits than the comment: only what is another number was edited.
        edited: dict[str, Any] = {
            name: value
            for name, value in sensitivity.items()
            if not math.isclose(value, getattr(config, name), rel_tol=1e-8)
        }
        return replace(config, **edited)
    return DetectorConfig(variant, **_guessed(cfg, variant), **sensitivity)


def _sensitivity(variant: Variant, yolos: Sequence[Keys]) -> dict[str, float]:
    strides = (8, 16, 32) if variant == "yolov4" else (32, 16)  # in the order of the file
    return {
        f"scale_xy_{stride}": float(keys.get("scale_x_y", "1")) for stride, keys in zip(strides, yolos, strict=True)
    }


def _guessed(cfg: Cfg, variant: Variant) -> dict[str, Any]:
    """What shapes the layers."""
    convolutions = [keys for kind, keys in cfg.sections if kind == "convolutional"]
    if len(convolutions) < 3:
        raise CfgError(f"{cfg.name}: {NOT_OURS}: it has {len(convolutions)} convolutions")
    common: dict[str, Any] = {
        "backbone_activation": convolutions[0].get("activation"),
        "neck_activation": convolutions[-2].get("activation"),
    }
    if variant == "yolov4-tiny":
        return {**common, "width": _widest(cfg) / 512}
    shortcut = next((keys for kind, keys in cfg.sections if kind == "shortcut"), {})
    weighted = shortcut.get("weights_type", "none") != "none"
    dropouts = [keys for kind, keys in cfg.sections if kind == "dropout"]
    return {
        **common,
        "width": _widest(cfg) / 1024,
        "depth": max(1, sum(kind == "shortcut" for kind, _ in cfg.sections)) / 23,
        "sam": any(kind == "sam" for kind, _ in cfg.sections),
        "shortcut": {"per_layer": "per_feature"}.get(shortcut["weights_type"], shortcut["weights_type"])
        if weighted
        else "add",
        "shortcut_normalization": _normalization(shortcut),
        "dropblock_place": {0: "none", 2: "backbone", 3: "neck", 5: "both"}.get(len(dropouts), "none"),
        "dropblock_size": int(dropouts[0].get("dropblock_size_abs", "7")) if dropouts else 7,
    }


def _normalization(keys: Keys) -> str:
    word = keys.get("weights_normalization", "relu")
    return "relu" if word == "avg_relu" else word


def _widest(cfg: Cfg) -> int:
    """Channels of the widest convolution, output maps left out: theirs count classes."""
    after = [kind for kind, _ in cfg.sections[1:]] + [""]
    return max(
        int(keys["filters"])
        for (kind, keys), following in zip(cfg.sections, after, strict=True)
        if kind == "convolutional" and "filters" in keys and following != "yolo"
    )


def _num_classes(cfg: Cfg, yolos: Sequence[Keys]) -> int:
    values = {keys.get("classes", DEFAULT_CLASSES) for keys in yolos}
    one = next(iter(values))
    if len(values) > 1 or not one.isdecimal() or int(one) < 1:
        got = ", ".join(value[:40] for value in sorted(values))
        raise CfgError(f"{cfg.name}: expected one number above 0 as classes= in every [yolo], got {got}")
    return int(one)


def _side(cfg: Cfg, key: str) -> int:
    text = cfg.net.get(key, "")
    if not text.isdecimal() or int(text) < 32 or int(text) % 32:
        raise CfgError(f"{cfg.name}: [net] {key}: expected a multiple of 32, got {text[:40] or 'nothing'}")
    return int(text)


def _class_names(cfg: Cfg, num_classes: int) -> tuple[str, ...] | None:
    names = cfg.about.get("class_names")
    if names is None:
        return None
    if not isinstance(names, list) or len(names) != num_classes:
        raise CfgError(f"{cfg.name}: expected {num_classes} class names, got {names if names is None else len(names)}")
    return tuple(str(name) for name in names)


def _compare(cfg: Cfg, described: Described) -> None:
    """CfgError at the first section that is not as the configuration makes it."""
    expected = described.sections
    for place, (section, (kind, keys)) in enumerate(zip(expected, cfg.sections, strict=False)):
        wanted, got = _signature(section.kind, _with_inputs(section), place), _signature(kind, keys, place)
        if wanted != got:
            where = f"section {place} ({section.name})"
            raise CfgError(f"{cfg.name}: {_difference(section, where, described.num_classes, wanted, got)}")
    if len(expected) != len(cfg.sections):
        numbers = f"expected {len(expected)} sections after [net], got {len(cfg.sections)}"
        raise CfgError(f"{cfg.name}: {NOT_OURS}: {numbers}")


def _difference(section: Section, where: str, num_classes: int, wanted: Signature, got: Signature) -> str:
    """Why a section is not supported, in words where the reason is known."""
    foreign = [part for part in got if part not in wanted and part[0] in FOREIGN]
    if foreign and wanted == tuple(part for part in got if part not in foreign):
        keys = ", ".join(f"{key}={value}" for key, value in foreign)
        return f"{where}: {keys} is not supported: it changes what the network computes"
    ours, theirs = dict(wanted), dict(got)
    if is_output(section) and {**theirs, "filters": ours["filters"]} == ours:
        anchors = int(ours["filters"]) // (5 + num_classes)
        return (
            f"{where}: expected filters={ours['filters']}, as the [yolo] behind it has {anchors} anchors in its mask "
            f"and {num_classes} classes: {anchors} x (5 + {num_classes}), got {theirs['filters']}"
        )
    return f"{NOT_OURS}: {where}: expected {_say(wanted)}, got {_say(got)}"


def _with_inputs(section: Section) -> Keys:
    """Keys of a section of ours, with its inputs as absolute places."""
    keys = dict(section.options)
    if section.kind == "route":
        keys["layers"] = ",".join(map(str, section.inputs))
    elif section.kind in ("shortcut", "sam"):
        keys["from"] = str(section.inputs[1])
    return keys


SHAPING = {  # keys that make a section what it is, with Darknet's defaults
    "convolutional": {"filters": "1", "size": "1", "stride": "1", "activation": "logistic"},
    "route": {"groups": "1", "group_id": "0"},
    "shortcut": {"activation": "linear", "weights_type": "none", "weights_normalization": "none"},
    "maxpool": {"size": "", "stride": "1"},
    "upsample": {"stride": "2"},
    "sam": {"activation": "linear"},
    "dropout": {"dropblock": "0"},
    "yolo": {"classes": DEFAULT_CLASSES},
}
ALIASES = {"per_layer": "per_feature", "avg_relu": "relu"}


def _signature(kind: str, keys: Keys, place: int) -> Signature:
    """What makes two sections the same, whoever wrote them."""
    shaping = SHAPING.get(kind, {})
    parts = [("kind", kind[:40]), *((key, keys.get(key, default)[:40]) for key, default in shaping.items())]
    parts = [(key, ALIASES.get(value, value)) for key, value in parts]
    if kind == "convolutional":
        normalized = keys.get("batch_normalize", "0") != "0" or keys.get("cbn", "0") != "0"
        parts.append(("batch_normalize", str(int(normalized))))
        padded = keys.get("pad", "0") != "0" or keys.get("padding", "0") == str(int(keys.get("size", "1")) // 2)
        parts.append(("padded", str(int(padded or keys.get("size") == "1"))))
    for key in ("layers", "from"):
        if key in keys:
            parts.append((key, _absolute(keys[key], place)))
    parts += [
        (key, keys[key][:40]) for key, usual in FOREIGN.items() if key not in shaping and keys.get(key, usual) != usual
    ]
    return tuple(parts)


def _absolute(text: str, place: int) -> str:
    try:
        sources = [int(part) for part in text.split(",")]
    except ValueError:
        return text[:40]
    return ",".join(str(source if source >= 0 else source + place) for source in sources)


def _say(signature: Signature) -> str:
    return f"[{signature[0][1]}] " + " ".join(f"{key}={value}" for key, value in signature[1:])
