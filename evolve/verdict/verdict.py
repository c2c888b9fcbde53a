"""The verdict: plain sentences, with numbers, on whether the winner is better than the defaults and the known sets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evolve import fitness
from evolve.genetics.genome import DEFAULTS
from evolve.records.comparison import Comparison, Gain, KnownComparison, MeanWithInterval, ValidationMeans
from evolve.records.events import Confirmation, Outcome
from evolve.records.state import SearchState
from evolve.verdict import interval, pair_noise, scores

DIGITS = 4  # decimals of validation means, compared as printed
AP50_95: Mapping[str, float] = {f"val/{fitness.AP}": 1.0}


def conclude(state: SearchState, winner: str) -> Outcome:
    """The verdict and its numbers, on the winner against the defaults and against each known set.

    The comparison is in the metric that was searched, the space's fitness. `map50_95` has the same comparison in
    AP50:95; it is null if the fitness is AP50:95 or no confirmation has that score.
    """
    on_defaults = _Sides(state, winner, DEFAULTS).judge()
    on_known = {name: _Sides(state, winner, name).judge() for name in state.space.known}
    return Outcome(
        uid=winner,
        split=state.data.verdict_split,
        metric=fitness.in_words(state.space.fitness),
        **vars(on_defaults.comparison),
        map50_95=on_defaults.in_ap,
        known={name: _of_known(judgement) for name, judgement in on_known.items()},
        looks=state.verdicts + 1,
        verdict=on_defaults.sentence,
    )


@dataclass(frozen=True)
class _Judgement:
    """The winner against one opponent, whose means stand where a comparison has those of the defaults."""

    comparison: Comparison
    in_ap: Comparison | None  # the same in AP50:95, if the fitness is another metric
    sentence: str


@dataclass(frozen=True)
class _Sides:
    """The winner and an opponent, which is the defaults or a known set."""

    state: SearchState
    winner: str
    opponent: str

    def judge(self) -> _Judgement:
        """Compare them in the fitness, and beside it in AP50:95."""
        weights, split = self.state.space.fitness, self.state.data.verdict_split
        runs = [*self._runs(self.winner), *self._runs(self.opponent)]
        has_ap = bool(scores.by_seed(runs, split, AP50_95))
        comparison = self._compare(weights)
        in_ap = self._compare(AP50_95) if has_ap and not fitness.is_ap(weights) else None
        ap_gain = None if in_ap is None else in_ap.gain
        words = sentence(
            self.winner,
            comparison.gain,
            split,
            runs,
            weights=weights,
            ap_gain=ap_gain,
            opponent=self.opponent,
            looks=self.looks,
        )
        return _Judgement(comparison, in_ap, words)

    def _compare(self, weights: Mapping[str, float]) -> Comparison:
        """The means and the gain; no gain if the winner is the opponent or too few confirmations finished."""
        split = self.state.data.verdict_split
        own, theirs = (scores.by_seed(self._runs(side), split, weights) for side in (self.winner, self.opponent))
        return Comparison(
            confirmed=interval.summarize(list(own.values())),
            defaults=interval.summarize(list(theirs.values())),
            gain=None if self.winner == self.opponent else self._gain(own, theirs, weights),
            validation=ValidationMeans(
                winner=_mean(self._runs(self.winner), "val", weights),
                defaults=_mean(self._runs(self.opponent), "val", weights),
            ),
        )

    def _gain(self, own: Mapping[int, float], theirs: Mapping[int, float], weights: Mapping[str, float]) -> Gain | None:
        """The gain over the seeds with which both were trained to the end; None if these are fewer than two."""
        return interval.gain(
            [own[seed] - theirs[seed] for seed in own if seed in theirs],
            least_deviation=scores.resolution(weights),
            noise=pair_noise.estimate(scores.of_candidates(self.state, weights)),
            level=interval.level_of_look(self.looks),
        )

    @property
    def looks(self) -> int:
        """How often the search has been judged, this time included."""
        return self.state.verdicts + 1

    def _runs(self, side: str) -> list[Confirmation]:
        return self.state.confirmations_of(side, for_choice=False)


def _of_known(judgement: _Judgement) -> KnownComparison:
    compared, in_ap = judgement.comparison, judgement.in_ap
    return KnownComparison(
        mean=compared.defaults,
        gain=compared.gain,
        validation=None if compared.validation is None else compared.validation.defaults,
        map50_95=None if in_ap is None else in_ap.gain,
        verdict=judgement.sentence,
    )


def sentence(
    winner: str,
    gain: Gain | None,
    split: str,
    confirmations: Iterable[Confirmation],
    *,
    weights: Mapping[str, float] = AP50_95,
    ap_gain: Gain | None = None,
    opponent: str = DEFAULTS,
    looks: int = 1,
) -> str:
    """One plain sentence that compares winner and opponent, and names the confirmations that failed.

    weights: of the fitness that `gain` is in. ap_gain: the gain in AP50:95, if the fitness is another metric.
    opponent: the defaults, or the name of a known set. looks: how often the search has been judged, this time included.
    """
    confirmed = list({confirmation.uid: confirmation for confirmation in confirmations}.values())
    finished = [confirmation for confirmation in confirmed if scores.of(confirmation, split, weights) is not None]
    failed = [confirmation for confirmation in confirmed if confirmation not in finished]
    failures = ""
    if failed:
        reason = failed[0].reason or _missing_score(failed[0], split, weights)
        failures = f"; {len(failed)} of {len(confirmed)} confirmations failed: {failed[0].uid}: {reason}"
    if winner == opponent:
        none = "no other set of hyperparameters reached the full budget"
        return f"the winner is the defaults themselves ({DEFAULTS}): {none}{failures}"
    them = "the defaults" if opponent == DEFAULTS else f"the known set {opponent}"
    if gain is None:
        return f"not confirmed: fewer than two seeds finished for both the winner and {them}{failures}"
    where = "on the test split" if split == "test" else "on the validation split only (the data set has no test split)"
    low, high = gain.interval
    numbers = (
        f"{gain.mean:+.3f} {fitness.in_words(weights)}, {100 * gain.level:.3g} % interval {low:+.3f} to {high:+.3f}"
    )
    disagreement = _validation_disagreement(winner, opponent, finished, weights) if split == "test" else ""
    seeds = _seeds(winner, opponent, finished)
    details = f"probability of a gain {gain.probability:.3f}, {seeds}, {where}{_look(looks)}"
    rest = f"{_in_ap(ap_gain)}{failures}{disagreement}"
    if high < 0:
        return f"worse than {them}: {numbers}, {details}{rest}"
    if low <= 0:
        return f"no better than {them} within the noise: {numbers}, {details}{_unseen(gain)}{rest}"
    if disagreement:
        return f"no better than {them}, as validation and test do not agree: {numbers}, {details}{rest}"
    if any(confirmation.individual == winner for confirmation in failed):  # those that finished are a biased sample
        return f"not confirmed: {numbers} against {them} where the winner finished, {details}{rest}"
    return f"beats {them} by {numbers}, {details}{rest}"


def _seeds(winner: str, opponent: str, finished: Iterable[Confirmation]) -> str:
    """The number of seeds that the comparison is made of, and how many finished on each side if that is more."""
    own, theirs = (
        {confirmation.seed for confirmation in finished if confirmation.individual == side}
        for side in (winner, opponent)
    )
    both = f"{len(own & theirs)} seeds"
    if own == theirs:
        return both
    them = "the defaults" if opponent == DEFAULTS else opponent
    return f"{both} that both finished ({len(own)} seeds of the winner and {len(theirs)} of {them})"


def _look(looks: int) -> str:
    """Says that the split has served this search before; empty the first time."""
    if looks == 1:
        return ""
    return f" (verdict number {looks} of this search on these pictures, so the interval is wider than 95 %)"


def _unseen(gain: Gain) -> str:
    """What such a comparison could not have seen; empty for a gain of an earlier version, which does not know it."""
    return "" if gain.detectable is None else f"; a gain under {gain.detectable:.3f} would not show"


def _in_ap(gain: Gain | None) -> str:
    if gain is None:
        return ""
    return f"; in AP50:95 the gain is {gain.mean:+.3f} ({gain.interval[0]:+.3f} to {gain.interval[1]:+.3f})"


def _validation_disagreement(
    winner: str, opponent: str, confirmations: Iterable[Confirmation], weights: Mapping[str, float]
) -> str:
    """Says that the opponent's validation mean, as printed, is above the winner's; empty if it is not."""
    listed = list(confirmations)
    of_winner, of_opponent = (
        _mean([confirmation for confirmation in listed if confirmation.individual == side], "val", weights)
        for side in (winner, opponent)
    )
    if of_winner is None or of_opponent is None or round(of_opponent.mean, DIGITS) <= round(of_winner.mean, DIGITS):
        return ""
    higher, lower = (f"{mean:.{DIGITS}f}" for mean in (of_opponent.mean, of_winner.mean))
    whose = "the defaults'" if opponent == DEFAULTS else f"{opponent}'s"
    return f"; {whose} validation mean is higher: {higher} against {lower}"


def _mean(confirmations: Iterable[Confirmation], split: str, weights: Mapping[str, float]) -> MeanWithInterval | None:
    return interval.summarize(list(scores.by_seed(confirmations, split, weights).values()))


def _missing_score(confirmation: Confirmation, split: str, weights: Mapping[str, float]) -> str:
    missing = sorted(fitness.on_split(weights, split).keys() - confirmation.scores.keys())
    return f"it has no score {missing[0]}"
