"""The rank correlation of rungs with the fitness: against SciPy, by hand, and against made-up populations."""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evolve.genetics import rung_correlation
from evolve.genetics.rung_correlation import RungTrial

THIRD, ALL = Fraction(1, 3), Fraction(1)
STEPS = (11, 32, 96)
ROUNDING = 5.01e-5  # of four digits


def trained(generation: int, *scores: Sequence[float], steps: Sequence[int] = STEPS) -> dict[str, RungTrial]:
    """A generation of trials with these scores at the rungs; a trial with fewer of them was stopped after its last."""
    return {
        f"g{generation:03d}-{slot:03d}": RungTrial(
            generation, dict(zip(steps, line, strict=False)), len(line) < len(steps)
        )
        for slot, line in enumerate(scores)
    }


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=8, max_size=30))
def test_where_all_are_trained_to_the_end_it_is_spearmans(scores: list[tuple[int, int, int]]) -> None:
    lines = [[float(score) for score in line] for line in scores]
    results = rung_correlation.correlations([trained(0, *lines)], STEPS, ALL, 1, 0)
    last = [line[2] for line in lines]
    for rung, result in enumerate(results):
        assert (result.step, result.trials, result.controls) == (STEPS[rung], len(lines), 0)
        early = [line[rung] for line in lines]
        if len(set(early)) < 2 or len(set(last)) < 2:
            assert result.rank_correlation is None
            assert result.interval is None
        else:
            assert result.rank_correlation == pytest.approx(stats.spearmanr(early, last).statistic, abs=ROUNDING)
            assert result.interval is not None
            assert result.interval[0] <= result.rank_correlation <= result.interval[1]


def test_a_control_stands_for_those_below_its_cut() -> None:
    """15 trials, of which 5 are promoted; of the 10 below, two were trained on, so each of them counts five times."""
    promoted = [(0.9, 0.5), (0.8, 0.7), (0.7, 0.6), (0.6, 0.9), (0.5, 0.4)]
    controls = [(0.4, 0.65), (0.2, 0.1)]
    stopped = [(0.1 + slot / 100,) for slot in range(8)]
    trials = trained(0, *promoted, *controls, *stopped, steps=(1, 9))
    # Eight trials with a fitness are needed: two such generations, alike
    again = {f"g001{uid[4:]}": RungTrial(1, trial.scores, trial.stopped) for uid, trial in trials.items()}
    [result] = rung_correlation.correlations([trials, again], (1, 9), THIRD, 1, 0)
    repeated = promoted + 5 * controls
    expected = stats.spearmanr([early for early, _ in repeated], [late for _, late in repeated]).statistic
    assert result.rank_correlation == pytest.approx(expected, abs=ROUNDING)
    assert (result.trials, result.controls) == (14, 4)


def test_controls_of_two_cuts_and_those_that_fail() -> None:
    """18 trials: 6 promoted, 12 below with three controls; of the 6, 2 promoted and 4 below with one control.

    One control of the first cut fails later: the two others still count four times each, not six times.
    """
    best = [(0.9, 0.9, 0.5), (0.8, 0.8, 0.7)]
    second = [(0.7, 0.3, 0.8), (0.75, 0.2), (0.85, 0.1), (0.65, 0.25)]
    first = [(0.6, 0.85, 0.1), (0.3, 0.35, 0.6), (0.2,)]
    stopped = [(0.1 + slot / 100,) for slot in range(9)]
    trials = trained(0, *best, *second, *first, *stopped)
    trials["g000-008"] = RungTrial(0, {11: 0.2}, stopped=False)  # the control that failed
    again = {f"g001{uid[4:]}": RungTrial(1, trial.scores, trial.stopped) for uid, trial in trials.items()}
    results = rung_correlation.correlations([trials, again], STEPS, THIRD, 2, 0)
    repeated = np.array([*best, *4 * [second[0]], *4 * first[:2]])
    for rung, result in enumerate(results):
        expected = stats.spearmanr(repeated[:, rung], repeated[:, 2]).statistic
        assert result.rank_correlation == pytest.approx(expected, abs=ROUNDING)
        assert (result.trials, result.controls) == (10, 6)


def test_a_better_generation_is_no_rung_that_ranks() -> None:
    """Within each generation the rung says nothing; a correlation over all trials at once would be 0.9."""
    rng = np.random.default_rng(1)
    generations = [trained(g, *(g + 0.1 * rng.standard_normal((40, 2))), steps=(1, 9)) for g in range(4)]
    [result] = rung_correlation.correlations(generations, (1, 9), ALL, 1, 0)
    assert result.rank_correlation is not None
    assert abs(result.rank_correlation) < 0.2
    values = [(trial.scores[1], trial.scores[9]) for trials in generations for trial in trials.values()]
    assert stats.spearmanr(*np.array(values).T).statistic > 0.9


