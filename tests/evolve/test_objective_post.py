"""The real objective tunes NMS from the forward pass over validation, and keeps tuned NMS in its checkpoint."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.digits import synthetic
from evolve import objective
from evolve.trial import Progress, TrialSpec
from evolve.trial_config import TrialConfig
from model import checkpoint
from model.config import PostConfig
from model.detection import nms_tuning

pytestmark = pytest.mark.medium

SMALL = {
    "detector.width": 0.0625,
    "detector.depth": 0.1,
    "train.steps": 2,
    "train.batch": 4,
    "train.size": 32,
    "train.sizes": (32,),
    "input.max_boxes": 24,
}
SPEC = TrialSpec("g000-000", TrialConfig.from_settings(SMALL).settings(), 5, 2, evaluate_splits=("val", "test"))


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> objective.DetectionObjective:
    root = tmp_path_factory.mktemp("digits") / "set"
    synthetic.write(root, seed=3, size=64, images={"train": 8, "val": 5, "test": 6}, digits="target")
    described = objective.describe_data(root, size=32, fit="stretch")
    names = ("class_names", "anchors", "fingerprint")
    return objective.detection_objective(data=str(root), **{name: described[name] for name in names})


def test_nms_is_tuned_on_the_validation_split_alone_and_changes_no_score(
    warm: objective.DetectionObjective, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = list(warm(SPEC))[-1]
    looked, tuned = [], []
    look, tune = warm._look, nms_tuning.tune
    monkeypatch.setattr(warm, "_look", lambda split, *others: (looked.append(split), look(split, *others))[1])

    def spy(kept, pictures, *others):
        tuned.append(sorted(index for one in kept for index in one.indices.tolist() if index >= 0))
        assert pictures is warm.splits["val"]
        return tune(kept, pictures, *others)

    monkeypatch.setattr(nms_tuning, "tune", spy)
    *before, last = warm(replace(SPEC, tune_post={"val/map50": 1.0}))
    assert sum(isinstance(report, Progress) for report in before) > len(nms_tuning.grid(PostConfig()))
    assert looked == ["val", "test"]  # one forward pass per split, as without tuning
    assert tuned == [[0, 1, 2, 3, 4]]  # the five pictures of val, each once
    assert (last.scores, last.losses, last.traces) == (plain.scores, plain.losses, 0)
    assert plain.post is None
    assert last.post is not None
    names = {"val/map50_95", "val/map50", "val/map75"}
    assert last.post.fixed == {"fitness": last.scores["val/map50"], **{name: last.scores[name] for name in names}}
    assert last.post.tuned.keys() == {"fitness", *names}
    assert last.post.tuned["fitness"] == last.post.tuned["val/map50"] >= last.post.fixed["fitness"]
    assert last.seconds["tune"] > 0


def test_the_checkpoint_keeps_tuned_nms_and_its_default_is_none(
    warm: objective.DetectionObjective, tmp_path: Path
) -> None:
    list(warm(replace(SPEC, checkpoint=tmp_path / "without.keras")))
    assert checkpoint.read_info(tmp_path / "without.keras").post is None
    settings = {"nms": "plain", "nms_iou": 0.6}
    list(warm(replace(SPEC, checkpoint=tmp_path / "with.keras", post=settings)))
    assert checkpoint.read_info(tmp_path / "with.keras").post == PostConfig(nms="plain", nms_iou=0.6)
