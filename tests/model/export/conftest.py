"""A small detector with outputs of a trained one's magnitude: no ties, no extreme boxes."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from model.config import DetectorConfig, PostConfig
from model.export.card import Card, Output
from model.network import architecture

ANCHORS = tuple((8.0 * k, 10.0 * k) for k in range(1, 10))
POST = PostConfig(score=0.2, nms_iou=0.4, max_candidates=150, max_detections=40)


def _card(output: Output = "maps", **changes: Any) -> Card:
    fields: dict[str, Any] = {
        "class_names": ("a", "b", "ç c"),
        "anchors": ANCHORS,
        "masks": ((0, 1, 2), (3, 4, 5), (6, 7, 8)),
        "scale_xy": (1.2, 1.1, 1.05),
        "height": 64,
        "width": 96,
        "fit": "letterbox",
        "output": output,
        "post": POST if output == "detections" else None,
        "notes": {"from": "a test"},
    }
    return Card(**{**fields, **changes})


@pytest.fixture(scope="session")
def card() -> Callable[..., Card]:
    """Makes cards for pictures 64 high and 96 wide, three classes."""
    return _card


@pytest.fixture(scope="session")
def fill() -> Callable[[keras.Model], keras.Model]:
    """Gives a model its weights."""
    return _fill


def _fill(model: keras.Model) -> keras.Model:
    """Seeded weights and statistics; outputs of magnitude one, so that scores differ and boxes are near anchors."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        for variable in layer.weights:
            name, shape = variable.name, variable.shape
            if name == "kernel":
                bound = np.sqrt(6 / np.prod(shape[:-1])) * (0.02 if layer.name.endswith("_output") else 1)
                variable.assign(rng.uniform(-bound, bound, shape))
            elif name in ("gamma", "moving_variance"):
                variable.assign(rng.uniform(0.7, 1.3, shape))
            elif name != "shortcut_weights":
                variable.assign(rng.normal(0, 0.3, shape))
    return model


@pytest.fixture(scope="session")
def model() -> keras.Model:
    """Every technique that changes the inference graph is on."""
    config = DetectorConfig(
        width=0.0625, depth=0.1, sam=True, shortcut="per_channel", dropblock_place="both", neck_activation="mish"
    )
    return _fill(architecture.build(config, 3))


@pytest.fixture(scope="session")
def picture() -> NDArray[np.float32]:
    """One picture as the network takes it."""
    return np.random.default_rng(1).random((1, 64, 96, 3), np.float32)
