"""The screen: what it is fitted to, when it is trusted, and which genome it prefers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.genetics import gaussian_process, screening
from evolve.genetics.genome import Genome
from evolve.genetics.screening import Trial
from evolve.genetics.space import Choice, Linear, SearchSpace

SPACE = SearchSpace("s", {"a": Linear(0, 10, 5), "b": Linear(0, 10, 5), "c": Choice(("x", "y", "z"), "x")})
STEPS = (10, 30, 90)


def quality(genome: Genome) -> float:
    """Best at a = 3, b = 7, c = y."""
    away = (float(genome["a"]) - 3) ** 2 / 100 + (float(genome["b"]) - 7) ** 2 / 100
    return 0.5 - away - (0.2 if genome["c"] != "y" else 0.0)


def genomes(seed: int, count: int) -> list[Genome]:
    rng = np.random.default_rng(seed)
    return [Genome({"a": a, "b": b, "c": "xyz"[int(c)]}) for a, b, c in rng.random((count, 3)) * (10, 10, 3)]


def trial(genome: Genome, reached: int, predicted: float | None = None, generation: int = 0) -> Trial:
    """A trial whose scores rise to its quality, with the steps up to `reached`."""
    return Trial(generation, genome, {s: quality(genome) * (s / 90) ** 0.5 for s in STEPS if s <= reached}, predicted)


def test_scores_at_rungs_become_final_scores_by_least_squares() -> None:
    """By hand. Step 10: (1, 3), (2, 5), (3, 7) lie on 2 x + 1, so 0 stands for 1. Step 30: one has both, 4 and 3,
    which is too few for a line: 6 stands for 6 - 1."""
    scores = [{10: 1.0, 90: 3.0}, {10: 2.0, 90: 5.0}, {10: 3.0, 30: 4.0, 90: 7.0}, {10: 0.0}, {10: 1.0, 30: 6.0}]
    scores[2] = {10: 3.0, 30: 8.0, 90: 7.0}
    assert screening.final_scores(scores, STEPS) == pytest.approx([3.0, 5.0, 7.0, 1.0, 5.0])


@pytest.mark.parametrize("late", [(3.0, 2.0, 1.0), (2.0, 2.0, 2.0)])
def test_a_rung_that_does_not_rise_with_the_end_keeps_its_own_order(late: tuple[float, ...]) -> None:
    """Both are 2 on average, so a score at the rung is shifted by nothing."""
    scores = [{10: 1.0 + index, 90: value} for index, value in enumerate(late)]
    assert screening.final_scores([*scores, {10: 0.5}, {10: 9.0}], (10, 90))[3:] == pytest.approx([0.5, 9.0])


def test_without_any_final_score_rungs_stay_as_they_are() -> None:
    assert screening.final_scores([{10: 0.3}, {10: 0.1, 30: 0.4}], STEPS) == [0.3, 0.4]


def test_the_screen_ranks_genomes_that_it_has_not_seen() -> None:
    trials = [trial(genome, STEPS[index % 3]) for index, genome in enumerate(genomes(0, 90))]
    screen = screening.screen_from(SPACE, trials, STEPS)
    assert screen is not None
    better = 0
    for draw in range(50):
        pool = genomes(1000 + draw, 20)
        chosen, predicted = screen.best(pool)
        better += quality(chosen) >= sorted(map(quality, pool))[-3]
        assert predicted == pytest.approx(quality(chosen), abs=0.15)  # on the scale of fitness
    assert better >= 45


def test_of_equal_predictions_the_first_is_chosen() -> None:
    trials = [Trial(0, genome, {90: 0.25}) for genome in genomes(0, 20)]
    screen = screening.screen_from(SPACE, trials, STEPS)
    assert screen is not None
    pool = genomes(1, 10)
    assert screen.best(pool) == (pool[0], 0.25)


@settings(max_examples=20)
@given(st.integers(0, 15), st.integers(0, 30))
def test_under_ten_trials_with_a_score_there_is_no_screen(scored: int, failed: int) -> None:
    trials = [Trial(0, genome, {90: float(index)}) for index, genome in enumerate(genomes(0, scored))]
    trials += [Trial(0, genome, {}) for genome in genomes(1, failed)]
    assert (screening.screen_from(SPACE, trials, STEPS) is None) == (scored < 10)


def test_a_long_search_is_fitted_to_its_best_and_its_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    """400 trials, the first ten the best: the model has the best 100, among them these, and the latest 100 others.

    Every second trial was stopped at step 30, so it has two scores instead of three: each is a point.
    """
    fitted: list[tuple[np.ndarray, list[int]]] = []

    class FittedError(Exception):
        pass

    def look(units: np.ndarray, _targets: np.ndarray, rungs: list[int], _unordered: list[bool]) -> None:
        fitted.append((units, rungs))
        raise FittedError

    monkeypatch.setattr(gaussian_process, "fit", look)
    trials = []
    for index, genome in enumerate(genomes(0, 400)):
        score = 1000.0 - index if index < 10 else float(index % 7)
        trials.append(Trial(0, genome, dict.fromkeys(STEPS[: 2 + index % 2], score)))
    with pytest.raises(FittedError):
        screening.screen_from(SPACE, trials, STEPS)
    [(units, rungs)] = fitted
    positions = screening.positions(SPACE, [trial.genome for trial in trials])
    assert len(np.unique(units, axis=0)) == 200
    assert rungs[:5] == [0, 1, 0, 1, 2]
    assert (units[[0, 1, 2, 3, 4]] == positions[[0, 0, 1, 1, 1]]).all()
    assert {tuple(position) for position in positions[-100:]} <= {tuple(unit) for unit in units}


def test_predicted_against_measured() -> None:
    """Children of generation 1: predictions in the order of quality, in the reverse order, and too few."""
    parents = [trial(genome, 90) for genome in genomes(0, 20)]
    pool = sorted(genomes(1, 12), key=quality)

    def children(sign: int) -> list[Trial]:
        return [trial(genome, STEPS[index % 3], sign * index, 1) for index, genome in enumerate(pool)]

    good, bad = children(1), children(-1)
    agreement, count = screening.correlation([*parents, *good], STEPS, 1)
    assert count == 12
    assert agreement is not None
    assert agreement > 0.9
    assert screening.is_trusted([*parents, *good], STEPS, 1)
    assert screening.correlation([*parents, *bad], STEPS, 1) == (pytest.approx(-agreement), 12)
    assert not screening.is_trusted([*parents, *bad], STEPS, 1)
    assert screening.is_trusted([*parents, *bad[:9]], STEPS, 1)  # nine are too few to say so
    assert screening.is_trusted([*parents, *bad], STEPS, 0)  # no child of generation 0 was predicted
    assert screening.correlation(parents, STEPS, 0) == (None, 0)
    failed = [Trial(1, genome, {}, 0.5) for genome in genomes(2, 5)]
    assert screening.correlation([*parents, *good, *failed], STEPS, 1) == (agreement, 12)
