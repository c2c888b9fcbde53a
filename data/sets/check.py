"""Check a data set: count what it holds and list what is wrong with it, as a value and as a table."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data.config import InputConfig
from data.dataset import Dataset, DatasetError, Problem, relative
from data.problems import KINDS, rank
from data.sets import duplicates, read

_FIRST_FILES = 3


@dataclass(frozen=True)
class Findings:
    """The result of `data check`. error: one sentence on why the data set cannot be used; None if it can."""

    format: str | None
    images: int
    boxes: int
    classes: tuple[str, ...]
    splits: Mapping[str, int]
    fingerprint: str | None
    problems: tuple[Problem, ...]
    error: str | None = None

    def to_plain(self) -> dict[str, object]:
        """The JSON document."""
        return {
            "format": self.format,
            "images": self.images,
            "boxes": self.boxes,
            "classes": list(self.classes),
            "splits": dict(self.splits),
            "fingerprint": self.fingerprint,
            "problems": [asdict(problem) for problem in self.problems],
        }


def check_dataset(root: Path, format: str | None = None) -> Findings:
    """Read all that can be read, and find near-duplicates in two splits and pictures with too many boxes."""
    try:
        dataset = read.load(root, format, strict=False)
    except DatasetError as error:
        return Findings(format, 0, 0, (), {}, None, error.problems, error=str(error))
    examples = [example for split in dataset.splits.values() for example in split]
    near_duplicates = tuple(pair.problem(dataset) for pair in duplicates.across_splits(dataset.splits))
    return Findings(
        format=dataset.format,
        images=len(examples),
        boxes=sum(len(example.boxes) for example in examples),
        classes=dataset.class_names,
        splits={split: len(members) for split, members in dataset.splits.items()},
        fingerprint=dataset.fingerprint,
        problems=(*dataset.problems, *near_duplicates, *_crowded(dataset)),
    )


def _crowded(dataset: Dataset) -> list[Problem]:
    """Training pictures with more boxes than training takes at once. (For mosaics, the pipeline logs it.)"""
    max_boxes = InputConfig().max_boxes
    detail = "{} boxes, of which training takes {}"
    return [
        Problem("crowded_picture", relative(example.path, dataset.root), detail.format(len(example.boxes), max_boxes))
        for example in dataset.splits.get("train", ())
        if len(example.boxes) > max_boxes
    ]


def show_findings(findings: Findings, console: Console) -> None:
    """Print the counts, then the problems by kind with their first files."""
    if findings.error is None:
        splits = ", ".join(f"{split} {count}" for split, count in findings.splits.items())
        console.print(
            f"{findings.format}: {findings.images} images ({splits}), {findings.boxes} boxes", highlight=False
        )
        console.print(escape("classes: " + ", ".join(findings.classes)), highlight=False)
        console.print(f"fingerprint: {findings.fingerprint}", highlight=False, soft_wrap=True)
    if not findings.problems:
        if findings.error is None:
            console.print("no problems found")
        return
    by_kind: dict[str, list[Problem]] = {}
    for problem in findings.problems:
        by_kind.setdefault(problem.kind, []).append(problem)
    table = Table("kind", "count", "outcome", "what to do", title="problems", title_justify="left", title_style="bold")
    for kind in sorted(by_kind, key=rank):
        table.add_row(kind, str(len(by_kind[kind])), *KINDS[kind])
    console.print(table)
    for kind in sorted(by_kind, key=rank):
        console.print(f"{kind}:", style="bold", highlight=False)
        for problem in by_kind[kind][:_FIRST_FILES]:
            # Not in the table, which would wrap file names: they must stay whole, to be copied.
            line = f"  {problem.file}: {problem.detail}" if problem.file else f"  {problem.detail}"
            console.print(escape(line), highlight=False, soft_wrap=True)
        if len(by_kind[kind]) > _FIRST_FILES:
            console.print(f"  ... and {len(by_kind[kind]) - _FIRST_FILES} more (--json lists all)", highlight=False)
