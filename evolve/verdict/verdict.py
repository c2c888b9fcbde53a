"""The verdict: one plain sentence, with its numbers, on whether the winner is better than the defaults."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evolve import fitness
from evolve.genetics.genome import DEFAULTS
from evolve.records.comparison import Comparison, Gain, MeanWithInterval, ValidationMeans
from evolve.records.events import Confirmation, Outcome
from evolve.records.state import SearchState
from evolve.verdict import interval

DIGITS = 4  # decimals of validation means, compared as printed
AP50_95: Mapping[str, float] = {f"val/{fitness.AP}": 1.0}


def conclude(state: SearchState, winner: str) -> Outcome:
    """The verdict and its numbers.

    The comparison is in the metric that was searched, the space's fitness. `map50_95` has the same comparison in
    AP50:95; it is null if the fitness is AP50:95 or no confirmation has that score.
    """
    split, weights = state.data.verdict_split, state.space.fitness
    of_winner, of_defaults = (state.confirmations_of(uid, for_choice=False) for uid in (winner, DEFAULTS))
    sides = _Sides(winner, of_winner, of_defaults, split)
    has_ap = bool(_scores([*of_winner, *of_defaults], split, AP50_95))
    compared = sides.compare(weights)
    in_ap = sides.compare(AP50_95) if has_ap and not fitness.is_ap(weights) else None
    ap_gain = None if in_ap is None else in_ap.gain
    return Outcome(
        uid=winner,
        split=split,
        metric=fitness.in_words(weights),
        **vars(compared),
        map50_95=in_ap,
        verdict=sentence(winner, compared.gain, split, [*of_winner, *of_defaults], weights=weights, ap_gain=ap_gain),
    )


@dataclass(frozen=True)
class _Sides:
    """Winner and defaults, and their confirmations."""

    winner: str
    of_winner: list[Confirmation]
    of_defaults: list[Confirmation]
    split: str

    def compare(self, weights: Mapping[str, float]) -> Comparison:
        """The means and the gain; no gain if the winner is the defaults or too few confirmations finished."""
        scores, baseline = (_scores(side, self.split, weights) for side in (self.of_winner, self.of_defaults))
        return Comparison(
            confirmed=interval.summarize(scores),
            defaults=interval.summarize(baseline),
            gain=None if self.winner == DEFAULTS else interval.compare(scores, baseline),
            validation=ValidationMeans(
                winner=_mean(self.of_winner, "val", weights), defaults=_mean(self.of_defaults, "val", weights)
            ),
        )


def sentence(
    winner: str,
    gain: Gain | None,
    split: str,
    confirmations: Iterable[Confirmation],
    *,
    weights: Mapping[str, float] = AP50_95,
    ap_gain: Gain | None = None,
) -> str:
    """One plain sentence that compares winner and defaults, and names the confirmations that failed.

    weights: of the fitness that `gain` is in. ap_gain: the gain in AP50:95, if the fitness is another metric.
    """
    confirmed = list({confirmation.uid: confirmation for confirmation in confirmations}.values())
    finished = [confirmation for confirmation in confirmed if _score(confirmation, split, weights) is not None]
    failed = [confirmation for confirmation in confirmed if confirmation not in finished]
    failures = ""
    if failed:
        reason = failed[0].reason or _missing_score(failed[0], split, weights)
        failures = f"; {len(failed)} of {len(confirmed)} confirmations failed: {failed[0].uid}: {reason}"
    if winner == DEFAULTS:
        none = "no other set of hyperparameters reached the full budget"
        return f"the winner is the defaults themselves ({DEFAULTS}): {none}{failures}"
    if gain is None:
        return f"not confirmed: fewer than two confirmations of winner or defaults finished{failures}"
    where = "on the test split" if split == "test" else "on the validation split only (the data set has no test split)"
    low, high = gain.interval
    num_winner = sum(confirmation.individual == winner for confirmation in finished)
    num_defaults = len(finished) - num_winner
    seeds = f"{num_winner} seeds"
    if num_winner != num_defaults:
        seeds = f"{num_winner} seeds of the winner and {num_defaults} of the defaults"
    numbers = f"{gain.mean:+.3f} {fitness.in_words(weights)}, 95 % interval {low:+.3f} to {high:+.3f}"
    disagreement = _validation_disagreement(winner, finished, weights) if split == "test" else ""
    details = f"probability of a gain {gain.probability:.3f}, {seeds}, {where}{_in_ap(ap_gain)}{failures}{disagreement}"
    if high < 0:
        return f"worse than the defaults: {numbers}, {details}"
    if low <= 0:
        return f"no better than the defaults within the noise: {numbers}, {details}"
    if disagreement:
        return f"no better than the defaults, as validation and test do not agree: {numbers}, {details}"
    if any(confirmation.individual == winner for confirmation in failed):  # those that finished are a biased sample
        return f"not confirmed: {numbers} against the defaults where the winner finished, {details}"
    return f"beats the defaults by {numbers}, {details}"


def _in_ap(gain: Gain | None) -> str:
    if gain is None:
        return ""
    return f"; in AP50:95 the gain is {gain.mean:+.3f} ({gain.interval[0]:+.3f} to {gain.interval[1]:+.3f})"


def _validation_disagreement(winner: str, confirmations: Iterable[Confirmation], weights: Mapping[str, float]) -> str:
    """Says that the defaults' validation mean, as printed, is above the winner's; empty if it is not."""
    listed = list(confirmations)
    of_winner, of_defaults = (
        _mean([confirmation for confirmation in listed if confirmation.individual == individual], "val", weights)
        for individual in (winner, DEFAULTS)
    )
    if of_winner is None or of_defaults is None or round(of_defaults.mean, DIGITS) <= round(of_winner.mean, DIGITS):
        return ""
    higher, lower = (f"{mean:.{DIGITS}f}" for mean in (of_defaults.mean, of_winner.mean))
    return f"; the defaults' validation mean is higher: {higher} against {lower}"


def _mean(confirmations: Iterable[Confirmation], split: str, weights: Mapping[str, float]) -> MeanWithInterval | None:
    return interval.summarize(_scores(confirmations, split, weights))


def _scores(confirmations: Iterable[Confirmation], split: str, weights: Mapping[str, float]) -> list[float]:
    scores = (_score(confirmation, split, weights) for confirmation in confirmations)
    return [score for score in scores if score is not None]


def _score(confirmation: Confirmation, split: str, weights: Mapping[str, float]) -> float | None:
    """The confirmation's weighted score on a split; None if it lacks one of the scores."""
    wanted = fitness.on_split(weights, split)
    return fitness.score(confirmation.scores, wanted) if wanted.keys() <= confirmation.scores.keys() else None


def _missing_score(confirmation: Confirmation, split: str, weights: Mapping[str, float]) -> str:
    missing = sorted(fitness.on_split(weights, split).keys() - confirmation.scores.keys())
    return f"it has no score {missing[0]}"
