"""One YOLO label file: a line `class x y w h` a box, centre and sides relative to the picture as people see it."""

from data.example import Problem
from data.pictures import Frame
from data.readers import assemble, text
from data.readers.assemble import Box, Labelled
from data.readers.folder import File

Line = tuple[int, Box]


def read(file: File, frame: Frame, num_classes: int | None, problems: list[Problem]) -> list[Labelled]:
    """The usable boxes of a label file, class_key a number; what is wrong joins the problems.

    num_classes: None when nobody says how many there are; any number is one then.
    """
    name = str(file.place)
    try:
        content = text.read(file.path, name, problems)
    except text.TextError as error:
        problems.append(Problem("broken_annotation", name, str(error)))
        return []
    if not content.strip():
        problems.append(Problem("empty_label_file", name, "empty: read as a picture without objects"))
    found = []
    for number, line in enumerate(content.splitlines(), start=1):
        where = Problem("", name, f"line {number}")
        parsed = parse(line, num_classes, where, problems) if line.strip() else None
        if parsed:
            found.append(Labelled(parsed[0], _to_pixels(parsed[1], frame), where.detail))
    return assemble.usable_boxes(found, frame, name, problems)


def looks_like_labels(file: File, *, or_empty: bool = False) -> bool:
    """Whether the first line is a box (or a polygon), or the file is empty where that counts."""
    try:
        lines = text.decode(text.read_bytes(file.path))[0].split("\n")
    except text.TextError:
        return False
    first = next((line.split() for line in lines if line.strip()), None)
    if first is None:
        return or_empty
    try:
        return len(first) >= 5 and all(abs(float(part)) < 1e6 for part in first)
    except ValueError:
        return False


def parse(line: str, num_classes: int | None, where: Problem, problems: list[Problem]) -> Line | None:
    """(class, relative centre and sides), or None and a problem."""

    def refuse(kind: str, expected: str) -> None:
        problems.append(Problem(kind, where.file, f"{where.detail}: expected {expected}, got '{line.strip()[:80]}'"))

    parts = line.split()
    if len(parts) > 6:
        refuse("polygon", "'class x y w h' (a box), not a polygon")
        return None
    try:
        number, (x, y, w, h) = float(parts[0]), map(float, parts[1:])
    except ValueError:
        refuse("malformed_line", "'class x y w h'")
        return None
    if not number.is_integer():  # nor are inf and nan
        refuse("malformed_line", "a whole number as class")
        return None
    if not 0 <= number < (num_classes if num_classes is not None else 1e6):
        expected = f"a class from 0 to {num_classes - 1}" if num_classes is not None else "a class from 0 up"
        refuse("class_out_of_range", expected)
        return None
    return int(number), (x, y, w, h)


def _to_pixels(relative_box: Box, frame: Frame) -> Box:
    x, y, w, h = relative_box
    width, height = frame.width, frame.height
    return ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)
