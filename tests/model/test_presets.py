"""The presets hold the published numbers, and each of their lines is a setting of a trial."""

import math
import subprocess
import sys

import pytest

from evolve.trial_config import ADDRESSES, TrialConfig
from model import presets
from model.config import DetectorConfig
from model.training.schedule import learning_rate


@pytest.mark.parametrize("name", presets.NAMES)
def test_every_line_is_a_setting_of_a_trial_and_together_they_are_valid(name):
    settings = presets.load(name)
    assert set(settings) <= set(ADDRESSES)
    effective = TrialConfig.from_settings(settings).settings()
    assert {address: effective[address] for address in settings} == settings


@pytest.mark.parametrize("name", presets.NAMES)
def test_how_large_and_how_long_stay_with_the_space(name):
    size = {"detector.width", "detector.depth", "train.size", "train.sizes", "train.steps", "input.max_boxes"}
    assert not size & set(presets.load(name))


def test_darknet_is_the_released_cfg():
    settings = presets.load("darknet")
    # keys and values of cfg/yolov4.cfg (reference 0, 1.7, 4, 6, 7)
    released = {
        "detector.backbone_activation": "mish",
        "detector.neck_activation": "leaky",
        "detector.scale_xy_8": 1.2,
        "detector.scale_xy_16": 1.1,
        "detector.scale_xy_32": 1.05,
        "loss.box": "ciou",
        "loss.iou_threshold": 0.213,
        "loss.ignore_threshold": 0.7,
        "optimizer.learning_rate": 0.0013,
        "optimizer.momentum": 0.949,
        "optimizer.weight_decay": 0.0005,
        "optimizer.policy": "steps",
        "train.batch": 64,
        "train.subdivisions": 8,
        "augment.mosaic_prob": 0.5,
        "augment.jitter": 0.3,
        "augment.hue": 0.1,
        "augment.saturation": 1.5,
        "augment.exposure": 1.5,
    }
    assert {address: settings[address] for address in released} == released
    off = {"detector.sam": False, "detector.shortcut": "add", "detector.dropblock_place": "none"}
    off |= {"regularization.cmbn": False, "regularization.sat_prob": 0.0, "augment.cutmix_prob": 0.0}
    assert {address: settings[address] for address in off} == off


def test_darknets_network_is_the_default_one():
    assert presets.detector_config("darknet") == DetectorConfig()


def test_paper_has_every_technique_on():
    config = TrialConfig.from_settings(presets.load("paper"))
    detector, loss, regularization = config.detector, config.loss, config.regularization
    assert (detector.backbone_activation, detector.neck_activation, detector.sam) == ("mish", "mish", True)
    assert (detector.shortcut, detector.shortcut_normalization) == ("per_feature", "relu")
    assert detector.dropblock_place == "both"
    assert (regularization.dropblock_rate, detector.dropblock_size) == (0.1, 7)  # arXiv 1810.12890
    assert all(scale > 1 for scale in detector.scale_xy)
    assert (loss.box, loss.iou_threshold, loss.label_smoothing) == ("ciou", 0.213, 0.1)
    assert regularization.cmbn
    assert config.train.subdivisions > 1
    assert regularization.sat_prob > 0
    assert regularization.sat_goal == "empty"
    assert config.augment.mosaic_prob > 0
    assert config.augment.cutmix_prob > 0
    # its genetic search (reference 7.2)
    assert (config.optimizer.learning_rate, config.optimizer.momentum) == (0.00261, 0.949)
    assert config.optimizer.policy == "cosine"


def test_paper_ends_at_darknets_least_learning_rate():
    # reference 7.3: learning_rate_min 1e-5
    optimizer = TrialConfig.from_settings(presets.load("paper")).optimizer
    assert learning_rate(6000, 6000, optimizer) == pytest.approx(1e-5, rel=0.01)


@pytest.mark.parametrize("name", presets.NAMES)
def test_burn_in_is_1000_of_the_least_schedule(name):
    assert math.ceil(presets.load(name)["optimizer.burn_in_share"] * 6000) == 1000


@pytest.mark.parametrize("name", presets.NAMES)
def test_the_published_loss_normalizer_comes_with_the_gradient_and_the_sum_that_it_belongs_to(name):
    loss = TrialConfig.from_settings(presets.load(name)).loss
    assert (loss.box_weight, loss.box_gradient, loss.reduction) == (0.07, "darknet", "picture")


def test_papers_network():
    config = presets.detector_config("paper")
    assert (config.sam, config.shortcut, config.neck_activation) == (True, "per_feature", "mish")
    assert (config.width, config.depth) == (1.0, 1.0)


@pytest.mark.parametrize("name", ["papers", "", "../paper"])
def test_an_unknown_name_lists_the_right_ones(name):
    with pytest.raises(ValueError, match=f"preset: expected one of darknet, paper, got '{name}'"):
        presets.load(name)


def test_presets_load_nothing_heavy():
    heavy = "{'keras', 'tensorflow'} & set(sys.modules)"
    code = f"import sys; from model import presets; presets.load('paper'); print({heavy})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.strip() == "set()"
