"""DropBlock against the paper's formula, and what must be true of every mask."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from numpy.typing import NDArray

from model.network import dropblock
from model.network.dropblock import DropBlock


def run(
    x: NDArray[np.float32], *, size: int = 3, rate: float = 0.2, seed: tuple[int, int] = (1, 2), name: str = "drop"
) -> NDArray[np.float32]:
    """The layer's output in training, with rate and seed as tensors, as a train step sets them."""
    layer = DropBlock(size, name=name)
    layer.rate, layer.seed = ops.convert_to_tensor(np.float32(rate)), ops.convert_to_tensor(np.int32(seed))
    out: NDArray[np.float32] = ops.convert_to_numpy(layer(ops.convert_to_tensor(x), training=True))
    return out


def ones(*shape: int) -> NDArray[np.float32]:
    return np.ones(shape, np.float32)


def blocks_cover(dropped: NDArray[np.bool_], side: int) -> bool:
    """Whether every dropped cell of [h, w] is in a block of side x side dropped cells on the map."""
    covered = np.zeros_like(dropped)
    for row in range(dropped.shape[0] - side + 1):
        for column in range(dropped.shape[1] - side + 1):
            block = np.s_[row : row + side, column : column + side]
            covered[block] |= dropped[block].all()
    return bool(np.array_equal(covered, dropped))


def test_gamma_by_hand() -> None:
    # 0.1 / 3^2 * (8 * 5) / ((8 - 3 + 1) * (5 - 3 + 1)) = 0.1 * 40 / (9 * 18)
    assert dropblock.block_probability(0.1, 3, 8, 5) == pytest.approx(0.0246914, rel=1e-5)
    # 0.1 / 7^2 * 13^2 / 7^2, the paper's b = 7 on a map of 13
    assert dropblock.block_probability(0.1, 7, 13, 13) == pytest.approx(0.00703874, rel=1e-5)
    assert dropblock.block_probability(0.3, 5, 5, 5) == pytest.approx(0.3)  # one block is the whole map
    assert dropblock.block_probability(0.3, 1, 4, 9) == pytest.approx(0.3)  # dropout


@pytest.mark.parametrize(
    ("size", "height", "width", "side"), [(7, 13, 13, 7), (7, 4, 4, 3), (7, 9, 6, 5), (7, 5, 20, 5), (3, 1, 8, 1)]
)
def test_a_block_larger_than_the_map_is_made_to_fit(size: int, height: int, width: int, side: int) -> None:
    assert dropblock.fitting_side(size, height, width) == side
    out = run(ones(4, height, width, 8), size=size, rate=0.3)
    assert np.all(np.isfinite(out))
    assert 0 < np.mean(out == 0) < 1


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    size=st.sampled_from([1, 3, 5, 7]),
    rate=st.sampled_from([0.0, 0.05, 0.3, 0.9]),
    seed=st.integers(-(2**31), 2**31 - 1),
)
@settings(max_examples=40, deadline=None)
def test_every_dropped_cell_lies_in_a_block_and_each_picture_keeps_its_mean(
    height: int, width: int, size: int, rate: float, seed: int
) -> None:
    out = run(ones(2, height, width, 3), size=size, rate=rate, seed=(seed, 5))
    side = dropblock.fitting_side(size, height, width)
    for picture in out:
        dropped = picture == 0
        assert all(blocks_cover(dropped[..., k], side) for k in range(3))
        if not dropped.all():
            # all kept cells are scaled alike, by cells / kept cells
            np.testing.assert_allclose(picture[~dropped], dropped.size / np.sum(~dropped), rtol=1e-5)
            assert picture.mean() == pytest.approx(1.0, abs=1e-5)


def test_pictures_and_channels_draw_for_themselves() -> None:
    dropped = run(ones(3, 9, 9, 4), rate=0.4) == 0
    masks = [dropped[b, :, :, c] for b in range(3) for c in range(4)]
    assert len({mask.tobytes() for mask in masks}) == len(masks)


