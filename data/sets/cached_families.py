"""Groups of training pictures that are nearly the same, found once per machine and kept in its cache.

The controller and each worker cut the same splits, so each of them needs the groups.
"""

import os
from collections.abc import Mapping, Sequence

from data.dataset import Example
from data.pictures import cached_answers
from data.sets import duplicates

FOLDER = "families"  # in the cache's folder

_VERSION = 2  # increase it whenever thumbnails or their comparison change


def families(
    examples: Sequence[Example],
    environment: Mapping[str, str] = os.environ,
    *,
    min_pictures: int = cached_answers.MIN_PICTURES,
) -> tuple[list[list[int]], bool]:
    """The same as duplicates.families, from this machine's cache if they are there."""
    file = cached_answers.answer_file(FOLDER, [_VERSION, *duplicates.SETTINGS], examples, environment, min_pictures)
    if file is None:
        return duplicates.families(examples)
    known = _checked(cached_answers.read(file), len(examples))
    if known is not None:
        return known, True
    computed, compared = duplicates.families(examples)
    if compared:
        cached_answers.write(file, computed, "which pictures are nearly the same")
    return computed, compared


def _checked(answer: object, num_examples: int) -> list[list[int]] | None:
    """The answer, if it has the form of duplicates.families' result; else None."""
    if not isinstance(answer, list) or not all(isinstance(family, list) and len(family) > 1 for family in answer):
        return None
    members = [member for family in answer for member in family]
    if not all(type(member) is int and 0 <= member < num_examples for member in members):
        return None
    return answer if len(set(members)) == len(members) else None
