"""Which training pictures are nearly the same, found once per machine and kept beside the decoded pictures.

The comparison decodes every picture, some eight seconds of one core's time a gigabyte, and the controller and each
worker cut the same splits. What it finds depends on the files' bytes alone, so their digests are its name: a changed
picture is another comparison. A file that cannot be read, or holds no families of so many pictures, counts as none.
"""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2

from data import cache, duplicates
from data.example import Example

FOLDER = "families"  # in the cache's folder
LEAST = 100  # pictures; fewer are compared anew in no time

_VERSION = 1  # one more whenever thumbnails or their comparison change

logger = logging.getLogger(__name__)


def families(
    examples: Sequence[Example], environment: Mapping[str, str] = os.environ, *, least: int = LEAST
) -> tuple[list[list[int]], bool]:
    """As duplicates.families, which see; from this machine's cache where it has them."""
    folder = cache.folder_of(environment)
    digests = [example.digest for example in examples if example.digest is not None]
    if folder is None or len(examples) < least or len(digests) < len(examples):
        return duplicates.families(examples)
    file = folder / FOLDER / f"{_name(digests)}.json"
    kept = _read(file, len(examples))
    if kept is not None:
        return kept, True
    found, compared = duplicates.families(examples)
    if compared:
        _write(file, found)
    return found, compared


def _name(digests: Sequence[bytes]) -> str:
    how = [_VERSION, cv2.__version__, len(digests), *duplicates.SETTINGS]
    total = hashlib.sha256(json.dumps(how).encode())
    for digest in digests:
        total.update(digest)
    return total.hexdigest()[:32]


def _read(file: Path, num_examples: int) -> list[list[int]] | None:
    """The families in this file, as duplicates.families orders them, or None."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):  # not there yet, cut by a crash of the machine, or another's
        return None
    if not isinstance(found, list) or not all(isinstance(family, list) and len(family) > 1 for family in found):
        return None
    members = [member for family in found for member in family]
    if not all(type(member) is int and 0 <= member < num_examples for member in members):
        return None
    return found if len(set(members)) == len(members) else None


def _write(file: Path, found: Sequence[Sequence[int]]) -> None:
    """Whole or not at all; of two processes at once both write the same. A disk that refuses is said in the log."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=file.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                json.dump(found, opened)
            Path(unfinished).replace(file)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        logger.warning("%s: which pictures are nearly the same is not kept, but found anew: %s", file.parent, reason)
