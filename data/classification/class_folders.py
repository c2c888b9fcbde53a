"""A folder with one folder of pictures for each class, named like it; splits are given by folders, or cut by seed.

    ROOT/CLASS/*.jpg                        15 % of each class are held out as val, by seed
    ROOT/train/CLASS/*.jpg, ROOT/val/...    the splits as given; a missing val is cut from train

Hidden files and folders, __MACOSX and files that are no pictures are ignored. A class without pictures, a picture that
cannot be read and a class that only val has are errors that name the folder or file.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data import chance
from data.chance import Stream
from data.classification.crops import square_view
from data.dataset import DatasetError, Example
from data.pictures import looks, picture_files
from data.pictures.memory_store import PictureStore

TRAIN_NAMES = ("train", "training")
VAL_NAMES = ("val", "valid", "validation")
_CUT_SHARE = 0.15
_MIN_VIEW = 0.7  # a training view's side is at least this share of the picture's shorter one
_JUNK = "__MACOSX"


@dataclass(frozen=True)
class ClassFolders:
    """Picture files by class name, in the classes' order: train, and val, which is held out."""

    root: Path
    class_names: tuple[str, ...]
    train: Mapping[str, tuple[Path, ...]]
    val: Mapping[str, tuple[Path, ...]]
    fingerprint: str  # sha256 over relative paths and bytes of the files


class FolderPictures:
    """The pictures of one split, a class_mix.PictureSource. store_side: limit of the longer side in memory."""

    def __init__(
        self,
        files: Mapping[str, Sequence[Path]],
        class_names: Sequence[str],
        *,
        store_side: int,
        cache_bytes: int = 1 << 30,
    ) -> None:
        self.class_names = tuple(class_names)
        self._files = [(path, self.class_names.index(name)) for name, paths in files.items() for path in paths]
        self._store = PictureStore(store_side, cache_bytes)

    def __len__(self) -> int:
        return len(self._files)

    def picture(self, index: int, side: int, rng: np.random.Generator | None) -> tuple[NDArray[np.uint8], int]:
        """(a square of the picture, uint8 [side, side, 3] RGB, its class); without rng the largest in the middle."""
        path, class_id = self._files[index]
        image = self._store.get(path).image
        size = np.array([image.shape[1], image.shape[0]], np.float64)
        reach = float(size.min()) * (1.0 if rng is None else rng.uniform(_MIN_VIEW, 1.0))
        room = (size - reach) / 2
        centre = size / 2 if rng is None else size / 2 + rng.uniform(-1, 1, 2) * room
        return square_view(image, centre, reach, side), class_id


def is_class_folders(root: Path) -> bool:
    """Whether at least two folders directly in root, or in its train folder, hold pictures."""
    if not root.is_dir():
        return False
    parent = _child(root, TRAIN_NAMES) or root
    return sum(bool(_pictures(folder)) for folder in _folders(parent)) >= 2


def read(root: Path, *, split_seed: int = 0) -> ClassFolders:
    """The classes and their files; DatasetError for fewer than two classes, or for a folder or file that is wrong."""
    if not root.is_dir():
        raise DatasetError(f"{root}: expected a folder of folders of pictures, got {_kind(root)}")
    train_root, val_root = _child(root, TRAIN_NAMES), _child(root, VAL_NAMES)
    if train_root is None and val_root is not None:
        raise DatasetError(f"{root}: expected a folder {TRAIN_NAMES[0]} beside {val_root.name}, got none")
    train = _classes(train_root or root)
    names = tuple(train)
    if len(names) < 2:
        raise DatasetError(
            f"{train_root or root}: expected a folder of pictures for each of two or more classes, got "
            f"{', '.join(names) or 'none'}"
        )
    if val_root is not None:
        val = _classes(val_root)
        for name in val:
            if name not in train:
                raise DatasetError(f"{val_root / name}: expected a class of {train_root}, got another one")
    else:
        train, val = _cut(train, split_seed, root)
    _refuse_broken([path for class_files in (*train.values(), *val.values()) for path in class_files])
    return ClassFolders(root, names, train, val, _fingerprint(root, train, val))


def _kind(path: Path) -> str:
    return "a file" if path.exists() else "nothing there"


def _folders(root: Path) -> list[Path]:
    folders = (path for path in root.iterdir() if path.is_dir())
    return sorted(path for path in folders if not path.name.startswith(".") and path.name != _JUNK)


def _pictures(folder: Path) -> list[Path]:
    return [path for path in picture_files.pictures_in(folder) if not path.name.startswith(".")]


def _child(root: Path, names: Sequence[str]) -> Path | None:
    """The folder in root that has one of these names, in any case, and no pictures in itself; None if there is none."""
    for folder in _folders(root):
        if folder.name.lower() in names and not _pictures(folder):
            return folder
    return None


def _classes(root: Path) -> dict[str, tuple[Path, ...]]:
    files_of = {folder.name: tuple(_pictures(folder)) for folder in _folders(root)}
    for name, files in files_of.items():
        if not files:
            raise DatasetError(f"{root / name}: expected pictures of class '{name}', got a folder without any")
    return files_of


def _cut(
    files: Mapping[str, tuple[Path, ...]], seed: int, root: Path
) -> tuple[dict[str, tuple[Path, ...]], dict[str, tuple[Path, ...]]]:
    """Hold out a share of every class that has more than one picture."""
    train, val = {}, {}
    for index, (name, paths) in enumerate(files.items()):
        count = max(1, round(len(paths) * _CUT_SHARE)) if len(paths) > 1 else 0
        order = chance.generator(Stream.SPLIT, seed, index=index).permutation(len(paths)).tolist()
        val[name] = tuple(paths[position] for position in sorted(order[:count]))
        train[name] = tuple(paths[position] for position in sorted(order[count:]))
    if not any(val.values()):
        raise DatasetError(f"{root}: expected a class with two or more pictures, to hold one out; got one of each")
    return train, val


def _refuse_broken(paths: Sequence[Path]) -> None:
    broken, readable = [], []
    for path in paths:
        try:
            info = picture_files.picture_info(path)
        except picture_files.PictureError as error:
            broken.append(str(error))
        else:
            readable.append(Example.without_boxes(path, info.width, info.height, info.digest))
    for example, look in zip(readable, looks.take(readable), strict=True):
        if look.finding and looks.is_damaged(look):
            broken.append(f"{example.path}: {look.finding.detail}")
    if broken:
        more = f" ({len(broken) - 1} more pictures like it)" if len(broken) > 1 else ""
        raise DatasetError(broken[0] + more)


def _fingerprint(root: Path, *splits: Mapping[str, Sequence[Path]]) -> str:
    digest = hashlib.sha256()
    for split in splits:
        for path in (path for class_files in split.values() for path in class_files):
            digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        digest.update(b"\0")
    return digest.hexdigest()
