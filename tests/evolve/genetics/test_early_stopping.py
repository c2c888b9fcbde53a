"""Which trials go on from a rung."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.genetics import early_stopping

THIRD = Fraction(1, 3)


def test_hand_sums() -> None:
    scores = {f"g000-{slot:03d}": slot / 100 for slot in range(100)}
    # 100 / 3 = 33.3, rounded up: the 34 best are slots 99 ... 66
    assert early_stopping.promoted(scores, 100, THIRD, 10) == tuple(f"g000-{slot:03d}" for slot in range(99, 65, -1))
    # 9 entered, 3 of them failed: a third of 9 is 3
    alive = {"a": 0.1, "b": 0.4, "c": 0.2, "d": 0.3, "e": 0.0, "f": 0.5}
    assert early_stopping.promoted(alive, 9, THIRD, 1) == ("f", "b", "d")
    assert early_stopping.promoted(alive, 9, THIRD, 5) == (
        "f",
        "b",
        "d",
        "c",
        "a",
    )  # never fewer than the elites to be chosen
    assert early_stopping.promoted({"b": 0.5, "a": 0.5, "c": 0.5}, 3, THIRD, 1) == ("a",)  # ties by uid
    assert early_stopping.promoted({}, 9, THIRD, 2) == ()
    assert early_stopping.promoted({"a": 0.1}, 9, Fraction(1), 10) == ("a",)


@given(
    st.dictionaries(st.text("0123456789", min_size=3, max_size=3), st.sampled_from([0.1, 0.2, 0.3])),
    st.integers(0, 50),
    st.fractions(0, 1).filter(bool),
    st.integers(1, 20),
)
def test_promotions_are_the_best_and_never_fewer_than_asked(
    scores: dict[str, float], failed: int, keep: Fraction, at_least: int
) -> None:
    entered = len(scores) + failed
    promoted = early_stopping.promoted(scores, entered, keep, at_least)
    assert set(promoted) <= set(scores)
    assert len(promoted) >= min(at_least, len(scores))
    assert len(promoted) >= min(entered * keep, len(scores))
    assert len(promoted) <= max(entered * keep + 1, at_least)
    left = set(scores) - set(promoted)
    assert all(scores[a] > scores[b] or (scores[a] == scores[b] and a < b) for a in promoted for b in left)


def test_planned_trials_by_hand() -> None:
    # 3 of the 66 below the first cut; the same share of the 22 below the second is 1
    assert early_stopping.planned_trials(100, 3, THIRD, 10, 3) == (100, 34 + 3, 12 + 3 + 1)
    assert early_stopping.planned_trials(100, 3, THIRD, 10, 0) == (100, 34, 12)
    # 20 trials have two controls at most: 2 of 13, then 1 of 4 (8/13, rounded up)
    assert early_stopping.planned_trials(20, 3, THIRD, 2, 3) == (20, 7 + 2, 3 + 2 + 1)
    assert early_stopping.planned_trials(6, 3, THIRD, 2, 3) == (6, 2, 2)  # a tenth of 6, rounded down, is none
    assert early_stopping.planned_trials(100, 3, Fraction(1), 10, 3) == (100, 100, 100)  # nothing is below a cut
    assert early_stopping.planned_trials(100, 1, THIRD, 10, 3) == (100,)
    assert early_stopping.planned_trials(12, 2, THIRD, 11, 3) == (12, 11 + 1)  # the one below the cut


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="expected scores of at most the 1 trials that entered, got 2"):
        early_stopping.promoted({"a": 1.0, "b": 0.5}, 1, THIRD, 1)
    with pytest.raises(ValueError, match="expected at least 1 step, got steps=0"):
        early_stopping.rung_steps((Fraction(1),), 0)
