"""Answers about the pictures of a data set that take long to compute, kept as JSON in this machine's cache.

An answer depends on the bytes of the pictures alone, so its file is named by their digests: a changed picture gets
another file. A file that cannot be read counts as no answer. If the disk cannot be written, the log says so.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2

from data.dataset import Example
from data.pictures import disk_cache
from data.whole_files import written_whole

MIN_PICTURES = 100  # for fewer, an answer is computed each time

logger = logging.getLogger(__name__)


def answer_file(
    folder: str,
    settings: Sequence[object],
    examples: Sequence[Example],
    environment: Mapping[str, str],
    min_pictures: int,
) -> Path | None:
    """The file of the answer about these pictures, in this folder of the cache.

    settings: what else the answer depends on. None if there are fewer pictures than `min_pictures`, if one has no
    digest, or if the machine has no cache.
    """
    root = disk_cache.cache_folder(environment)
    digests = [example.digest for example in examples if example.digest is not None]
    if root is None or len(examples) < min_pictures or len(digests) < len(examples):
        return None
    total = hashlib.sha256(json.dumps([cv2.__version__, len(digests), *settings]).encode())
    for digest in digests:
        total.update(digest)
    return root / folder / f"{total.hexdigest()[:32]}.json"


def read(file: Path) -> object:
    """The answer in this file; None if the file does not exist or cannot be read."""
    try:
        answer: object = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):  # missing, cut short by a crash, or written by another program
        return None
    return answer


def write(file: Path, answer: object, what: str) -> None:
    """Write the answer, whole or not at all; two processes at once write the same. what: its name in the log."""
    try:
        with written_whole(file) as unfinished:
            unfinished.write_text(json.dumps(answer), encoding="utf-8")
    except OSError as error:
        logger.warning("%s: %s is not kept, but found anew: %s", file.parent, what, error.strerror or str(error))
