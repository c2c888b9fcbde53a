"""Which pictures belong to which split of a YOLO or Darknet data set.

Its own settings or lists say it, else the names of folders do, in either order: SPLIT/images or images/SPLIT. A path
that leaves the data set is not followed: exporters write `../train/images` for a folder that lies beside data.yaml, and
taken at its word it could name another data set's pictures.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from data.example import SPLITS, DatasetError, Problem
from data.readers import ownership, yolo_lists
from data.readers.folder import File, Folder
from data.readers.split_names import FOLDER_NAMES, split_of
from data.readers.yolo_config import Config
from data.readers.yolo_lists import Pictures
from data.readers.yolo_names import spell


def find(
    folder: Folder, config: Config | None, is_labelled: Callable[[File], bool], problems: list[Problem]
) -> dict[str, list[File]]:
    """Split -> its pictures by place, each in one split; a picture in none joins the problems."""
    home = config.source.place.parent if config else PurePosixPath()
    found: dict[str, Pictures] = {}
    mended: list[str] = []
    beside = _by_folder_names(folder)
    for split in SPLITS:
        if config is not None:
            for named in config.paths.get(split, ()):
                pictures = _named(folder, config, split, named, beside, mended, problems)
                found.setdefault(split, {}).update(pictures)
        if split in found and not found[split]:
            del found[split]  # a test set that is named and not there
        elif split not in found:
            pictures = yolo_lists.of_split(folder, home, split, problems) or _beside(folder, home, split, beside)
            if pictures:
                found[split] = pictures
    if mended and config:
        problems.append(Problem("mended_path", str(config.source.place), "found in the folder: " + ", ".join(mended)))
    if "train" not in found:
        rest = {place: file for place, file in beside.get(None, {}).items() if not _is_in(place, found)}
        found |= {"train": rest} if rest else {}
    used = {picture.original for pictures in found.values() for picture in pictures.values()}
    for picture in folder.pictures:
        if picture.original not in used:
            problems.append(Problem("unlisted_picture", str(picture.place), "in no split; not used"))
    return _each_once(folder, found, is_labelled, problems)


def _is_in(place: PurePosixPath, found: Mapping[str, Pictures]) -> bool:
    return any(place in pictures for pictures in found.values())


def _by_folder_names(folder: Folder) -> dict[str | None, Pictures]:
    grouped: dict[str | None, Pictures] = {}
    for picture in folder.pictures:
        grouped.setdefault(split_of(picture.place), {})[picture.place] = picture
    return grouped


def _named(
    folder: Folder,
    config: Config,
    split: str,
    named: str,
    beside: Mapping[str | None, Pictures],
    mended: list[str],
    problems: list[Problem],
) -> Pictures:
    """The pictures that a path of the settings means; a path that had to be mended joins those."""
    home, start = config.source.place.parent, _start(folder, config)
    path = named.replace("\\", "/")
    if path.lower().endswith(".txt"):
        return _named_list(folder, start, config, split, path, mended, problems)
    literal = _place(folder, start / path)
    if literal is not None and (folder.root / literal).is_dir():
        return _under(folder, literal) or _refuse_empty(folder.root / literal, split, problems)
    if beside.get(split):
        mended.append(f"{split}: {named} -> {_common_folder(beside[split])}")
        return beside[split]
    parts = [part for part in PurePosixPath(path).parts if part not in ("..", "/")]
    for first in range(len(parts)):
        pictures = _under(folder, home.joinpath(*parts[first:]))
        if pictures:
            mended.append(f"{split}: {named} -> {home.joinpath(*parts[first:])}")
            return pictures
    meant = start / path
    wrong = "lies outside the data set" if meant.is_dir() else "is a file" if meant.exists() else "does not exist"
    return _missing(config, split, named, wrong, "a folder", problems)


def _named_list(
    folder: Folder, start: Path, config: Config, split: str, path: str, mended: list[str], problems: list[Problem]
) -> Pictures:
    literal = _place(folder, start / path)
    file = folder.by_place.get(literal) if literal is not None else None
    if file is None:
        name = PurePosixPath(path).name
        same = [other for other in folder.of_kind(".txt") if other.place.name == name]
        if not same:
            return _missing(config, split, path, "does not exist", "a list of pictures", problems)
        file = min(same, key=lambda other: (len(other.place.parts), other.place.parts))
        mended.append(f"{split}: {path} -> {file.place}")
    return yolo_lists.read(folder, file, split, problems) or _refuse_empty(file.path, split, problems)


def _missing(config: Config, split: str, named: str, wrong: str, expected: str, problems: list[Problem]) -> Pictures:
    """Exporters write the line for a test set whether or not there is one; any other is needed."""
    if split != "test":
        raise DatasetError(
            f"{config.source.path}: {split}: expected {expected}, got {spell(named)}, which {wrong}", tuple(problems)
        )
    problems.append(Problem("missing_split", str(config.source.place), f"{split}: {spell(named)} {wrong}"))
    return {}


def _start(folder: Folder, config: Config) -> Path:
    """Where the splits' paths start: at `path`, when there is one that exists."""
    here = folder.root / config.source.place.parent
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


def _beside(folder: Folder, home: PurePosixPath, split: str, beside: Mapping[str | None, Pictures]) -> Pictures:
    """The pictures in folders of the split's name; such a folder without any is an error."""
    pictures = beside.get(split, {})
    if not pictures:
        for name in FOLDER_NAMES[split]:
            for place in (home / name / "images", home / "images" / name):
                if (folder.root / place).is_dir():
                    return _refuse_empty(folder.root / place, split, [])
    return pictures


def _refuse_empty(path: Path, split: str, problems: list[Problem]) -> Pictures:
    raise DatasetError(f"{path}: expected pictures (.jpg, .png ...) for split '{split}', found none", tuple(problems))


def _common_folder(pictures: Pictures) -> str:
    return Path(os.path.commonpath([place.parent for place in pictures])).as_posix()


def _each_once(
    folder: Folder, found: Mapping[str, Pictures], is_labelled: Callable[[File], bool], problems: list[Problem]
) -> dict[str, list[File]]:
    """The pictures by split, each in one; DatasetError where that leaves a split without any."""
    pictures_of = {split: pictures.values() for split, pictures in found.items()}
    kept = ownership.each_once(pictures_of, is_labelled, problems)
    for split in SPLITS:
        if split in found and split not in kept:
            raise DatasetError(
                f"{folder.root}: split '{split}': expected pictures of its own, got only such as are in other splits "
                "too",
                tuple(problems),
            )
    return kept
