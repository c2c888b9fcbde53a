"""A winner as Darknet's cfg: its values are under Darknet's keys, and our reader reads the same network."""

from dataclasses import replace

import pytest

from evolve.data_description import DataDescription
from evolve.trial_config import TrialConfig
from evolve.verdict import winner_cfg
from evolve.verdict.winner import Winner, WinnerError
from model.config import YOLOV4_TINY
from model.darknet import cfg, cfg_network

ANCHORS = [[float(10 * k), float(12 * k)] for k in range(1, 10)]
SETTINGS = {
    "detector.width": 0.5,
    "detector.depth": 0.5,
    "train.size": 320,
    "train.sizes": (320,),
    "train.batch": 64,
    "train.steps": 1000,
    "optimizer.learning_rate": 0.002,
    "optimizer.burn_in_share": 0.1,
    "augment.hue": 0.07,
    "loss.ignore_threshold": 0.6,
    "input.fit": "letterbox",
}


def winner(**changes: object) -> Winner:
    config = TrialConfig.from_settings({**SETTINGS, **changes}).settings()
    return Winner(
        "g001-007", "search", 3, config, DataDescription({"class_names": ["ring", "rod"], "anchors": ANCHORS})
    )


def test_numbers_stand_under_darknets_keys() -> None:
    text = winner_cfg.render(replace(winner(), post={"nms": "plain", "nms_iou": 0.5}))
    parsed_cfg = cfg.parse(text)
    # burn_in counts steps: a tenth of a thousand
    expected = {"learning_rate": "0.002", "burn_in": "100", "max_batches": "1000", "hue": "0.07", "letter_box": "1"}
    assert {key: parsed_cfg.net[key] for key in expected} == expected
    yolos = [keys for kind, keys in parsed_cfg.sections if kind == "yolo"]
    assert {(keys["ignore_thresh"], keys["nms_kind"], keys["classes"]) for keys in yolos} == {("0.6", "default", "2")}
    described = cfg_network.describe(parsed_cfg)
    assert described.config == TrialConfig.from_settings(SETTINGS).detector
    assert described.anchors == tuple((w, h) for w, h in ANCHORS)
    assert (described.class_names, described.height, described.width) == (("ring", "rod"), 320, 320)


def test_a_rate_per_positive_anchor_is_converted_with_the_number_that_the_training_counted() -> None:
    per_positive = winner(**{"loss.reduction": "positive", "optimizer.weight_decay": 0.0005})
    net = cfg.parse(winner_cfg.render(replace(per_positive, positives=40.0))).net
    assert (float(net["learning_rate"]), float(net["decay"])) == (pytest.approx(0.002 / 40), pytest.approx(0.0005 * 40))
    assert "is not known, so learning_rate is too high" in winner_cfg.render(per_positive)


def test_a_winner_of_yolov4_tiny() -> None:
    tiny = replace(winner(), config=TrialConfig(detector=YOLOV4_TINY).settings())
    tiny = replace(tiny, data=DataDescription({"class_names": ["ring"], "anchors": [[1.0, 1.0], *ANCHORS[:5]]}))
    text = "".join(line for line in winner_cfg.render(tiny).splitlines(True) if not line.startswith("# yolov4-evolve"))
    described = cfg_network.describe(cfg.parse(text))  # from the keys alone
    assert described.config == YOLOV4_TINY
    assert described.anchors == ((1.0, 1.0), *((w, h) for w, h in ANCHORS[:5]))


def test_what_darknet_has_no_key_for_is_told() -> None:
    changes = {"input.max_boxes": 90, "regularization.sat_prob": 0.3, "train.final_size_share": 0.15}
    text = winner_cfg.render(replace(winner(**changes), post={"nms": "diou", "nms_iou": 0.6, "nms_beta": 0.5}))
    assert text.count("\nmax=90\n") == 3  # of each [yolo]
    assert text.count("\nbeta_nms=0.5\n") == 3
    for note in (
        "# post.nms_iou 0.6: no key",
        "# train.final_size_share 0.15: no key",
        "# regularization.sat_prob: SAT is left out",
    ):
        assert note in text
    assert "Darknet draws with 0.5" not in text.split("sat_prob")[1].splitlines()[0]


def test_what_darknet_cannot_be_told_is_refused() -> None:
    mean = winner(**{"detector.shortcut": "per_channel", "detector.shortcut_gain": 2.0})
    with pytest.raises(
        WinnerError, match=r"--format darknet: detector\.shortcut_gain: expected 1, as Darknet has no key"
    ):
        winner_cfg.render(mean)
    with pytest.raises(WinnerError, match="data: anchors: expected 9 pairs for yolov4, got"):
        winner_cfg.render(replace(winner(), data=DataDescription({"class_names": ["ring"], "anchors": ANCHORS[:6]})))
    with pytest.raises(WinnerError, match="data: expected class_names and anchors as lists, got None and None"):
        winner_cfg.render(replace(winner(), data=DataDescription({})))
