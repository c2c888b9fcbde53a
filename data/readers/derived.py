"""Recognize folders with pictures made from others (masks, depth maps, thumbnails, drawn predictions) by their names.

A picture in such a folder is still one of the data set unless another picture has the same name: pairing.py decides.
"""

import re
from functools import cache
from itertools import pairwise
from pathlib import PurePosixPath

_PICTURES = re.compile(r"frames?|images?|imgs?|jpe?gs?|jpegimages|photos?|pictures?|pngs?")
_LABELS = re.compile(r"anns?|annos?|annotations?|bbox(?:es)?|labels?|txts?|xmls?")
_FORMATS = re.compile(r"darknet|pascal|voc|yolo")  # a folder of labels may be named after their format
_MADE = re.compile(
    r"annotated|depths?|disparit(?:y|ies)|drawn|heatmaps?|masks?|mattes?|overlays?|panoptic|pixelmaps|plots|previews?|"
    r"rendered|segs?|segmentations?|segmentation(?:class|object)|stuffthingmaps|thumbs?|thumbnails?|trimaps?|"
    r"visuali[sz]ations?"
)
_OUTPUTS = re.compile(r"detections|inference|preds?|predict|predicted|predictions?")
# Words of files' names alone: folders of these names hold pictures too.
_MADE_FILES = re.compile(r"bbox(?:es)?|gt|groundtruth|results?|vis")
_TASKS = re.compile(r"(?:classify|detect|obb|pose|predict|segment|test|track|train|val)\d*")


@cache
def words(name: str) -> tuple[str, ...]:
    """The words of a folder's or file's name, in lower case."""
    return tuple(word for word in re.split(r"[\W_]+", name.lower()) if word)


@cache
def is_output(folder: PurePosixPath) -> bool:
    """Whether this folder holds the output of a detector: runs/detect/exp, predictions."""
    runs = any(name.lower() == "runs" and _TASKS.fullmatch(task.lower()) for name, task in pairwise(folder.parts))
    return runs or any(_has(part, _OUTPUTS) for part in folder.parts)


@cache
def is_of_made_pictures(folder: PurePosixPath) -> bool:
    """Whether this folder's name says that its pictures were made from others."""
    return any(_has(part, _MADE) for part in folder.parts)


@cache
def is_of_labels(folder: PurePosixPath) -> bool:
    """Whether the innermost folder on the path that is named for pictures or labels is named for labels."""
    kinds = [part for part in folder.parts if _is(part, _LABELS) or _is(part, _PICTURES)]
    return bool(kinds) and _is(kinds[-1], _LABELS)


@cache
def is_derived(folder: PurePosixPath) -> bool:
    """Whether this folder is one of outputs, of pictures made from others, or of labels."""
    return is_output(folder) or is_of_made_pictures(folder) or is_of_labels(folder)


def plain_stem(stem: str) -> str | None:
    """The stem without words such as mask, depth or result; None if it has none of them, or nothing else."""
    pieces = re.split(r"([\W_]+)", stem)
    kept = [
        piece for piece in pieces if not any(kind.fullmatch(piece.lower()) for kind in (_MADE, _OUTPUTS, _MADE_FILES))
    ]
    plain = re.sub(r"^[\W_]+|[\W_]+$", "", "".join(kept))
    return plain if plain and len(kept) < len(pieces) else None


@cache
def parallel(folder: PurePosixPath) -> tuple[str, ...]:
    """The folder without the words for pictures and labels; equal for images/a, labels/a and a/xmls."""
    ignored = (_PICTURES, _LABELS, _FORMATS)
    bare = (
        "-".join(word for word in words(part) if not any(kind.fullmatch(word) for kind in ignored))
        for part in folder.parts
    )
    return tuple(part for part in bare if part)


@cache
def is_in_picture_folder(folder: PurePosixPath) -> bool:
    """Whether a folder on this path is named for pictures: images, JPEGImages and so on."""
    return any(_is(part, _PICTURES) for part in folder.parts)


def _has(name: str, kind: re.Pattern[str]) -> bool:
    """Whether a word of the name is of this kind."""
    return any(kind.fullmatch(word) for word in words(name))


def _is(name: str, kind: re.Pattern[str]) -> bool:
    """Whether a name consists of words of this kind alone."""
    return bool(words(name)) and all(kind.fullmatch(word) for word in words(name))
