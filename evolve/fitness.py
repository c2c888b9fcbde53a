"""Fitness: a trial's scores -> one number, higher is better. A failed trial has none, not a made-up one."""

import math
from collections.abc import Mapping


def score(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The weighted sum of the named scores; with the default weights validation AP50:95, 0 to 1.

    Correctly rounded (math.fsum), so the order of the weights changes no bit of it.
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
