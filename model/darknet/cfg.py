"""The .cfg file: sections of key=value lines, [net] first. Writes cfgs for Darknet and OpenCV's importer; reads any.

Our cfgs have one more comment line, for what a cfg has no keys for: class names and the DetectorConfig.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from model.darknet import cfg_settings, texts
from model.darknet.sections import Section

ABOUT = "# yolov4-evolve "  # followed by one JSON object
LARGEST = 1 << 20  # bytes; the released cfgs have about 12,000
SHORT_KINDS = {"network": "net", "conv": "convolutional", "max": "maxpool"}  # other names that Darknet knows
BACKBONE_ENDS = ("backbone_stage5_transition", "tiny_top")


class CfgError(ValueError):
    """A file is not a cfg, or not one of our networks; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Cfg:
    """The content of a cfg, unchecked. about: the JSON of our comment line; empty in cfgs that we did not write."""

    name: str
    net: Mapping[str, str]
    sections: tuple[tuple[str, Mapping[str, str]], ...]  # after [net], in order: kind and keys
    about: Mapping[str, Any]


def render(
    sections: Sequence[Section],
    *,
    height: int,
    width: int,
    anchors: Sequence[tuple[float, float]],
    settings: Mapping[str, Any] | None = None,
    fit: Literal["stretch", "letterbox"] = "stretch",
    about: Mapping[str, Any] | None = None,
) -> str:
    """The text of a cfg for inputs of that height and width.

    settings: of the training, by address (cfg_settings.py). about: written into our comment line, as JSON.
    """
    for name, side in (("height", height), ("width", width)):
        if side < 32 or side % 32:
            raise ValueError(f"{name}: expected a multiple of 32, got {side!r}")
    settings = settings or {}
    letterbox = fit == "letterbox"
    lines = [ABOUT + json.dumps(about)] if about else []
    lines += [f"# {note}" for note in cfg_settings.notes(settings, letterbox=letterbox)]
    lines += ["[net]", *_lines(cfg_settings.net_options(settings, height, width, letterbox=letterbox))]
    last_yolo = max(index for index, section in enumerate(sections) if section.kind == "yolo")
    for index, section in enumerate(sections):
        options = _options(section, index, anchors, settings, last=index == last_yolo)
        lines += ["", f"# {index} {section.name}", f"[{section.kind}]", *_lines(options)]
    return "\n".join(lines) + "\n"


def _lines(options: Sequence[tuple[str, str]]) -> Iterator[str]:
    return (f"{key}={value}" for key, value in options)


def _options(
    section: Section,
    index: int,
    anchors: Sequence[tuple[float, float]],
    settings: Mapping[str, Any],
    *,
    last: bool,
) -> list[tuple[str, str]]:
    """The keys of a section; it refers to other sections relative to its own index."""
    options = list(section.options)
    if section.kind == "route":
        options.insert(0, ("layers", ",".join(str(source - index) for source in section.inputs)))
    elif section.kind in ("shortcut", "sam"):
        options.insert(0, ("from", str(section.inputs[1] - index)))
    elif section.kind == "dropout":
        options.append(("probability", cfg_settings.dropblock_probability(settings)))
    elif section.kind == "yolo":
        pairs = ", ".join(f"{cfg_settings.cfg_number(w)},{cfg_settings.cfg_number(h)}" for w, h in anchors)
        options = [(key, str(len(anchors)) if key == "num" else value) for key, value in options]
        options = [("anchors", pairs), *options, *cfg_settings.yolo_options(settings, last=last)]
    elif section.option("batch_normalize"):
        # With cbn=1 Darknet reads batch_normalize as 2; OpenCV knows only 1, and at inference the two are the same.
        options += [("cbn", "1")] if settings.get("regularization.cmbn") else []
        frozen = cfg_settings.frozen_steps(settings) if section.name in BACKBONE_ENDS else 0
        options += [("stopbackward", str(frozen))] if frozen else []
    return options


def read(path: Path) -> Cfg:
    """Read the cfg at `path`; CfgError if there is none, or it is no cfg."""
    path = Path(path)
    if not path.is_file():
        raise CfgError(f"{path}: expected a Darknet cfg, got {'a folder' if path.is_dir() else 'nothing there'}")
    try:
        if path.stat().st_size > LARGEST:
            raise CfgError(f"{path}: expected a cfg of a few KB, got {path.stat().st_size:,} bytes")
        return parse(texts.decode(path.read_bytes(), errors="replace"), str(path))
    except OSError as error:
        raise CfgError(f"{path}: expected a file that can be read: {error.strerror or error}") from error


def parse(text: str, name: str = "cfg") -> Cfg:
    """Parse the text of a cfg; errors call it `name`."""
    sections: list[tuple[str, dict[str, str]]] = []
    about: dict[str, Any] = {}
    for line_number, raw in enumerate(text.splitlines(), start=1):
        if raw.startswith(ABOUT):
            about = _about(raw.removeprefix(ABOUT), f"{name}: line {line_number}")
        line = "".join(raw.split())  # Darknet drops all white space, also within a line
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            if not line.endswith("]"):
                raise CfgError(f"{name}: line {line_number}: expected [section], got {raw[:80]!r}")
            sections.append((SHORT_KINDS.get(line[1:-1], line[1:-1]), {}))
            continue
        key, separator, value = line.partition("=")
        if not separator or not sections:
            raise CfgError(f"{name}: line {line_number}: expected key=value in a section, got {raw[:80]!r}")
        # A comment ends a value. If a key is there twice, Darknet uses the first (option_list.c).
        sections[-1][1].setdefault(key, re.split("[#;]", value, maxsplit=1)[0])
    if not sections or sections[0][0] != "net":
        raise CfgError(f"{name}: expected [net] first, got {f'[{sections[0][0][:40]}]' if sections else 'no section'}")
    return Cfg(name, sections[0][1], tuple(sections[1:]), about)


def _about(text: str, where: str) -> dict[str, Any]:
    try:
        about = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CfgError(f"{where}: expected a JSON object after {ABOUT.strip()!r}: {error}") from error
    if not isinstance(about, dict):
        raise CfgError(f"{where}: expected a JSON object after {ABOUT.strip()!r}, got {type(about).__name__}")
    return about
