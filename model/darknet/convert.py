"""Between .weights files and weights by "layer/weight" name, as the trainer and checkpoint.read_weights have them.

Keras' kernels are [kh, kw, in, out] and Darknet's [out, in, kh, kw]; all else has one form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.darknet import float_counts, weights
from model.darknet.sections import Section, Stored
from model.darknet.weights import WeightsError

Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Loaded:
    """What a file held, and what it lacked.

    names: of the weights that it gives. weights: the numbers; empty where only a look was asked for.
    """

    weights: Weights
    names: frozenset[str]
    num_classes: int | None  # of its output maps; None where it ends before the first of them
    layers: int  # of Darknet's, from the first on, that the file covers
    seen: int  # pictures that it was trained on
    left: tuple[Section, ...]  # of the network: those with weights that the file does not give, or not all


def read(path: Path, *networks: Sequence[Section], num_classes: int | None = None, with_numbers: bool = True) -> Loaded:
    """The weights in a file of the first of these networks that has the file's count of floats.

    networks: sections for any class count; those after the first are others whose weights go by the same names, such
    as the released network for one with SAM. num_classes: what the file must have; without it that follows from its
    length. A file may end after any layer before the first output map (yolov4.conv.137), and with num_classes after
    any layer at all. Anything left over or missing is a WeightsError with the counts. with_numbers: without them the
    file is told by its length alone.
    """
    file = weights.open_file(path)
    sentences = []
    for sections in networks:
        found = float_counts.match(file.count, sections, num_classes)
        if isinstance(found, str):
            sentences.append(found)
            continue
        names = _names(found.sections)
        numbers = _take(file, found.sections) if with_numbers else {}
        left = _without(networks[0], names)
        return Loaded(numbers, names, found.num_classes, len(found.sections), file.header.seen, left)
    raise WeightsError(f"{file.path}: {sentences[0]}")


def for_classes(loaded: Loaded, sections: Sequence[Section], num_classes: int) -> Loaded:
    """What of it a detector of `num_classes` can use: all, or all but the output maps."""
    if loaded.num_classes in (num_classes, None):
        return loaded
    names = loaded.names - _names([section for section in sections if float_counts.is_output(section)])
    kept = {name: values for name, values in loaded.weights.items() if name in names}
    return Loaded(kept, names, None, loaded.layers, loaded.seen, _without(sections, names))


def write(path: Path, sections: Sequence[Section], given: Mapping[str, NDArray[np.float32]], *, seen: int = 0) -> int:
    """Write weights by "layer/weight" name as a .weights file; the number of bytes.

    Names and shapes must be those of the sections, all of them and no other.
    """
    parts = [part for section in sections for part in section.stored]
    wrong = sorted({part.name for part in parts} ^ given.keys())
    if wrong:
        raise WeightsError(
            f"{path}: expected the {len(parts)} weights of its network, got {len(given)}, "
            f"and {len(wrong)} do not fit, such as {wrong[0]}"
        )
    for part in parts:
        if tuple(given[part.name].shape) != keras_shape(part):
            raise WeightsError(
                f"{path}: {part.name}: expected shape {keras_shape(part)}, got {tuple(given[part.name].shape)}"
            )
    return weights.write_file(path, (_in_file_order(given[part.name]) for part in parts), seen=seen)


def keras_shape(part: Stored) -> tuple[int, ...]:
    """The shape of that weight in our network."""
    if len(part.shape) != 4:
        return part.shape
    filters, channels, height, width = part.shape
    return (height, width, channels, filters)


def layer_lines(chosen: Sequence[Section], sections: Sequence[Section]) -> Iterator[str]:
    """A line for each of the chosen sections: its number in Darknet's order, its name, its floats."""
    names = {section.name for section in chosen}
    for place, section in enumerate(sections):
        if section.name in names:
            yield f"layer {place:>3}  {section.name} ({section.count:,} floats)"


def _take(file: weights.File, sections: Sequence[Section]) -> Weights:
    given: Weights = {}
    offset = 0
    for place, section in enumerate(sections):
        for part in section.stored:
            values = np.array(file.numbers[offset : offset + part.count], np.float32).reshape(part.shape)
            _check(file.path, place, part, values)
            given[part.name] = np.ascontiguousarray(np.transpose(values, (2, 3, 1, 0))) if values.ndim == 4 else values
            offset += part.count
    return given


def _in_file_order(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.transpose(values, (3, 2, 0, 1)) if values.ndim == 4 else values


def _names(sections: Sequence[Section]) -> frozenset[str]:
    return frozenset(part.name for section in sections for part in section.stored)


def _without(sections: Sequence[Section], given: frozenset[str]) -> tuple[Section, ...]:
    return tuple(section for section in sections if any(part.name not in given for part in section.stored))


def _check(path: Path, place: int, part: Stored, values: NDArray[np.float32]) -> None:
    """Numbers that no training leaves behind are a damaged file, or one of another network of that length."""
    wrong = values.size - int(np.count_nonzero(np.isfinite(values)))
    if wrong:
        raise WeightsError(
            f"{path}: layer {place}: {part.name}: expected finite numbers, got {wrong:,} of {part.count:,} that are not"
        )
    if part.name.endswith("/moving_variance") and float(values.min()) < 0:
        raise WeightsError(f"{path}: layer {place}: {part.name}: expected variances of 0 or more, got {values.min():g}")
