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
    found, splits = {}, {}
    for split, folder in folders.items():
        pictures = pictures_in(folder)
        if not pictures:
            raise DatasetError(
                f"{folder}: expected pictures (.jpg, .png ...) for split '{split}', found none", tuple(problems)
            )
        found[split] = pictures
    for split, pictures in _each_once(root, found, problems).items():
        splits[split] = list(_examples(root, pictures, class_names, problems))
    return assemble.finish(root, "yolo", class_names, splits, problems)


def _each_once(root: Path, found: Mapping[str, list[Path]], problems: list[Problem]) -> dict[str, list[Path]]:
    """The pictures by split, each in one: the one that is scored last, so that nothing scored was trained on."""
    owner: dict[Path, str] = {}
    kept: dict[str, list[Path]] = {}
    for split in reversed(SPLITS):
        if split not in found:
            continue
        kept[split] = []
        for picture in found[split]:
            first = owner.setdefault(picture.resolve(), split)
            if first == split:
                kept[split].append(picture)
            else:
                name = assemble.relative(picture, root)
                problems.append(Problem("in_two_splits", name, f"in {split} and {first}; left in {first}"))
        if not kept[split]:
            raise DatasetError(
                f"{root}: split '{split}': expected pictures of its own, got only such as are in other splits too",
                tuple(problems),
            )
    return {split: kept[split] for split in found}


def _load(source: Path) -> Mapping[str, object]:
    try:
        config = yaml.safe_load(source.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:  # ValueError: a date of month 13, say
        reason = " ".join(str(error).split())
        raise DatasetError(f"{source}: expected YAML with the class names, cannot read it: {reason}") from error
    if not isinstance(config, dict):
        raise DatasetError(f"{source}: expected a mapping with 'names', got {type(config).__name__}")
    return config


def _class_names(config: Mapping[str, object], source: Path) -> tuple[str, ...]:
    names = config.get("names")
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise DatasetError(
                f"{source}: names: expected the numbers 0 to {len(names) - 1} as keys, got "
                + ", ".join(_spell(key) for key in list(names)[:10])
            )
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise DatasetError(f"{source}: names: expected a list of class names, got {_spell(names)}")
    count = config.get("nc", len(names))
    if count != len(names):
        raise DatasetError(f"{source}: nc: expected {len(names)}, the number of names, got {_spell(count)}")
    texts: dict[str, None] = {}
    for name in names:
        if not _is_name(name):
            raise DatasetError(f"{source}: names: expected text (or a number), got {_spell(name)}: put it in quotes")
        if str(name) in texts:
            raise DatasetError(f"{source}: names: expected each class once, got {_spell(name)} twice")
        texts[str(name)] = None
    return tuple(texts)


def _is_name(value: object) -> bool:
    """Text or a number of usual length. YAML makes truth values of a bare yes, no, on and off: those are refused."""
    if isinstance(value, int | float):
        return not isinstance(value, bool) and abs(value) < 1e18
    return isinstance(value, str)


def _spell(value: object) -> str:
    """The value, cut to a readable length; of a list or mapping only its kind, as aliases can make it endless."""
    if isinstance(value, dict | list | set | tuple):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and abs(value) >= 10**18:
        return "a huge number"
    return repr(value[:80] if isinstance(value, str | bytes) else value)


def _split_folders(root: Path, source: Path, config: Mapping[str, object], problems: list[Problem]) -> dict[str, Path]:
    """Split -> folder of its pictures: as data.yaml says, else as the folders lie."""
    beside = _folders_beside(root)
    folders: dict[str, Path] = {}
    mended = []
    for split in SPLITS:
        key = next((name for name in FOLDER_NAMES[split] if config.get(name)), None)
        named = config.get(key) if key else None
        if named is not None and not isinstance(named, str):
            raise DatasetError(f"{source}: {key}: expected the path of one folder, got {_spell(named)}")
        literal = _literal(root, config, named) if named else None
        if literal is not None:
            folders[split] = literal
        elif split in beside:
            folders[split] = beside[split]
            if named:
                mended.append(f"{key}: {named} -> {assemble.relative(beside[split], root)}")
        elif named:
            meant = _start(root, config) / named
            wrong = (
                "lies outside the data set" if meant.is_dir() else "is a file" if meant.exists() else "does not exist"
            )
            if split != "test":
                raise DatasetError(f"{source}: {key}: expected a folder, got {_spell(named)}, which {wrong}")
            # Exporters write the line whether or not there is a test set.
            problems.append(Problem("missing_split", source.name, f"{key}: {_spell(named)} {wrong}"))
    if mended:
        problems.append(Problem("mended_path", source.name, "folders found beside it: " + ", ".join(mended)))
    if not folders and (root / "images").is_dir():
        folders["train"] = root / "images"
    return folders


def _start(root: Path, config: Mapping[str, object]) -> Path:
    """Where the splits' paths start: at `path`, when data.yaml has one that exists."""
    base = config.get("path")
    return root / base if isinstance(base, str) and (root / base).is_dir() else root


def _literal(root: Path, config: Mapping[str, object], named: str) -> Path | None:
    """The folder that data.yaml's words mean, if it exists and lies in the data set.

    A path that leaves the data set is not followed: exporters write `../train/images` for a folder that lies
    beside data.yaml, and taken at its word it could name another data set's pictures.
    """
    path = _start(root, config) / named
    if (path / "images").is_dir():
        path = path / "images"
    return path if path.is_dir() and path.resolve().is_relative_to(root.resolve()) else None


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
