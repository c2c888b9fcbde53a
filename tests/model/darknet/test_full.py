"""The full 80-class network: heads as OpenCV computes them, and files through and back (257 MB each, removed)."""

from pathlib import Path

import numpy as np
import pytest

from model import checkpoint
from model.config import DetectorConfig
from model.darknet import exporter, importer


@pytest.mark.slow
def test_the_full_network_agrees_with_opencv_and_its_files_go_round(
    golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agreement import check_against_opencv
    from cases import ANCHORS, CASES

    case = next(case for case in CASES if case.name == "full")
    model = check_against_opencv(golden, case, monkeypatch)
    given = {f"{layer.name}/{v.name}": np.asarray(v) for layer in model.layers for v in layer.weights}
    names = [f"class {number}" for number in range(80)]
    first, kept, again = (tmp_path / name for name in ("first.weights", "kept.keras", "again.weights"))
    exporter.write(first, checkpoint.DetectorInfo(tuple(names), ANCHORS["yolov4"], 416, "stretch", case.config), given)
    assert first.stat().st_size == 257_717_640
    del given

    found = importer.read(first)  # without its cfg: the length alone says 80 classes of the released network
    assert (found.config, len(found.class_names), found.loaded.layers) == (DetectorConfig(), 80, 162)
    done = checkpoint.transfer(model, {name: np.zeros_like(v) for name, v in found.loaded.weights.items()})
    assert done.unmatched == ()
    assert checkpoint.transfer(model, found.loaded.weights).unmatched == ()
    info = checkpoint.DetectorInfo(found.class_names, found.anchors, found.width, found.fit, found.config)
    checkpoint.save_detector(kept, model, info)
    exporter.write(again, info, checkpoint.read_weights(kept))
    with first.open("rb") as one, again.open("rb") as other:
        assert one.read()[20:] == other.read()[20:]
    for path in (first, kept, again):
        path.unlink()
