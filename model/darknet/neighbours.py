"""Finds the files that belong to a .weights file: its cfg and its class names.

Darknet names weights after their cfg (detector.c): yolo-obj.cfg gives yolo-obj_best.weights, yolo-obj_1000.weights and
so on, in the folder that backup= names. Cfg and names are in the same folder, or in cfg and data beside it. A file
named after the weights belongs to them; obj.names and obj.data, the names in Darknet's README, may belong to any
weights, and are used only if they have as many names as there are classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from model.darknet import cfg, names, texts

TRAINED = re.compile(r"_(best|last|final|ema|\d+)$", re.IGNORECASE)  # what training appends to the cfg's name
PARTIAL = re.compile(r"\.conv\.\d+$", re.IGNORECASE)  # the first layers: yolov4.conv.137
SUFFIXES = (".weights", ".backup")
FOLDERS = ("cfg", "data", "backup")
MOST_LISTED = 3  # how many files a sentence names
LARGEST_DATA = 1 << 16  # bytes of a .data file; usual ones have 150


def is_darknet(path: Path) -> bool:
    """Whether a file's name is that of Darknet's weights."""
    return path.suffix.lower() in SUFFIXES or bool(PARTIAL.search(path.name))


@dataclass(frozen=True)
class FoundNames:
    """Class names and the file that has them; None if none was found. unused: a phrase on files not used."""

    names: tuple[str, ...] | None = None
    path: Path | None = None
    by_name: bool = False  # the file is named after the weights
    unused: str = ""


def find_cfg(path: Path) -> Path | None:
    """The cfg that the weights are named after; None if there is none, ValueError if two differ."""
    return _named_after(path, ".cfg", "--cfg")


def other_cfgs(path: Path) -> list[Path]:
    """All of Darknet's cfgs in the folder of the weights, of any name."""
    cfgs = []
    for file in _files(path.parent):
        if file.suffix.lower() == ".cfg":
            with suppress(cfg.CfgError):  # other programs use this suffix too
                cfg.read(file)
                cfgs.append(file)
    return cfgs


def find_names(path: Path, count: int | None) -> FoundNames:
    """The class names of the weights; count: how many there must be, None if not known.

    ValueError if the file that is named after the weights has another number of names.
    """
    own = _named_after(path, ".names", "--names")
    if own is not None:
        class_names = names.read(own, count)
        if count not in (None, len(class_names)):
            raise ValueError(
                f"{own}: expected {count} class names, as many as {path} has classes, got {len(class_names)}; "
                "--names FILE names another file"
            )
        return FoundNames(class_names, own, by_name=True)
    unused: list[str] = []
    for group in _unowned_names(path):
        fitting: dict[tuple[str, ...], Path] = {}
        for file in group:
            try:
                class_names = names.read(file, count)
            except names.NamesError as error:
                unused.append(str(error))
                continue
            if count in (None, len(class_names)):
                fitting.setdefault(class_names, file)
            else:
                unused.append(f"{file} has {len(class_names)}")
        if len(fitting) == 1:
            return FoundNames(*next(iter(fitting.items())))
        if fitting:
            unused.append(f"{' and '.join(map(str, fitting.values()))} differ")
    return FoundNames(unused=listed(list(dict.fromkeys(unused))))


def listed(things: Sequence[object]) -> str:
    """The first few, separated by commas, and how many more there are."""
    more = f" and {len(things) - MOST_LISTED} more" if len(things) > MOST_LISTED else ""
    return ", ".join(map(str, things[:MOST_LISTED])) + more


