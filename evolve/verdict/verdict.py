"""The verdict: one plain sentence, with its numbers, on whether the winner is better than the defaults."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from evolve import fitness
from evolve.genetics.genome import DEFAULTS
from evolve.records.state import CANDIDATE, Confirmation, SearchState
from evolve.verdict import interval
from evolve.verdict.confirm import split_of

DIGITS = 4  # of validation means, as they are compared and printed
AP50_95: Mapping[str, float] = {f"val/{fitness.AP}": 1.0}


def runs_of(state: SearchState, individual: str) -> list[Confirmation]:
    """The individual's runs that the verdict is on, by seed's place; those that chose the winner are none of them."""
    found = [one for one in state.confirmations.values() if one.individual == individual and one.role != CANDIDATE]
    return sorted(found, key=lambda one: one.uid)


def conclude(state: SearchState, winner: str) -> dict[str, object]:
    """What the verdict's runs say: the payload of winner_chosen.

    They are judged by what was searched, the space's fitness; where that is not AP50:95 and the runs have AP50:95 too,
    `map50_95` has the same numbers of it, else null.
    """
    split, weights = split_of(state.data), cast(Mapping[str, float], state.space["fitness"])
    ours, others = runs_of(state, winner), runs_of(state, DEFAULTS)
    compared = _Compared(winner, ours, others, split)
    known = bool(_scores([*ours, *others], split, AP50_95))
    beside = AP50_95 if known and not fitness.is_ap(weights) else None
    gain, gain_beside = compared.gain(weights), None if beside is None else compared.gain(beside)
    return {
        "split": split,
        "metric": fitness.in_words(weights),
        **compared.to_plain(weights),
        "map50_95": None if beside is None else compared.to_plain(beside),
        "verdict": sentence(winner, gain, split, [*ours, *others], weights=weights, beside=gain_beside),
    }


@dataclass(frozen=True)
class _Compared:
    """Winner and defaults by their runs."""

    winner: str
    ours: list[Confirmation]
    others: list[Confirmation]
    split: str

    def gain(self, weights: Mapping[str, float]) -> interval.Gain | None:
        """The winner's gain; None if it is the defaults or too few runs came to an end."""
        if self.winner == DEFAULTS:
            return None
        return interval.compare(_scores(self.ours, self.split, weights), _scores(self.others, self.split, weights))

    def to_plain(self, weights: Mapping[str, float]) -> dict[str, object]:
        """Summaries, and the gain, as JSON holds them."""
        gain = self.gain(weights)
        return {
            "confirmed": _summary(self.ours, self.split, weights),
            "defaults": _summary(self.others, self.split, weights),
            "gain": None if gain is None else gain.to_plain(),
            "validation": {
                "winner": _summary(self.ours, "val", weights),
                "defaults": _summary(self.others, "val", weights),
            },
        }


def sentence(
    winner: str,
    gain: interval.Gain | None,
    split: str,
    confirmations: Iterable[Confirmation],
    *,
    weights: Mapping[str, float] = AP50_95,
    beside: interval.Gain | None = None,
) -> str:
    """One plain sentence on winner and defaults by their runs, and on those that failed.

    weights: of the fitness that gain is in. beside: the gain in AP50:95, for a fitness that is another.
    """
    runs = list({one.uid: one for one in confirmations}.values())
    ended = [one for one in runs if _score(one, split, weights) is not None]
    failed = [one for one in runs if one not in ended]
    failing = ""
    if failed:
        reason = failed[0].reason or _lacks(failed[0], split, weights)
        failing = f"; {len(failed)} of {len(runs)} runs failed: {failed[0].uid}: {reason}"
    if winner == DEFAULTS:
        none = "no other set of hyperparameters reached the full budget"
        return f"the winner is the defaults themselves ({DEFAULTS}): {none}{failing}"
    if gain is None:
        return f"not confirmed: fewer than two runs of winner or defaults came to an end{failing}"
    where = "on the test split" if split == "test" else "on the validation split only (the data set has no test split)"
    low, high = gain.interval
    ours = sum(one.individual == winner for one in ended)
    others = len(ended) - ours
    seeds = f"{ours} seeds" if ours == others else f"{ours} seeds of the winner and {others} of the defaults"
    numbers = f"{gain.mean:+.3f} {fitness.in_words(weights)}, 95 % interval {low:+.3f} to {high:+.3f}"
    known = f"probability of a gain {gain.probability:.3f}, {seeds}, {where}{_in_ap(beside)}{failing}"
    validation = _on_validation(winner, ended, weights) if split == "test" else ""
    known = f"{known}{validation}"
    if high < 0:
        return f"worse than the defaults: {numbers}, {known}"
    if low <= 0:
        return f"no better than the defaults within the noise: {numbers}, {known}"
    if validation:
        return f"no better than the defaults, as validation and test do not agree: {numbers}, {known}"
    if any(one.individual == winner for one in failed):  # the runs that ended are no fair sample of it
        return f"not confirmed: {numbers} against the defaults where the winner came to an end, {known}"
    return f"beats the defaults by {numbers}, {known}"


def _in_ap(gain: interval.Gain | None) -> str:
    if gain is None:
        return ""
    return f"; in AP50:95 the gain is {gain.mean:+.3f} ({gain.interval[0]:+.3f} to {gain.interval[1]:+.3f})"


def _on_validation(winner: str, runs: Iterable[Confirmation], weights: Mapping[str, float]) -> str:
    """Words for a validation mean of the defaults that is above the winner's as printed; none where it is not."""
    listed = list(runs)
    ours = interval.summarize(_scores([one for one in listed if one.individual == winner], "val", weights))
    others = interval.summarize(_scores([one for one in listed if one.individual == DEFAULTS], "val", weights))
    if ours is None or others is None or round(others.mean, DIGITS) <= round(ours.mean, DIGITS):
        return ""
    return f"; the defaults' validation mean is higher: {others.mean:.{DIGITS}f} against {ours.mean:.{DIGITS}f}"


def _summary(runs: Iterable[Confirmation], split: str, weights: Mapping[str, float]) -> dict[str, object] | None:
    found = interval.summarize(_scores(runs, split, weights))
    return None if found is None else found.to_plain()


def _scores(runs: Iterable[Confirmation], split: str, weights: Mapping[str, float]) -> list[float]:
    found = (_score(one, split, weights) for one in runs)
    return [score for score in found if score is not None]


def _score(run: Confirmation, split: str, weights: Mapping[str, float]) -> float | None:
    """What the run is worth on a split; None if it has not all of the scores for that."""
    wanted = fitness.on_split(weights, split)
    return fitness.score(run.scores, wanted) if wanted.keys() <= run.scores.keys() else None


def _lacks(run: Confirmation, split: str, weights: Mapping[str, float]) -> str:
    missing = sorted(fitness.on_split(weights, split).keys() - run.scores.keys())
    return f"it has no score {missing[0]}"
