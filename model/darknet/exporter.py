"""Darknet's files of a detector: NAME.weights, and beside it NAME.cfg and NAME.names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model.config import DetectorConfig
from model.darknet import cfg, convert, topology


def write(
    path: Path,
    config: DetectorConfig,
    given: Mapping[str, NDArray[np.float32]],
    class_names: Sequence[str],
    anchors: Sequence[tuple[float, float]],
    *,
    height: int,
    width: int,
    fit: Literal["stretch", "letterbox"] = "stretch",
    settings: Mapping[str, Any] | None = None,
) -> tuple[Path, ...]:
    """Write the three files; their paths.

    given: weights by "layer/weight" name. settings: of the training, by address (cfg_settings.py). ValueError for a
    network that Darknet cannot be told, and where a .cfg or .names that is not ours would be overwritten.
    """
    path = Path(path)
    if path.suffix != ".weights":
        raise ValueError(f"{path}: expected a name that ends in .weights")
    names = _lines(class_names)
    text = render(config, class_names, anchors, height=height, width=width, fit=fit, settings=settings)
    described, listed = path.with_suffix(".cfg"), path.with_suffix(".names")
    _check_free(described, lambda old: old.startswith(cfg.ABOUT))
    _check_free(listed, lambda old: old == names)
    convert.write(path, topology.sections(config, len(class_names)), given)
    _replace(described, text)
    _replace(listed, names)
    return path, described, listed


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
    """The text of the cfg alone, for a training with Darknet itself; as `write`."""
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
    """A class a line, as Darknet reads them."""
    for name in class_names:
        if not name.strip() or len(name.splitlines()) != 1:
            raise ValueError(f"class names: expected each on one line, got {name!r}")
    return "".join(f"{name}\n" for name in class_names)


def _check_free(path: Path, is_ours: Callable[[str], bool]) -> None:
    if path.exists() and not is_ours(path.read_text(encoding="utf-8", errors="replace")):
        raise ValueError(f"{path}: expected no file of another there, got one that would be overwritten")


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
