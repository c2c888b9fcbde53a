"""Bounds on a step's gradient norm, against medians taken by hand and by numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.training.gradient_clip import FEWEST, WINDOW, GradientClip

NORMS = st.lists(st.floats(2**-10, 1e4, width=32), min_size=1, max_size=3 * WINDOW)


def clip_all(norms: list[float], max_norm: float = 0.0, spike_factor: float = 0.0) -> list[tuple[float, float]]:
    """What became of each norm in turn: factor and whether it was shortened."""
    clip = GradientClip()
    clipped = [clip.clip(np.float32(norm), np.float32(max_norm), np.float32(spike_factor)) for norm in norms]
    return [(float(step.factor), float(step.shortened)) for step in clipped]


def test_a_spike_is_cut_to_a_multiple_of_the_usual_norm_and_usual_steps_are_left_alone():
    usual = [90.0, 110.0, 100.0, 120.0, 80.0]
    *before, spike, after = clip_all([*usual, 1000.0, 110.0], spike_factor=4.0)
    assert before == [(1.0, 0.0)] * 5
    assert spike == (pytest.approx(4 * 100.0 / 1000.0), 1.0)  # the median of the five is 100
    assert after == (1.0, 0.0)


def test_the_first_steps_have_no_usual_norm():
    assert clip_all([1.0] * (FEWEST - 1) + [1e6], spike_factor=2.0)[-1] == (1.0, 0.0)
    assert clip_all([1.0] * FEWEST + [1e6], spike_factor=2.0)[-1] == (pytest.approx(2e-6), 1.0)


def test_the_fixed_bound_holds_from_the_first_step_and_the_smaller_bound_wins():
    assert clip_all([20.0], max_norm=10.0) == [(0.5, 1.0)]
    assert clip_all([1.0] * FEWEST + [50.0], max_norm=10.0, spike_factor=4.0)[-1] == (pytest.approx(4 / 50), 1.0)
    assert clip_all([9.0] * FEWEST + [50.0], max_norm=10.0, spike_factor=4.0)[-1] == (pytest.approx(10 / 50), 1.0)


def test_both_bounds_can_be_off():
    assert clip_all([1.0] * WINDOW + [1e9]) == [(1.0, 0.0)] * (WINDOW + 1)


def test_an_old_norm_is_forgotten_after_the_window():
    assert clip_all([1.0] * WINDOW + [100.0] * WINDOW + [300.0], spike_factor=4.0)[-1] == (1.0, 0.0)


@settings(max_examples=30, deadline=None)
@given(NORMS, st.floats(1.0, 10.0, width=32))
def test_the_bound_is_a_multiple_of_numpys_lower_median(norms: list[float], factor: float):
    for k, (got, shortened) in enumerate(clip_all(norms, spike_factor=factor)):
        known = np.asarray(norms[max(0, k - WINDOW) : k], np.float32)
        if len(known) < FEWEST:
            assert (got, shortened) == (1.0, 0.0)
            continue
        limit = float(np.float32(factor) * np.quantile(known, 0.5, method="lower"))
        assert got == pytest.approx(min(1.0, limit / norms[k]), rel=1e-5)


def test_the_scale_of_the_loss_changes_nothing_about_what_is_cut():
    rng = np.random.default_rng(0)
    norms = rng.lognormal(3, 1, 100).astype(np.float32)
    small = clip_all(norms.tolist(), spike_factor=3.0)
    large = clip_all((norms * 512).tolist(), spike_factor=3.0)
    assert small == [(pytest.approx(factor), shortened) for factor, shortened in large]
    assert 0 < sum(shortened for _, shortened in small) < 20


def test_nan_is_not_cut_into_silence():
    assert clip_all([1.0] * FEWEST + [float("nan")], max_norm=1.0, spike_factor=2.0)[-1] == (1.0, 0.0)


def test_reset_forgets():
    clip = GradientClip()
    for _ in range(FEWEST):
        clip.clip(np.float32(1.0), np.float32(0.0), np.float32(2.0))
    clip.reset()
    assert float(clip.clip(np.float32(1e6), np.float32(0.0), np.float32(2.0)).factor) == 1.0
