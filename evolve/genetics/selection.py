"""Selection: who stays and becomes a parent."""

from collections.abc import Mapping


def elites(candidates: Mapping[str, float], count: int) -> tuple[str, ...]:
    """The `count` best of uid -> fitness, best first, ties by uid; all of them when there are fewer."""
    return tuple(sorted(candidates, key=lambda uid: (-candidates[uid], uid))[:count])
