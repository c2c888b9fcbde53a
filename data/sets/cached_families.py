"""Which training pictures are nearly the same, compared once per machine and kept in its cache.

The controller and each worker cut the same splits, so each of them asks.
"""

import os
from collections.abc import Mapping, Sequence

from data.dataset import Example
from data.pictures import answers
from data.sets import duplicates

FOLDER = "families"  # in the cache's folder

_VERSION = 2  # one more whenever thumbnails or their comparison change


def families(
    examples: Sequence[Example], environment: Mapping[str, str] = os.environ, *, least: int = answers.LEAST
) -> tuple[list[list[int]], bool]:
    """As duplicates.families, which see; from this machine's cache if it has them."""
    file = answers.file_of(FOLDER, [_VERSION, *duplicates.SETTINGS], examples, environment, least)
    if file is None:
        return duplicates.families(examples)
    known = _checked(answers.read(file), len(examples))
    if known is not None:
        return known, True
    found, compared = duplicates.families(examples)
    if compared:
        answers.write(file, found, "which pictures are nearly the same")
    return found, compared


def _checked(answer: object, num_examples: int) -> list[list[int]] | None:
    """The families, as duplicates.families orders them; None for anything else."""
    if not isinstance(answer, list) or not all(isinstance(family, list) and len(family) > 1 for family in answer):
        return None
    members = [member for family in answer for member in family]
    if not all(type(member) is int and 0 <= member < num_examples for member in members):
        return None
    return answer if len(set(members)) == len(members) else None
