"""Convert a data set to another format with the same boxes, classes and splits; pictures are copied unchanged."""

from collections.abc import Callable, Mapping
from pathlib import Path

from data.dataset import Dataset
from data.sets import read
from data.whole_files import written_whole
from data.writers import coco, voc, yolo

WRITERS: Mapping[str, Callable[[Dataset, Path], None]] = {"coco": coco.write, "voc": voc.write, "yolo": yolo.write}


def convert_dataset(source: Path, target: Path, to: str, format: str | None = None) -> Dataset:
    """Write the data set in `source` into `target`, an empty or new folder; return the data set that was written.

    Only what can be used is written; its problems say what was fixed or left out. Splits are those of the source; no
    missing one is cut. The folder appears once it is complete.
    """
    if to not in WRITERS:
        raise ValueError(f"--to: expected one of {sorted(WRITERS)}, got '{to}'")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target}: expected a new or empty folder, got one with files (nothing is overwritten)")
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{target}: expected a folder outside {source}, got one inside it")
    dataset = read.load_own_splits(source, format, strict=False)
    with written_whole(target) as unfinished:
        unfinished.mkdir()
        WRITERS[to](dataset, unfinished)
    return dataset
