"""What travels with an exported file: classes, anchors, input and what comes out. Light to import."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from data.config import Fit, require
from model.config import PostConfig, require_word
from model.network import scales
from model.network.scales import Scale

FORMAT = 1
KEY = "yolov4_detector"  # of the JSON in ONNX' metadata
MEMBER = "detector.json"  # its name in a folder or archive
INPUT = "images"  # float32 [1, height, width, 3], RGB in 0..1
LARGEST = 1 << 24  # bytes of JSON; ours has a few KB

# maps: raw output maps by scale; candidates: boxes and scores of every anchor and cell; detections: after NMS
Output = Literal["maps", "candidates", "detections"]


class ExportError(ValueError):
    """A file is no export of ours, or is damaged; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Card:
    """An exported detector: sizes in network pixels; masks and grid sensitivity finest output map first.

    masks: for each output map, the places of its anchors among `anchors`.
    """

    class_names: tuple[str, ...]
    anchors: tuple[tuple[float, float], ...]
    masks: tuple[tuple[int, ...], ...]
    scale_xy: tuple[float, ...]
    height: int
    width: int
    fit: Fit
    output: Output
    post: PostConfig | None = None  # the score cut and NMS inside the file, where output is "detections"
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(bool(self.class_names), "class_names", "at least one class", self.class_names)
        for mask in self.masks:
            different = bool(mask) and len(set(mask)) == len(mask) and min(mask) >= 0
            require(different, "masks", "different places of anchors on each output map", self.masks)
        number = scales.number_of_anchors(self.maps)
        require(len(self.anchors) >= number, "anchors", f"{number} pairs", len(self.anchors))
        require(len(self.scale_xy) == len(self.masks), "scale_xy", f"{len(self.masks)} numbers", self.scale_xy)
        require(all(len(a) == 2 and min(a) > 0 for a in self.anchors), "anchors", "sizes above 0", self.anchors)
        for side in (self.height, self.width):
            require(side >= 32 and side % 32 == 0, "input", "multiples of 32", (self.height, self.width))
        require_word(self.fit, "fit", Fit)
        require_word(self.output, "output", Output)
        require((self.post is not None) == (self.output == "detections"), "post", "settings with NMS alone", self.post)

    @property
    def maps(self) -> tuple[Scale, ...]:
        """The network's output maps, finest first."""
        return scales.of_masks(self.masks)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The file's outputs: name -> shape of one picture's, the leading 1 of the batch included."""
        classes = len(self.class_names)
        grids = {scale: (self.height // scale.stride, self.width // scale.stride) for scale in self.maps}
        if self.output == "maps":
            return {scale.name: (1, *grid, len(scale.mask) * (5 + classes)) for scale, grid in grids.items()}
        if self.post is not None:
            most = self.post.max_detections
            return {"boxes": (1, most, 4), "classes": (1, most), "scores": (1, most)}
        number = sum(len(scale.mask) * rows * columns for scale, (rows, columns) in grids.items())
        return {"boxes": (1, number, 4), "scores": (1, number, classes)}


def to_json(card: Card) -> str:
    """The card as JSON."""
    return json.dumps({"format": FORMAT, **asdict(card)}, indent=1, ensure_ascii=False)


def from_json(content: str | bytes, source: str) -> Card:
    """The card that `source`, a file, holds as JSON; ExportError names the file."""
    try:
        plain = json.loads(content)
    except ValueError as error:
        raise ExportError(f"{source}: what it says of its detector is damaged: {error}") from error
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        got = plain.get("format") if isinstance(plain, dict) else plain
        raise ExportError(f"{source}: expected export format {FORMAT}, got {got!r}")
    try:
        return _card(plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ExportError(f"{source}: what it says of its detector is damaged: {error}") from error


def check_outputs(card: Card, found: Mapping[str, tuple[int, ...]], source: str) -> None:
    """ExportError where a file's outputs are not those that its card tells, with both."""
    expected = card.shapes()
    if dict(found) != expected:
        raise ExportError(f"{source}: expected outputs {_told(expected)}, got {_told(found)}")


def _card(plain: Mapping[str, Any]) -> Card:
    post = plain["post"]
    scale_xy = tuple(float(value) for value in plain["scale_xy"])
    # Older files have no masks: they could only be of a network with the released ones.
    released = next((scales.masks_of(maps) for maps in scales.RELEASED.values() if len(maps) == len(scale_xy)), ())
    masks = plain.get("masks", released)
    return Card(
        class_names=tuple(str(name) for name in plain["class_names"]),
        anchors=tuple((float(w), float(h)) for w, h in plain["anchors"]),
        masks=tuple(tuple(int(place) for place in mask) for mask in masks),
        scale_xy=scale_xy,
        height=int(plain["height"]),
        width=int(plain["width"]),
        fit=plain["fit"],
        output=plain["output"],
        post=None if post is None else PostConfig(**post),
        notes={str(key): str(value) for key, value in plain["notes"].items()},
    )


def _told(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in sorted(shapes.items())) or "none"


OUTPUTS: tuple[Output, ...] = get_args(Output)
