"""Answers about the pictures of a data set that take long to compute, kept as JSON in this machine's cache.

An answer depends on the bytes of the pictures alone, so their digests are its name: a changed picture is another
question. A file that cannot be read counts as no answer. A disk that refuses to be written is reported in the log.
"""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2

from data.dataset import Example
from data.pictures import disk_cache

LEAST = 100  # pictures; for fewer of them an answer is computed each time

logger = logging.getLogger(__name__)


def file_of(
    folder: str, settings: Sequence[object], examples: Sequence[Example], environment: Mapping[str, str], least: int
) -> Path | None:
    """The file of the answer about these pictures, in this folder of the cache.

    settings: what else the answer depends on. None for fewer pictures than `least`, if one of them has no digest, or
    if the machine has no cache.
    """
    root = disk_cache.folder_of(environment)
    digests = [example.digest for example in examples if example.digest is not None]
    if root is None or len(examples) < least or len(digests) < len(examples):
        return None
    total = hashlib.sha256(json.dumps([cv2.__version__, len(digests), *settings]).encode())
    for digest in digests:
        total.update(digest)
    return root / folder / f"{total.hexdigest()[:32]}.json"


def read(file: Path) -> object:
    """The answer in this file; None if there is none, or none that can be read."""
    try:
        answer: object = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):  # not there yet, cut by a crash of the machine, or not ours
        return None
    return answer


def write(file: Path, answer: object, what: str) -> None:
    """Writes the answer whole or not at all; two processes at once write the same. what: its name in the log."""
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
