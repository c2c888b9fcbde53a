"""Learning rate and other values by step: Darknet's and SGDR's values by hand, and properties."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import OptimizerConfig, RegularizationConfig
from model.training.schedule import burn_in_steps, dropblock_rate, ema_decay, is_frozen, learning_rate


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


# reference 7.3: lr .00261, cycle 1000, next cycles twice as long, lowest 1e-5
RESTARTS = [(500, 0.00131), (1000, 1e-5), (1001, 0.0026100), (2000, 0.00131), (3000, 1e-5)]


@pytest.mark.parametrize(("step", "expected"), RESTARTS)
def test_restarts_are_darknets(step, expected):
    config = OptimizerConfig(
        learning_rate=0.00261, burn_in_share=0.0, final_learning_rate_share=1e-5 / 0.00261, cycles=2, cycle_factor=2.0
    )
    assert learning_rate(step, 3000, config) == pytest.approx(expected, rel=1e-5)


def test_a_boundary_belongs_to_the_cycle_it_ends():
    # lengths 160, 240, 360, 540: whole boundaries, though 1300 times the share of the second is below 400 in floats
    config = OptimizerConfig(
        learning_rate=1.0, burn_in_share=0.0, final_learning_rate_share=0.1, cycles=4, cycle_factor=1.5
    )
    for boundary in (160, 400, 760, 1300):
        assert learning_rate(boundary, 1300, config) == pytest.approx(0.1, abs=1e-12)
    for first in (161, 401, 761):
        assert learning_rate(first, 1300, config) > 0.999


def test_cycles_need_no_whole_length():
    # three equal cycles in 100 steps: update 50 is the middle of the second, 34 two thirds of a step into it
    config = OptimizerConfig(
        learning_rate=1.0, burn_in_share=0.0, final_learning_rate_share=0.0, cycles=3, cycle_factor=1.0
    )
    assert learning_rate(50, 100, config) == pytest.approx(0.5, abs=1e-12)
    assert learning_rate(34, 100, config) == pytest.approx((1 + math.cos(math.pi * (2 / 3) / (100 / 3))) / 2, rel=1e-9)
    assert learning_rate(100, 100, config) == pytest.approx(0.0, abs=1e-12)


def test_burn_in_counts_inside_the_first_cycle():
    plain = OptimizerConfig(burn_in_share=0.0, cycles=2)
    warm = OptimizerConfig(burn_in_share=0.1, cycles=2)
    for step in range(30, 301):  # burn-in ends at 30 of 300: from there on nothing tells of it
        assert learning_rate(step, 300, warm) == learning_rate(step, 300, plain)
    assert learning_rate(29, 300, warm) == pytest.approx(0.0013 * (29 / 30) ** 4, rel=1e-12)


@pytest.mark.parametrize(("steps", "share", "expected"), [(6000, 0.16666, 1000), (72, 0.1, 8), (100, 0.0, 0)])
def test_burn_in_in_steps(steps, share, expected):
    config = OptimizerConfig(burn_in_share=share, policy="steps")
    assert burn_in_steps(steps, config) == expected
    assert learning_rate(max(expected, 1), steps, config) == config.learning_rate
    if expected > 1:
        assert learning_rate(expected - 1, steps, config) < config.learning_rate


def test_a_huge_factor_leaves_the_last_cycle():
    config = OptimizerConfig(burn_in_share=0.0, cycles=5, cycle_factor=1e300)
    assert learning_rate(500, 1000, config) == pytest.approx(
        learning_rate(500, 1000, OptimizerConfig(burn_in_share=0.0)), rel=1e-12
    )


def test_steps_are_darknets():
    # cfg/yolov4.cfg: steps=400000,450000 of 500,500; at 80 % and 90 % of an own schedule (reference 7.2)
    config = OptimizerConfig(learning_rate=0.001, burn_in_share=0.1, policy="steps")
    expected = {10: 0.001, 79: 0.001, 80: 0.0001, 89: 0.0001, 90: 0.00001, 100: 0.00001}
    for step, rate in expected.items():
        assert learning_rate(step, 100, config) == pytest.approx(rate, rel=1e-12), step
    assert learning_rate(5, 100, config) == pytest.approx(0.001 / 16, rel=1e-12)
    assert learning_rate(56, 70, config) == pytest.approx(0.0001, rel=1e-12)  # 0.8 x 70 exactly


@given(st.integers(1, 300), st.floats(0, 0.9), st.floats(0, 1))
def test_the_rate_stays_within_its_bounds(steps, burn_in, final):
    config = OptimizerConfig(learning_rate=0.01, burn_in_share=burn_in, final_learning_rate_share=final)
    rates = [learning_rate(step, steps, config) for step in range(1, steps + 1)]
    assert all(0 <= rate <= 0.01 * (1 + 1e-12) for rate in rates)
    after = rates[math.ceil(burn_in * steps) :]
    assert after == sorted(after, reverse=True)


configs = st.builds(
    OptimizerConfig,
    learning_rate=st.just(0.01),
    burn_in_share=st.floats(0, 0.9),
    policy=st.sampled_from(["cosine", "steps"]),
    cycles=st.integers(1, 6),
    cycle_factor=st.floats(1, 20),
    final_learning_rate_share=st.floats(0, 1),
)


@given(st.integers(1, 400), configs)
def test_every_policy_is_bounded_and_restarts_no_oftener_than_it_says(steps, config):
    rates = [learning_rate(step, steps, config) for step in range(1, steps + 1)]
    assert all(0 <= rate <= 0.01 * (1 + 1e-12) for rate in rates)
    burn_in = math.ceil(config.burn_in_share * steps)
    ramp = rates[: max(burn_in - 1, 0)]
    assert ramp == sorted(ramp)
    after = rates[max(burn_in - 1, 0) :]
    rises = sum(later > earlier * (1 + 1e-12) for earlier, later in pairwise(after))
    assert rises <= (config.cycles - 1 if config.policy == "cosine" else 0)
    lowest = 0.01 * (0.01 if config.policy == "steps" else config.final_learning_rate_share)
    assert rates[-1] == pytest.approx(lowest, rel=1e-9, abs=1e-15)


@given(st.integers(20, 2000), st.floats(0.01, 0.7))
def test_the_end_of_burn_in_is_no_jump(steps, share):
    config = OptimizerConfig(learning_rate=1.0, burn_in_share=share, policy="steps")
    burn_in = math.ceil(share * steps)
    assert learning_rate(burn_in, steps, config) == 1.0
    change = 1.0 - learning_rate(burn_in - 1, steps, config) if burn_in > 1 else 0.0
    assert change <= 4 / burn_in  # the ramp's slope is nowhere steeper: 4 x^3 / burn_in


def test_dropblock_grows_linearly_to_the_full_rate():
    config = RegularizationConfig(dropblock_rate=0.1, dropblock_ramp_share=0.85)
    for step, expected in {17: 0.02, 34: 0.04, 85: 0.1, 100: 0.1}.items():  # 17 / 85 is a fifth
        assert dropblock_rate(step, 100, config) == pytest.approx(expected, rel=1e-12)


@given(st.integers(1, 300), st.floats(0, 0.9), st.floats(0, 1))
def test_dropblock_never_falls_and_never_exceeds_its_rate(steps, rate, ramp):
    config = RegularizationConfig(dropblock_rate=rate, dropblock_ramp_share=ramp)
    rates = [dropblock_rate(step, steps, config) for step in range(1, steps + 1)]
    assert rates == sorted(rates)
    assert rates[0] >= 0
    assert rates[-1] == rate
    if ramp == 0:
        assert set(rates) == {rate}


@pytest.mark.parametrize(("share", "frozen"), [(0.0, 0), (0.29, 29), (0.5, 50), (0.995, 99), (1.0, 100)])
def test_the_backbone_is_frozen_for_its_share_of_the_steps(share, frozen):
    config = OptimizerConfig(freeze_share=share)
    assert [is_frozen(step, 100, config) for step in range(1, 101)] == [True] * frozen + [False] * (100 - frozen)


def test_the_moving_average_warms_up():
    config = OptimizerConfig(ema_decay=0.999)
    # tf.train.ExponentialMovingAverage: min(decay, (1 + num_updates) / (10 + num_updates))
    expected = {1: 2 / 11, 10: 11 / 20, 90: 91 / 100, 8990: 8991 / 9000, 8991: 0.999, 100_000: 0.999}
    for step, decay in expected.items():
        assert ema_decay(step, config) == pytest.approx(decay, rel=1e-12)


@given(st.integers(1, 10**6))
def test_no_moving_average_is_a_decay_of_zero(step):
    assert ema_decay(step, OptimizerConfig(ema_decay=0.0)) == 0.0
