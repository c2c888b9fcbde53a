"""A Darknet `.weights` file as a detector: with its cfg, or as one of the released networks."""

from pathlib import Path
from typing import TYPE_CHECKING

from model.commands.weights import Weights
from model.darknet import importer
from model.darknet.importer import DarknetDetector, DarknetOptions
from model.darknet.weights import WeightsError

if TYPE_CHECKING:
    from model.detection.detector import Network


def find(path: Path, said: DarknetOptions) -> Weights:
    """The detector in the file. Its class count follows from cfg or length where nobody says it.

    Darknet stretches pictures unless its cfg says otherwise, and its plain NMS is the default. ValueError, with the
    counts, where the file is not all of that network.
    """
    found = importer.read(path, said)
    if found.loaded.missing:
        raise WeightsError(
            f"{path}: expected weights for all layers, got those of the first {found.loaded.layers}; "
            f"{len(found.loaded.missing)} are without, from {found.loaded.missing[0].name} on "
            "(`python -m model convert` makes a checkpoint of it, to train)"
        )
    return Weights(
        path,
        found.config.variant,
        found.class_names,
        found.height,
        found.width,
        found.fit,
        lambda: _network(path, found),
        nms="plain",
        config=found.config,
        note=found.note,
        open_options=found.open_options,
    )


def _network(path: Path, found: DarknetDetector) -> "Network":
    from model import checkpoint
    from model.detection.detector import KerasNetwork
    from model.network import architecture, scales

    model = architecture.build(found.config, len(found.class_names))
    done = checkpoint.transfer(model, found.loaded.weights)
    if done.left:
        raise WeightsError(f"{path}: expected weights for all layers, got none for {done.left[0]}")
    return KerasNetwork(model, found.anchors, found.config.scale_xy, scales.of_config(found.config))
