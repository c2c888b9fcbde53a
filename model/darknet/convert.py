"""Converts between .weights files and arrays by "layer/weight" name, as the trainer and checkpoint.read_weights use.

Keras' kernels are [kh, kw, in, out] and Darknet's [out, in, kh, kw]; all other arrays have the same shape in both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.darknet import weights, weights_length
from model.darknet.sections import Section, StoredArray
from model.darknet.weights import WeightsError

ArraysByName = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class LoadedWeights:
    """The weights that a file gives to a network, and the layers that it lacks.

    names: of the weights in the file. weights: the arrays by name; empty if they were not asked for.
    """

    weights: ArraysByName
    names: frozenset[str]
    num_classes: int | None  # of its output maps; None if it ends before the first of them
    layers: int  # how many of Darknet's layers, from the first on, the file covers
    seen: int  # number of pictures that it was trained on
    missing: tuple[Section, ...]  # sections of the network for which the file lacks weights, some or all


def read(
    path: Path, *networks: Sequence[Section], num_classes: int | None = None, with_numbers: bool = True
) -> LoadedWeights:
    """Read a file as weights of the first of these networks that has as many floats.

    networks: their sections, for any class count; those after the first have weights of the same names, such as the
    released network for one with SAM. num_classes: how many the file must have; if None, its length decides.
    A file may end after any layer before the first output map (yolov4.conv.137), and with num_classes after any layer.
    Floats left over or missing are a WeightsError with the counts. with_numbers: if False, only the file's length is
    used, and `weights` stays empty.
    """
    file = weights.open_file(path)
    mismatches = []
    for sections in networks:
        match = weights_length.layers_of_length(file.count, sections, num_classes)
        if isinstance(match, str):
            mismatches.append(match)
            continue
        names = _names(match.sections)
        numbers = _read_arrays(file, match.sections) if with_numbers else {}
        missing = _sections_missing(networks[0], names)
        return LoadedWeights(numbers, names, match.num_classes, len(match.sections), file.header.seen, missing)
    raise WeightsError(f"{file.path}: {mismatches[0]}")


def for_classes(loaded: LoadedWeights, sections: Sequence[Section], num_classes: int) -> LoadedWeights:
    """The part that a detector of `num_classes` can use: all of it, or all but the output maps."""
    if loaded.num_classes in (num_classes, None):
        return loaded
    names = loaded.names - _names([section for section in sections if weights_length.is_output(section)])
    usable = {name: values for name, values in loaded.weights.items() if name in names}
    return LoadedWeights(usable, names, None, loaded.layers, loaded.seen, _sections_missing(sections, names))


def write(path: Path, sections: Sequence[Section], arrays: Mapping[str, NDArray[np.float32]], *, seen: int = 0) -> int:
    """Write weights by "layer/weight" name as a .weights file; returns the number of bytes written.

    The names and shapes must be exactly those of the sections.
    """
    stored = [array for section in sections for array in section.stored]
    unfit = sorted({array.name for array in stored} ^ arrays.keys())
    if unfit:
        raise WeightsError(
            f"{path}: expected the {len(stored)} weights of its network, got {len(arrays)}, "
            f"and {len(unfit)} do not fit, such as {unfit[0]}"
        )
    for array in stored:
        if tuple(arrays[array.name].shape) != keras_shape(array):
            raise WeightsError(
                f"{path}: {array.name}: expected shape {keras_shape(array)}, got {tuple(arrays[array.name].shape)}"
            )
    return weights.write_file(path, (_in_file_order(arrays[array.name]) for array in stored), seen=seen)


def keras_shape(array: StoredArray) -> tuple[int, ...]:
    """The array's shape in our Keras network."""
    if len(array.shape) != 4:
        return array.shape
    filters, channels, height, width = array.shape
    return (height, width, channels, filters)


def layer_lines(chosen: Sequence[Section], sections: Sequence[Section]) -> Iterator[str]:
    """A line for each of the chosen sections: its index in Darknet's order, its name and its number of floats."""
    names = {section.name for section in chosen}
    for index, section in enumerate(sections):
        if section.name in names:
            yield f"layer {index:>3}  {section.name} ({section.count:,} floats)"


def _read_arrays(file: weights.WeightsFile, sections: Sequence[Section]) -> ArraysByName:
    arrays: ArraysByName = {}
    offset = 0
    for index, section in enumerate(sections):
        for array in section.stored:
            values = np.array(file.floats[offset : offset + array.count], np.float32).reshape(array.shape)
            _check(file.path, index, array, values)
            arrays[array.name] = (
                np.ascontiguousarray(np.transpose(values, (2, 3, 1, 0))) if values.ndim == 4 else values
            )
            offset += array.count
    return arrays


def _in_file_order(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.transpose(values, (3, 2, 0, 1)) if values.ndim == 4 else values


def _names(sections: Sequence[Section]) -> frozenset[str]:
    return frozenset(array.name for section in sections for array in section.stored)


def _sections_missing(sections: Sequence[Section], names: frozenset[str]) -> tuple[Section, ...]:
    return tuple(section for section in sections if any(array.name not in names for array in section.stored))


def _check(path: Path, index: int, array: StoredArray, values: NDArray[np.float32]) -> None:
    """Raise WeightsError for values that no training makes: the file is damaged, or of another network."""
    not_finite = values.size - int(np.count_nonzero(np.isfinite(values)))
    if not_finite:
        raise WeightsError(
            f"{path}: layer {index}: {array.name}: expected finite numbers, "
            f"got {not_finite:,} of {array.count:,} that are not"
        )
    if array.name.endswith("/moving_variance") and float(values.min()) < 0:
        raise WeightsError(
            f"{path}: layer {index}: {array.name}: expected variances of 0 or more, got {values.min():g}"
        )
