"""The card of an exported file, stored inside it: classes, anchors, input and outputs. Light to import."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from data.config import Fit, require
from model.config import PostConfig, require_choice
from model.network import scales
from model.network.scales import Scale

FORMAT = 1
KEY = "yolov4_detector"  # key of the card's JSON in ONNX metadata
MEMBER = "detector.json"  # name of the card's JSON in a folder or archive
INPUT = "images"  # float32 [1, height, width, 3], RGB in 0..1
LARGEST = 1 << 24  # bytes of JSON; a usual card has a few KB

# maps: raw output maps by scale; candidates: boxes and scores of every anchor and cell; detections: after NMS
Output = Literal["maps", "candidates", "detections"]


class ExportError(ValueError):
    """A file is not one of our exports, or is damaged; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Card:
    """Describes an exported detector: anchors in network pixels; masks and scale_xy with the finest output map first.

    masks: for each output map, the indices of its anchors in `anchors`.
    """

    class_names: tuple[str, ...]
    anchors: tuple[tuple[float, float], ...]
    masks: tuple[tuple[int, ...], ...]
    scale_xy: tuple[float, ...]
    height: int
    width: int
    fit: Fit
    output: Output
    post: PostConfig | None = None  # the score cut and NMS inside the file, if output is "detections"
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(bool(self.class_names), "class_names", "at least one class", self.class_names)
        for mask in self.masks:
            different = bool(mask) and len(set(mask)) == len(mask) and min(mask) >= 0
            require(different, "masks", "different anchor indices on each output map", self.masks)
        num_anchors = scales.number_of_anchors(self.maps)
        require(len(self.anchors) >= num_anchors, "anchors", f"{num_anchors} pairs", len(self.anchors))
        require(len(self.scale_xy) == len(self.masks), "scale_xy", f"{len(self.masks)} numbers", self.scale_xy)
        require(all(len(a) == 2 and min(a) > 0 for a in self.anchors), "anchors", "sizes above 0", self.anchors)
        for side in (self.height, self.width):
            require(side >= 32 and side % 32 == 0, "input", "multiples of 32", (self.height, self.width))
        require_choice(self.fit, "fit", Fit)
        require_choice(self.output, "output", Output)
        require(
            (self.post is not None) == (self.output == "detections"),
            "post",
            "settings only with NMS",
            self.post,
        )

    @property
    def maps(self) -> tuple[Scale, ...]:
        """The network's output maps, finest first."""
        return scales.of_masks(self.masks)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each of the file's outputs by name, with the leading 1 of the batch."""
        classes = len(self.class_names)
        grids = {scale: (self.height // scale.stride, self.width // scale.stride) for scale in self.maps}
        if self.output == "maps":
            return {scale.name: (1, *grid, len(scale.mask) * (5 + classes)) for scale, grid in grids.items()}
        if self.post is not None:
            most = self.post.max_detections
            return {"boxes": (1, most, 4), "classes": (1, most), "scores": (1, most)}
        num_boxes = sum(len(scale.mask) * rows * columns for scale, (rows, columns) in grids.items())
        return {"boxes": (1, num_boxes, 4), "scores": (1, num_boxes, classes)}


def to_json(card: Card) -> str:
    """The card as JSON."""
    return json.dumps({"format": FORMAT, **asdict(card)}, indent=1, ensure_ascii=False)


def from_json(content: str | bytes, source: str) -> Card:
    """Parse a card's JSON; ExportError names `source`, the file that holds it."""
    try:
        plain = json.loads(content)
    except ValueError as error:
        raise ExportError(f"{source}: its description of the detector is damaged: {error}") from error
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        got = plain.get("format") if isinstance(plain, dict) else plain
        raise ExportError(f"{source}: expected export format {FORMAT}, got {got!r}")
    try:
        return _parse(plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(f"{source}: its description of the detector is damaged: {error}") from error


def check_outputs(card: Card, outputs: Mapping[str, tuple[int, ...]], source: str) -> None:
    """Raise ExportError with both if a file's outputs are not those on its card."""
    expected = card.shapes()
    if dict(outputs) != expected:
        raise ExportError(f"{source}: expected outputs {_shape_text(expected)}, got {_shape_text(outputs)}")


def _parse(plain: Mapping[str, Any]) -> Card:
    post = plain["post"]
    scale_xy = tuple(float(value) for value in plain["scale_xy"])
    # Older files have no masks, because only the released masks were supported.
    released = next((scales.masks_of(maps) for maps in scales.RELEASED_MAPS.values() if len(maps) == len(scale_xy)), ())
    masks = plain.get("masks", released)
    return Card(
        class_names=tuple(str(name) for name in plain["class_names"]),
        anchors=tuple((float(w), float(h)) for w, h in plain["anchors"]),
        masks=tuple(tuple(int(index) for index in mask) for mask in masks),
        scale_xy=scale_xy,
        height=int(plain["height"]),
        width=int(plain["width"]),
        fit=plain["fit"],
        output=plain["output"],
        post=None if post is None else PostConfig(**post),
        notes={str(key): str(value) for key, value in plain["notes"].items()},
    )


def _shape_text(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in sorted(shapes.items())) or "none"
