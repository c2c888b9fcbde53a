"""Which training pictures are nearly the same, found once per machine and kept beside the decoded pictures.

The controller and each worker cut the same splits, so each of them asks. A file that holds no families of so many
pictures counts as none.
"""

import os
from collections.abc import Mapping, Sequence

from data import duplicates, kept
from data.example import Example

FOLDER = "families"  # in the cache's folder

_VERSION = 2  # one more whenever thumbnails or their comparison change


def families(
    examples: Sequence[Example], environment: Mapping[str, str] = os.environ, *, least: int = kept.LEAST
) -> tuple[list[list[int]], bool]:
    """As duplicates.families, which see; from this machine's cache where it has them."""
    file = kept.place(FOLDER, [_VERSION, *duplicates.SETTINGS], examples, environment, least)
    if file is None:
        return duplicates.families(examples)
    known = _checked(kept.read(file), len(examples))
    if known is not None:
        return known, True
    found, compared = duplicates.families(examples)
    if compared:
        kept.write(file, found, "which pictures are nearly the same")
    return found, compared


def _checked(found: object, num_examples: int) -> list[list[int]] | None:
    """The families, as duplicates.families orders them; None for anything else."""
    if not isinstance(found, list) or not all(isinstance(family, list) and len(family) > 1 for family in found):
        return None
    members = [member for family in found for member in family]
    if not all(type(member) is int and 0 <= member < num_examples for member in members):
        return None
    return found if len(set(members)) == len(members) else None
