"""Find the pictures that the settings of a YOLO or Darknet data set name for its splits, by folders or lists.

A path that leaves the data set is not followed: exporters write `../train/images` for a folder beside data.yaml, and
literally that may be a folder of another data set.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath

from data.dataset import SPLITS, DatasetError, Problem
from data.problems import Report
from data.readers import name_matching, yolo_folders, yolo_lists
from data.readers.dataset_file import LIST_SUFFIXES
from data.readers.folder import Folder
from data.readers.name_matching import Namesakes
from data.readers.split_names import split_from_name, split_of_folder
from data.readers.yolo_config import YoloConfig
from data.readers.yolo_lists import PicturesByPath
from data.readers.yolo_names import spell


class _MissingPathError(DatasetError):
    """A path in the settings leads to nothing."""


def named_pictures(
    folder: Folder, config: YoloConfig, needed: Collection[str], report: Report
) -> dict[str, PicturesByPath]:
    """Split -> the pictures that the settings name for it, by path; empty if they do not exist.

    DatasetError for a needed train or val that does not exist. An empty folder or list of val or test is a problem.
    """
    pictures_of: dict[str, PicturesByPath] = {}
    corrected: list[str] = []
    by_name = yolo_folders.group_by_split(folder.pictures)
    for split in SPLITS:
        for path in config.paths.get(split, ()):
            try:
                pictures = _named(folder, config, split, path, by_name, corrected, report)
            except DatasetError as error:
                # Exporters write the line for a test split even if there is none.
                if split in needed and not (split == "test" and isinstance(error, _MissingPathError)):
                    raise
                report.include(absent_split(str(config.source.relative_path), error, folder))
                pictures = {}
            pictures_of.setdefault(split, {}).update(pictures)
    if corrected:
        report.add("mended_path", config.source.relative_path, "found in the folder: " + ", ".join(corrected))
    return pictures_of


def absent_split(source: str, error: DatasetError, folder: Folder) -> Problem:
    """The error about a split that is not needed, as a problem. source: the settings file, or empty."""
    return Problem("missing_split", source, str(error).removeprefix(f"{folder.root / source}: "))


def _named(
    folder: Folder,
    config: YoloConfig,
    split: str,
    named: str,
    by_name: Mapping[str | None, PicturesByPath],
    corrected: list[str],
    report: Report,
) -> PicturesByPath:
    """The pictures that a path in the settings means; a path that had to be corrected is added to `corrected`."""
    home, start = config.source.folder, _start(folder, config)
    path = named.replace("\\", "/")
    if path.lower().endswith(LIST_SUFFIXES):
        return _named_list(folder, start, config, split, path, corrected, report)
    literal = _inside(folder, start / path) or _inside(folder, folder.root / path)
    if literal is not None and (folder.root / literal).is_dir():
        target = _inside(folder, (folder.root / literal).resolve())  # the walk does not follow links into the data set
        pictures = _under(folder, literal) or (_under(folder, target) if target is not None else {})
        return pictures or yolo_folders.report_empty_folder(folder, literal, split, report)
    # Try the path's last parts while they name a split; then folders named for this split; then fewer last parts.
    parts = [part for part in PurePosixPath(path).parts if part not in ("..", "/")]
    ends = [parts[first:] for first in range(len(parts))]
    with_split = [end for end in ends if any(map(split_from_name, end))]
    if pictures := _first(folder, home, with_split, split, named, corrected):
        return pictures
    if by_name.get(split):
        corrected.append(f"{split}: {named} -> {yolo_folders.common_folder(by_name[split])}")
        return by_name[split]
    if pictures := _first(folder, home, ends[len(with_split) :], split, named, corrected):
        return pictures
    intended = start / path
    wrong = "is outside the data set" if intended.is_dir() else "is a file" if intended.exists() else "does not exist"
    raise _missing(config, split, named, wrong, "a folder", report)


def _first(
    folder: Folder, home: PurePosixPath, ends: Sequence[Sequence[str]], split: str, named: str, corrected: list[str]
) -> PicturesByPath:
    """The pictures of the first folder that has some; empty if none has. ends: the last parts of each folder.

    Last parts that name a split may be those of a folder anywhere, if it is the only one. Other last parts must not
    lead into the folder of another split.
    """
    folders = {parent for picture in folder.pictures for parent in picture.relative_path.parents}
    for end in ends:
        names_split = any(map(split_from_name, end))
        ending = [path for path in folders if path.parts[-len(end) :] == tuple(end)] if names_split else []
        for candidate in (home.joinpath(*end), *(ending if len(ending) == 1 else [])):
            allowed = names_split or split_of_folder(candidate) in (None, split)
            if allowed and (pictures := _under(folder, candidate)):
                corrected.append(f"{split}: {named} -> {candidate}")
                return pictures
    return {}


def _named_list(
    folder: Folder,
    start: Path,
    config: YoloConfig,
    split: str,
    path: str,
    corrected: list[str],
    report: Report,
) -> PicturesByPath:
    literal = _inside(folder, start / path) or _inside(folder, folder.root / path)  # Darknet is started at the root
    file = folder.by_path.get(literal) if literal is not None else None
    if file is None:
        named = name_matching.parts(path)
        namesakes = [other for other in folder.with_suffixes(*LIST_SUFFIXES) if [other.name] == named[-1:]]
        if not namesakes:
            raise _missing(config, split, path, "does not exist", "a list of pictures", report)
        best = Namesakes(namesakes).best(named[:-1], None, split)
        file = min(best, key=lambda other: (len(other.relative_path.parts), other.relative_path.parts))
        corrected.append(f"{split}: {path} -> {file.relative_path}")
    return yolo_lists.read(folder, file, split, report)


def _missing(
    config: YoloConfig, split: str, named: str, wrong: str, expected: str, report: Report
) -> _MissingPathError:
    return _MissingPathError(
        f"{config.source.path}: {split}: expected {expected}, got {spell(named)}, which {wrong}", tuple(report.problems)
    )


def _start(folder: Folder, config: YoloConfig) -> Path:
    """The folder that the splits' paths start from: `path` of the settings if it exists, else the settings' folder."""
    here = folder.root / config.source.folder
    return here / config.base if config.base and (here / config.base).is_dir() else here


def _inside(folder: Folder, path: Path) -> PurePosixPath | None:
    """The path relative to the root, as written or else with links resolved; None if it leaves the data set."""
    written, root = Path(os.path.abspath(path)), Path(os.path.abspath(folder.root))  # noqa: PTH100 (resolve follows links)
    for target, base in ((written, root), (written.resolve(), root.resolve())):
        if target.is_relative_to(base) and target.exists():
            return PurePosixPath(target.relative_to(base).as_posix())
    return None


def _under(folder: Folder, path: PurePosixPath) -> PicturesByPath:
    """The pictures below this path; only those in its folder images, if it has one."""
    inside: PicturesByPath = {p.relative_path: p for p in folder.pictures if p.relative_path.is_relative_to(path)}
    own = {key: picture for key, picture in inside.items() if key.is_relative_to(path / "images")}
    return own or inside
