"""MixUp: the share's distribution, and draws that do not depend on the settings."""

import numpy as np
import pytest
from scipy import stats

from data.batches import mixup
from data.config import AugmentConfig


def test_the_share_is_beta_32_32() -> None:
    rng, config = np.random.default_rng(0), AugmentConfig(mixup_prob=1)
    drawn = [mixup.draw_mixup(rng, config, 3) for _ in range(2000)]
    shares = [one.share for one in drawn if one is not None]
    assert len(shares) == 2000
    assert stats.kstest(shares, stats.beta(32, 32).cdf).pvalue > 0.01
    assert {one.partner for one in drawn if one is not None} == {0, 1, 2}


@pytest.mark.parametrize("changed", [{"mixup_prob": 0}, {"jitter": 0}, {"resize": 2}])
def test_draws_are_the_same_whatever_the_configuration(changed) -> None:
    before, after = np.random.default_rng(1), np.random.default_rng(1)
    mixup.draw_mixup(before, AugmentConfig(mixup_prob=1), 5)
    mixup.draw_mixup(after, AugmentConfig(**{"mixup_prob": 1, **changed}), 5)
    assert before.random() == after.random()


def test_probability() -> None:
    rng, config = np.random.default_rng(0), AugmentConfig(mixup_prob=0.25)
    wanted = [mixup.draw_mixup(rng, config, 3) is not None for _ in range(1000)]
    assert np.mean(wanted) == pytest.approx(0.25, abs=0.04)
