"""Differences of our network's maps from those in heads.npz, which OpenCV computed (make.py)."""

from pathlib import Path

import keras
import numpy as np
import pytest
from cases import SAMPLE, SEED, Case
from seeded import picture, places, weights

from model.network import architecture, normalization

OPENCV_EPSILON = 1e-6  # of batch normalization in OpenCV's importer; Darknet's and ours is 1e-5


def filled(case: Case) -> keras.Model:
    """The network of a case with its seeded weights."""
    model = architecture.build(case.config, case.num_classes)
    given = weights(case.sections, SEED)
    for layer in model.layers:
        for variable in layer.weights:
            variable.assign(given.pop(f"{layer.name}/{variable.name}"))
    assert not given, sorted(given)
    return model


def differences(golden: Path, case: Case, model: keras.Model) -> list[float]:
    """The largest difference of each sampled map from OpenCV's."""
    found = []
    with np.load(golden / "heads.npz") as stored:
        for size in case.sizes:
            maps = model(picture(*size, SEED)[None], training=False)
            for number, raw in enumerate(maps):
                values = np.asarray(raw).reshape(-1)
                expected = stored[f"{case.name}/{size[0]}x{size[1]}/{number}"]
                assert expected.shape == (SAMPLE,)
                assert expected.std() > 0.3  # a map that says something
                found.append(float(np.abs(values[places(values.size, SAMPLE, SEED)] - expected).max()))
    return found


def check_against_opencv(golden: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> keras.Model:
    model = filled(case)
    assert max(differences(golden, case, model)) < 2e-3
    with monkeypatch.context() as patched:  # what is left without the two epsilons' difference is rounding
        patched.setattr(normalization, "EPSILON", OPENCV_EPSILON)
        assert max(differences(golden, case, model)) < 2e-4
    return model
