"""Which of our networks a cfg describes: what a .weights file beside it is then read as.

A cfg of ours names its configuration; that of another is guessed from a few of its numbers. Either way the sections
that the configuration makes are compared with the cfg's, one by one, so nothing is taken on trust.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from model.config import DetectorConfig
from model.darknet import topology
from model.darknet.cfg import Cfg, CfgError
from model.darknet.plan import Section

Keys = Mapping[str, str]

# Keys that change what a network computes and that none of ours has, with the value that changes nothing.
FOREIGN = {"groups": "1", "dilation": "1", "antialiasing": "0", "new_coords": "0", "maxpool_depth": "0", "reverse": "0"}


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
        yolos = [keys for kind, keys in cfg.sections if kind == "yolo"]
        if not yolos:
            raise CfgError(f"{cfg.name}: expected [yolo] sections, got none")
        num_classes = _same(cfg, yolos, "classes")
        anchors = _anchors(cfg, yolos)
        config = _config(cfg, yolos)
        height, width = (_side(cfg, key) for key in ("height", "width"))
        letterbox = cfg.net.get("letter_box", "0") not in ("0", "")
        names = _class_names(cfg, num_classes)
    except CfgError:
        raise
    except KeyError as error:
        raise CfgError(f"{cfg.name}: expected {error} in its sections, got none") from error
    except (ValueError, TypeError, OverflowError) as error:
        raise CfgError(f"{cfg.name}: it is no cfg of yolov4: {str(error)[:200]}") from error
    described = Described(
        config,
        num_classes,
        anchors,
        height,
        width,
        "letterbox" if letterbox else "stretch",
        names,
    )
    _compare(cfg, described)
    return described


def _config(cfg: Cfg, yolos: Sequence[Keys]) -> DetectorConfig:
    if "detector" in cfg.about:
        try:
            variant = "yolov4-tiny" if len(yolos) == 2 else "yolov4"  # where our comment is of before it said so
            return DetectorConfig(**{"variant": variant, **cfg.about["detector"]})
        except (TypeError, ValueError) as error:
            raise CfgError(f"{cfg.name}: its configuration is damaged: {error}") from error
    convolutions = [keys for kind, keys in cfg.sections if kind == "convolutional"]
    if len(convolutions) < 3:
        raise CfgError(f"{cfg.name}: expected a cfg of yolov4, got {len(convolutions)} convolutions")
    scales = [float(keys.get("scale_x_y", "1")) for keys in yolos]
    common: dict[str, Any] = {
        "backbone_activation": convolutions[0].get("activation"),
        "neck_activation": convolutions[-2].get("activation"),
    }
    if len(yolos) == 2:
        width = _widest(cfg, 512)
        return DetectorConfig("yolov4-tiny", **common, width=width, scale_xy_32=scales[0], scale_xy_16=scales[1])
    shortcut = next((keys for kind, keys in cfg.sections if kind == "shortcut"), {})
    weighted = shortcut.get("weights_type", "none") != "none"
    dropouts = [keys for kind, keys in cfg.sections if kind == "dropout"]
    return DetectorConfig(
        **common,
        width=_widest(cfg, 1024),
        depth=max(1, sum(kind == "shortcut" for kind, _ in cfg.sections)) / 23,
        sam=any(kind == "sam" for kind, _ in cfg.sections),
        shortcut={"per_layer": "per_feature"}.get(shortcut["weights_type"], shortcut["weights_type"])  # type: ignore[arg-type]
        if weighted
        else "add",
        shortcut_normalization=_normalization(shortcut),  # type: ignore[arg-type]
        dropblock_place={0: "none", 2: "backbone", 3: "neck", 5: "both"}.get(len(dropouts), "none"),  # type: ignore[arg-type]
        dropblock_size=int(dropouts[0].get("dropblock_size_abs", "7")) if dropouts else 7,
        scale_xy_8=scales[0],
        scale_xy_16=scales[1],
        scale_xy_32=scales[-1],
    )


def _normalization(keys: Keys) -> str:
    word = keys.get("weights_normalization", "relu")
    return "relu" if word == "avg_relu" else word


def _widest(cfg: Cfg, full: int) -> float:
    """The width multiplier, from the widest convolution."""
    return (
        max(int(keys["filters"]) for kind, keys in cfg.sections if kind == "convolutional" and "filters" in keys) / full
    )


def _same(cfg: Cfg, yolos: Sequence[Keys], key: str) -> int:
    values = {keys.get(key, "none") for keys in yolos}
    if len(values) > 1 or not next(iter(values)).isdecimal():
        raise CfgError(f"{cfg.name}: expected one number as {key}= in every [yolo], got {', '.join(sorted(values))}")
    return int(values.pop())


def _anchors(cfg: Cfg, yolos: Sequence[Keys]) -> tuple[tuple[float, float], ...]:
    texts = {keys["anchors"] for keys in yolos}
    try:
        numbers = [float(part) for part in yolos[0]["anchors"].split(",")]
    except ValueError as error:
        raise CfgError(f"{cfg.name}: anchors: expected numbers: {error}") from error
    good = all(math.isfinite(value) and value > 0 for value in numbers)
    if len(texts) > 1 or len(numbers) % 2 or not good:
        raise CfgError(f"{cfg.name}: anchors: expected the same pairs of numbers above 0 in every [yolo]")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


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
    num = sum(1 for _ in described.anchors)
    for place, (section, (kind, keys)) in enumerate(zip(expected, cfg.sections, strict=False)):
        wanted, got = _signature(section.kind, _with_inputs(section), place), _signature(kind, keys, place)
        if wanted != got:
            raise CfgError(f"{cfg.name}: section {place} ({section.name}): expected {_say(wanted)}, got {_say(got)}")
        if section.kind == "yolo" and int(section.option("num")) != num:
            raise CfgError(f"{cfg.name}: expected {section.option('num')} anchors, got {num}")
    if len(expected) != len(cfg.sections):
        raise CfgError(f"{cfg.name}: expected {len(expected)} sections after [net], got {len(cfg.sections)}")


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
    "yolo": {"mask": "", "num": "1", "classes": "20"},
}
ALIASES = {"per_layer": "per_feature", "avg_relu": "relu"}


def _signature(kind: str, keys: Keys, place: int) -> tuple[tuple[str, str], ...]:
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


def _say(signature: tuple[tuple[str, str], ...]) -> str:
    return f"[{signature[0][1]}] " + " ".join(f"{key}={value}" for key, value in signature[1:])
