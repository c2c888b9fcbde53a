"""Batches are prefetched one ahead, in order, in a thread of their own."""

import contextlib
import threading

import pytest

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
