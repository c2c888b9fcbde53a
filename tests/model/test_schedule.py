"""The learning rate: Darknet's burn-in and one half cosine, by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import OptimizerConfig
from model.schedule import learning_rate


def test_burn_in_is_darknets_fourth_power():
    config = OptimizerConfig(learning_rate=0.0013, burn_in_share=0.002)  # 1000 of 500,000 steps
    # reference 7.3: at lr .0013 it 250 5.078e-6, 500 8.125e-5, 999 1.2948e-3
    assert learning_rate(250, 500_000, config) == pytest.approx(5.078e-6, rel=1e-3)
    assert learning_rate(500, 500_000, config) == pytest.approx(8.125e-5, rel=1e-3)
    assert learning_rate(999, 500_000, config) == pytest.approx(1.2948e-3, rel=1e-3)


def test_the_cosine_is_sgdr_with_one_cycle():
    # reference 7.3: lr .00261, cycle 1000, lowest 1e-5: it 500 .00131, 1000 1e-5
    config = OptimizerConfig(learning_rate=0.00261, burn_in_share=0.0, final_learning_rate_share=1e-5 / 0.00261)
    assert learning_rate(500, 1000, config) == pytest.approx(0.00131, rel=1e-6)
    assert learning_rate(1000, 1000, config) == pytest.approx(1e-5, rel=1e-6)


@given(st.integers(1, 300), st.floats(0, 0.9), st.floats(0, 1))
def test_the_rate_stays_within_its_bounds(steps, burn_in, final):
    config = OptimizerConfig(learning_rate=0.01, burn_in_share=burn_in, final_learning_rate_share=final)
    rates = [learning_rate(step, steps, config) for step in range(1, steps + 1)]
    assert all(0 <= rate <= 0.01 * (1 + 1e-12) for rate in rates)
    after = rates[math.ceil(burn_in * steps) :]
    assert after == sorted(after, reverse=True)
