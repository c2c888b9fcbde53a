"""A Darknet `.weights` file as a detector: with the cfg beside it, or as one of the released networks."""

from pathlib import Path
from typing import TYPE_CHECKING

from model.commands.weights import Weights
from model.config import Variant
from model.darknet import source
from model.darknet.source import Source
from model.darknet.weights import WeightsError

if TYPE_CHECKING:
    from model.network import Network

# COCO's, in the order of Darknet's data/coco.names: what the released weights of 80 classes were trained on
COCO_NAMES = (
    "person", "bicycle", "car", "motorbike", "aeroplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "sofa", "pottedplant", "bed", "diningtable", "toilet",
    "tvmonitor", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)  # fmt: skip


def find(path: Path, variant: Variant | None, num_classes: int | None, names: tuple[str, ...] | None) -> Weights:
    """The detector in the file. Its class count follows from its length where nobody says it.

    Darknet stretches pictures unless its cfg says otherwise, and its plain NMS is the default. ValueError, with the
    counts, where the file is not all of that network.
    """
    beside = source.cfg_beside(path)
    said = num_classes if num_classes is not None or names is None else len(names)
    found = source.read(path, cfg_path=beside, variant=variant, num_classes=said)
    if found.loaded.left:
        raise WeightsError(
            f"{path}: expected weights for all layers, got those of the first {found.loaded.layers}; "
            f"{len(found.loaded.left)} are without, from {found.loaded.left[0].name} on "
            "(`python -m model convert` makes a checkpoint of it, to train)"
        )
    own = found.class_names if beside or len(found.class_names) != len(COCO_NAMES) else COCO_NAMES
    return Weights(
        path,
        found.config.variant,
        names or own,
        found.height,
        found.width,
        found.fit,
        lambda: _network(path, found),
        nms="plain",
        config=found.config,
    )


def _network(path: Path, found: Source) -> "Network":
    from model import checkpoint, detector
    from model.network import KerasNetwork

    model = detector.build(found.config, len(found.class_names))
    done = checkpoint.transfer(model, found.loaded.weights)
    if done.left:
        raise WeightsError(f"{path}: expected weights for all layers, got none for {done.left[0]}")
    return KerasNetwork(model, found.anchors, found.config.scale_xy)
