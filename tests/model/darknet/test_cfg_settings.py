"""Our training settings as Darknet's keys. Expected: Darknet's arithmetic (network.c, detector.c) by hand."""

import math
from typing import Any

import pytest

from model.config import OptimizerConfig
from model.darknet import cfg_settings
from model.training import schedule


def net(**given: Any) -> dict[str, str]:
    named = {name.replace("__", "."): value for name, value in given.items()}
    return dict(cfg_settings.net_options(named, 416, 608, letterbox=False))


def test_defaults_are_those_of_the_released_cfg_where_ours_are() -> None:
    found = net()
    released = {
        **{"batch": "64", "width": "608", "height": "416", "channels": "3", "momentum": "0.949", "decay": "0.0005"},
        **{"saturation": "1.5", "exposure": "1.5", "hue": "0.1", "learning_rate": "0.0013", "mosaic": "1"},
    }
    assert {key: found[key] for key in released} == released
    yolo = dict(cfg_settings.yolo_options({}, last=True))
    released = {"jitter": "0.3", "ignore_thresh": "0.7", "truth_thresh": "1", "iou_thresh": "0.213", "max_delta": "5"}
    assert {key: yolo[key] for key in released} == released
    assert (yolo["iou_loss"], yolo["iou_normalizer"], yolo["beta_nms"]) == ("ciou", "0.07", "0.6")


def darknets_rate(keys: dict[str, str], iteration: int) -> float:
    """network.c: get_current_rate, for burn-in and sgdr."""
    rate, lowest = float(keys["learning_rate"]), float(keys["learning_rate_min"])
    if iteration < int(keys["burn_in"]):
        return rate * (iteration / int(keys["burn_in"])) ** 4
    start, cycle = 0, int(keys["sgdr_cycle"])
    while start + cycle < iteration:
        start += cycle
        cycle *= int(keys["sgdr_mult"])
    return lowest + 0.5 * (rate - lowest) * (1 + math.cos((iteration - start) * math.pi / cycle))


@pytest.mark.parametrize(("cycles", "factor", "first"), [(1, 2.0, 7000), (3, 2.0, 1000), (2, 1.0, 3500)])
def test_a_cosine_is_darknets_sgdr(cycles: int, factor: float, first: int) -> None:
    given = {
        "train.steps": 7000,
        "optimizer.cycles": cycles,
        "optimizer.cycle_factor": factor,
        "optimizer.burn_in_share": 0.1,
    }
    keys = dict(cfg_settings.net_options(given, 416, 416, letterbox=False))
    assert (keys["policy"], keys["max_batches"], keys["burn_in"]) == ("sgdr", "7000", "700")
    assert keys["sgdr_cycle"] == str(first)  # 1000 + 2000 + 4000 = 7000
    config = OptimizerConfig(cycles=cycles, cycle_factor=factor, burn_in_share=0.1)
    for step in (1, 350, 700, 1000, 1001, 2999, 3001, 6999, 7000):
        assert schedule.learning_rate(step, 7000, config) == pytest.approx(darknets_rate(keys, step), rel=1e-6)


def test_steps_are_darknets_steps() -> None:
    found = net(optimizer__policy="steps", train__steps=500_000)
    assert (found["policy"], found["steps"], found["scales"]) == ("steps", "400000,450000", ".1,.1")


def test_switches_have_keys_when_they_are_on() -> None:
    quiet = net(augment__mosaic_prob=0.0, augment__flip_prob=0.0)
    assert quiet["flip"] == "0"
    assert not {"mosaic", "mixup", "ema_alpha", "adversarial_lr", "letter_box"} & quiet.keys()
    found = net(
        augment__mosaic_prob=0.0,
        augment__mixup_prob=0.5,
        optimizer__ema_decay=0.9998,
        regularization__sat_prob=0.5,
        regularization__sat_norm="raw",
        regularization__sat_strength=0.05,
    )
    expected = {"mixup": "1", "ema_alpha": "0.9998", "adversarial_lr": "0.05"}
    assert {key: found[key] for key in expected} == expected


def test_darknet_refuses_mosaic_beside_letterbox() -> None:
    found = dict(cfg_settings.net_options({}, 416, 416, letterbox=True))
    assert found["letter_box"] == "1"
    assert "mosaic" not in found
    assert any("letter_box=1" in note for note in cfg_settings.notes({}, letterbox=True))
    told = [note for note in cfg_settings.notes({"augment.mosaic_prob": 1.0}, letterbox=True) if "mosaic_prob" in note]
    assert told == ["augment.mosaic_prob: left out, as Darknet refuses mosaic=1 beside letter_box=1"]


