"""The box around a COCO segmentation: polygons, or a mask by its run lengths (RLE), compressed or not.

Format: cocodataset.org, "Data format"; run lengths go down the columns. faster-coco-eval's mask API reads them.
"""

import math

from data.readers import json_values
from data.readers.dataset_builder import Box


def box_around(segmentation: object) -> Box | None:
    """The box, xyxy in pixels; None for an empty segmentation, or a value that is none."""
    if isinstance(segmentation, dict):
        return _around_mask(segmentation)
    if not isinstance(segmentation, list) or not segmentation:
        return None
    if all(isinstance(part, dict) for part in segmentation):
        boxes = [_around_mask(part) for part in segmentation]
    elif any(isinstance(part, list) for part in segmentation):
        boxes = [_around_polygon(part) for part in segmentation]
    else:
        boxes = [_around_polygon(segmentation)]  # one polygon, without the outer list
    known = [box for box in boxes if box]
    if len(known) < len(boxes):
        return None
    lefts, tops, rights, bottoms = zip(*known, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _around_polygon(polygon: object) -> Box | None:
    """The box around [x, y, x, y, ...] or [[x, y], ...]."""
    if isinstance(polygon, list) and polygon and all(isinstance(point, list) and len(point) == 2 for point in polygon):
        polygon = [edge for point in polygon for edge in point]
    edges = json_values.numbers(polygon)
    if not edges or len(edges) % 2 or not all(map(math.isfinite, edges)):
        return None
    return min(edges[::2]), min(edges[1::2]), max(edges[::2]), max(edges[1::2])


def _around_mask(mask: dict[object, object]) -> Box | None:
    size, counts = _whole(mask.get("size")), mask.get("counts")
    if isinstance(counts, list):
        counts = _whole(counts)
    if size is None or len(size) != 2 or not counts:
        return None
    from faster_coco_eval.core import mask as rle  # takes half a second, and few data sets need it

    try:
        runs = {"size": size, "counts": counts}
        packed = rle.frPyObjects(runs, *size) if isinstance(counts, list) else runs
        left, top, width, height = (float(edge) for edge in rle.toBbox(packed))
    except (RuntimeError, TypeError, ValueError, OverflowError):  # invalid run lengths
        return None
    return (left, top, left + width, top + height) if width > 0 and height > 0 else None


def _whole(values: object) -> list[int] | None:
    numbers = json_values.numbers(values)
    if numbers is None or not all(number >= 0 and number.is_integer() for number in numbers):
        return None
    return [int(number) for number in numbers]
