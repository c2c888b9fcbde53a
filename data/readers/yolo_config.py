"""Read the settings of a YOLO or Darknet data set: its class names, and the paths of its splits.

They are in data.yaml (Ultralytics and others), in Darknet's obj.data, or just names in obj.names or classes.txt. Paths
are only read here; yolo_paths.py finds the files that they mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data import safe_yaml
from data.dataset import SPLITS, DatasetError
from data.problems import Report
from data.readers import name_matching, text_files, yolo_names
from data.readers.dataset_file import LIST_SUFFIXES, DatasetFile
from data.readers.folder import Folder
from data.readers.split_names import split_from_key

YAML_NAMES = ("data.yaml", "data.yml")
NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels")
# Names that other files have too: labelImg's defaults, Darknet's lists for public data sets (coco.names).
VAGUE_NAME_FILES = ("labels.txt", "predefined_classes.txt")

VAGUE = 4  # the last rank


@dataclass(frozen=True)
class YoloConfig:
    """The settings of a data set.

    source: the file with the settings. class_names: empty if none are given. paths: split -> folders, or lists of
    pictures, as written. count: of classes, if given. base: the `path` of a data.yaml. pose: (number of keypoints,
    numbers per keypoint), if the labels have keypoints.
    """

    source: DatasetFile
    class_names: tuple[str, ...]
    paths: Mapping[str, tuple[str, ...]]
    count: int | None = None
    base: str | None = None
    pose: tuple[int, int] | None = None


def find(folder: Folder) -> DatasetFile | None:
    """The settings file nearest to the root; None without one; DatasetError for data.yaml files in several folders."""
    files = [file for file in folder.other_files if rank(file) is not None]
    files.sort(
        key=lambda file: (
            len(file.relative_path.parts),
            rank(file),
            not _may_be_read(folder, file),
            file.relative_path.parts,
        )
    )
    first = [
        file for file in files if len(file.relative_path.parts) == len(files[0].relative_path.parts) and rank(file) == 0
    ]
    if len({file.folder for file in first}) > 1:
        raise DatasetError(
            f"{folder.root}: expected one data set, got {', '.join(str(file.relative_path) for file in first[:5])}: "
            "point to a folder that holds one"
        )
    return files[0] if files else None


def _may_be_read(folder: Folder, file: DatasetFile) -> bool:
    """Whether the train list of Darknet's settings is here, by its name; those of its public data sets are not."""
    if file.suffix != ".data":
        return True
    try:
        values = _darknet_values(text_files.decode(text_files.read_bytes(file.path))[0].splitlines())
    except text_files.TextError:
        return False
    lists = [name_matching.parts(path)[-1:] for key, path in values.items() if split_from_key(key) == "train"]
    return any([other.name] in lists for other in folder.with_suffixes(*LIST_SUFFIXES))


def read(folder: Folder, source: DatasetFile, report: Report) -> YoloConfig:
    """The settings in this file; DatasetError if they are broken."""
    if source.suffix in (".yaml", ".yml"):
        return _from_yaml(folder, source, report)
    if source.suffix == ".data":
        return _from_darknet(folder, source, report)
    return YoloConfig(source, yolo_names.from_file(source, report), {})


def is_config(file: DatasetFile) -> bool:
    """Whether this is a settings file, by its name and, for other YAML files, by its keys."""
    return rank(file) is not None


def is_settings(file: DatasetFile) -> bool:
    """Whether this settings file can hold more than class names."""
    return rank(file) in (0, 1, 2)


def rank(file: DatasetFile) -> int | None:
    """The rank of a settings file among those in its folder, 0 first; None for others. The case does not matter."""
    name = file.name.lower()
    if name in YAML_NAMES:
        return 0
    if file.suffix == ".data":
        return 1
    if file.suffix in (".yaml", ".yml") and _has_names(file):
        return 2
    if name in NAME_FILES:
        return 3
    if name in VAGUE_NAME_FILES or file.suffix == ".names":
        return VAGUE
    return None


def _has_names(file: DatasetFile) -> bool:
    """Whether a YAML file of another name (coco128.yaml) names classes."""
    try:
        lines = text_files.decode(text_files.read_bytes(file.path))[0].splitlines()
    except text_files.TextError:
        return False
    keys = {line.split(":")[0].strip() for line in lines if line[:1].isalpha()}
    return "names" in keys and bool(keys & {"train", "val", "nc", "path"})


