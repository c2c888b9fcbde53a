"""Read one YOLO label file: a line for each object, its class, then shares of the picture as people see it.

    class x y w h                       a box: centre and sides
    class x1 y1 x2 y2 x3 y3 ...         a polygon, or the corners of a turned box: the upright box around it is read
    class x y w h, then keypoints       a pose: its box is read. Each keypoint has two numbers, or three, of which the
                                        last is 0, 1 or 2 (visibility). data.yaml says how many (kpt_shape), or all
                                        lines have equally many

Format: docs.ultralytics.com/datasets, "detect", "segment", "obb" and "pose".
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from data.pictures.picture_files import PictureInfo
from data.problems import Place, Report
from data.readers import dataset_builder, foreign, text_files
from data.readers.dataset_builder import Box, LabelledBox
from data.readers.dataset_file import DatasetFile

_MIN_POLYGON = 7  # columns: a class and three corners
_BOX = 5  # columns
_CORNERS = 9  # columns of a turned box
_REACH = 0.75  # how far keypoints may be from the box's centre, as a share of its sides: a bit outside


@dataclass(frozen=True)
class LineFormat:
    """What the label lines of a data set may hold.

    num_classes: None if unknown, so that any class number is valid. pose: (number of keypoints, numbers per keypoint);
    None if the lines have no keypoints.
    """

    num_classes: int | None = None
    pose: tuple[int, int] | None = None

    @property
    def pose_columns(self) -> int:
        """The number of columns of a line with keypoints; 0 if there are none."""
        return _BOX + self.pose[0] * self.pose[1] if self.pose else 0


@dataclass(frozen=True)
class LabelLine:
    """What a label line says. box: xyxy in shares of the picture; for a polygon the box around it."""

    class_id: int
    box: Box
    is_polygon: bool = False


def read(file: DatasetFile, info: PictureInfo, form: LineFormat, report: Report) -> list[LabelledBox]:
    """The usable boxes of a label file, with numbers as class_key; what is wrong is reported."""
    place = report.at(file.relative_path)
    try:
        content = text_files.read(file, report)
    except text_files.TextError as error:
        place.add("broken_annotation", str(error))
        return []
    if not content.strip():
        place.add("empty_label_file", "empty: read as a picture without objects")
    boxes, num_polygons = [], 0
    for number, line in enumerate(content.splitlines(), start=1):
        where = place.at(f"line {number}")
        parsed = parse(line, form, info, where) if line.strip() else None
        if parsed:
            num_polygons += parsed.is_polygon
            boxes.append(LabelledBox(parsed.class_id, _to_pixels(parsed.box, info), where.position))
    if num_polygons:
        detail = f"{num_polygons} of {len(boxes)} lines are polygons: the box around each is used"
        place.add("box_from_segmentation", detail)
    return dataset_builder.usable_boxes(boxes, info, place)


def looks_like_labels(file: DatasetFile, *, or_empty: bool = False) -> bool:
    """Whether the first line is a box (or a polygon); an empty file counts if or_empty."""
    for row in _rows(file):
        return row is not None and len(row) >= _BOX and max(map(abs, row)) < 1e6
    return or_empty


def parse(line: str, form: LineFormat, info: PictureInfo, where: Place) -> LabelLine | None:
    """The box and class of a line; None, and a problem, if it is wrong."""

    def refuse(kind: str, expected: str, hint: str = "") -> None:
        got = f"got '{line.strip()[:80]}'{hint}"
        where.add(kind, f"expected {expected}, {got}")

    numbers = _numbers(line)
    columns = len(line.split())
    is_pose = columns == form.pose_columns
    is_polygon = columns >= _MIN_POLYGON and columns % 2 == 1 and not form.pose
    if numbers is None or not (columns == _BOX or is_pose or is_polygon):
        hint = " (the sixth number may be a prediction's confidence, or an angle)" if columns == _BOX + 1 else ""
        known = foreign.describe_line(line.strip())
        keypoints = " and {} keypoints of {} numbers".format(*form.pose) if form.pose else ""
        refuse(
            "malformed_line", f"'class x y w h'{keypoints}", f", as in {known}" if known else hint if numbers else ""
        )
        return None
    class_id = numbers[0]
    if not class_id.is_integer():  # true for inf and nan, too
        refuse("malformed_line", "a whole number as class")
        return None
    if not 0 <= class_id < (form.num_classes if form.num_classes is not None else 1e6):
        expected = f"a class from 0 to {form.num_classes - 1}" if form.num_classes is not None else "a class from 0 up"
        refuse("class_out_of_range", expected)
        return None
    shares = numbers[1:] if is_polygon else numbers[1:_BOX]
    if is_polygon and not all(map(math.isfinite, shares)):
        refuse("malformed_line", "finite numbers")
        return None
    if _look_like_pixels(shares, is_polygon=is_polygon):
        by_sides = f"divide x by the picture's width ({info.width}), y by its height ({info.height})"
        percent = ", or like percentages: divide by 100" if max(shares) <= 100 else ""
        hint = f", which looks like pixels: {by_sides}{percent}; or export as YOLO again"
        refuse("pixel_box", "shares of the picture (0 to 1)", hint)
        return None
    return LabelLine(int(class_id), _around(shares) if is_polygon else _edges(shares), is_polygon)


def pose_of(files: Iterable[DatasetFile]) -> tuple[int, int] | None:
    """(number of keypoints, numbers per keypoint) if all lines have a box and equally many keypoints; else None.

    A polygon may have as many numbers. Lines are poses if the third number of each keypoint is 0, 1 or 2, and all
    keypoints are on their box. Some lines may be boxes alone if a third number is 2, which no polygon has.
    """
    columns: int | None = None
    has_boxes = has_two = False
    possible = {3, 2}  # numbers per keypoint
    for file in files:
        for row in _rows(file):
            if row is not None and len(row) == _BOX:
                has_boxes = True
                continue
            if row is None or len(row) != (columns or len(row)):
                return None
            columns = len(row)
            possible = {size for size in possible if _is_pose(row, size)}
            if not possible:
                return None
            has_two = has_two or 2 in row[_BOX + 2 :: 3]
    if columns is None or (has_boxes and not (has_two and 3 in possible)):
        return None
    size = max(possible)
    return (columns - _BOX) // size, size


def _rows(file: DatasetFile) -> Iterator[list[float] | None]:
    """The numbers of each line that is not empty; None for a line with anything else."""
    try:
        lines = text_files.decode(text_files.read_bytes(file.path))[0].split("\n")
    except text_files.TextError:
        return
    yield from (_numbers(line) for line in lines if line.strip())


def _numbers(line: str) -> list[float] | None:
    try:
        return [float(part) for part in line.split()]
    except ValueError:
        return None


def _is_pose(numbers: Sequence[float], size: int) -> bool:
    """Whether these are a box and keypoints of `size` numbers each."""
    if len(numbers) <= _BOX or (len(numbers) - _BOX) % size:
        return False
    points = [numbers[start : start + size] for start in range(_BOX, len(numbers), size)]
    if size == 3 and not all(point[2] in (0, 1, 2) for point in points):
        return False
    x, y, w, h = numbers[1:_BOX]
    if len(numbers) % 2 == 0:  # a polygon has an odd number of columns
        return True
    if len(numbers) == _CORNERS or min(x - w / 2, y - h / 2) < -0.01 or max(x + w / 2, y + h / 2) > 1.01:
        return False
    visible = [point for point in points if point[0] or point[1]]  # invisible ones are 0 0
    return all(abs(point[0] - x) <= _REACH * w and abs(point[1] - y) <= _REACH * h for point in visible)


def _look_like_pixels(shares: Sequence[float], *, is_polygon: bool) -> bool:
    """Whether a box or polygon is in pixels: its sides are a pixel or more, unlike those of a box too far outside."""
    return 2 < max(shares) < math.inf and (is_polygon or min(shares[2:]) >= 1)


def _edges(shares: Sequence[float]) -> Box:
    x, y, w, h = shares
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def _around(shares: Sequence[float]) -> Box:
    """The box around a polygon x y x y ..."""
    xs, ys = shares[::2], shares[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def _to_pixels(box: Box, info: PictureInfo) -> Box:
    left, top, right, bottom = box
    return left * info.width, top * info.height, right * info.width, bottom * info.height
