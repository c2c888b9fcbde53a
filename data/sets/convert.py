"""Convert a data set to another format with the same boxes, classes and splits; pictures are copied unchanged.

Boxes that are ignored in evaluation are written only if the format can mark them: as plain boxes they would count.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.boxes import IgnoredBoxes
from data.dataset import Dataset, Example, Problem
from data.sets import read
from data.whole_files import written_whole
from data.writers import coco, voc, yolo

WRITERS: Mapping[str, Callable[[Dataset, Path], None]] = {"coco": coco.write, "voc": voc.write, "yolo": yolo.write}
# Which ignored boxes a format can mark: (difficult objects, crowds).
CAN_MARK: Mapping[str, tuple[bool, bool]] = {"coco": (True, True), "voc": (True, False), "yolo": (False, False)}


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
    dataset = _markable(read.load_own_splits(source, format, strict=False), to)
    with written_whole(target) as unfinished:
        unfinished.mkdir()
        WRITERS[to](dataset, unfinished)
    return dataset


def _markable(dataset: Dataset, to: str) -> Dataset:
    """The data set without the ignored boxes that the format cannot mark; they are counted in the problems."""
    crowds = [example.ignored.crowd for examples in dataset.splits.values() for example in examples]
    total = sum(map(len, crowds))
    num_crowds = sum(int(crowd.sum()) for crowd in crowds)
    notes = tuple(
        Problem("unmarkable_box", "", f"{what}: {count} left out, as the format {to} cannot mark them")
        for what, count, can in zip(
            ("difficult objects", "crowds"), (total - num_crowds, num_crowds), CAN_MARK[to], strict=True
        )
        if count and not can
    )
    if not notes:
        return dataset

    def markable(example: Example) -> Example:
        keep: NDArray[np.bool_] = np.array(CAN_MARK[to])[example.ignored.crowd.astype(int)]
        chosen = (getattr(example.ignored, name)[keep] for name in ("boxes", "classes", "crowd"))
        return replace(example, ignored=IgnoredBoxes(*chosen))

    splits = {split: tuple(map(markable, examples)) for split, examples in dataset.splits.items()}
    return replace(dataset, splits=splits, problems=(*dataset.problems, *notes))
