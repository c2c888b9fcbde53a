"""Recognize boxes in shares of the picture, from 0 to 1, where the format expects pixels."""

from collections.abc import Sequence

from data.pictures.picture_files import PictureInfo
from data.problems import Place
from data.readers import dataset_builder
from data.readers.dataset_builder import LabelledBox


def look_like_shares(boxes: Sequence[LabelledBox]) -> bool:
    """Whether a tenth or more of a label file's boxes look like shares of the picture, from 0 to 1, not pixels.

    Fewer among many are slivers of objects in a corner of the picture.
    """
    return 10 * sum(map(_looks_like_shares, boxes)) >= max(1, len(boxes))


def only_pixel_boxes(boxes: Sequence[LabelledBox], info: PictureInfo, place: Place) -> Sequence[LabelledBox]:
    """The boxes in pixels; those in shares of the picture are reported."""
    for labelled in filter(_looks_like_shares, boxes):
        edges = dataset_builder.spell(labelled.box)
        what = f"expected pixels, got the edges {edges}, which look like shares of the picture (0 to 1)"
        advice = f"multiply x by its width ({info.width}), y by its height ({info.height}), or export pixels"
        place.at(labelled.position).add("relative_box", f"{what}: {advice}")
    return [labelled for labelled in boxes if not _looks_like_shares(labelled)]


def _looks_like_shares(labelled: LabelledBox) -> bool:
    """Whether the box has an area within 0 to 1, a hundredth more at each side, and not only whole numbers."""
    left, top, right, bottom = labelled.box
    if not (-0.01 <= left < right <= 1.01 and -0.01 <= top < bottom <= 1.01):
        return False
    return not all(edge.is_integer() for edge in labelled.box)
