"""YOLO text labels: one .txt a picture, a line `class x y w h` a box, centre and sides relative to the picture.

data.yaml names the classes (`names`: a list, or a mapping of number to name) and where the splits' pictures lie.
Understood layouts: SPLIT/images + SPLIT/labels, images/SPLIT + labels/SPLIT, and one images + labels without splits.
A picture without a label file, or with an empty one, holds no objects (Darknet's rule).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from data.example import SPLITS, Dataset, DatasetError, Example, Problem
from data.pictures import pictures_in
from data.readers import assemble
from data.readers.assemble import FOLDER_NAMES, Box

CONFIG_NAMES = ("data.yaml", "data.yml")


def config_file(root: Path) -> Path | None:
    """The data set's data.yaml, or None."""
    return next((root / name for name in CONFIG_NAMES if (root / name).is_file()), None)


def read(root: Path) -> Dataset:
    """The data set in this folder; DatasetError when nothing of it can be used."""
    source = config_file(root)
    if source is None:
        raise DatasetError(f"{root}: expected data.yaml with the class names of a YOLO data set, found none")
    config = _load(source)
    class_names = _class_names(config, source)
    problems: list[Problem] = []
    folders = _split_folders(root, source, config, problems)
    if not folders:
        raise DatasetError(
            f"{root}: expected folders of pictures such as train/images or images/train, found none", tuple(problems)
        )
    splits = {}
    for split, folder in folders.items():
        pictures = pictures_in(folder)
        if not pictures:
            raise DatasetError(
                f"{folder}: expected pictures (.jpg, .png ...) for split '{split}', found none", tuple(problems)
            )
        splits[split] = list(_examples(root, pictures, class_names, problems))
    return assemble.finish(root, "yolo", class_names, splits, problems)


def _load(source: Path) -> Mapping[str, object]:
    try:
        config = yaml.safe_load(source.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{source}: expected YAML with the class names, cannot read it: {reason}") from error
    if not isinstance(config, dict):
        raise DatasetError(f"{source}: expected a mapping with 'names', got {type(config).__name__}")
    return config


def _class_names(config: Mapping[str, object], source: Path) -> tuple[str, ...]:
    names = config.get("names")
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise DatasetError(
                f"{source}: names: expected the numbers 0 to {len(names) - 1} as keys, got {list(names)}"
            )
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DatasetError(f"{source}: names: expected a list of class names, got {names!r}")
    count = config.get("nc", len(names))
    if count != len(names):
        raise DatasetError(f"{source}: nc: expected {len(names)}, the number of names, got {count!r}")
    texts = tuple(str(name) for name in names)
    if len(set(texts)) != len(texts):
        raise DatasetError(f"{source}: names: expected each class once, got {list(texts)}")
    return texts


def _split_folders(root: Path, source: Path, config: Mapping[str, object], problems: list[Problem]) -> dict[str, Path]:
    """Split -> folder of its pictures: as data.yaml says, else as the folders lie."""
    beside = _folders_beside(root)
    folders: dict[str, Path] = {}
    mended = []
    for split in SPLITS:
        key = next((name for name in FOLDER_NAMES[split] if config.get(name)), None)
        named = config.get(key) if key else None
        if named is not None and not isinstance(named, str):
            raise DatasetError(f"{source}: {key}: expected the path of one folder, got {named!r}")
        literal = _literal(root, config, named) if named else None
        if literal is not None:
            folders[split] = literal
        elif split in beside:
            folders[split] = beside[split]
            if named:
                mended.append(f"{key}: {named} -> {assemble.relative(beside[split], root)}")
        elif named and split == "test":  # exporters write the line whether or not there is a test set
            problems.append(Problem("missing_split", source.name, f"{key}: '{named}' does not exist"))
        elif named:
            raise DatasetError(f"{source}: {key}: expected a folder, got '{named}', which does not exist")
    if mended:
        problems.append(Problem("mended_path", source.name, "folders found beside it: " + ", ".join(mended)))
    if not folders and (root / "images").is_dir():
        folders["train"] = root / "images"
    return folders


def _literal(root: Path, config: Mapping[str, object], named: str) -> Path | None:
    """The folder that data.yaml's words mean, if it exists.

    A path that leaves the data set by `..` is not followed: exporters write `../train/images` for a folder that
    lies beside data.yaml, and taken at its word it could name another data set's pictures.
    """
    base = config.get("path")
    start = root / base if isinstance(base, str) and (root / base).is_dir() else root
    path = start / named
    if ".." in Path(named).parts or not path.is_dir():
        return None
    return path / "images" if (path / "images").is_dir() else path


def _folders_beside(root: Path) -> dict[str, Path]:
    found = {}
    for split in SPLITS:
        for name in FOLDER_NAMES[split]:
            layouts = (root / name / "images", root / "images" / name)
            folder = next((path for path in layouts if path.is_dir()), None)
            if folder is not None:
                found[split] = folder
                break
    return found


def _examples(
    root: Path, pictures: list[Path], class_names: tuple[str, ...], problems: list[Problem]
) -> Iterator[Example]:
    for picture in pictures:
        size = assemble.size_of(picture, root, problems)
        if size is None:
            continue
        boxes, classes = _read_labels(_label_file(picture, root), root, size, len(class_names), problems)
        yield assemble.make_example(picture, size, boxes, classes)


def _label_file(picture: Path, root: Path) -> Path:
    """labels/... for images/..., by the last folder called images inside the data set; else beside the picture."""
    inside = picture.relative_to(root) if picture.is_relative_to(root) else picture
    parts = list(inside.parts[:-1])
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    # Not with_suffix on the stem: names may hold several dots, and only the last part is the suffix.
    return root.joinpath(*parts, picture.stem + ".txt")


def _read_labels(
    file: Path, root: Path, size: tuple[int, int], num_classes: int, problems: list[Problem]
) -> tuple[list[Box], list[int]]:
    boxes: list[Box] = []
    classes: list[int] = []
    name = assemble.relative(file, root)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        problems.append(Problem("missing_label_file", name, "no label file: read as a picture without objects"))
        return boxes, classes
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem("broken_annotation", name, f"expected text, cannot read it: {error}"))
        return boxes, classes
    if not text.strip():
        problems.append(Problem("empty_label_file", name, "empty: read as a picture without objects"))
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = Problem("", name, f"line {number}")
        parsed = _parse(line, num_classes, where, problems)
        box = assemble.usable_box(_to_pixels(parsed[1], size), *size, where, problems) if parsed else None
        if parsed and box:
            boxes.append(box)
            classes.append(parsed[0])
    return boxes, classes


def _parse(line: str, num_classes: int, where: Problem, problems: list[Problem]) -> tuple[int, Box] | None:
    """(class, relative centre and sides), or None and a problem."""

    def refuse(kind: str, expected: str) -> None:
        problems.append(Problem(kind, where.file, f"{where.detail}: expected {expected}, got '{line.strip()[:80]}'"))

    parts = line.split()
    if len(parts) > 5:
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
    if not 0 <= number < num_classes:
        refuse("class_out_of_range", f"a class from 0 to {num_classes - 1}")
        return None
    return int(number), (x, y, w, h)


def _to_pixels(relative_box: Box, size: tuple[int, int]) -> Box:
    x, y, w, h = relative_box
    width, height = size
    return ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)
