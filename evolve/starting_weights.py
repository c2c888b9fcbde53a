"""What a trial starts from: weights of a checkpoint, as far as its network, classes and anchors are the same.

Light to import: the controller describes a checkpoint at launch, the worker reads its weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model.config import DetectorConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from model.checkpoint import DetectorInfo

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


def describe_weights(path: Path, detector: DetectorConfig, class_names: Sequence[str]) -> dict[str, str]:
    """A checkpoint that trials are to start from, as plain values: path, fingerprint, what becomes of its output maps.

    ValueError when it is no checkpoint of ours, or of a network with other layers than `detector`'s.
    """
    from model import checkpoint

    info = checkpoint.read_info(path)
    for name in ("variant", "width", "depth"):
        expected, came = getattr(detector, name), getattr(info.detector, name)
        if expected != came:
            raise ValueError(f"{path}: expected weights of a network with detector.{name} {expected}, got {came}")
    taken = _taken_over(info, class_names)
    return {"weights": str(path), "weights_fingerprint": fingerprint(path), "taken_over": taken}


def unlike_weights(path: Path, detector: DetectorConfig) -> tuple[str, ...]:
    """Settings in which `detector` is another network than the one whose weights the checkpoint holds, by address."""
    from model import checkpoint

    info = checkpoint.read_info(path)
    plain = info.detector.shortcut == "add"
    names = NETWORK if info.notes.get("role") != checkpoint.BACKBONE_ROLE else BACKBONE_NETWORK
    return tuple(
        f"detector.{name}"
        for name in names
        if getattr(info.detector, name) != getattr(detector, name)
        and not (plain and name in ("shortcut_normalization", "shortcut_gain"))  # plain sums have neither
    )


def has_plain_sums(path: Path) -> bool:
    """Whether the checkpoint's network was trained with plain residual sums."""
    from model import checkpoint

    return checkpoint.read_info(path).detector.shortcut == "add"


def _taken_over(info: DetectorInfo, class_names: Sequence[str]) -> str:
    """What of a checkpoint a trial starts from: output maps mean their classes, in order; a base's mean nobody's."""
    from model.checkpoint import BACKBONE_ROLE, BASE_ROLE

    role = info.notes.get("role")
    if role == BACKBONE_ROLE:
        return BACKBONE_ALONE
    return ALL if role != BASE_ROLE and tuple(info.class_names) == tuple(class_names) else ALL_BUT_CLASSES


def fingerprint(path: Path) -> str:
    """SHA-256 of the file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def base_weights(
    path: Path, class_names: Sequence[str], anchors: Sequence[tuple[float, float]]
) -> dict[str, NDArray[np.float32]]:
    """What trials take over from a checkpoint, by "layer/weight" name; NaN stands for numbers that start fresh.

    Output maps tell a box's size by anchors; theirs are moved to the given ones, so that they show the same boxes.
    """
    import numpy as np

    from model import checkpoint, head, scales
    from model.initialize import for_anchors, without_classes

    weights = dict(checkpoint.read_weights(path))
    broken = next((name for name, value in weights.items() if not np.isfinite(value).all()), None)
    if broken is not None:
        raise ValueError(f"{path}: {broken}: expected finite numbers, got NaN or infinite ones")
    info = checkpoint.read_info(path)
    taken = _taken_over(info, class_names)
    if taken == BACKBONE_ALONE:
        return {name: value for name, value in weights.items() if name.startswith(checkpoint.BACKBONE_LAYERS)}
    for scale in scales.BY_VARIANT[info.detector.variant]:
        old, new = (np.asarray(sizes, np.float32)[scale.anchors] for sizes in (info.anchors, anchors))
        bias = f"{head.output_name(scale.stride)}/bias"
        weights[bias] = for_anchors(weights[bias], old, new)
        if taken == ALL_BUT_CLASSES:
            for name in (bias, f"{head.output_name(scale.stride)}/kernel"):
                weights[name] = without_classes(weights[name], len(class_names))
    return weights
