"""Selection: which individuals stay and become parents."""

from collections.abc import Mapping


def elites(candidates: Mapping[str, float], count: int) -> tuple[str, ...]:
    """The uids of the `count` best candidates (uid -> fitness), best first, ties by uid; all if there are fewer."""
    return tuple(sorted(candidates, key=lambda uid: (-candidates[uid], uid))[:count])
