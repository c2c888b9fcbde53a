"""A small detector in a checkpoint."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seeded kernels, so that no two scores are equal; most of its detections are "red"."""
    from model import checkpoint
    from model.checkpoint import DetectorInfo
    from model.config import DetectorConfig
    from model.network import architecture

    info = DetectorInfo(
        class_names=("blue", "red"),
        anchors=tuple((8.0 * k, 10.0 * k) for k in range(1, 10)),
        size=64,
        fit="letterbox",
        detector=DetectorConfig(width=0.05, depth=0.1),
    )
    model = architecture.build(info.detector, 2)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        for variable in layer.weights:
            if variable.name == "kernel":
                bound = np.sqrt(6 / np.prod(variable.shape[:-1])) * (0.1 if layer.name.endswith("_output") else 1)
                variable.assign(rng.uniform(-bound, bound, variable.shape))
    for stride in (8, 16, 32):
        model.get_layer(f"head{stride}_output").bias.assign([0, 0, 0, 0, 0, -9, 1] * 3)
    path: Path = tmp_path_factory.mktemp("weights") / "detector.keras"
    checkpoint.save_detector(path, model, info)
    return path
