"""A data set in one format -> the same boxes, classes and splits in another; pictures are copied as they are."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from data.dataset import Dataset
from data.sets import read
from data.writers import coco, voc, yolo

WRITERS: Mapping[str, Callable[[Dataset, Path], None]] = {"coco": coco.write, "voc": voc.write, "yolo": yolo.write}


def convert(source: Path, target: Path, to: str, format: str | None = None) -> Dataset:
    """Writes the data set in `source` into `target`, which must be empty or not there yet; returns what was written.

    Only what can be used is written: the problems say what was mended and left out. Splits are the source's own, none
    is cut. The folder appears when it is complete.
    """
    if to not in WRITERS:
        raise ValueError(f"--to: expected one of {sorted(WRITERS)}, got '{to}'")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target}: expected a new or empty folder, got one with files (nothing is written over)")
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{target}: expected a folder outside {source}, got one inside it")
    dataset = read.load_as_it_is(source, format, strict=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    written = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        WRITERS[to](dataset, written)
        written.chmod(0o755)  # mkdtemp keeps others out
        written.rename(target)
    finally:
        shutil.rmtree(written, ignore_errors=True)
    return dataset