def _unowned_names(path: Path) -> Iterator[list[Path]]:
    """Files of class names that are not named after the weights, in groups; earlier groups take precedence."""
    here = _files(path.parent)
    around = [file for folder in _folders_around(path.parent) for file in _files(folder)]
    for files in (here, around):
        data = _with_name(files, (*stems(path), "obj"), ".data")
        if not data and files is here:
            data = [file for file in here if file.suffix.lower() == ".data"]
        yield [names_file for file in data if (names_file := _names_of_data(file, path)) is not None]
        yield _with_name(files, ("obj",), ".names")
    lone = [file for file in here if file.suffix.lower() == ".names"]
    yield lone if len(lone) == 1 else []


def stems(path: Path) -> tuple[str, ...]:
    """Possible names of the weights' cfg: their own name, and that without what training appends."""
    stem = PARTIAL.sub("", path.name) if PARTIAL.search(path.name) else path.stem
    return tuple(dict.fromkeys((stem, TRAINED.sub("", stem))))


def _named_after(path: Path, suffix: str, option: str) -> Path | None:
    """The file of that suffix named after the weights: in their folder, else in the folders around it."""
    for folders in ([path.parent], _folders_around(path.parent)):
        files = [file for folder in folders for file in _files(folder)]
        for stem in stems(path):
            matches = _without_copies(_with_name(files, (stem,), suffix))
            if len(matches) > 1:
                raise ValueError(
                    f"{path}: expected one {suffix} file for it, got {' and '.join(map(str, matches))}, which differ; "
                    f"{option} FILE says which"
                )
            if matches:
                return matches[0]
    return None


def _with_name(files: Sequence[Path], called: Iterable[str], suffix: str) -> list[Path]:
    """The files with the first of these names that exists: spelled exactly, else in another case, else shortened.

    Darknet uses a cfg's name up to its first dot (utils.c, basecfg).
    """
    of_kind = [file for file in files if file.suffix.lower() == suffix]
    for name in called:
        wanted = name.casefold()
        for matches in (
            [file for file in of_kind if file.stem == name],
            [file for file in of_kind if file.stem.casefold() == wanted],
            [file for file in of_kind if file.name.partition(".")[0].casefold() == wanted],
        ):
            if matches:
                return matches
    return []


def _without_copies(files: Sequence[Path]) -> list[Path]:
    """The files without those that are copies of an earlier one."""
    if len(files) < 2:
        return list(files)
    contents: dict[bytes, Path] = {}
    for file in files:
        with suppress(OSError):  # an unreadable file is reported if it is the only one
            contents.setdefault(file.read_bytes(), file)
    return list(contents.values()) or list(files[:1])


def _names_of_data(file: Path, weights: Path) -> Path | None:
    """The file that names= in a .data file points to; its path is relative to the folder where Darknet was started."""
    try:
        if file.stat().st_size > LARGEST_DATA:
            return None
        lines = texts.decode(file.read_bytes(), errors="replace").splitlines()
    except OSError:
        return None
    plain = [line.partition("=") for line in lines if not line.strip().startswith(("#", ";"))]
    value = next((text.strip() for key, _, text in plain if key.strip() in ("names", "labels")), "")
    if not value:
        return None
    target = Path(value.replace("\\", "/"))
    bases = [file.parent, file.parent.parent]
    candidates = [base / target for base in bases]  # an absolute path stays as it is
    candidates += [folder / target.name for folder in (file.parent, weights.parent, *_folders_around(weights.parent))]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _folders_around(folder: Path) -> list[Path]:
    """The other folders where the cfg and names of weights in this folder may be."""
    here = folder.absolute()
    root = [here.parent] if here.name.lower() in FOLDERS else []
    folders = [*root, *(here / name for name in FOLDERS), *(here.parent / name for name in FOLDERS)]
    return [_short(around) for around in dict.fromkeys(folders) if around != here and around.is_dir()]


def _short(folder: Path) -> Path:
    """The folder as people would type it: relative to the working directory if it is inside."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def _files(folder: Path) -> list[Path]:
    """The files of a folder, sorted by name; empty if it cannot be read."""
    try:
        return sorted(file for file in folder.iterdir() if file.is_file())
    except OSError:
        return []
