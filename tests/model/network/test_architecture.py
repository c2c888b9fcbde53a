"""The network against the numbers of the released YOLOv4; those match Darknet's files and README."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from model.config import DetectorConfig, DropBlockPlace, Shortcut
from model.network import architecture, summary
from model.network.dropblock import DropBlock

SMALL = DetectorConfig(width=0.125, depth=0.1)
COMPLETE = replace(SMALL, neck_activation="mish", sam=True, shortcut="per_channel", dropblock_place="both")


@pytest.fixture(scope="module")
def released() -> keras.Model:
    """cfg/yolov4.cfg at 80 classes: 64 million parameters, built once."""
    return architecture.build(DetectorConfig(), 80)


@pytest.fixture(scope="module")
def sam_mish() -> keras.Model:
    """Darknet's yolov4-sam-mish with weighted shortcuts, at 80 classes."""
    return architecture.build(DetectorConfig(neck_activation="mish", sam=True, shortcut="per_channel"), 80)


@pytest.fixture(scope="module", params=[SMALL, COMPLETE], ids=["released", "complete"])
def small(request: pytest.FixtureRequest) -> keras.Model:
    """Three classes, few channels, seeded kernels; as released and with every technique in the network."""
    return seeded(request.param)


def seeded(config: DetectorConfig) -> keras.Model:
    model = architecture.build(config, 3)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            bound = np.sqrt(2 / np.prod(variable.shape[:-1]))
            variable.assign(rng.uniform(-bound, bound, variable.shape))
    return model


def part(name: str) -> str:
    """backbone, spp, down (neck up to layer 136) or rest, by a layer's name."""
    if name.startswith(("backbone", "spp")):
        return name.split("_")[0]
    return "down" if name.startswith("neck_down") else "rest"


def test_parameters_and_convolutions(released: keras.Model) -> None:
    assert released.count_params() == 64_429_405
    trainable: dict[str, int] = {}
    convolutions: dict[str, int] = {}
    for layer in released.layers:
        of = part(layer.name)
        trainable[of] = trainable.get(of, 0) + sum(int(np.prod(v.shape)) for v in layer.trainable_weights)
        convolutions[of] = convolutions.get(of, 0) + isinstance(layer, keras.layers.Conv2D)
    assert trainable == {"backbone": 26_617_184, "spp": 12_066_816, "down": 3_775_232, "rest": 21_903_869}
    assert convolutions == {"backbone": 72, "spp": 6, "down": 14, "rest": 18}
    assert sum(isinstance(layer, keras.layers.Add) for layer in released.layers) == 23
    biased = [layer.name for layer in released.layers if isinstance(layer, keras.layers.Conv2D) and layer.use_bias]
    assert sorted(biased) == ["head16_output", "head32_output", "head8_output"]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("backbone_stem_conv", (3, 3, 3, 32)),  # layer 0
        ("backbone_stage1_down_conv", (3, 3, 32, 64)),  # 1
        ("backbone_stage1_unit1_reduce_conv", (1, 1, 64, 32)),  # stage 1 is odd
        ("backbone_stage1_transition_conv", (1, 1, 128, 64)),  # 10
        ("backbone_stage2_unit2_expand_conv", (3, 3, 64, 64)),
        ("spp_before1_conv", (1, 1, 1024, 512)),  # 105
        ("spp_after1_conv", (1, 1, 2048, 512)),  # 114
        ("head32_output", (1, 1, 1024, 255)),  # 160
    ],
)
def test_kernel_shapes(released: keras.Model, layer: str, shape: tuple[int, ...]) -> None:
    assert tuple(released.get_layer(layer).kernel.shape) == shape


@pytest.mark.parametrize(
    ("size", "grids", "bflops"),
    [(320, (40, 20, 10), 35.584), (416, (52, 26, 13), 60.137), (608, (76, 38, 19), 128.459)],
)
def test_summary(released: keras.Model, size: int, grids: tuple[int, ...], bflops: float) -> None:
    found = summary.summarize(released, size)
    assert found.outputs == tuple((grid, grid, 255) for grid in grids)
    assert found.bflops == pytest.approx(bflops, abs=5e-4)
    assert (found.total, found.trainable, found.convolutions) == (64_429_405, 64_363_101, 110)


