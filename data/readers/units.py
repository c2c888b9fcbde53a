"""Boxes in shares of the picture, from 0 to 1, where a format has pixels."""

from collections.abc import Sequence

from data.dataset import Problem
from data.pictures.picture_files import PictureInfo
from data.readers import dataset_builder
from data.readers.dataset_builder import Labelled


def look_relative(found: Sequence[Labelled]) -> bool:
    """Whether a tenth or more of a label file's boxes are shares of the picture, from 0 to 1, and no pixels.

    One alone among many is a sliver of an object in the picture's corner.
    """
    return 10 * sum(map(_is_relative, found)) >= max(1, len(found))


def in_pixels(found: Sequence[Labelled], info: PictureInfo, name: str, problems: list[Problem]) -> Sequence[Labelled]:
    """The boxes but for those in shares of the picture, which join the problems."""
    for labelled in filter(_is_relative, found):
        edges = dataset_builder.spell(labelled.box)
        what = f"expected pixels, got the edges {edges}, which look like shares of the picture (0 to 1)"
        do = f"multiply x by its width ({info.width}), y by its height ({info.height}), or export pixels"
        problems.append(Problem("relative_box", name, f"{labelled.place}: {what}: {do}"))
    return [labelled for labelled in found if not _is_relative(labelled)]


def _is_relative(labelled: Labelled) -> bool:
    """Within one pixel, or a hundredth more at each side, with an area, and no whole numbers."""
    left, top, right, bottom = labelled.box
    if not (-0.01 <= left < right <= 1.01 and -0.01 <= top < bottom <= 1.01):
        return False
    return not all(edge.is_integer() for edge in labelled.box)
