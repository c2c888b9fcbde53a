"""The weights that trials start from: those in a file that fit the trial's network, classes and anchors.

The file is a checkpoint of ours, or Darknet's with its cfg and class names beside it. Light to import: the controller
describes the file at launch, the worker reads its weights.
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

# Settings that belong to the weights: with another value of one, the same weights compute something else.
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


class WeightsFile(NamedTuple):
    """The description of a file of weights, without the weights."""

    detector: DetectorConfig
    class_names: tuple[str, ...]  # empty if the file has no output maps
    anchors: tuple[tuple[float, float], ...]
    role: str | None = None  # of a checkpoint that was made for trainings to start from
    cfg: Path | None = None  # Darknet's
    note: str = ""  # on the cfg, for the user


def inspect_weights(path: Path, cfg: Path | None = None) -> WeightsFile:
    """Describe a file of weights; ValueError if it is neither Darknet's nor ours. cfg: Darknet's, if not beside it."""
    from model import checkpoint
    from model.darknet import importer, neighbours

    if neighbours.is_darknet(path):
        darknet = importer.read(path, importer.DarknetOptions(cfg=cfg), with_numbers=False)
        has_outputs = any(name.startswith("head") and name.endswith("_output/kernel") for name in darknet.loaded.names)
        option = " (--cfg FILE names its cfg)" if "--cfg" in darknet.open_options else ""
        note = f"{darknet.note}{option}" if has_outputs and darknet.note else ""
        class_names = darknet.class_names if has_outputs else ()
        return WeightsFile(darknet.config, class_names, darknet.anchors, cfg=darknet.cfg_path, note=note)
    if cfg is not None:
        raise ValueError(f"--cfg {cfg}: expected beside a Darknet file (.weights) alone, got --weights {path}")
    info = checkpoint.read_info(path)
    return WeightsFile(info.detector, info.class_names, info.anchors, info.notes.get("role"))


def describe_weights(
    path: Path, detector: DetectorConfig, class_names: Sequence[str], cfg: Path | None = None
) -> dict[str, str | None]:
    """A file of starting weights as plain values: path, fingerprint, cfg, and what trials take over from it, in words.

    ValueError if it cannot be read, or belongs to a network with other layers than `detector`'s.
    """
    from model.network import scales

    start = inspect_weights(path, cfg)
    for name in ("variant", "width", "depth"):
        expected, actual = getattr(detector, name), getattr(start.detector, name)
        if expected != actual:
            raise ValueError(f"{path}: expected weights of a network with detector.{name} {expected}, got {actual}")
    return {
        "weights": str(path),
        "weights_fingerprint": fingerprint(path, start.cfg),
        "weights_cfg": None if start.cfg is None else str(start.cfg.resolve()),
        "taken_over": _taken_over(start, class_names, scales.of_config(detector)),
    }


def differing_settings(path: Path, detector: DetectorConfig, cfg: Path | None = None) -> tuple[str, ...]:
    """Addresses of the settings in which `detector` differs from the network that the file's weights belong to."""
    from model import checkpoint

    start = inspect_weights(path, cfg)
    plain = start.detector.shortcut == "add"
    names = NETWORK if start.role != checkpoint.BACKBONE_ROLE else BACKBONE_NETWORK
    return tuple(
        f"detector.{name}"
        for name in names
        if getattr(start.detector, name) != getattr(detector, name)
        and not (plain and name in ("shortcut_normalization", "shortcut_gain"))  # plain sums have neither
    )


def _taken_over(start: WeightsFile, class_names: Sequence[str], maps: Sequence[Scale]) -> str:
    """What a trial takes over from a file, in words.

    Output maps are reused only if the class names match in order; those of a shipped base never are.
    """
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
    """SHA-256 of the file and of its cfg, which the meaning of its weights depends on."""
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
    """The weights that trials take over from a file, by "layer/weight" name; NaN marks numbers that start fresh.

    Output maps predict a box's size relative to an anchor. They are adapted to the given anchors, so that they predict
    the same boxes. masks: the anchors of each output map, finest first; None: as in the released network.
    """
    import numpy as np

    from model import checkpoint
    from model.network import head, scales
    from model.network.initialize import bias_for_anchors, with_fresh_classes

    weights = _read_weights(path, cfg)
    broken = next((name for name, value in weights.items() if not np.isfinite(value).all()), None)
    if broken is not None:
        raise ValueError(f"{path}: {broken}: expected finite numbers, got NaN or infinite ones")
    start = inspect_weights(path, cfg)
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
            np.asarray(sizes, np.float32)[list(output.mask)]
            for sizes, output in ((start.anchors, known), (anchors, scale))
        )
        weights[bias] = bias_for_anchors(weights[bias], old, new)
        if taken == ALL_BUT_CLASSES:
            for name in (bias, kernel):
                weights[name] = with_fresh_classes(weights[name], len(new), len(class_names))
    return weights


def _read_weights(path: Path, cfg: Path | None) -> dict[str, NDArray[np.float32]]:
    """All weights of the file by "layer/weight" name."""
    from model import checkpoint
    from model.darknet import importer, neighbours

    if neighbours.is_darknet(path):
        return dict(importer.read(path, importer.DarknetOptions(cfg=cfg)).loaded.weights)
    return dict(checkpoint.read_weights(path))