def _from_yaml(folder: Folder, source: DatasetFile, report: Report) -> YoloConfig:
    config = _load(source, report)
    names: Any = config.get("names")
    if isinstance(names, str | list | dict):
        names = _load(source, Report(), str)["names"]  # as written: a class may be named 010 or 1e3
    stated = config.get("nc")
    count = yolo_names.class_count(stated)
    if isinstance(names, str) and (named := folder.by_path.get(source.folder / names)):
        class_names = yolo_names.from_file(named, report)  # names: obj.names
    elif names is None and (count or stated is None):
        class_names = ()  # a list beside the file may have them
    else:
        class_names = yolo_names.from_yaml(names, count, source)
    if stated is not None and count != (len(class_names) or count):
        raise DatasetError(
            f"{source.path}: nc: expected {len(class_names)}, the number of names, got {yolo_names.spell(stated)}"
        )
    paths = {split: _paths(config[key], key, source) for split in SPLITS if (key := _key(split, config, source))}
    base = config.get("path")
    base = base if isinstance(base, str) else None
    return YoloConfig(source, class_names, paths, count, base, _pose(config, source))


def _pose(config: Mapping[str, object], source: DatasetFile) -> tuple[int, int] | None:
    shape = config.get("kpt_shape")
    if shape is None:
        return None
    parts = [yolo_names.class_count(part) for part in shape] if isinstance(shape, list) else []
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        raise DatasetError(
            f"{source.path}: kpt_shape: expected two counts, such as [17, 3], got {yolo_names.spell(shape)}"
        )
    return parts[0], parts[1]


def _load(source: DatasetFile, report: Report, scalar: Callable[[str], object] | None = None) -> Mapping[str, object]:
    try:
        config = safe_yaml.load(text_files.read(source, report), scalar)
    except ValueError as error:
        raise DatasetError(f"{source.path}: expected YAML with the class names, cannot read it: {error}") from error
    if not isinstance(config, dict):
        raise DatasetError(f"{source.path}: expected a mapping with 'names', got {type(config).__name__}")
    return {str(key): value for key, value in config.items()}


def _from_darknet(folder: Folder, source: DatasetFile, report: Report) -> YoloConfig:
    """The settings in Darknet's obj.data: lines `key = value` with classes, train, valid, names, backup."""
    try:
        lines = text_files.read(source, report).splitlines()
    except text_files.TextError as error:
        raise DatasetError(f"{source.path}: expected lines `key = value`: {error}") from error
    values = _darknet_values(lines)
    in_any_case = {key.lower(): value for key, value in values.items()}
    stated = in_any_case.get("classes", "")
    count = yolo_names.class_count(stated)
    named = name_matching.parts(in_any_case.get("names", ""))
    candidates = [file for file in folder.other_files if [file.name] == named[-1:]]
    candidates.sort(
        key=lambda file: (
            -name_matching.num_agreeing(file.folder, named[:-1]),
            file.folder != source.folder,
            file.relative_path.parts,
        )
    )
    class_names = yolo_names.from_file(candidates[0], report) if candidates else ()
    if stated and count != (len(class_names) or count):
        raise DatasetError(
            f"{source.path}: classes: expected {len(class_names)}, as many as names, got {yolo_names.spell(stated)}"
        )
    paths = {split: _paths(values[key], key, source) for split in SPLITS if (key := _key(split, values, source))}
    return YoloConfig(source, class_names, paths, count)


def _darknet_values(lines: Sequence[str]) -> dict[str, str]:
    """Key -> value of lines `key = value`."""
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.lstrip().startswith("#")]
    return {key.strip(): value.strip() for key, value in pairs}


def _key(split: str, values: Mapping[str, object], source: DatasetFile) -> str | None:
    """The key that names the split's pictures, in any case (valid, Validation); None if it is missing or empty."""
    keys = sorted(key for key, value in values.items() if value and split_from_key(key) == split)
    if any(values[key] != values[keys[0]] for key in keys[1:]):
        raise DatasetError(
            f"{source.path}: expected one key for the split '{split}', got "
            + " and ".join(f"{key}: {yolo_names.spell(values[key])}" for key in keys)
        )
    return keys[0] if keys else None


def _paths(value: object, key: str, source: DatasetFile) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    wrong = next((path for path in values if not _is_path(path)), value if not values else None)
    if wrong is not None:
        raise DatasetError(
            f"{source.path}: {key}: expected the path of a folder or a list, got {yolo_names.spell(wrong)}"
        )
    return tuple(values)


def _is_path(value: object) -> bool:
    """Whether this is text that a file system accepts as a path."""
    return isinstance(value, str) and len(value) < 1024 and max(map(len, value.split("/"))) < 256 and "\0" not in value
