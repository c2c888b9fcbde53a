"""Which of our networks a cfg describes, so that the .weights file beside it can be read.

A cfg that we wrote names its configuration; that of any other cfg is guessed from a few of its keys. Either way the
sections of that configuration are compared with the cfg's, one by one. Anchors, masks, classes, size and grid
sensitivity always come from the cfg's keys, also in a cfg that we wrote, because people edit them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from model.config import NUM_MAPS, DetectorConfig, Variant
from model.darknet import topology, yolo_anchors
from model.darknet.cfg import Cfg, CfgError
from model.darknet.sections import Section
from model.darknet.weights_length import is_output
from model.network import scales

Keys = Mapping[str, str]
Signature = tuple[tuple[str, str], ...]  # the keys that decide what a section computes

# Keys that change what a network computes and that ours do not support, with the value that changes nothing.
FOREIGN = {"groups": "1", "dilation": "1", "antialiasing": "0", "new_coords": "0", "maxpool_depth": "0", "reverse": "0"}
# Heads of other detectors: named in the error for a cfg without [yolo].
OTHER_HEADS = {"region": "YOLOv2's", "Gaussian_yolo": "Gaussian YOLOv3's", "detection": "YOLOv1's"}
NOT_OURS = "the network is not supported (expected Darknet's yolov4 or yolov4-tiny)"
DEFAULT_CLASSES = "20"  # Darknet's default for a [yolo] without classes=


@dataclass(frozen=True)
class CfgDetector:
    """The detector that a cfg describes."""

    config: DetectorConfig
    num_classes: int
    anchors: tuple[tuple[float, float], ...]
    height: int
    width: int
    fit: Literal["stretch", "letterbox"]
    class_names: tuple[str, ...] | None  # None for a cfg that we did not write

    @property
    def sections(self) -> tuple[Section, ...]:
        """The network's sections after [net]."""
        return topology.sections(self.config, self.num_classes)


def describe(cfg: Cfg) -> CfgDetector:
    """The detector that the cfg describes; CfgError names the first section that is not as in our networks."""
    try:
        detector = _read_detector(cfg)
    except CfgError:
        raise
    except KeyError as error:
        raise CfgError(f"{cfg.name}: expected {error} in its sections, got none") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise CfgError(f"{cfg.name}: {NOT_OURS}: {str(error)[:200]}") from error
    _check_sections(cfg, detector)
    return detector


