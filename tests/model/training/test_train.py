"""Batches are prefetched one ahead, in order, in a thread of their own."""

import contextlib
import threading

import numpy as np
import pytest

from evolve.trial_config import TrialConfig
from model.training import train


def test_the_next_batch_is_made_while_this_one_is_in_use() -> None:
    made: list[int] = []
    second = threading.Event()

    def make(k: int) -> int:
        made.append(k)
        if k == 4:
            second.set()
        return 10 * k

    with contextlib.closing(train.prefetch(make, 3, 6)) as batches:
        assert next(batches) == 30
        assert second.wait(timeout=30)  # nobody has asked for it yet
        assert made == [3, 4]  # and one ahead is enough
        assert list(batches) == [40, 50]
    assert made == [3, 4, 5]


def test_what_breaks_in_the_making_breaks_the_training() -> None:
    def make(k: int) -> int:
        if k == 1:
            raise ValueError("picture 1: expected a picture, got none")
        return k

    batches = train.prefetch(make, 0, 3)
    assert next(batches) == 0
    with pytest.raises(ValueError, match="picture 1"):
        next(batches)


def test_no_steps_make_no_batch() -> None:
    assert list(train.prefetch(lambda k: pytest.fail("a batch was made"), 5, 5)) == []


def test_a_training_that_is_dropped_leaves_no_thread() -> None:
    before = threading.active_count()
    batches = train.prefetch(lambda k: k, 0, 100)
    next(batches)
    batches.close()
    assert threading.active_count() == before


class LosesItsNorm:
    """A trainer whose gradient overflows at its second step, while the terms of the loss are finite."""

    traces = 0
    steps = 0

    def step(self, *_given: object, **_named: object) -> np.ndarray:
        self.steps += 1
        return np.asarray([3.0, 1.0, 1.0, 1.0, np.nan if self.steps == 2 else 9.0, 0.0, 20.0], np.float32)


def test_a_gradient_that_is_not_finite_is_named() -> None:
    config, trainer = TrialConfig(), LosesItsNorm()
    reports = train.train(trainer, lambda k: k, config, seed=0, steps=range(5), report_every=5)  # type: ignore[arg-type]
    with pytest.raises(train.Diverged, match=r"not finite at step 2 of 6000: .*box 1, .*gradient_norm nan$"):
        list(reports)