def test_attention_and_weighted_shortcuts_at_full_size(sam_mish: keras.Model, released: keras.Model) -> None:
    # yolov4-sam-mish has 65,812,829 floats, 65,742,941 of them trainable, in 113 convolutions; 10,624 shortcut weights
    found, plain = summary.summarize(sam_mish, 608), summary.summarize(released, 608)
    assert found.total == 65_812_829 + 10_624
    assert found.trainable == 65_742_941 + 10_624
    assert found.convolutions == 113
    shares = [v for v in sam_mish.trainable_variables if v.name == "shortcut_weights"]
    assert sum(int(np.prod(v.shape)) for v in shares) == 10_624
    # three 1x1 convolutions of 256, 512 and 1024 channels at strides 8, 16 and 32; shortcuts count as they did
    gates = 2 * (76**2 * 256**2 + 38**2 * 512**2 + 19**2 * 1024**2) / 1e9
    assert found.bflops == pytest.approx(plain.bflops + gates, abs=1e-6)
    kinds = {type(layer).__name__ for layer in sam_mish.layers}
    assert "Mish" in kinds
    assert "LeakyReLU" not in kinds


@pytest.mark.parametrize(("shortcut", "extra"), [("per_feature", 46), ("per_channel", 10_624 // 8)])
def test_weighted_shortcuts_add_their_weights_alone(shortcut: Shortcut, extra: int) -> None:
    # at full depth there are 23 shortcuts of two inputs; an eighth of the width, an eighth of the channels
    config = DetectorConfig(width=0.125, shortcut=shortcut)
    plain = architecture.build(replace(config, shortcut="add"), 1)
    assert architecture.build(config, 1).count_params() - plain.count_params() == extra


@pytest.mark.parametrize(("place", "count"), [("none", 0), ("backbone", 2), ("neck", 3), ("both", 5)])
def test_dropblock_stands_where_it_is_told(place: DropBlockPlace, count: int) -> None:
    model = architecture.build(replace(SMALL, dropblock_place=place, dropblock_size=5), 1)
    drops = [layer for layer in model.layers if isinstance(layer, DropBlock)]
    assert len(drops) == count
    assert {layer.size for layer in drops} <= {5}
    part_of = "backbone" if place == "backbone" else "neck" if place == "neck" else ""
    assert all(layer.name.startswith(part_of) for layer in drops)


def test_attention_is_between_the_fourth_and_the_fifth_convolution() -> None:
    model = architecture.build(COMPLETE, 3)

    def fed_by(name: str) -> list[str]:
        given = model.get_layer(name).input
        return [t._keras_history.operation.name for t in (given if isinstance(given, list) else [given])]

    for path in ("down8", "up16", "up32"):
        assert fed_by(f"neck_{path}_sam_conv") == [f"neck_{path}_five4_act"]
        assert fed_by(f"neck_{path}_sam_product") == [f"neck_{path}_five4_act", f"neck_{path}_sam_act"]
        assert fed_by(f"neck_{path}_five5_conv") == [f"neck_{path}_sam_product"]
    assert fed_by("neck_down16_five5_conv") == ["neck_down16_five4_act"]  # feeds no head
    # Darknet's order of a shortcut's weights: the branch, then the unit's input
    assert fed_by("backbone_stage2_unit1_shortcut") == ["backbone_stage2_unit1_expand_act", "backbone_stage2_main_act"]


def test_what_is_off_changes_nothing() -> None:
    """With the same weights, DropBlock at rate 0 and fresh weighted shortcuts of gain 2 do not change the network."""
    plain = seeded(SMALL)
    other = architecture.build(replace(SMALL, dropblock_place="both", shortcut="per_channel", shortcut_gain=2.0), 3)
    for layer in plain.layers:
        for ours, theirs in zip(layer.weights, other.get_layer(layer.name).weights, strict=False):
            theirs.assign(ours)
    images = np.random.default_rng(2).random((2, 64, 64, 3), np.float32)
    for training in (False, True):
        for ours, theirs in zip(plain(images, training=training), other(images, training=training), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=1e-2, atol=1e-3 * float(np.abs(ours).max()))


def test_taps_have_their_strides_and_channels(released: keras.Model) -> None:
    shapes = summary.tensor_shapes(released, 608)
    taps = [released.get_layer(f"backbone_stage{k}_transition_act").output for k in (3, 4, 5)]
    assert [shapes[id(tap)] for tap in taps] == [(1, 76, 76, 256), (1, 38, 38, 512), (1, 19, 19, 1024)]


@pytest.mark.parametrize(("classes", "total"), [(20, 64_106_305), (1, 64_003_990)])
def test_class_count_changes_the_output_maps_only(released: keras.Model, classes: int, total: int) -> None:
    # 3 output maps of 256, 512 and 1024 channels and a bias lose 3 * (80 - classes) filters each
    lost = 3 * (80 - classes) * (256 + 512 + 1024 + 3)
    assert released.count_params() - lost == total
    other = architecture.build(SMALL, classes)
    assert [output.shape[-1] for output in other.outputs] == [3 * (5 + classes)] * 3


def test_width_and_depth() -> None:
    model = architecture.build(DetectorConfig(width=0.25, depth=0.5), 10)
    assert model.get_layer("backbone_stem_conv").filters == 8
    assert model.get_layer("head32_conv").filters == 256
    units = [sum(layer.name.startswith(f"backbone_stage{k}_unit") and layer.name.endswith("_shortcut")
                 for layer in model.layers) for k in range(1, 6)]  # fmt: skip
    assert units == [1, 1, 4, 4, 2]  # of 1, 2, 8, 8, 4: at least one, halves to even


def test_names_are_stable_and_hold_no_slash(small: keras.Model) -> None:
    names = [layer.name for layer in small.layers]
    assert len(set(names)) == len(names)
    assert not [name for name in names if "/" in name]
    config = COMPLETE if "neck_down8_sam_conv" in names else SMALL
    assert [layer.name for layer in architecture.build(config, 3).layers] == names


def test_techniques_add_layers_and_rename_none() -> None:
    plain = [layer.name for layer in architecture.build(SMALL, 3).layers]
    complete = [layer.name for layer in architecture.build(COMPLETE, 3).layers]
    added = {
        "backbone_stage4_dropblock",
        "backbone_stage5_dropblock",
        *(f"neck_{path}_dropblock" for path in ("down8", "up16", "up32")),
        *(
            f"neck_{path}_sam_{part}"
            for path in ("down8", "up16", "up32")
            for part in ("conv", "norm", "act", "product")
        ),
    }
    assert set(complete) - set(plain) == added
    assert [name for name in complete if name not in added] == plain  # in the same order, too


def test_any_multiple_of_32_and_not_only_squares(small: keras.Model) -> None:
    maps = small(np.zeros((2, 64, 96, 3), np.float32))
    assert [tuple(one.shape) for one in maps] == [(2, 8, 12, 24), (2, 4, 6, 24), (2, 2, 3, 24)]
    assert summary.summarize(small, (64, 96)).outputs == ((8, 12, 24), (4, 6, 24), (2, 3, 24))  # height, then width


def test_concatenations_have_darknets_order(small: keras.Model) -> None:
    """The weights fix the order; it is read from the layers that feed each concatenation."""

    def fed_by(name: str) -> list[str]:
        return [tensor._keras_history.operation.name for tensor in small.get_layer(name).input]

    assert fed_by("spp_concat") == ["spp_pool13", "spp_pool9", "spp_pool5", "spp_before3_act"]
    assert fed_by("backbone_stage3_concat") == ["backbone_stage3_exit_act", "backbone_stage3_skip_act"]
    assert fed_by("neck_down16_concat") == ["neck_down16_lateral_act", "neck_down16_upsample"]
    assert fed_by("neck_down8_concat") == ["neck_down8_lateral_act", "neck_down8_upsample"]
    assert fed_by("neck_up16_concat") == ["neck_up16_lower_act", "neck_down16_five5_act"]
    assert fed_by("neck_up32_concat") == ["neck_up32_lower_act", "spp_after3_act"]


def test_every_weight_matters(small: keras.Model) -> None:
    """The whole graph is connected: each trainable weight has a gradient that is not zero."""
    tf = pytest.importorskip("tensorflow")
    images = np.random.default_rng(1).random((2, 64, 64, 3), np.float32)
    with tf.GradientTape() as tape:
        value = sum(tf.reduce_sum(tf.square(one)) for one in small(images, training=True))
    gradients = tape.gradient(value, [v.value for v in small.trainable_variables])
    dead = [v.path for v, g in zip(small.trainable_variables, gradients, strict=True) if not np.any(g)]
    # The coarsest map's own 1x1 grid at 64 px would normalize two numbers; all others must move.
    assert dead == []


def test_impossible_class_count() -> None:
    with pytest.raises(ValueError, match="num_classes: expected at least 1, got 0"):
        architecture.build(SMALL, 0)
