"""One look at the pixels of every picture: whether they can be decoded, which of 16 bits are in use, and a thumbnail.

A whole header says nothing of what follows it: the look is what finds damage before a trial does. It is taken when a
data set is read, and once per machine: what it found is kept in the cache. Thumbnails are for whoever compares pictures
in the same process.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from data import decoder_messages, headers, kept, orientation, pictures
from data.example import Dataset, Example, Problem, relative

SIDE = 32  # of a thumbnail
FOLDER = "looks"  # in the cache's folder

_VERSION = 1  # one more whenever a look finds something else
_CHUNK = 64  # pictures that are decoded together; where a decoder complains, they are decoded again one by one
_SAID_ABOVE = 2_000_000_000  # bytes of pictures, of which the look takes more than some seconds
_REDUCED = {  # JPEG can be decoded at a part of its size, many times faster, and not one bit of it is left out
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    1: cv2.IMREAD_GRAYSCALE,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Look:
    """thumbnail: uint8 [SIDE, SIDE] grey; None where the picture is damaged, or was looked at in an earlier process.

    finding: what is to be told of the picture, without its name; or None.
    """

    thumbnail: NDArray[np.uint8] | None
    finding: Problem | None


def sound(
    dataset: Dataset, environment: Mapping[str, str] = os.environ, *, least: int = kept.LEAST
) -> tuple[dict[str, tuple[Example, ...]], list[Problem]]:
    """(the splits without damaged pictures, what was found). The others have thumbnails where they were looked at now.

    PictureError where a file is no longer the one that was read with its boxes.
    """
    examples = [example for members in dataset.splits.values() for example in members]
    looks = _known_or_taken(examples, environment, least)
    problems = [
        replace(look.finding, file=relative(example.path, dataset.root))
        for example, look in zip(examples, looks, strict=True)
        if look.finding
    ]
    waiting = iter(looks)
    splits = {}
    for split, members in dataset.splits.items():
        seen = zip(members, [next(waiting) for _ in members], strict=True)
        splits[split] = tuple(
            replace(example, thumbnail=look.thumbnail) for example, look in seen if not is_damaged(look)
        )
    return splits, problems


def is_damaged(look: Look) -> bool:
    """Whether the picture is of no use."""
    return look.finding is not None and look.finding.kind == "broken_picture"


def thumbnails(examples: Sequence[Example]) -> list[NDArray[np.uint8]]:
    """Of each picture its thumbnail, all 0 where it is damaged; those that are there already are not made anew."""
    missing = [example for example in examples if example.thumbnail is None]
    made = iter(take(missing))
    found = [example.thumbnail if example.thumbnail is not None else next(made).thumbnail for example in examples]
    return [np.zeros((SIDE, SIDE), np.uint8) if image is None else image for image in found]


def take(examples: Sequence[Example]) -> list[Look]:
    """A look at each picture now.

    PictureError where a file is not the one that the example tells of, OSError where it cannot be read at all.
    """
    looks: list[Look] = []
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for start in range(0, len(examples), _CHUNK):
            chunk = examples[start : start + _CHUNK]
            found, said = decoder_messages.during(lambda chunk=chunk: list(pool.map(_look, chunk)))  # type: ignore[misc]
            if decoder_messages.complaint(said):  # of which one? Decoded alone, each has its own words
                found = [_alone(example) for example in chunk]
            looks += found
    return looks


def _known_or_taken(examples: Sequence[Example], environment: Mapping[str, str], least: int) -> list[Look]:
    file = kept.place(FOLDER, [_VERSION, pictures.NARROW], examples, environment, least)
    known = _checked(kept.read(file), len(examples)) if file else None
    if known is not None:
        return [Look(None, known.get(index)) for index in range(len(examples))]
    num_bytes = sum(example.path.stat().st_size for example in examples)
    if num_bytes > _SAID_ABOVE:
        once = "once" if file else "at each start, as no cache is in use"
        logger.warning(
            "%d pictures (%.1f GB) are decoded %s, to find damaged ones before a trial does",
            len(examples),
            num_bytes / 1e9,
            once,
        )
    looks = take(examples)
    if file:
        kept.write(
            file,
            [[n, look.finding.kind, look.finding.detail] for n, look in enumerate(looks) if look.finding],
            "what pictures hold",
        )
    return looks


def _checked(found: object, num_examples: int) -> dict[int, Problem] | None:
    """Index of a picture -> what was found; None for anything else."""
    if not isinstance(found, list):
        return None
    known: dict[int, Problem] = {}
    for entry in found:
        if not isinstance(entry, list) or [type(part) for part in entry] != [int, str, str]:
            return None
        known[entry[0]] = Problem(entry[1], "", entry[2])
    return known if all(0 <= index < num_examples for index in known) else None


def _alone(example: Example) -> Look:
    look, said = decoder_messages.during(lambda: _look(example))
    words = decoder_messages.complaint(said)
    if words is None:
        return look
    if is_damaged(look):
        return Look(None, Problem("broken_picture", "", f"expected a picture, got one that cannot be decoded: {words}"))
    if "extraneous bytes" in words:  # cameras and old programs leave some in pictures that are well
        return Look(look.thumbnail, Problem("decoder_warning", "", f"decoded, but the decoder says: {words}"))
    detail = f"expected a whole picture, got one of which a part cannot be decoded: {words}"
    return Look(None, Problem("broken_picture", "", detail))


def _look(example: Example) -> Look:
    content = example.path.read_bytes()
    if example.digest is not None:
        pictures.check_unchanged(example.path, content, example.digest)
    try:
        image, stretched = _decoded(content, example)
    except (pictures.PictureError, cv2.error) as error:
        return Look(None, Problem("broken_picture", "", str(error).removeprefix(f"{example.path}: ")))
    thumbnail = np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if stretched is None:
        return Look(thumbnail, None)
    detail = "16 bits of which only {} to {} are in use: stretched to 0 to 255".format(*stretched)
    return Look(thumbnail, Problem("narrow_range", "", detail))


def _decoded(content: bytes, example: Example) -> tuple[NDArray[Any], tuple[int, int] | None]:
    """(the picture in grey, as it is to be seen; of 16 bits the shades that are in use where they are few)."""
    factor, stretched = 1, None
    if headers.png_bits(content) == 16 or content[:2] in (b"II", b"MM"):  # a TIFF can have 16 bits too
        image, stretched = pictures.decode(content, example.path)
        grey: NDArray[Any] | None = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    else:
        shorter = min(example.width, example.height)
        factor = next(factor for factor in _REDUCED if shorter >= factor * 2 * SIDE or factor == 1)
        grey = cv2.imdecode(np.frombuffer(content, np.uint8), _REDUCED[factor] | cv2.IMREAD_IGNORE_ORIENTATION)
    if grey is None:
        raise pictures.PictureError("expected a picture, got a file that cannot be decoded")
    turned = orientation.turned_image(grey, headers.orientation(content))
    height, width = turned.shape[:2]
    if abs(width - example.width / factor) >= 1 or abs(height - example.height / factor) >= 1:  # by its rounding
        raise pictures.PictureError(
            f"expected {example.width}x{example.height} pixels, as its header says, got another number"
        )
    return turned, stretched
