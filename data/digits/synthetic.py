"""The embedded data set: scenes of handwritten digits (data/digits/scenes.py), written as a YOLO data set."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data import safe_yaml
from data.dataset import SPLITS
from data.digits import scenes
from data.digits.scenes import Scene, Slice

CLASS_NAMES = tuple(str(digit) for digit in range(10))
IMAGES: Mapping[str, int] = {"train": 600, "val": 180, "test": 400}
MARKER = "embedded.json"  # written last, so that a folder that has it is complete
VERSION = 3  # of the drawing; another version is another data set


def write(
    root: Path,
    *,
    seed: int,
    size: int = 96,
    images: Mapping[str, int] = IMAGES,
    digits: Slice = "target",
) -> Path:
    """Draw the data set into this folder, unless it is there already with the same parameters; return the folder."""
    if size < 32:
        raise ValueError(f"embedded data: size: expected at least 32 pixels, got {size}")
    if digits not in scenes.SLICES:
        raise ValueError(f"embedded data: digits: expected one of {list(scenes.SLICES)}, got {digits!r}")
    if set(images) != set(SPLITS) or min(images.values()) < 1:
        raise ValueError(f"embedded data: images: expected at least one for each of {SPLITS}, got {dict(images)}")
    parameters = {"version": VERSION, "seed": seed, "size": size, "images": dict(images), "digits": digits}
    written = _written_parameters(root)
    if written == parameters:
        return root
    if written is None and root.exists() and any(root.iterdir()):
        raise ValueError(f"{root}: expected an embedded data set or an empty folder, got other files")
    root.parent.mkdir(parents=True, exist_ok=True)
    drawn = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        _draw_into(drawn, parameters, seed=seed, size=size, images=images, digits=digits)
        _move_into_place(drawn, root, parameters)
    finally:
        shutil.rmtree(drawn, ignore_errors=True)
    return root


def _draw_into(
    folder: Path, parameters: Mapping[str, object], *, seed: int, size: int, images: Mapping[str, int], digits: Slice
) -> None:
    for split in SPLITS:
        (folder / split / "images").mkdir(parents=True)
        (folder / split / "labels").mkdir()
        for index in range(images[split]):
            scene = scenes.draw_scene(seed, split, index, size, digits)
            name = f"scene_{index:05d}"
            _write_png(folder / split / "images" / f"{name}.png", scene.image)
            (folder / split / "labels" / f"{name}.txt").write_text(_label_lines(scene, size), encoding="utf-8")
    config = {
        "train": "train/images",
        "val": "val/images",
        "test": "test/images",
        "nc": len(CLASS_NAMES),
        "names": list(CLASS_NAMES),
    }
    (folder / "data.yaml").write_text(safe_yaml.dump(config), encoding="utf-8")
    (folder / MARKER).write_text(json.dumps(parameters, indent=1, sort_keys=True), encoding="utf-8")


def _label_lines(scene: Scene, size: int) -> str:
    lines = []
    for (left, top, right, bottom), label in zip(scene.boxes.tolist(), scene.classes.tolist(), strict=True):
        x, y, w, h = (left + right) / 2 / size, (top + bottom) / 2 / size, (right - left) / size, (bottom - top) / size
        lines.append(f"{label} {x:.7f} {y:.7f} {w:.7f} {h:.7f}\n")
    return "".join(lines)


def _write_png(path: Path, image: NDArray[np.uint8]) -> None:
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    path.write_bytes(encoded.tobytes())


def _written_parameters(root: Path) -> object:
    """The parameters in the marker; None if the marker does not exist or is broken."""
    try:
        return json.loads((root / MARKER).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None


def _move_into_place(drawn: Path, root: Path, parameters: Mapping[str, object]) -> None:
    """Rename the finished folder to root; if another process has made the same one meanwhile, keep that."""
    if _written_parameters(root) not in (None, parameters):
        shutil.rmtree(root)  # an embedded data set with other parameters
    drawn.chmod(0o755)  # mkdtemp keeps others out
    try:
        drawn.rename(root)
    except OSError:
        if _written_parameters(root) != parameters:
            raise
