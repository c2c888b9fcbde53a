"""What Darknet leaves around a .weights file: its cfg and its class names.

Darknet calls weights after their cfg (detector.c): yolo-obj.cfg gives yolo-obj_best.weights, yolo-obj_1000.weights and
so on, in the folder that backup= names. Cfg and names lie in the same folder, or in cfg and data beside it. A file of
the right name is the file's own; obj.names and obj.data, as Darknet's README calls them, are anybody's, and count only
where their number of names is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from model.darknet import cfg, names, texts

TRAINED = re.compile(r"_(best|last|final|ema|\d+)$", re.IGNORECASE)  # what training puts behind the cfg's name
PARTIAL = re.compile(r"\.conv\.\d+$", re.IGNORECASE)  # the first layers: yolov4.conv.137
SUFFIXES = (".weights", ".backup")
FOLDERS = ("cfg", "data", "backup")
MOST_LISTED = 3  # of files in a sentence
LARGEST_DATA = 1 << 16  # bytes of a .data file; usual ones have 150


def is_darknet(path: Path) -> bool:
    """Whether a file is Darknet's by its name."""
    return path.suffix.lower() in SUFFIXES or bool(PARTIAL.search(path.name))


@dataclass(frozen=True)
class FoundNames:
    """Class names and the file that has them; unused: what was found and not used, in words."""

    names: tuple[str, ...] | None = None
    path: Path | None = None
    by_name: bool = False  # the file is called after the weights
    unused: str = ""


def find_cfg(path: Path) -> Path | None:
    """The cfg that the weights are called after; None where there is none, ValueError where two differ."""
    return _called_after(path, ".cfg", "--cfg")


def other_cfgs(path: Path) -> list[Path]:
    """Darknet's cfgs in the folder of the weights, whatever they are called."""
    found = []
    for file in _files(path.parent):
        if file.suffix.lower() == ".cfg":
            with suppress(cfg.CfgError):  # others have files of this suffix too
                cfg.read(file)
                found.append(file)
    return found


def find_names(path: Path, count: int | None) -> FoundNames:
    """The class names of the weights; count: how many they must be, where that is known.

    ValueError where the file that is called after the weights has another number of them.
    """
    own = _called_after(path, ".names", "--names")
    if own is not None:
        found = names.read(own, count)
        if count not in (None, len(found)):
            raise ValueError(
                f"{own}: expected {count} class names, as many as {path} has classes, got {len(found)}; "
                "--names FILE names another file"
            )
        return FoundNames(found, own, by_name=True)
    unused: list[str] = []
    for group in _anybodys(path):
        fitting: dict[tuple[str, ...], Path] = {}
        for file in group:
            try:
                found = names.read(file, count)
            except names.NamesError as error:
                unused.append(str(error))
                continue
            if count in (None, len(found)):
                fitting.setdefault(found, file)
            else:
                unused.append(f"{file} has {len(found)}")
        if len(fitting) == 1:
            return FoundNames(*next(iter(fitting.items())))
        if fitting:
            unused.append(f"{' and '.join(map(str, fitting.values()))} differ")
    return FoundNames(unused=listed(list(dict.fromkeys(unused))))


def listed(things: Sequence[object]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(things) - MOST_LISTED} more" if len(things) > MOST_LISTED else ""
    return ", ".join(map(str, things[:MOST_LISTED])) + more


def _anybodys(path: Path) -> Iterator[list[Path]]:
    """Files of names that are not called after the weights, in groups; an earlier group comes first."""
    here = _files(path.parent)
    around = [file for folder in _around(path.parent) for file in _files(folder)]
    for files in (here, around):
        data = _named(files, (*stems(path), "obj"), ".data")
        if not data and files is here:
            data = [file for file in here if file.suffix.lower() == ".data"]
        yield [found for file in data if (found := _names_of_data(file, path)) is not None]
        yield _named(files, ("obj",), ".names")
    lone = [file for file in here if file.suffix.lower() == ".names"]
    yield lone if len(lone) == 1 else []


def stems(path: Path) -> tuple[str, ...]:
    """What the cfg of the weights may be called: their own name, and that without what training puts behind it."""
    stem = PARTIAL.sub("", path.name) if PARTIAL.search(path.name) else path.stem
    return tuple(dict.fromkeys((stem, TRAINED.sub("", stem))))


def _called_after(path: Path, suffix: str, option: str) -> Path | None:
    """The file of that suffix called after the weights: in their folder, else in those around."""
    for folders in ([path.parent], _around(path.parent)):
        files = [file for folder in folders for file in _files(folder)]
        for stem in stems(path):
            found = _distinct(_named(files, (stem,), suffix))
            if len(found) > 1:
                raise ValueError(
                    f"{path}: expected one {suffix} file for it, got {' and '.join(map(str, found))}, which differ; "
                    f"{option} FILE says which"
                )
            if found:
                return found[0]
    return None


def _named(files: Sequence[Path], called: Iterable[str], suffix: str) -> list[Path]:
    """The files of one of these names, the first name that there is: as it is, else in other case, else shortened.

    Darknet takes a cfg's name up to its first dot (utils.c, basecfg).
    """
    of_kind = [file for file in files if file.suffix.lower() == suffix]
    for name in called:
        wanted = name.casefold()
        for found in (
            [file for file in of_kind if file.stem == name],
            [file for file in of_kind if file.stem.casefold() == wanted],
            [file for file in of_kind if file.name.partition(".")[0].casefold() == wanted],
        ):
            if found:
                return found
    return []


def _distinct(files: Sequence[Path]) -> list[Path]:
    """The files without those that are copies of one before."""
    if len(files) < 2:
        return list(files)
    contents: dict[bytes, Path] = {}
    for file in files:
        with suppress(OSError):  # what cannot be read is told when it is the only one
            contents.setdefault(file.read_bytes(), file)
    return list(contents.values()) or list(files[:1])


def _names_of_data(file: Path, weights: Path) -> Path | None:
    """The file that names= of a .data file means; its path counts from the folder where Darknet was started."""
    try:
        if file.stat().st_size > LARGEST_DATA:
            return None
        lines = texts.decode(file.read_bytes(), errors="replace").splitlines()
    except OSError:
        return None
    plain = [line.partition("=") for line in lines if not line.strip().startswith(("#", ";"))]
    given = next((value.strip() for key, _, value in plain if key.strip() in ("names", "labels")), "")
    if not given:
        return None
    named = Path(given.replace("\\", "/"))
    bases = [file.parent, file.parent.parent]
    places = [base / named for base in bases]  # of an absolute path: itself
    places += [folder / named.name for folder in (file.parent, weights.parent, *_around(weights.parent))]
    return next((place for place in places if place.is_file()), None)


def _around(folder: Path) -> list[Path]:
    """The other folders where cfg and names of weights in this folder may lie."""
    here = folder.absolute()
    root = [here.parent] if here.name.lower() in FOLDERS else []
    places = [*root, *(here / name for name in FOLDERS), *(here.parent / name for name in FOLDERS)]
    return [_short(place) for place in dict.fromkeys(places) if place != here and place.is_dir()]


def _short(place: Path) -> Path:
    """The place as people would type it."""
    return place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place


def _files(folder: Path) -> list[Path]:
    """The files of a folder by name; none where it cannot be read."""
    try:
        return sorted(file for file in folder.iterdir() if file.is_file())
    except OSError:
        return []
