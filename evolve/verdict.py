"""The verdict: one plain sentence, with its numbers, on whether the winner is better than the defaults."""

from collections.abc import Iterable

from evolve import interval
from evolve.confirm import split_of
from evolve.genetics.genome import DEFAULTS
from evolve.records.state import CANDIDATE, Confirmation, SearchState

METRIC = "map50_95"
DIGITS = 4  # of validation means, as they are compared and printed


def runs_of(state: SearchState, individual: str) -> list[Confirmation]:
    """The individual's runs that the verdict is on, by seed's place; those that chose the winner are none of them."""
    found = [one for one in state.confirmations.values() if one.individual == individual and one.role != CANDIDATE]
    return sorted(found, key=lambda one: one.uid)


def conclude(state: SearchState, winner: str) -> dict[str, object]:
    """What the verdict's runs say: the payload of winner_chosen."""
    split = split_of(state.data)
    ours, others = runs_of(state, winner), runs_of(state, DEFAULTS)
    gain = None if winner == DEFAULTS else interval.compare(_scores(ours, split), _scores(others, split))
    return {
        "split": split,
        "confirmed": _summary(ours, split),
        "defaults": _summary(others, split),
        "gain": None if gain is None else gain.to_plain(),
        "validation": {"winner": _summary(ours, "val"), "defaults": _summary(others, "val")},
        "verdict": sentence(winner, gain, split, [*ours, *others]),
    }


def sentence(winner: str, gain: interval.Gain | None, split: str, confirmations: Iterable[Confirmation]) -> str:
    """One plain sentence on winner and defaults by their runs, and on those that failed."""
    runs = list({one.uid: one for one in confirmations}.values())
    ended = [one for one in runs if _metric(split) in one.scores]
    failed = [one for one in runs if one not in ended]
    failing = ""
    if failed:
        reason = failed[0].reason or f"it has no score {_metric(split)}"
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
    numbers = f"{gain.mean:+.3f} AP50:95, 95 % interval {low:+.3f} to {high:+.3f}"
    known = f"probability of a gain {gain.probability:.3f}, {seeds}, {where}{failing}"
    validation = _on_validation(winner, ended) if split == "test" else ""
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


def _on_validation(winner: str, runs: Iterable[Confirmation]) -> str:
    """Words for a validation mean of the defaults that is above the winner's as printed; none where it is not."""
    listed = list(runs)
    ours = interval.summarize(_scores([one for one in listed if one.individual == winner], "val"))
    others = interval.summarize(_scores([one for one in listed if one.individual == DEFAULTS], "val"))
    if ours is None or others is None or round(others.mean, DIGITS) <= round(ours.mean, DIGITS):
        return ""
    return f"; the defaults' validation mean is higher: {others.mean:.{DIGITS}f} against {ours.mean:.{DIGITS}f}"


def _summary(runs: Iterable[Confirmation], split: str) -> dict[str, object] | None:
    found = interval.summarize(_scores(runs, split))
    return None if found is None else found.to_plain()


def _scores(runs: Iterable[Confirmation], split: str) -> list[float]:
    name = _metric(split)
    return [one.scores[name] for one in runs if name in one.scores]


def _metric(split: str) -> str:
    return f"{split}/{METRIC}"
