"""Writes a detector as Darknet's files: NAME.weights, and beside it NAME.cfg and NAME.names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from data.whole_files import written_whole
from model.config import DetectorConfig
from model.darknet import cfg, convert, topology

if TYPE_CHECKING:
    from model.checkpoint import DetectorInfo


def write(
    path: Path,
    info: DetectorInfo,
    arrays: Mapping[str, NDArray[np.float32]],
    settings: Mapping[str, Any] | None = None,
) -> tuple[Path, ...]:
    """Write the three files; returns their paths.

    arrays: weights by "layer/weight" name. settings: of the training, by address (cfg_settings.py). ValueError if
    Darknet has no keys for the network, or if a .cfg or .names that we did not write would be overwritten.
    """
    path = Path(path)
    if path.suffix != ".weights":
        raise ValueError(f"{path}: expected a name that ends in .weights")
    names = _lines(info.class_names)
    height, width = info.shape
    text = render(
        info.detector, info.class_names, info.anchors, height=height, width=width, fit=info.fit, settings=settings
    )
    cfg_path, names_path = path.with_suffix(".cfg"), path.with_suffix(".names")
    _check_free(cfg_path, lambda old: old.startswith(cfg.ABOUT))
    _check_free(names_path, lambda old: old == names)
    convert.write(path, topology.sections(info.detector, len(info.class_names)), arrays)
    for file, content in ((cfg_path, text), (names_path, names)):
        with written_whole(file) as unfinished:
            unfinished.write_text(content, encoding="utf-8")
    return path, cfg_path, names_path


def render(
    config: DetectorConfig,
    class_names: Sequence[str],
    anchors: Sequence[tuple[float, float]],
    *,
    height: int,
    width: int,
    fit: Literal["stretch", "letterbox"] = "stretch",
    settings: Mapping[str, Any] | None = None,
) -> str:
    """The text of the cfg alone, for a training with Darknet itself; height, width: of the input, in pixels."""
    if config.shortcut != "add" and config.shortcut_gain != 1:
        raise ValueError(
            f"detector.shortcut_gain: expected 1, as Darknet has no key for it, got {config.shortcut_gain}"
        )
    return cfg.render(
        topology.sections(config, len(class_names)),
        height=height,
        width=width,
        anchors=anchors,
        settings=settings,
        fit=fit,
        about={"detector": asdict(config), "class_names": list(class_names)},
    )


def _lines(class_names: Sequence[str]) -> str:
    """The .names file: one class per line, as Darknet reads it."""
    for name in class_names:
        if not name.strip() or len(name.splitlines()) != 1:
            raise ValueError(f"class names: expected each on one line, got {name!r}")
    return "".join(f"{name}\n" for name in class_names)


def _check_free(path: Path, is_ours: Callable[[str], bool]) -> None:
    if path.exists() and not is_ours(path.read_text(encoding="utf-8", errors="replace")):
        raise ValueError(f"{path}: expected no file that we did not write, got one that would be overwritten")
