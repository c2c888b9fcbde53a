"""What a trial starts from: weights of a file, as far as its network, classes and anchors are the same.

The file is a checkpoint of ours, or Darknet's with its cfg and class names beside it. Light to import: the controller
describes it at launch, the worker reads its weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from model.config import DetectorConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.network.scales import Scale

# The settings that weights belong to: with another value the same weights make another network.
BACKBONE_NETWORK = (
    "variant",
    "width",
    "depth",
    "backbone_activation",
    "shortcut",
    "shortcut_normalization",
    "shortcut_gain",
)
NETWORK = (*BACKBONE_NETWORK, "neck_activation", "sam")
ALL, ALL_BUT_CLASSES, BACKBONE_ALONE = "all", "all but the classes in the output maps", "the backbone alone"
ALL_BUT_OUTPUTS = "all but the output maps, which have other numbers of anchors"
FIRST_LAYERS = "the layers that the file has, which ends before its output maps"


class Start(NamedTuple):
    """A file of weights without its numbers; class_names: empty where it has no output maps. note: on its cfg."""

    detector: DetectorConfig
    class_names: tuple[str, ...]
    anchors: tuple[tuple[float, float], ...]
    role: str | None = None  # of a checkpoint that is the start of other trainings
    cfg: Path | None = None
    note: str = ""


def look(path: Path, cfg: Path | None = None) -> Start:
    """What the file is; ValueError where it is neither. cfg: Darknet's, where it does not lie beside the file."""
    from model import checkpoint
    from model.darknet import importer, neighbours

    if neighbours.is_darknet(path):
        found = importer.read(path, importer.DarknetOptions(cfg=cfg), with_numbers=False)
        whole = any(name.startswith("head") and name.endswith("_output/kernel") for name in found.loaded.names)
        option = " (--cfg FILE names its cfg)" if "--cfg" in found.open_options else ""
        note = f"{found.note}{option}" if whole and found.note else ""
        return Start(found.config, found.class_names if whole else (), found.anchors, cfg=found.cfg_path, note=note)
    if cfg is not None:
        raise ValueError(f"--cfg {cfg}: expected beside a Darknet file (.weights) alone, got --weights {path}")
    info = checkpoint.read_info(path)
    return Start(info.detector, info.class_names, info.anchors, info.notes.get("role"))


def describe_weights(
    path: Path, detector: DetectorConfig, class_names: Sequence[str], cfg: Path | None = None
) -> dict[str, str | None]:
    """A file that trials are to start from, as plain values: path, fingerprint, cfg, what becomes of its output maps.

    ValueError when it cannot be read, or is of a network with other layers than `detector`'s.
    """
    from model.network import scales

    start = look(path, cfg)
    for name in ("variant", "width", "depth"):
        expected, came = getattr(detector, name), getattr(start.detector, name)
        if expected != came:
            raise ValueError(f"{path}: expected weights of a network with detector.{name} {expected}, got {came}")
    return {
        "weights": str(path),
        "weights_fingerprint": fingerprint(path, start.cfg),
        "weights_cfg": None if start.cfg is None else str(start.cfg.resolve()),
        "taken_over": _taken_over(start, class_names, scales.of_config(detector)),
    }


def unlike_weights(path: Path, detector: DetectorConfig, cfg: Path | None = None) -> tuple[str, ...]:
    """Settings in which `detector` is another network than the one whose weights the file holds, by address."""
    from model import checkpoint

    start = look(path, cfg)
    plain = start.detector.shortcut == "add"
    names = NETWORK if start.role != checkpoint.BACKBONE_ROLE else BACKBONE_NETWORK
    return tuple(
        f"detector.{name}"
        for name in names
        if getattr(start.detector, name) != getattr(detector, name)
        and not (plain and name in ("shortcut_normalization", "shortcut_gain"))  # plain sums have neither
    )


def _taken_over(start: Start, class_names: Sequence[str], maps: Sequence[Scale]) -> str:
    """What of a file a trial starts from: output maps mean their classes, in order; a base's mean nobody's."""
    from model.checkpoint import BACKBONE_ROLE, BASE_ROLE
    from model.network import scales

    if start.role == BACKBONE_ROLE:
        return BACKBONE_ALONE
    if not start.class_names:
        return FIRST_LAYERS
    if any(len(a.mask) != len(b.mask) for a, b in zip(scales.of_config(start.detector), maps, strict=True)):
        return ALL_BUT_OUTPUTS
    return ALL if start.role != BASE_ROLE and start.class_names == tuple(class_names) else ALL_BUT_CLASSES


def fingerprint(path: Path, cfg: Path | None = None) -> str:
    """SHA-256 of the file, and of its cfg, which is part of what its numbers mean."""
    digest = hashlib.sha256(path.read_bytes())
    if cfg is not None:
        digest.update(cfg.read_bytes())
    return digest.hexdigest()


def base_weights(
    path: Path,
    class_names: Sequence[str],
    anchors: Sequence[tuple[float, float]],
    masks: Sequence[Sequence[int]] | None = None,
    cfg: Path | None = None,
) -> dict[str, NDArray[np.float32]]:
    """What trials take over from a file, by "layer/weight" name; NaN stands for numbers that start fresh.

    Output maps tell a box's size by anchors; theirs are moved to the given ones, so that they show the same boxes.
    masks: which of the anchors answer on which output map, finest first; None: as in the released network.
    """
    import numpy as np

    from model import checkpoint
    from model.network import head, scales
    from model.network.initialize import bias_for_anchors, with_fresh_classes

    weights = _numbers(path, cfg)
    broken = next((name for name, value in weights.items() if not np.isfinite(value).all()), None)
    if broken is not None:
        raise ValueError(f"{path}: {broken}: expected finite numbers, got NaN or infinite ones")
    start = look(path, cfg)
    maps = scales.RELEASED_MAPS[start.detector.variant] if masks is None else scales.of_masks(masks)
    taken = _taken_over(start, class_names, maps)
    if taken == BACKBONE_ALONE:
        return {name: value for name, value in weights.items() if name.startswith(checkpoint.BACKBONE_LAYERS)}
    if taken == FIRST_LAYERS:
        return weights
    for known, scale in zip(scales.of_config(start.detector), maps, strict=True):
        bias, kernel = (f"{head.output_name(scale.stride)}/{part}" for part in ("bias", "kernel"))
        if taken == ALL_BUT_OUTPUTS:
            del weights[bias], weights[kernel]
            continue
        old, new = (
            np.asarray(sizes, np.float32)[list(found.mask)]
            for sizes, found in ((start.anchors, known), (anchors, scale))
        )
        weights[bias] = bias_for_anchors(weights[bias], old, new)
        if taken == ALL_BUT_CLASSES:
            for name in (bias, kernel):
                weights[name] = with_fresh_classes(weights[name], len(new), len(class_names))
    return weights


def _numbers(path: Path, cfg: Path | None) -> dict[str, NDArray[np.float32]]:
    """All weights of the file by "layer/weight" name."""
    from model import checkpoint
    from model.darknet import importer, neighbours

    if neighbours.is_darknet(path):
        return dict(importer.read(path, importer.DarknetOptions(cfg=cfg)).loaded.weights)
    return dict(checkpoint.read_weights(path))