def test_what_is_not_known_is_none() -> None:
    promoted = [(0.9 - slot / 100, 0.5 + slot / 100) for slot in range(9)]
    stopped = [(0.1 + slot / 100,) for slot in range(18)]

    def result_of(*generations: Mapping[str, RungTrial]) -> tuple[float | None, int, int]:
        [result] = rung_correlation.correlations(generations, (1, 9), THIRD, 1, 0)
        assert (result.rank_correlation is None) == (result.interval is None)
        return result.rank_correlation, result.trials, result.controls

    assert result_of() == (None, 0, 0)
    assert result_of(trained(0, *promoted, *stopped, steps=(1, 9))) == (None, 0, 0)  # no controls: only the promoted
    with_controls = trained(0, *promoted, *stopped[:-1], (0.2, 0.1), steps=(1, 9))
    assert result_of(with_controls)[0] is not None
    assert result_of(trained(1, *promoted, *stopped, steps=(1, 9)), with_controls)[1:] == (10, 1)
    few = trained(0, *promoted[:6], *[(0.1,)] * 11, (0.1, 0.2), steps=(1, 9))
    assert result_of(few) == (None, 7, 1)
    equal = trained(0, *[(0.9, 0.5)] * 9, *stopped[:-1], (0.2, 0.5), steps=(1, 9))
    assert result_of(equal) == (None, 10, 1)
    assert rung_correlation.correlations([with_controls], (9,), ALL, 1, 0) == []


def population(rng: np.random.Generator, first: float, second: float, generation: int) -> np.ndarray:
    """Scores of 100 trials at two rungs and the end, [100, 3]. first, second: the rungs' correlations with the end."""
    end = rng.standard_normal(100)
    later = second * end + np.sqrt(1 - second**2) * rng.standard_normal(100)
    share = first / second
    early = share * later + np.sqrt(1 - share**2) * rng.standard_normal(100)
    return np.stack([early, later, end], axis=1) + generation


def searched(scores: np.ndarray, generation: int, rng: np.random.Generator) -> dict[str, RungTrial]:
    """What a search with three controls knows of them: 34 of 100 promoted, then 12; 3 of 66 and 1 of 22 drawn."""
    first = np.argsort(-scores[:, 0])
    second = first[:34][np.argsort(-scores[first[:34], 1])]
    to_the_end = {*second[:12], *rng.choice(first[34:], 3, replace=False), *rng.choice(second[12:], 1)}
    known = [3 if slot in to_the_end else 2 if slot in second else 1 for slot in range(100)]
    return trained(generation, *(line[:count] for line, count in zip(scores, known, strict=True)))


@pytest.mark.parametrize(("first", "second"), [(0.0, 0.5), (0.6, 0.85)])
def test_the_estimate_meets_the_truth_over_everybody(first: float, second: float) -> None:
    """60 searches of three generations; more of them are in docs/decisions/0018-control-trials.md."""
    errors, inside = [], []
    for repetition in range(60):
        rng = np.random.default_rng(repetition)
        scores = [population(rng, first, second, generation) for generation in range(3)]
        known = [searched(lines, generation, rng) for generation, lines in enumerate(scores)]
        results = rung_correlation.correlations(known, STEPS, THIRD, 10, repetition)
        for rung, result in enumerate(results):
            assert result.rank_correlation is not None
            assert result.interval is not None
            assert (result.trials, result.controls) == (48, 12)
            truth = np.mean([stats.spearmanr(lines[:, rung], lines[:, 2]).statistic for lines in scores])
            errors.append(result.rank_correlation - truth)
            inside.append(result.interval[0] <= truth <= result.interval[1])
    bias = np.reshape(errors, (60, 2)).mean(0)  # of each rung
    assert np.abs(bias).max() < 0.08  # the mean of 60 has a standard error of about 0.03
    assert np.mean(inside) > 0.9


def test_the_interval_depends_on_the_seed_alone() -> None:
    rng = np.random.default_rng(3)
    trials = searched(population(rng, 0.5, 0.8, 0), 0, rng)
    first, again, other = (rung_correlation.correlations([trials], STEPS, THIRD, 10, seed) for seed in (0, 0, 1))
    assert first == again
    assert [one.rank_correlation for one in first] == [one.rank_correlation for one in other]
    assert [one.interval for one in first] != [one.interval for one in other]
