"""Fitness: a trial's scores -> one number, higher is better. A failed trial has no fitness."""

import math
from collections.abc import Mapping

AP = "map50_95"
IN_WORDS = {AP: "AP50:95", "map50": "AP50", "map75": "AP75"}


def score(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The weighted sum of the named scores; with the default weights it is validation AP50:95, 0 to 1.

    ValueError if a score is missing or not finite. Rounded correctly (math.fsum), so the order of the weights does not
    change a bit of it.
    """
    if not weights:
        raise ValueError("expected the weight of at least one score, got none")
    terms = []
    for name, weight in weights.items():
        if name not in scores:
            raise ValueError(f"expected the score {name!r}, got {', '.join(sorted(scores)) or 'none'}")
        if not math.isfinite(scores[name]):
            raise ValueError(f"expected a finite score {name!r}, got {scores[name]}")
        terms.append(weight * scores[name])
    return math.fsum(terms)


def on_split(weights: Mapping[str, float], split: str) -> dict[str, float]:
    """The same weights for the scores of another split: val/map50 -> test/map50."""
    return {f"{split}/{_metric(name)}": weight for name, weight in weights.items()}


def in_words(weights: Mapping[str, float]) -> str:
    """The metric in words: "AP50:95", or "fitness (0.5 AP50 + 0.5 AP75)"."""
    used = {name: weight for name, weight in weights.items() if weight}
    names = {name: IN_WORDS.get(_metric(name), _metric(name)) for name in used}
    if list(used.values()) == [1.0]:
        return next(iter(names.values()))
    return f"fitness ({' + '.join(f'{weight:g} {names[name]}' for name, weight in used.items())})"


def is_ap(weights: Mapping[str, float]) -> bool:
    """Whether the fitness is AP50:95 itself."""
    return {_metric(name): weight for name, weight in weights.items() if weight} == {AP: 1.0}


def _metric(name: str) -> str:
    return name.partition("/")[2]
