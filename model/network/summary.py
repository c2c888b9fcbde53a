"""Counts a network's parameters, convolutions, operations and output maps, from its layers."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from data import letterbox
from data.letterbox import Size
from model.network.shortcut import WeightedShortcut


@dataclass(frozen=True)
class NetworkSummary:
    """total, trainable: numbers of parameters; bflops: for one picture; outputs: (rows, columns, channels) each."""

    total: int
    trainable: int
    convolutions: int
    bflops: float
    outputs: tuple[tuple[int, int, int], ...]


def summarize(model: keras.Model, size: Size) -> NetworkSummary:
    """The summary of a detector for an input of `size` pixels: a square's side, or (height, width)."""
    shapes = tensor_shapes(model, size)
    return NetworkSummary(
        total=model.count_params(),
        trainable=sum(int(np.prod(v.shape)) for v in model.trainable_weights),
        convolutions=sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers),
        bflops=billion_operations(model, shapes),
        outputs=tuple(shapes[id(output)][1:] for output in model.outputs),
    )


def tensor_shapes(model: keras.Model, size: Size) -> dict[int, Any]:
    """The shape of every tensor between layers, by the tensor's id(), for one picture of that size."""
    shapes: dict[int, Any] = {id(tensor): (1, *letterbox.sides(size), 3) for tensor in model.inputs}
    for layer in model.layers:  # Keras orders them so that a layer's inputs come first
        if isinstance(layer, keras.layers.InputLayer):
            continue
        inputs = layer.input
        input_shapes = [shapes[id(t)] for t in inputs] if isinstance(inputs, list) else shapes[id(inputs)]
        shapes[id(layer.output)] = layer.compute_output_shape(input_shapes)
    return shapes


def billion_operations(model: keras.Model, shapes: dict[int, Any]) -> float:
    """Darknet's BFLOPs: 2 x multiply-adds of convolutions, adds of shortcuts, window reads of max pools, / 1e9.

    A weighted shortcut counts as a plain one; of attention only the convolution counts.
    """
    windows: dict[int, int] = {}  # side of the window that a pool's output covers, by the output's id()
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
            # A pool of a pool replaces one with a larger window, and counts as Darknet counts that one.
            side = windows.get(id(layer.input), 1) + layer.pool_size[0] - 1
            windows[id(layer.output)] = side
            operations += elements * side**2
    return operations / 1e9
