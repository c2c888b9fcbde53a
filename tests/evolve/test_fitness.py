"""Fitness: a weighted sum of scores, or an error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve import fitness


def test_hand_sums() -> None:
    scores = {"val/map50_95": 0.25, "val/map50": 0.5, "test/map50_95": 0.9}
    assert fitness.score(scores, {"val/map50_95": 1.0}) == 0.25
    assert fitness.score(scores, {"val/map50_95": 0.9, "val/map50": 0.1}) == pytest.approx(0.275)  # 0.225 + 0.05


def test_a_missing_score_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="expected the score 'val/map75', got val/map50, val/map50_95"):
        fitness.score({"val/map50_95": 0.2, "val/map50": 0.3}, {"val/map75": 1.0})
    with pytest.raises(ValueError, match="expected the score 'val/map75', got none"):
        fitness.score({}, {"val/map75": 1.0})
    with pytest.raises(ValueError, match="expected the weight of at least one score"):
        fitness.score({"val/map75": 0.1}, {})


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="expected a finite score 'val/map50', got"):
        fitness.score({"val/map50": bad}, {"val/map50": 1.0})


@given(st.dictionaries(st.text("abc", min_size=1), st.tuples(st.floats(0, 1), st.floats(-1, 1)), min_size=1))
def test_the_order_of_the_weights_changes_no_bit(both: dict[str, tuple[float, float]]) -> None:
    scores = {name: pair[0] for name, pair in both.items()}
    weights = {name: pair[1] for name, pair in both.items()}
    assert fitness.score(scores, weights) == fitness.score(scores, dict(reversed(weights.items())))
