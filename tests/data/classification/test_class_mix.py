"""CutMix and mosaic for classes: labels are counted in pixels, whatever the draws were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.classification import class_mix
from data.classification.class_mix import MixConfig, MixedBatches

NAMES = ("a", "b", "c", "d", "e")
SIDE = 24


class Flat:
    """A picture of one value for each class, so that its pixels can be counted."""

    class_names = NAMES

    def __len__(self):
        return 11

    def picture(self, index, side, rng):
        number = index % len(NAMES)
        return np.full((side, side, 3), 10 * number, np.uint8), number


class Ramp(Flat):
    """Columns of value 0, 1, 2 ... so that it shows which of them were taken."""

    def picture(self, index, side, rng):
        return np.broadcast_to(np.arange(side, dtype=np.uint8)[None, :, None], (side, side, 3)).copy(), 0


def _batch(config, source=None, seed=3, step=5, batch=64):
    return MixedBatches(source or Flat(), config).batch(seed=seed, step=step, batch=batch, side=SIDE)


@pytest.mark.parametrize(
    "config",
    [
        MixConfig(cutmix_prob=1.0, mosaic_prob=0.0),
        MixConfig(cutmix_prob=0.0, mosaic_prob=1.0),
        MixConfig(cutmix_prob=1.0, mosaic_prob=0.0, cutmix_alpha=0.2),
        MixConfig(),
    ],
)
def test_labels_are_the_share_of_the_pixels_that_each_class_has(config):
    images, labels = _batch(config)
    counted = np.stack([(images[..., 0] == 10 * number).mean(axis=(1, 2)) for number in range(len(NAMES))], axis=1)
    np.testing.assert_allclose(labels, counted, atol=1e-6)
    np.testing.assert_allclose(labels.sum(axis=1), 1.0, atol=1e-6)


def test_off_means_plain_pictures():
    images, labels = _batch(MixConfig(cutmix_prob=0.0, mosaic_prob=0.0))
    assert set(np.unique(labels)) == {0.0, 1.0}
    assert all(len(np.unique(image)) == 1 for image in images)


def test_the_first_picture_does_not_depend_on_what_is_mixed_in():
    plain = _batch(MixConfig(cutmix_prob=0.0, mosaic_prob=0.0))[1].argmax(axis=1)
    mosaics = _batch(MixConfig(cutmix_prob=0.0, mosaic_prob=1.0))[0]
    np.testing.assert_array_equal(mosaics[:, 0, 0, 0], 10 * plain)  # the top left quadrant shows it


def test_a_batch_is_a_function_of_seed_and_step():
    first, again = _batch(MixConfig()), _batch(MixConfig())
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], _batch(MixConfig(), step=6)[0])
    assert not np.array_equal(first[0], _batch(MixConfig(), seed=4)[0])


def test_the_share_that_cutmix_leaves_is_that_of_the_paper():
    # lambda uniform, centre uniform: the pasted side along one axis is the mean overlap of an interval of length l with
    # [0, 1], l - l^2 / 4 of the side for l <= 1; of both axes (l - l^2/4)^2 with l^2 = 1 - lambda = u uniform:
    # E[(sqrt(u) - u/4)^2] = E[u] - E[u^1.5]/2 + E[u^2]/16 = 1/2 - 1/5 + 1/48 = 0.3208
    rng = np.random.default_rng(0)
    shares = [class_mix.draw_rectangle(rng, 1.0, 200).pixels / 200**2 for _ in range(20000)]
    assert np.mean(shares) == pytest.approx(0.3208, abs=0.005)


def test_a_quadrant_shows_the_middle_of_its_picture():
    onto = np.zeros((8, 8, 3), np.uint8)
    picture = Ramp().picture(0, 8, None)[0]
    class_mix.paste_middle(onto, picture, class_mix.Rectangle(4, 0, 8, 3))
    assert onto[0, 4:, 0].tolist() == [2, 3, 4, 5]
    assert onto[3:].max() == 0
    assert onto[:, :4].max() == 0


@given(seed=st.integers(0, 2**32), side=st.integers(2, 64), offset=st.floats(0.01, 0.5), alpha=st.floats(0.05, 5))
@settings(max_examples=60)
def test_windows_lie_on_the_picture(seed, side, offset, alpha):
    rng = np.random.default_rng(seed)
    window = class_mix.draw_rectangle(rng, alpha, side)
    assert 0 <= window.left <= window.right <= side
    assert 0 <= window.top <= window.bottom <= side
    found = class_mix.quadrants(*class_mix.draw_cross(rng, offset, side), side)
    assert sum(window.pixels for window in found) == side**2
    assert min(window.pixels for window in found) > 0


def test_plain_views_come_once_each_and_spread():
    batches = list(class_mix.plain_batches(Flat(), side=4, limit=100, batch=4))
    assert [len(classes) for _, classes in batches] == [4, 4, 3]
    assert np.concatenate([c for _, c in batches]).tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0]
    few = list(class_mix.plain_batches(Flat(), side=4, limit=3))
    assert few[0][1].tolist() == [0, 3, 2]  # indices 0, 3, 7


@pytest.mark.parametrize("wrong", [{"cutmix_prob": 1.5}, {"mosaic_prob": -1}, {"cutmix_alpha": 0.0}])
def test_wrong_settings_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MixConfig(**wrong)
