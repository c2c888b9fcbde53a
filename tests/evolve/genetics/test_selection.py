"""Selection: the best stay."""

from hypothesis import given
from hypothesis import strategies as st

from evolve.genetics import selection


def test_best_first_and_ties_by_uid() -> None:
    fitness = {"g001-002": 0.5, "g000-007": 0.7, "g001-000": 0.5, "g000-001": 0.2}
    assert selection.elites(fitness, 3) == ("g000-007", "g001-000", "g001-002")
    assert selection.elites(fitness, 9) == ("g000-007", "g001-000", "g001-002", "g000-001")
    assert selection.elites({}, 3) == ()


@given(
    st.dictionaries(st.text("0123456789", min_size=3, max_size=3), st.sampled_from([0.1, 0.2, 0.3])), st.integers(1, 9)
)
def test_nobody_left_out_is_better_than_anybody_chosen(fitness: dict[str, float], count: int) -> None:
    chosen = selection.elites(fitness, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(fitness))
    left = set(fitness) - set(chosen)
    assert all(fitness[a] > fitness[b] or (fitness[a] == fitness[b] and a < b) for a in chosen for b in left)
    assert selection.elites(dict(reversed(fitness.items())), count) == chosen