def _read_detector(cfg: Cfg) -> CfgDetector:
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
    return CfgDetector(
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
    """The variant, recognized by its first layer: only yolov4-tiny's halves the picture."""
    kind, keys = cfg.sections[0]
    return "yolov4-tiny" if kind == "convolutional" and keys.get("stride") == "2" else "yolov4"


def _config(cfg: Cfg, variant: Variant, yolos: Sequence[Keys]) -> DetectorConfig:
    """The network's settings apart from its masks."""
    sensitivity: Mapping[str, Any] = _sensitivity(variant, yolos)
    if "detector" in cfg.about:
        try:
            # Comments written before yolov4-tiny was supported lack the variant.
            config = DetectorConfig(**{"variant": variant, **cfg.about["detector"]})
        except (TypeError, ValueError) as error:
            raise CfgError(f"{cfg.name}: its configuration is damaged: {error}") from error
        # Keys have fewer digits than the comment, so only a clearly different number was edited.
        edited: dict[str, Any] = {
            name: value
            for name, value in sensitivity.items()
            if not math.isclose(value, getattr(config, name), rel_tol=1e-8)
        }
        return replace(config, **edited)
    return DetectorConfig(variant, **_guess_settings(cfg, variant), **sensitivity)


def _sensitivity(variant: Variant, yolos: Sequence[Keys]) -> dict[str, float]:
    strides = (8, 16, 32) if variant == "yolov4" else (32, 16)  # in the order of the file
    return {
        f"scale_xy_{stride}": float(keys.get("scale_x_y", "1")) for stride, keys in zip(strides, yolos, strict=True)
    }


def _guess_settings(cfg: Cfg, variant: Variant) -> dict[str, Any]:
    """The settings that shape the layers, guessed from the keys of a cfg that we did not write."""
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
    """Channels of the widest convolution apart from the output maps, whose channels depend on the classes."""
    after = [kind for kind, _ in cfg.sections[1:]] + [""]
    return max(
        int(keys["filters"])
        for (kind, keys), following in zip(cfg.sections, after, strict=True)
        if kind == "convolutional" and "filters" in keys and following != "yolo"
    )


def _num_classes(cfg: Cfg, yolos: Sequence[Keys]) -> int:
    values = {keys.get("classes", DEFAULT_CLASSES) for keys in yolos}
    classes = next(iter(values))
    if len(values) > 1 or not classes.isdecimal() or int(classes) < 1:
        got = ", ".join(value[:40] for value in sorted(values))
        raise CfgError(f"{cfg.name}: expected one number above 0 as classes= in every [yolo], got {got}")
    return int(classes)


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


def _check_sections(cfg: Cfg, detector: CfgDetector) -> None:
    """Raise CfgError at the first section that differs from the one that the configuration makes."""
    expected = detector.sections
    for index, (section, (kind, keys)) in enumerate(zip(expected, cfg.sections, strict=False)):
        expected_signature, got = _signature(section.kind, _with_inputs(section), index), _signature(kind, keys, index)
        if expected_signature != got:
            where = f"section {index} ({section.name})"
            raise CfgError(f"{cfg.name}: {_difference(section, where, detector.num_classes, expected_signature, got)}")
    if len(expected) != len(cfg.sections):
        numbers = f"expected {len(expected)} sections after [net], got {len(cfg.sections)}"
        raise CfgError(f"{cfg.name}: {NOT_OURS}: {numbers}")


def _difference(section: Section, where: str, num_classes: int, expected_signature: Signature, got: Signature) -> str:
    """Say why a section is not supported: the reason if it is known, else both signatures."""
    foreign = [part for part in got if part not in expected_signature and part[0] in FOREIGN]
    if foreign and expected_signature == tuple(part for part in got if part not in foreign):
        keys = ", ".join(f"{key}={value}" for key, value in foreign)
        return f"{where}: {keys} is not supported: it changes what the network computes"
    ours, theirs = dict(expected_signature), dict(got)
    if is_output(section) and {**theirs, "filters": ours["filters"]} == ours:
        anchors = int(ours["filters"]) // (5 + num_classes)
        return (
            f"{where}: expected filters={ours['filters']}, as the [yolo] after it has {anchors} anchors in its mask "
            f"and {num_classes} classes: {anchors} x (5 + {num_classes}), got {theirs['filters']}"
        )
    return f"{NOT_OURS}: {where}: expected {_signature_text(expected_signature)}, got {_signature_text(got)}"


def _with_inputs(section: Section) -> Keys:
    """Keys of one of our sections, with its inputs as absolute indices."""
    keys = dict(section.options)
    if section.kind == "route":
        keys["layers"] = ",".join(map(str, section.inputs))
    elif section.kind in ("shortcut", "sam"):
        keys["from"] = str(section.inputs[1])
    return keys


SHAPING = {  # keys that decide what a section computes, with Darknet's defaults
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


def _signature(kind: str, keys: Keys, index: int) -> Signature:
    """The section in a normal form: sections with equal signatures compute the same."""
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
            parts.append((key, _absolute(keys[key], index)))
    parts += [
        (key, keys[key][:40]) for key, usual in FOREIGN.items() if key not in shaping and keys.get(key, usual) != usual
    ]
    return tuple(parts)


def _absolute(text: str, index: int) -> str:
    try:
        sources = [int(part) for part in text.split(",")]
    except ValueError:
        return text[:40]
    return ",".join(str(source if source >= 0 else source + index) for source in sources)


def _signature_text(signature: Signature) -> str:
    return f"[{signature[0][1]}] " + " ".join(f"{key}={value}" for key, value in signature[1:])