@pytest.mark.parametrize(
    ("sizes", "factor"),
    [((416,), "0"), ((320, 416, 608), "1.462"), ((320, 416), "1.3"), ((416, 608), "1.462")],  # 608 / 416, 416 / 320
)
def test_random_shapes_are_a_factor_of_the_size(sizes: tuple[int, ...], factor: str) -> None:
    given = {"train.size": 416, "train.sizes": sizes}
    assert dict(cfg_settings.yolo_options(given, last=True))["random"] == factor
    assert "random" not in dict(cfg_settings.yolo_options(given, last=False))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("plain", {"nms_kind": "default"}), ("diou", {"nms_kind": "diounms", "beta_nms": "0.9"})],
)
def test_nms(kind: str, expected: dict[str, str]) -> None:
    found = dict(cfg_settings.yolo_options({"post.nms": kind, "post.nms_beta": 0.9}, last=False))
    assert {key: found[key] for key in ("nms_kind", "beta_nms") if key in found} == expected


def test_a_backbone_is_never_frozen_for_good() -> None:
    assert cfg_settings.frozen_steps({}) == 0
    assert cfg_settings.frozen_steps({"optimizer.freeze_share": 0.1, "train.steps": 8000}) == 800
    assert cfg_settings.frozen_steps({"optimizer.freeze_share": 0.1, "train.steps": 10}) == 0  # 1 would mean always


def test_what_has_no_key_gets_a_note() -> None:
    given = {
        "augment.cutmix_prob": 0.3,
        "augment.mosaic_prob": 1.0,
        "loss.box_weight": 4.0,
        "regularization.sat_prob": 0.5,
        "optimizer.cycles": 2,
        "optimizer.cycle_factor": 1.5,
        "detector.width": 0.5,  # of the network: none of a training's
    }
    found = [note.partition(":")[0] for note in cfg_settings.notes(given, letterbox=False)]
    assert found == [
        "augment.cutmix_prob 0.3",
        "augment.mosaic_prob 1.0",
        "regularization.sat_prob",
        "optimizer.cycle_factor 1.5",
        "loss.box_weight 4.0",
    ]
    assert list(cfg_settings.notes({}, letterbox=False)) == []
    without = {"regularization.sat_prob": 0.0, "regularization.sat_goal": "truth"}  # there is no attack to have a goal
    assert list(cfg_settings.notes(without, letterbox=False)) == []


def test_a_rate_per_positive_anchor_becomes_darknets_rate_per_picture() -> None:
    """A step is rate x (gradient + decay x weight); 50 positives make the gradient per picture 50 times as large."""
    rate, decay, positives, gradient, weight = 0.002, 0.0005, 50.0, 0.3, 2.0
    given = {
        "optimizer.learning_rate": rate,
        "optimizer.weight_decay": decay,
        "loss.reduction": "positive",
        "positives_per_picture": positives,
    }
    keys = dict(cfg_settings.net_options(given, 416, 416, letterbox=False))
    darknets = float(keys["learning_rate"]) * (positives * gradient + float(keys["decay"]) * weight)
    assert darknets == pytest.approx(rate * (gradient + decay * weight))
    assert float(keys["learning_rate_min"]) == pytest.approx(0.01 * float(keys["learning_rate"]))
    [note] = [note for note in cfg_settings.notes(given, letterbox=False) if "learning_rate" in note]
    assert note.endswith("learning_rate is 0.02 and decay 50 times ours")
    given.pop("positives_per_picture")
    [note] = [note for note in cfg_settings.notes(given, letterbox=False) if "learning_rate" in note]
    assert note.endswith("is not known, so learning_rate is too high for Darknet")
    assert dict(cfg_settings.net_options(given, 416, 416, letterbox=False))["learning_rate"] == "0.002"


def test_the_weight_and_bound_of_darknets_own_gradient_carry_over() -> None:
    given = {"loss.box_gradient": "darknet", "loss.box_weight": 0.05, "loss.max_delta": 3.0}
    yolo = dict(cfg_settings.yolo_options(given, last=True))
    assert (yolo["iou_normalizer"], yolo["max_delta"]) == ("0.05", "3")
    assert not any("box_weight" in note for note in cfg_settings.notes(given, letterbox=False))
    assert "max_delta" not in dict(cfg_settings.yolo_options({**given, "loss.max_delta": 0.0}, last=True))  # no bound
