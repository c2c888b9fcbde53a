"""One YOLO label file: a line an object, its class first, all else in shares of the picture as people see it.

    class x y w h                       a box: centre and sides
    class x1 y1 x2 y2 x3 y3 ...         a polygon, or the corners of a turned box: the upright box around it is read
    class x y w h, then keypoints       a pose: its box is read. Each keypoint has two numbers, or three with a third of
                                        0, 1 or 2 (visible); data.yaml says how many (kpt_shape), or all lines agree

Format: docs.ultralytics.com/datasets, "detect", "segment", "obb" and "pose".
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from data.dataset import Problem
from data.pictures.picture_files import PictureInfo
from data.readers import dataset_builder, foreign, text_files
from data.readers.dataset_builder import Box, Labelled
from data.readers.files import File

_LEAST_OF_POLYGON = 7  # columns: a class and three corners
_BOX = 5  # columns
_CORNERS = 9  # columns of a turned box
_REACH = 0.75  # of a box's sides, from its centre: keypoints may lie somewhat outside


@dataclass(frozen=True)
class Form:
    """What the lines of a data set may hold.

    num_classes: None if it is not known; any number is a class then. pose: (keypoints, numbers of each); None if the
    lines have no keypoints.
    """

    num_classes: int | None = None
    pose: tuple[int, int] | None = None

    @property
    def pose_columns(self) -> int:
        """Of a line with keypoints; 0 if there are none."""
        return _BOX + self.pose[0] * self.pose[1] if self.pose else 0


@dataclass(frozen=True)
class Line:
    """box: xyxy in shares of the picture. is_polygon: whether it is the box around one."""

    number: int
    box: Box
    is_polygon: bool = False


def read(file: File, info: PictureInfo, form: Form, problems: list[Problem]) -> list[Labelled]:
    """The usable boxes of a label file, class_key a number; what is wrong joins the problems."""
    name = str(file.place)
    try:
        content = text_files.read(file.path, name, problems)
    except text_files.TextError as error:
        problems.append(Problem("broken_annotation", name, str(error)))
        return []
    if not content.strip():
        problems.append(Problem("empty_label_file", name, "empty: read as a picture without objects"))
    found, polygons = [], 0
    for number, line in enumerate(content.splitlines(), start=1):
        where = Problem("", name, f"line {number}")
        parsed = parse(line, form, info, where, problems) if line.strip() else None
        if parsed:
            polygons += parsed.is_polygon
            found.append(Labelled(parsed.number, _to_pixels(parsed.box, info), where.detail))
    if polygons:
        detail = f"{polygons} of {len(found)} lines are polygons: the box around each is taken"
        problems.append(Problem("box_from_segmentation", name, detail))
    return dataset_builder.usable_boxes(found, info, name, problems)


def looks_like_labels(file: File, *, or_empty: bool = False) -> bool:
    """Whether the first line is a box (or a polygon); an empty file counts if or_empty."""
    for row in _rows(file):
        return row is not None and len(row) >= _BOX and max(map(abs, row)) < 1e6
    return or_empty


def parse(line: str, form: Form, info: PictureInfo, where: Problem, problems: list[Problem]) -> Line | None:
    """What the line says, or None and a problem."""

    def refuse(kind: str, expected: str, hint: str = "") -> None:
        got = f"got '{line.strip()[:80]}'{hint}"
        problems.append(Problem(kind, where.file, f"{where.detail}: expected {expected}, {got}"))

    numbers = _numbers(line)
    columns = len(line.split())
    is_pose = columns == form.pose_columns
    is_polygon = columns >= _LEAST_OF_POLYGON and columns % 2 == 1 and not form.pose
    if numbers is None or not (columns == _BOX or is_pose or is_polygon):
        hint = " (a sixth number, as of a prediction's confidence or an angle)" if columns == _BOX + 1 else ""
        known = foreign.describe_line(line.strip())
        keypoints = " and {} keypoints of {} numbers".format(*form.pose) if form.pose else ""
        refuse(
            "malformed_line", f"'class x y w h'{keypoints}", f", as in {known}" if known else hint if numbers else ""
        )
        return None
    number = numbers[0]
    if not number.is_integer():  # nor are inf and nan
        refuse("malformed_line", "a whole number as class")
        return None
    if not 0 <= number < (form.num_classes if form.num_classes is not None else 1e6):
        expected = f"a class from 0 to {form.num_classes - 1}" if form.num_classes is not None else "a class from 0 up"
        refuse("class_out_of_range", expected)
        return None
    shares = numbers[1:] if is_polygon else numbers[1:_BOX]
    if is_polygon and not all(map(math.isfinite, shares)):
        refuse("malformed_line", "finite numbers")
        return None
    if _look_like_pixels(shares, is_polygon=is_polygon):
        hint = f", which looks like pixels: divide x by the picture's width ({info.width}), y by its height "
        refuse("pixel_box", "shares of the picture (0 to 1)", f"{hint}({info.height}), or export as YOLO again")
        return None
    return Line(int(number), _around(shares) if is_polygon else _edges(shares), is_polygon)


def pose_of(files: Iterable[File]) -> tuple[int, int] | None:
    """(keypoints, numbers of each) if every line of all files is a box with as many keypoints on it; else None.

    A polygon may have as many numbers. It is told from a pose by the third number of each keypoint, which is 0, 1 or 2
    in all lines, and by the keypoints, which all lie on their box.
    """
    columns: int | None = None
    possible = {3, 2}
    for file in files:
        for row in _rows(file):
            if row is None or len(row) != (columns or len(row)):
                return None
            columns = len(row)
            possible = {each for each in possible if _is_pose(row, each)}
            if not possible:
                return None
    if columns is None:
        return None
    each = max(possible)
    return (columns - _BOX) // each, each


def _rows(file: File) -> Iterator[list[float] | None]:
    """The numbers of each line that is not empty; None for one that holds something else."""
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


def _is_pose(numbers: Sequence[float], each: int) -> bool:
    if len(numbers) <= _BOX or (len(numbers) - _BOX) % each:
        return False
    points = [numbers[at : at + each] for at in range(_BOX, len(numbers), each)]
    if each == 3 and not all(point[2] in (0, 1, 2) for point in points):
        return False
    x, y, w, h = numbers[1:_BOX]
    if len(numbers) % 2 == 0:  # no polygon
        return True
    if len(numbers) == _CORNERS or min(x - w / 2, y - h / 2) < -0.01 or max(x + w / 2, y + h / 2) > 1.01:
        return False
    seen = [point for point in points if point[0] or point[1]]  # those that nobody sees are 0
    return all(abs(point[0] - x) <= _REACH * w and abs(point[1] - y) <= _REACH * h for point in seen)


def _look_like_pixels(shares: Sequence[float], *, is_polygon: bool) -> bool:
    """A box in pixels has sides of a pixel or more, unlike a box that only lies too far out."""
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
