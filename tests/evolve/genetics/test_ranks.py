"""Ranks against SciPy 1.17 (rankdata, spearmanr), and by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evolve.genetics import ranks

VALUES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40)


@given(VALUES)
def test_average_ranks_are_scipys(values: list[float]) -> None:
    assert ranks.average_ranks(values).tolist() == stats.rankdata(values).tolist()


@given(VALUES)
def test_normal_scores_keep_the_order_and_are_centred(values: list[float]) -> None:
    scores = ranks.normal_scores(values)
    assert scores == pytest.approx(stats.norm.ppf((stats.rankdata(values) - 0.375) / (len(values) + 0.25)))
    for first, score in zip(values, scores, strict=True):
        for second, other in zip(values, scores, strict=True):
            assert (first < second) == (score < other)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=30))
def test_rank_correlation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    first, second = [float(pair[0]) for pair in pairs], [float(pair[1]) for pair in pairs]
    if len(set(first)) < 2 or len(set(second)) < 2:
        assert ranks.rank_correlation(first, second) is None
    else:
        assert ranks.rank_correlation(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)


def test_rank_correlation_by_hand() -> None:
    assert ranks.rank_correlation([1, 2, 3], [5, 7, 9]) == pytest.approx(1.0)
    assert ranks.rank_correlation([1, 2, 3], [9, 7, 5]) == pytest.approx(-1.0)
    # differences of ranks 0, 1, 1: 1 - 6 * 2 / (3 * 8) = 0.5
    assert ranks.rank_correlation([1, 2, 3], [5, 9, 7]) == pytest.approx(0.5)
    assert ranks.rank_correlation([], []) is None
    with pytest.raises(ValueError, match="expected two lists of one length, got 1 and 2 values"):
        ranks.rank_correlation([1.0], [1.0, 2.0])
