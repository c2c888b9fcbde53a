"""The pictures that the settings of a YOLO or Darknet data set name for its splits: folders, or lists.

A path that leaves the data set is not followed: exporters write `../train/images` for a folder that lies beside
data.yaml, and taken at its word it could name another data set's pictures.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath

from data.dataset import SPLITS, DatasetError, Problem
from data.readers import name_matching, yolo_folders, yolo_lists
from data.readers.files import LIST_SUFFIXES
from data.readers.folder import Folder
from data.readers.split_names import split_called, split_of
from data.readers.yolo_config import Config
from data.readers.yolo_lists import Pictures
from data.readers.yolo_names import spell


class _NotThereError(DatasetError):
    """A path of the settings that leads to nothing."""


def named(folder: Folder, config: Config, needed: Collection[str], problems: list[Problem]) -> dict[str, Pictures]:
    """Split -> the pictures that the settings name for it by place; none if they are not there.

    DatasetError for a needed train or val that is not there. An empty folder or list for val or test is told.
    """
    found: dict[str, Pictures] = {}
    mended: list[str] = []
    by_name = yolo_folders.by_names(folder.pictures)
    for split in SPLITS:
        for path in config.paths.get(split, ()):
            try:
                pictures = _named(folder, config, split, path, by_name, mended, problems)
            except DatasetError as error:
                # Exporters write the line for a test set whether or not there is one.
                if split in needed and not (split == "test" and isinstance(error, _NotThereError)):
                    raise
                problems.append(absent(str(config.source.place), error, folder))
                pictures = {}
            found.setdefault(split, {}).update(pictures)
    if mended:
        problems.append(Problem("mended_path", str(config.source.place), "found in the folder: " + ", ".join(mended)))
    return found


def absent(place: str, error: DatasetError, folder: Folder) -> Problem:
    """The error of a split that nobody needs."""
    return Problem("missing_split", place, str(error).removeprefix(f"{folder.root / place}: "))


def _named(
    folder: Folder,
    config: Config,
    split: str,
    named: str,
    by_name: Mapping[str | None, Pictures],
    mended: list[str],
    problems: list[Problem],
) -> Pictures:
    """The pictures that a path of the settings means; a path that had to be mended joins those."""
    home, start = config.source.folder, _start(folder, config)
    path = named.replace("\\", "/")
    if path.lower().endswith(LIST_SUFFIXES):
        return _named_list(folder, start, config, split, path, mended, problems)
    literal = _place(folder, start / path) or _place(folder, folder.root / path)
    if literal is not None and (folder.root / literal).is_dir():
        target = _place(folder, (folder.root / literal).resolve())  # a link into the data set is not walked
        pictures = _under(folder, literal) or (_under(folder, target) if target is not None else {})
        return pictures or yolo_folders.empty(folder, literal, split, problems)
    # Its last parts, as long as one is a split's name; then what is called as this split; then fewer parts.
    parts = [part for part in PurePosixPath(path).parts if part not in ("..", "/")]
    ends = [parts[first:] for first in range(len(parts))]
    telling = [end for end in ends if any(map(split_called, end))]
    if pictures := _first(folder, home, telling, split, named, mended):
        return pictures
    if by_name.get(split):
        mended.append(f"{split}: {named} -> {yolo_folders.common_folder(by_name[split])}")
        return by_name[split]
    if pictures := _first(folder, home, ends[len(telling) :], split, named, mended):
        return pictures
    meant = start / path
    wrong = "lies outside the data set" if meant.is_dir() else "is a file" if meant.exists() else "does not exist"
    raise _missing(config, split, named, wrong, "a folder", problems)


def _first(
    folder: Folder, home: PurePosixPath, ends: Sequence[Sequence[str]], split: str, named: str, mended: list[str]
) -> Pictures:
    """The pictures of the first of these folders that has some.

    An end that names a split may be that of a folder anywhere, if only one ends so. Another is not to lie in the folder
    of another split.
    """
    folders = {parent for picture in folder.pictures for parent in picture.place.parents}
    for end in ends:
        telling = any(map(split_called, end))
        ending = [place for place in folders if place.parts[-len(end) :] == tuple(end)] if telling else []
        for place in (home.joinpath(*end), *(ending if len(ending) == 1 else [])):
            allowed = telling or split_of(place) in (None, split)
            if allowed and (pictures := _under(folder, place)):
                mended.append(f"{split}: {named} -> {place}")
                return pictures
    return {}


def _named_list(
    folder: Folder, start: Path, config: Config, split: str, path: str, mended: list[str], problems: list[Problem]
) -> Pictures:
    literal = _place(folder, start / path) or _place(folder, folder.root / path)  # Darknet is started there
    file = folder.by_place.get(literal) if literal is not None else None
    if file is None:
        same = [other for other in folder.of_kind(*LIST_SUFFIXES) if [other.name] == name_matching.parts(path)[-1:]]
        if not same:
            raise _missing(config, split, path, "does not exist", "a list of pictures", problems)
        file = min(same, key=lambda other: (len(other.place.parts), other.place.parts))
        mended.append(f"{split}: {path} -> {file.place}")
    return yolo_lists.read(folder, file, split, problems)


def _missing(
    config: Config, split: str, named: str, wrong: str, expected: str, problems: list[Problem]
) -> _NotThereError:
    return _NotThereError(
        f"{config.source.path}: {split}: expected {expected}, got {spell(named)}, which {wrong}", tuple(problems)
    )


def _start(folder: Folder, config: Config) -> Path:
    """Where the splits' paths start: at `path`, when there is one that exists."""
    here = folder.root / config.source.folder
    return here / config.base if config.base and (here / config.base).is_dir() else here


def _place(folder: Folder, path: Path) -> PurePosixPath | None:
    """Where in the data set this path leads, by its words or else by its links; None when it leaves it."""
    words, root = Path(os.path.abspath(path)), Path(os.path.abspath(folder.root))  # noqa: PTH100 (resolve follows links)
    for inside, whole in ((words, root), (words.resolve(), root.resolve())):
        if inside.is_relative_to(whole) and inside.exists():
            return PurePosixPath(inside.relative_to(whole).as_posix())
    return None


def _under(folder: Folder, place: PurePosixPath) -> Pictures:
    """The pictures in this folder; those in its folder called images, where it has one."""
    inside: Pictures = {p.place: p for p in folder.pictures if p.place.is_relative_to(place)}
    own = {at: picture for at, picture in inside.items() if at.is_relative_to(place / "images")}
    return own or inside