def test_the_mean_and_the_dropped_share_in_expectation() -> None:
    x = np.random.default_rng(0).normal(3, 1, (64, 12, 10, 16)).astype(np.float32)
    outs = [run(x, size=3, rate=0.1, seed=(k, 0)) for k in range(4)]
    assert np.mean(outs) == pytest.approx(float(x.mean()), rel=2e-3)
    # Far from the edges a cell lies in 9 blocks, each dropped with gamma = 0.1 * 120 / (9 * 80): 1 - (1 - gamma)^9.
    share = np.mean([out[:, 2:-2, 2:-2] == 0 for out in outs])
    assert share == pytest.approx(1 - (1 - 0.1 * 120 / 720) ** 9, abs=8e-3)
    # Over the whole map the edge factor makes it the rate, but for overlaps.
    assert 0.09 < np.mean([out == 0 for out in outs]) < 0.1
    # The corner lies in one block alone.
    assert np.mean([out[:, 0, 0] == 0 for out in outs]) == pytest.approx(0.1 * 120 / 720, abs=6e-3)


def test_same_seed_same_mask_and_another_for_other_seeds_and_layers() -> None:
    x = ones(2, 9, 9, 4)
    first = run(x)
    np.testing.assert_array_equal(run(x), first)
    for other in (run(x, seed=(1, 3)), run(x, seed=(2, 2)), run(x, name="other")):
        assert np.mean((other == 0) != (first == 0)) > 0.1


def test_off_at_inference_at_rate_0_and_by_default() -> None:
    x = np.random.default_rng(0).normal(0, 1, (2, 9, 9, 4)).astype(np.float32)
    np.testing.assert_array_equal(run(x, rate=0.0), x)
    layer = DropBlock(3)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x, training=True)), x)
    layer.rate, layer.seed = 0.5, ops.convert_to_tensor(np.int32([1, 2]))
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(x, training=False)), x)
    assert np.any(ops.convert_to_numpy(layer(x, training=True)) == 0)


def test_a_picture_that_loses_every_cell_is_zeros() -> None:
    # one block covers the map, so a picture of one channel is dropped whole or not at all
    out = run(ones(200, 3, 3, 1), rate=0.5)
    whole = out.reshape(200, -1).sum(axis=1)
    assert set(whole.tolist()) == {0.0, 9.0}


def test_a_rate_and_a_seed_that_change_trace_nothing_new() -> None:
    tf = pytest.importorskip("tensorflow")
    layer, traces = DropBlock(3, name="drop"), []

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(x: object, rate: object, seed: object) -> object:
        traces.append(1)
        layer.rate, layer.seed = rate, seed
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        gradient = tape.gradient(y, x)
        layer.rate, layer.seed = 0.0, None
        return y, gradient

    x = tf.ones((2, 9, 9, 4))
    for rate, seed in [(0.2, (1, 2)), (0.2, (1, 3)), (0.0, (1, 2))]:
        y, gradient = step(x, tf.constant(rate), tf.constant(seed))
        np.testing.assert_array_equal(y, run(ones(2, 9, 9, 4), rate=rate, seed=seed))
        np.testing.assert_array_equal(gradient, y)  # of ones: the factor itself
    assert len(traces) == 1


def test_half_precision_and_a_missing_seed() -> None:
    layer = DropBlock(3, dtype="mixed_bfloat16", name="drop")
    layer.rate = 0.2
    with pytest.raises(ValueError, match="drop: expected a seed of two integers"):
        layer(np.ones((1, 9, 9, 2), np.float32), training=True)
    layer.seed = ops.convert_to_tensor(np.int32([1, 2]))
    out = layer(np.ones((2, 9, 9, 4), np.float32), training=True)
    assert keras.backend.standardize_dtype(out.dtype) == "bfloat16"
    np.testing.assert_array_equal(ops.convert_to_numpy(ops.cast(out, "float32")) == 0, run(ones(2, 9, 9, 4)) == 0)
