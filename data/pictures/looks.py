"""One look at the pixels of every picture: whether they can be decoded, which of 16 bits are in use, and a thumbnail.

An intact header says nothing about what follows it, so the look finds damage before a trial does. It is taken when a
data set is read, once per machine: its findings are kept in the cache. The thumbnails serve comparisons in the same
process.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data.dataset import Dataset, Example, Problem, relative
from data.pictures import cached_answers, decoder_messages, headers, orientation, picture_files
from data.pictures.thumbnails import SIDE, of_grey

FOLDER = "looks"  # in the cache's folder

_VERSION = 1  # increase it whenever a look finds something else
_CHUNK = 64  # pictures that are decoded together; if a decoder complains, they are decoded again one by one
_PER_TASK = 8  # pictures that a thread takes at once: small ones are decoded faster than they are handed out
_ANNOUNCED_ABOVE = 2_000_000_000  # bytes of pictures: looking at more takes many seconds, and is announced
_REDUCED = {  # a JPEG is decoded many times faster at a fraction of its size, and all of its bits are still read
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    1: cv2.IMREAD_GRAYSCALE,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Look:
    """What a look at one picture found.

    thumbnail: uint8 [SIDE, SIDE] grey; None if the picture is damaged, or was looked at in an earlier process.
    finding: the problem of the picture, its file name left out; None if it has none.
    """

    thumbnail: NDArray[np.uint8] | None
    finding: Problem | None


def without_damaged_pictures(
    dataset: Dataset, environment: Mapping[str, str] = os.environ, *, min_pictures: int = cached_answers.MIN_PICTURES
) -> tuple[dict[str, tuple[Example, ...]], list[Problem]]:
    """(the splits without damaged pictures, the problems found). Pictures that were looked at now have thumbnails.

    PictureError if a file changed after it was read with its boxes.
    """
    examples = [example for members in dataset.splits.values() for example in members]
    looks = _known_or_taken(examples, environment, min_pictures)
    problems = [
        replace(look.finding, file=relative(example.path, dataset.root))
        for example, look in zip(examples, looks, strict=True)
        if look.finding
    ]
    remaining = iter(looks)
    splits = {}
    for split, members in dataset.splits.items():
        pairs = zip(members, [next(remaining) for _ in members], strict=True)
        splits[split] = tuple(
            replace(example, thumbnail=look.thumbnail) for example, look in pairs if not is_damaged(look)
        )
    return splits, problems


def is_damaged(look: Look) -> bool:
    """Whether the picture cannot be used."""
    return look.finding is not None and look.finding.kind == "broken_picture"


def thumbnails(examples: Sequence[Example]) -> list[NDArray[np.uint8]]:
    """The thumbnail of each picture, all 0 if the picture is damaged; existing thumbnails are reused."""
    made = iter(take([example for example in examples if example.thumbnail is None]))
    images = [example.thumbnail if example.thumbnail is not None else next(made).thumbnail for example in examples]
    return [np.zeros((SIDE, SIDE), np.uint8) if image is None else image for image in images]


def take(examples: Sequence[Example]) -> list[Look]:
    """Look at each picture now.

    PictureError if a file changed after it was read with its boxes, OSError if it cannot be read at all.
    """
    looks: list[Look] = []
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for start in range(0, len(examples), _CHUNK):
            chunk = examples[start : start + _CHUNK]
            together, messages = decoder_messages.during(partial(_together, pool, chunk))
            if decoder_messages.complaint(messages):  # decoded one by one, each picture has its own messages
                together = [_alone(example) for example in chunk]
            looks += together
    return looks


def _known_or_taken(examples: Sequence[Example], environment: Mapping[str, str], min_pictures: int) -> list[Look]:
    file = cached_answers.answer_file(FOLDER, [_VERSION, picture_files.NARROW], examples, environment, min_pictures)
    known = _checked(cached_answers.read(file), len(examples)) if file else None
    if known is not None:
        return [Look(None, known.get(index)) for index in range(len(examples))]
    num_bytes = sum(example.path.stat().st_size for example in examples)
    if num_bytes > _ANNOUNCED_ABOVE:
        logger.warning(
            "%d pictures (%.1f GB) are decoded %s, to find damaged ones before a trial does",
            len(examples),
            num_bytes / 1e9,
            "once" if file else "at each start, as no cache is in use",
        )
    looks = take(examples)
    if file:
        findings = [[index, look.finding.kind, look.finding.detail] for index, look in enumerate(looks) if look.finding]
        cached_answers.write(file, findings, "which pictures are damaged")
    return looks


def _checked(answer: object, num_examples: int) -> dict[int, Problem] | None:
    """Index of a picture -> its finding; None if the answer has another form."""
    if not isinstance(answer, list):
        return None
    findings: dict[int, Problem] = {}
    for entry in answer:
        if not isinstance(entry, list) or [type(part) for part in entry] != [int, str, str]:
            return None
        findings[entry[0]] = Problem(entry[1], "", entry[2])
    return findings if all(0 <= index < num_examples for index in findings) else None


def _together(pool: ThreadPoolExecutor, examples: Sequence[Example]) -> list[Look]:
    parts = [examples[start : start + _PER_TASK] for start in range(0, len(examples), _PER_TASK)]
    return [look for looks in pool.map(lambda part: list(map(_look, part)), parts) for look in looks]


def _alone(example: Example) -> Look:
    look, messages = decoder_messages.during(partial(_look, example))
    complaint = decoder_messages.complaint(messages)
    if complaint is None:
        return look
    if is_damaged(look):
        detail = f"expected a picture, got one that cannot be decoded: {complaint}"
        return Look(None, Problem("broken_picture", "", detail))
    if "extraneous bytes" in complaint:  # some cameras and old programs leave them in intact pictures
        return Look(look.thumbnail, Problem("decoder_warning", "", f"decoded, but the decoder says: {complaint}"))
    detail = f"expected a whole picture, but a part cannot be decoded: {complaint}"
    return Look(None, Problem("broken_picture", "", detail))


def _look(example: Example) -> Look:
    content = example.path.read_bytes()
    if example.digest is not None:
        picture_files.check_unchanged(example.path, content, example.digest)
    try:
        image, stretched = _decoded(content, example)
    except (picture_files.PictureError, cv2.error) as error:
        return Look(None, Problem("broken_picture", "", str(error).removeprefix(f"{example.path}: ")))
    thumbnail = of_grey(image)
    if stretched is None:
        return Look(thumbnail, None)
    detail = "16 bits of which only {} to {} are in use: stretched to 0 to 255".format(*stretched)
    return Look(thumbnail, Problem("narrow_range", "", detail))


def _decoded(content: bytes, example: Example) -> tuple[NDArray[Any], tuple[int, int] | None]:
    """(the picture in grey, turned upright; the shades that become 0 and 255 if 16 bits were stretched, else None)."""
    factor, stretched = 1, None
    if headers.png_bits(content) == 16 or content[:2] in (b"II", b"MM"):  # a TIFF can have 16 bits too
        image, stretched = picture_files.decode(content, example.path)
        grey: NDArray[Any] | None = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    else:
        shorter = min(example.width, example.height)
        factor = next(factor for factor in _REDUCED if shorter >= factor * 2 * SIDE or factor == 1)
        grey = cv2.imdecode(np.frombuffer(content, np.uint8), _REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION)
    if grey is None:
        raise picture_files.PictureError("expected a picture, got a file that cannot be decoded")
    turned = orientation.turned_image(grey, headers.orientation(content))
    height, width = turned.shape[:2]
    if abs(width - example.width / factor) >= 1 or abs(height - example.height / factor) >= 1:  # rounding aside
        raise picture_files.PictureError(
            f"expected {example.width}x{example.height} pixels, as its header says, got another number"
        )
    return turned, stretched
