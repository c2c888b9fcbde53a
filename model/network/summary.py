"""What a network is, counted from its layers: parameters, convolutions, operations, output maps."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from data import letterbox
from data.letterbox import Size
from model.network.shortcut import WeightedShortcut

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Summary:
    """total and trainable: numbers of parameters; bflops: for one picture; outputs: (rows, columns, channels)."""

    total: int
    trainable: int
    convolutions: int
    bflops: float
    outputs: tuple[tuple[int, int, int], ...]


def summarize(model: keras.Model, size: Size) -> Summary:
    """The summary of a detector for an input of `size` pixels: a square's side, or (height, width)."""
    shapes = tensor_shapes(model, size)
    return Summary(
        total=model.count_params(),
        trainable=sum(int(np.prod(v.shape)) for v in model.trainable_weights),
        convolutions=sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers),
        bflops=billion_operations(model, shapes),
        outputs=tuple(shapes[id(output)][1:] for output in model.outputs),
    )


def tensor_shapes(model: keras.Model, size: Size) -> dict[int, Any]:
    """The shape of every tensor between layers, by its id, for one picture of that size."""
    shapes: dict[int, Any] = {id(tensor): (1, *letterbox.sides(size), 3) for tensor in model.inputs}
    for layer in model.layers:  # Keras keeps them in an order in which inputs come first
        if isinstance(layer, keras.layers.InputLayer):
            continue
        given = layer.input
        known = [shapes[id(t)] for t in given] if isinstance(given, list) else shapes[id(given)]
        shapes[id(layer.output)] = layer.compute_output_shape(known)
    return shapes


def billion_operations(model: keras.Model, shapes: dict[int, Any]) -> float:
    """Darknet's BFLOPs: 2 x multiply-adds of convolutions, adds of shortcuts, window reads of max pools, / 1e9.

    A weighted shortcut counts as the plain one; attention counts by its convolution alone.
    """
    windows: dict[int, int] = {}  # side of the window that a pool's output looks at, by the output's id
    operations = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        elements = int(np.prod(shapes[id(layer.output)]))
        if isinstance(layer, keras.layers.Conv2D):
            operations += 2 * elements * int(np.prod(layer.kernel.shape[:-1]))
        elif isinstance(layer, keras.layers.Add | WeightedShortcut):
            operations += elements * (len(layer.input) - 1)
        elif isinstance(layer, keras.layers.MaxPooling2D):
            # A pool of a pool stands for one of a larger window, and counts as Darknet counts that one.
            side = windows.get(id(layer.input), 1) + layer.pool_size[0] - 1
            windows[id(layer.output)] = side
            operations += elements * side**2
    return operations / 1e9
