"""Each switch that shapes the network: what it changes in a training step, layer by layer, and nothing else.

Eager steps of a tiny network. Fresh weights are drawn by layer name, so two networks of one seed share all that both
have; a layer before the switch must then give the same numbers to the last bit. Grid sensitivity, a number and no
layer, is tested here too: which terms of the loss it changes, and where boxes go.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import keras
import numpy as np
import pytest
from keras import ops
from numpy.typing import NDArray

from model.config import DetectorConfig, DropBlockPlace, LossConfig, Shortcut, ShortcutNormalization
from model.network import architecture, decode, scales
from model.network.dropblock import DropBlock
from model.network.initialize import initialize
from model.training import loss

tf = pytest.importorskip("tensorflow")

CLASSES = 3
PLAIN = DetectorConfig(width=0.03, depth=0.1)
# Two units in stages 3 and 4: after one unit alone the next BatchNorm would undo any gain. Smooth activations: the few
# leaky channels would turn a change of 1e-4 before them into one of a tenth in the gradient.
DEEPER = replace(PLAIN, depth=0.25, neck_activation="mish")
ANCHORS = np.array([[8, 8], [10, 14], [16, 12], [20, 20], [24, 16], [16, 28], [32, 32], [40, 24], [30, 48]], np.float32)
IMAGES = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
# Four of 128 px, where BatchNorm of the coarsest map has 64 numbers a channel, not 8
LARGE = np.random.default_rng(0).random((4, 128, 128, 3), np.float32)
# Small, middle and large: every stride has a truth. The last row is padding.
BOXES = np.array(
    [[[5, 6, 14, 15], [20, 30, 42, 49], [10, 8, 50, 52]], [[40, 9, 49, 22], [8, 16, 46, 40], [0, 0, 0, 0]]], np.float32
)
LABELS = np.array([[0, 1, 2], [2, 0, -1]], np.int32)


@dataclass(frozen=True)
class Step:
    """A training step: initial weights and gradients by "layer/weight", each layer's output, the loss's terms."""

    weights: Mapping[str, NDArray[np.float32]]
    gradients: Mapping[str, NDArray[np.float32]]
    outputs: Mapping[str, NDArray[np.float32]]
    losses: Mapping[str, float]


@cache
def step(config: DetectorConfig, rate: float = 0.0, *, large: bool = False) -> Step:
    """One eager forward and backward pass of a fresh network; its DropBlock layers, if any, drop with that rate."""
    images, boxes, labels = (
        (LARGE, np.concatenate([BOXES, 2 * BOXES]), np.tile(LABELS, (2, 1))) if large else (IMAGES, BOXES, LABELS)
    )
    model = architecture.build(config, CLASSES)
    initialize(model, CLASSES, seed=3)
    for layer in model.layers:
        if isinstance(layer, DropBlock):  # tensors, as a train step gives them
            layer.rate, layer.seed = tf.constant(rate), tf.constant([1, 2])
    named = {f"{layer.name}/{v.name}": v for layer in model.layers for v in layer.weights}
    weights = {name: ops.convert_to_numpy(v) for name, v in named.items()}
    trainable = {name: v.value for name, v in named.items() if v.trainable}
    names = [layer.name for layer in model.layers]
    inside = keras.Model(model.inputs, [layer.output for layer in model.layers])
    with tf.GradientTape() as tape:
        outputs = dict(zip(names, inside([images], training=True), strict=True))
        maps = [outputs[f"head{stride}_output"] for stride in (8, 16, 32)]
        losses = loss.detection_loss(
            maps, boxes, labels, ANCHORS, tf.constant(config.scale_xy), loss.settings(LossConfig()), scales.YOLOV4
        )
    gradients = tape.gradient(losses["total"], list(trainable.values()))
    return Step(
        weights,
        {name: ops.convert_to_numpy(g) for name, g in zip(trainable, gradients, strict=True)},
        {name: ops.convert_to_numpy(one) for name, one in outputs.items()},
        {name: float(value) for name, value in losses.items()},
    )


def assert_same_bits(one: Mapping[str, NDArray[np.float32]], other: Mapping[str, NDArray[np.float32]]) -> None:
    """Equal wherever both have a name."""
    for name in one.keys() & other.keys():
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


BACKBONE_TO_STAGE_4 = ("images", "backbone_stem", *(f"backbone_stage{k}" for k in range(1, 5)))
FIVE = tuple(f"neck_down8_{part}" for part in ("raise", "upsample", "lateral", "concat"))
TO_DOWN16 = ("images", "backbone", "spp", "neck_down16")
SAM_LAYERS = [f"neck_{path}_sam" for path in ("down8", "up16", "up32")]
SAM_WEIGHTS = {"conv/kernel", "norm/gamma", "norm/beta", "norm/moving_mean", "norm/moving_variance"}
MIXES = {f"backbone_stage{k}_unit1_shortcut/shortcut_weights" for k in range(1, 6)}
UNIT_INSIDE = ("backbone_stage1_unit1_reduce", "backbone_stage1_unit1_expand")

# What is switched; the share that DropBlock drops; weights that come with it; beginnings of the names of all layers
# that do not see it. Every other layer that both networks have must give other numbers.
SWITCHES = {
    "Mish in neck and heads": (
        {"neck_activation": "mish"},
        0.0,
        set(),
        (
            "images",
            "backbone",
            *(f"{first}_{part}" for first in ("spp_before1", "neck_down16_lateral") for part in ("conv", "norm")),
            *(f"neck_down8_lateral_{part}" for part in ("conv", "norm")),
        ),
    ),
    "Mish in the backbone": (
        {"backbone_activation": "leaky"},
        0.0,
        set(),
        ("images", "backbone_stem_conv", "backbone_stem_norm"),
    ),
    "SAM": (
        {"sam": True},
        0.0,
        {f"{layer}_{weight}" for layer in SAM_LAYERS for weight in SAM_WEIGHTS},
        (*TO_DOWN16, *FIVE, *(f"neck_down8_five{k}" for k in range(1, 5))),
    ),
    "MiWRC": (
        {"shortcut": "per_channel"},
        0.0,
        MIXES,
        ("images", "backbone_stem", *(f"backbone_stage1_{part}" for part in ("down", "skip", "main")), *UNIT_INSIDE),
    ),
    "DropBlock in the neck": (
        {"dropblock_place": "neck", "dropblock_size": 3},
        0.3,
        set(),
        (*TO_DOWN16, "neck_down8"),
    ),
    "DropBlock in the backbone": (
        {"dropblock_place": "backbone", "dropblock_size": 3},
        0.3,
        set(),
        (*BACKBONE_TO_STAGE_4, "neck_down8_lateral"),
    ),
    "DropBlock in both": (
        {"dropblock_place": "both", "dropblock_size": 3},
        0.3,
        set(),
        (*BACKBONE_TO_STAGE_4, "neck_down8_lateral"),
    ),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_changes_the_layers_after_it_and_nothing_before(switch: str) -> None:
    changes, rate, added, unseen = SWITCHES[switch]
    off, on = step(PLAIN), step(replace(PLAIN, **changes), rate)
    assert set(on.weights) - set(off.weights) == added
    assert set(off.weights) <= set(on.weights)
    assert_same_bits(off.weights, on.weights)  # what both have begins alike
    unlike = {
        name
        for name in off.outputs.keys() & on.outputs.keys()
        if off.outputs[name].shape != on.outputs[name].shape or np.any(off.outputs[name] != on.outputs[name])
    }
    assert unlike == {name for name in off.outputs if not name.startswith(unseen)}
    assert all(on.losses[term] != off.losses[term] for term in off.losses)
    assert all(np.all(np.isfinite(gradient)) for gradient in on.gradients.values())
    assert all(np.any(on.gradients[name]) for name in added if "moving" not in name)  # what is new learns


@pytest.mark.parametrize("place", ["neck", "backbone", "both"])
def test_dropblock_at_rate_0_is_the_plain_step_to_the_last_bit(place: DropBlockPlace) -> None:
    off, on = step(PLAIN), step(replace(PLAIN, dropblock_place=place))
    assert on.losses == off.losses
    assert set(on.gradients) == set(off.gradients)
    assert_same_bits(on.gradients, off.gradients)


def test_dropblocks_size_matters_where_blocks_fall() -> None:
    small, large = (step(replace(PLAIN, dropblock_place="neck", dropblock_size=size), 0.3) for size in (1, 3))
    assert_same_bits(small.weights, large.weights)
    np.testing.assert_array_equal(small.outputs["neck_down8_five5_act"], large.outputs["neck_down8_five5_act"])
    assert np.any(small.outputs["neck_down8_dropblock"] != large.outputs["neck_down8_dropblock"])


def distance(one: Step, other: Step) -> float:
    """Relative difference of the gradients by all weights that both have: the difference's norm over the other's."""
    names = sorted(one.gradients.keys() & other.gradients.keys())
    mine, theirs = (np.concatenate([each.gradients[name].ravel() for name in names]) for each in (one, other))
    return float(np.linalg.norm(mine - theirs) / np.linalg.norm(theirs))


def test_fresh_weighted_shortcuts_of_gain_2_take_the_plain_step_and_of_gain_1_do_not() -> None:
    # Darknet's epsilon makes a fresh share 1 / 2.0001: the sum is 5e-5 short in each unit
    plain, twice, once = (
        step(replace(DEEPER, shortcut=kind, shortcut_gain=gain), large=True)
        for kind, gain in (("add", 1.0), ("per_feature", 2.0), ("per_feature", 1.0))
    )
    assert twice.losses["total"] == pytest.approx(plain.losses["total"], rel=1e-5)
    assert distance(twice, plain) < 5e-3
    assert once.losses["total"] != pytest.approx(plain.losses["total"], rel=5e-4)
    assert distance(once, plain) > 0.5


@pytest.mark.parametrize(
    ("kind", "normalization"), [("per_channel", "relu"), ("per_feature", "softmax"), ("per_channel", "softmax")]
)
def test_kinds_and_normalizations_of_shortcuts_differ_only_once_their_weights_move(
    kind: Shortcut, normalization: ShortcutNormalization
) -> None:
    """Fresh, relu's 1 / (1e-4 + 1 + 1) is softmax's; a weight for all channels has its channels' gradients' sum."""
    first, other = (
        step(replace(DEEPER, shortcut=shortcut, shortcut_normalization=how))
        for shortcut, how in (("per_feature", "relu"), (kind, normalization))
    )
    assert other.losses["total"] == pytest.approx(first.losses["total"], rel=1e-5)
    mixes = [name for name in first.gradients if name.endswith("shortcut_weights")]
    assert len(mixes) == 7  # units of the stages: 1, 1, 2, 2, 1
    for name in mixes:
        ours, theirs = first.gradients[name], other.gradients[name]
        assert ours.shape == (2,)
        assert theirs.shape == ((2,) if kind == "per_feature" else (2, first.outputs[name.split("/")[0]].shape[-1]))
        np.testing.assert_allclose(
            theirs.reshape(2, -1).sum(axis=1), ours, rtol=1e-2, atol=1e-3 * max(1e-3, float(np.abs(theirs).max()))
        )


def maps(seed: int = 0) -> list[NDArray[np.float32]]:
    """Raw output maps of two pictures of 64 px."""
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 1, (2, 64 // s, 64 // s, 3 * (5 + CLASSES))).astype(np.float32) for s in (8, 16, 32)]


def terms(
    raw: list[NDArray[np.float32]], scale_xy: tuple[float, ...], config: LossConfig
) -> tuple[dict[str, float], list[NDArray[np.float32]]]:
    """The loss's terms, and the total's gradient by each map as [b, gh, gw, 3, 5 + classes]."""
    tensors = [tf.constant(one) for one in raw]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        losses = loss.detection_loss(
            tensors, BOXES, LABELS, ANCHORS, tf.constant(scale_xy), loss.settings(config), scales.YOLOV4
        )
    gradients = tape.gradient(losses["total"], tensors)
    split = [ops.convert_to_numpy(g).reshape(*g.shape[:3], 3, 5 + CLASSES) for g in gradients]
    return {name: float(value) for name, value in losses.items()}, split


@pytest.mark.parametrize("place", [0, 1, 2])
def test_grid_sensitivity_moves_the_boxes_of_its_stride_and_no_other_term(place: int) -> None:
    nothing_ignored = LossConfig(ignore_threshold=1.0)  # no IoU is above 1
    plain, by_plain = terms(maps(), (1.0, 1.0, 1.0), nothing_ignored)
    scaled = tuple(1.5 if k == place else 1.0 for k in range(3))
    moved, by_moved = terms(maps(), scaled, nothing_ignored)
    assert moved["class"] == plain["class"]
    assert moved["objectness"] == plain["objectness"]
    assert moved["box"] != plain["box"]
    for k in range(3):
        np.testing.assert_array_equal(by_moved[k][..., 4:], by_plain[k][..., 4:])
        assert np.any(by_moved[k][..., :4] != by_plain[k][..., :4]) == (k == place)


def test_grid_sensitivity_reaches_objectness_through_the_ignore_rule_alone() -> None:
    """A box that covers its truth only with grid sensitivity, from an anchor that is not assigned to it."""
    raw = [np.full_like(one, -9.0) for one in maps()]
    # The truth of 9 x 9 px has its centre at 9.5, 10.5: cell (1, 1) of stride 8. Next to it, cell (0, 1) reaches
    # x = 8 * sigmoid(9) = 8 at most, but 8 * (1.9 - 0.45) = 11.6 at scale 1.9: 9.5 at sigmoid = (9.5 / 8 + 0.45) / 1.9.
    at = (9.5 / 8 + 0.45) / 1.9
    own = [np.log(at / (1 - at)), 0.0, np.log(9 / 8), np.log(9 / 8), 2.0, 3.0, -9.0, -9.0]
    raw[0][0, 1, 0, : 5 + CLASSES] = own  # anchor 8 x 8, objectness 0.88, class probability 0.95
    low = LossConfig(ignore_threshold=0.7)
    plain, by_plain = terms(raw, (1.0, 1.0, 1.0), low)
    moved, by_moved = terms(raw, (1.9, 1.0, 1.0), low)
    assert moved["class"] == plain["class"]
    assert by_plain[0][0, 1, 0, 0, 4] == pytest.approx(1 / (1 + np.exp(-2.0)) / 2, rel=1e-5)  # a negative; two pictures
    assert by_moved[0][0, 1, 0, 0, 4] == 0.0  # left out
    assert plain["objectness"] - moved["objectness"] == pytest.approx(np.logaddexp(0, 2.0) / 2, rel=1e-3)


def test_grid_sensitivity_moves_decoded_centres_as_the_formula_says() -> None:
    config = DetectorConfig(scale_xy_8=1.3, scale_xy_16=1.6, scale_xy_32=2.0)
    raw = maps(1)
    plain = ops.convert_to_numpy(decode.boxes(raw, ANCHORS, (1.0, 1.0, 1.0), scales.YOLOV4)[0])
    found = decode.boxes(raw, ANCHORS, config.scale_xy, scales.YOLOV4)
    moved, start = ops.convert_to_numpy(found[0]), 0
    for one, stride, scale in zip(raw, (8, 16, 32), (1.3, 1.6, 2.0), strict=True):
        sigma = 1 / (1 + np.exp(-one.reshape(2, -1, 5 + CLASSES)[..., :2].astype(np.float64)))
        shift = stride * (scale - 1) * (sigma - 0.5)  # s (k sigma - (k - 1) / 2) less s sigma
        part = slice(start, start + sigma.shape[1])
        np.testing.assert_allclose(moved[:, part] - plain[:, part], np.tile(shift, 2), atol=1e-3)
        start = part.stop
    assert start == moved.shape[1] == 3 * (64 + 16 + 4)
    for scores, others in zip(found[1:], decode.boxes(raw, ANCHORS, (1.0, 1.0, 1.0), scales.YOLOV4)[1:], strict=True):
        np.testing.assert_array_equal(scores, others)
