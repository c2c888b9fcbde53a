"""Describes the detector in a Darknet `.weights` file: by its cfg, else as one of the released networks."""

from pathlib import Path
from typing import TYPE_CHECKING

from model.commands.weights import SavedDetector
from model.darknet import importer
from model.darknet.importer import DarknetDetector, DarknetOptions
from model.darknet.weights import WeightsError

if TYPE_CHECKING:
    from model.detection.detector import Network


def find(path: Path, options: DarknetOptions) -> SavedDetector:
    """The detector in the file. Without --classes its class count follows from the cfg or the file's length.

    Pictures are stretched unless the cfg says otherwise; the default NMS is plain, as in Darknet. ValueError, with the
    counts, if the file does not hold the whole network.
    """
    detector = importer.read(path, options)
    if detector.loaded.missing:
        raise WeightsError(
            f"{path}: expected weights for all layers, got those of the first {detector.loaded.layers}; "
            f"{len(detector.loaded.missing)} are without, from {detector.loaded.missing[0].name} on "
            "(`python -m model convert` makes a checkpoint of it, to train)"
        )
    return SavedDetector(
        path,
        detector.config.variant,
        detector.class_names,
        detector.height,
        detector.width,
        detector.fit,
        lambda: _network(path, detector),
        nms="plain",
        config=detector.config,
        note=detector.note,
        open_options=detector.open_options,
    )


def _network(path: Path, detector: DarknetDetector) -> "Network":
    from model import checkpoint
    from model.detection.detector import KerasNetwork
    from model.network import architecture, scales

    model = architecture.build(detector.config, len(detector.class_names))
    transfer = checkpoint.transfer(model, detector.loaded.weights)
    if transfer.unmatched:
        raise WeightsError(f"{path}: expected weights for all layers, got none for {transfer.unmatched[0]}")
    return KerasNetwork(model, detector.anchors, detector.config.scale_xy, scales.of_config(detector.config))
