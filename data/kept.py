"""Answers about a data set that take long to find, kept as JSON in this machine's cache.

An answer depends on the bytes of the pictures alone, so their digests are its name: a changed picture is another
question. A file that cannot be read counts as none, and a disk that refuses is said in the log.
"""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2

from data import cache
from data.example import Example

LEAST = 100  # pictures; fewer are looked at anew in no time

logger = logging.getLogger(__name__)


def place(
    folder: str, depends: Sequence[object], examples: Sequence[Example], environment: Mapping[str, str], least: int
) -> Path | None:
    """The file of an answer in this folder of the cache, named by what it depends on and by all the pictures.

    None for fewer pictures than `least`, where one has no digest, and where the machine keeps nothing.
    """
    root = cache.folder_of(environment)
    digests = [example.digest for example in examples if example.digest is not None]
    if root is None or len(examples) < least or len(digests) < len(examples):
        return None
    total = hashlib.sha256(json.dumps([cv2.__version__, len(digests), *depends]).encode())
    for digest in digests:
        total.update(digest)
    return root / folder / f"{total.hexdigest()[:32]}.json"


def read(file: Path) -> object:
    """What was written there; None where nothing was, or nothing that can be read."""
    try:
        found: object = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):  # not there yet, cut by a crash of the machine, or another's
        return None
    return found


def write(file: Path, answer: object, what: str) -> None:
    """Whole or not at all; of two processes at once both write the same. what: names the answer in the log."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=file.parent, prefix=".new-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as opened:
                json.dump(answer, opened)
            Path(unfinished).replace(file)
        except BaseException:
            Path(unfinished).unlink(missing_ok=True)
            raise
    except OSError as error:
        logger.warning("%s: %s is not kept, but found anew: %s", file.parent, what, error.strerror or str(error))
