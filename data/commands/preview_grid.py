"""A grid of pictures with their boxes and class names, either as they are or as training sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data import chance, drawing, letterbox
from data.batches.pipeline import PADDING, Pipeline
from data.boxes import NONE_IGNORED, IgnoredBoxes
from data.chance import Stream
from data.config import AugmentConfig, InputConfig
from data.dataset import Example
from data.pictures.picture_files import read_picture

_INPUT = InputConfig(max_boxes=1000)
_GAP = 4  # pixels between the cells
_IGNORED_COLOUR = (160, 160, 160)


@dataclass(frozen=True, eq=False)
class GridCell:
    """A picture to show.

    image: uint8 [side, side, 3] RGB. boxes: [n, 4] xyxy in the image's pixels. classes: [n]. ignored: boxes in the
    image's pixels that training does not see.
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    classes: NDArray[np.int32]
    ignored: IgnoredBoxes = NONE_IGNORED


@dataclass(frozen=True)
class GridConfig:
    """How many pictures are shown, chosen by seed: letterboxed and unchanged, or after `augment`.

    side: of each picture, in pixels. ValueError if a number is too small.
    """

    augment: AugmentConfig | None = None
    seed: int = 0
    pictures: int = 12
    side: int = 320
    columns: int = 4

    def __post_init__(self) -> None:
        for name, least in (("pictures", 1), ("columns", 1), ("side", 32)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"preview: {name}: expected at least {least}, got {value}")


def write_grid(examples: Sequence[Example], class_names: Sequence[str], out: Path, config: GridConfig) -> None:
    """Write a PNG with some of the examples. ValueError without examples; OSError if the file cannot be written."""
    if not examples:
        raise ValueError("preview: expected at least one picture, got none")
    count = min(config.pictures, len(examples))
    if config.augment is None:
        chosen = chance.generator(Stream.ORDER, config.seed).permutation(len(examples))[:count]
        cells = [_as_it_is(examples[index], config.side) for index in chosen]
    else:
        cells = _augmented(examples, config.augment, count, config)
    picture = grid([draw(cell, class_names) for cell in cells], min(config.columns, count))
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(encoded.tobytes())


def _as_it_is(example: Example, side: int) -> GridCell:
    image, transform = letterbox.fit_picture(read_picture(example.path), side, "letterbox")
    ignored = replace(example.ignored, boxes=transform.to_network(example.ignored.boxes))
    return GridCell(image, transform.to_network(example.boxes), example.classes, ignored)


def _augmented(examples: Sequence[Example], augment: AugmentConfig, count: int, config: GridConfig) -> list[GridCell]:
    """The first pictures that training with this seed sees."""
    batch = Pipeline(examples, store_side=2 * config.side).batch(
        seed=config.seed, step=0, batch=count, size=config.side, augment=augment, progress=0.0, input_config=_INPUT
    )
    return [
        GridCell(image, boxes[classes != PADDING], classes[classes != PADDING])
        for image, boxes, classes in zip(batch.images, batch.boxes, batch.classes, strict=True)
    ]


def draw(cell: GridCell, class_names: Sequence[str]) -> NDArray[np.uint8]:
    """Draw the boxes, ignored ones in grey; each line runs on the outermost pixels inside its box."""
    image = np.ascontiguousarray(cell.image)
    ignored = cell.ignored
    for box, label, crowd in zip(ignored.boxes, ignored.classes.tolist(), ignored.crowd.tolist(), strict=True):
        _draw_box(image, box, f"{class_names[label]} ({'crowd' if crowd else 'difficult'})", _IGNORED_COLOUR)
    for box, label in zip(cell.boxes, cell.classes.tolist(), strict=True):
        _draw_box(image, box, class_names[label], drawing.class_colour(label))
    return image


def _draw_box(image: NDArray[np.uint8], box: NDArray[np.float32], text: str, colour: drawing.Colour) -> None:
    left, top, right, bottom = np.rint(box).astype(int).tolist()
    cv2.rectangle(image, (left, top), (right - 1, bottom - 1), colour, 1)
    drawing.draw_label(image, text, left, top, colour)


def grid(cells: Sequence[NDArray[np.uint8]], columns: int) -> NDArray[np.uint8]:
    """The cells side by side, row by row; white where there is no cell."""
    side = cells[0].shape[0]
    rows = -(-len(cells) // columns)
    picture = np.full((rows * (side + _GAP) - _GAP, columns * (side + _GAP) - _GAP, 3), 255, dtype=np.uint8)
    for index, cell in enumerate(cells):
        top, left = (at * (side + _GAP) for at in divmod(index, columns))
        picture[top : top + side, left : left + side] = cell
    return picture
