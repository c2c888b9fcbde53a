"""What is in a data set and what is wrong with it: one plain value, and a table of it."""

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
    """The answer of `data check`. error: the sentence that says why nothing can be used, or None."""

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


def check(root: Path, format: str | None = None) -> Findings:
    """Read everything that can be read; look for pictures that stand in two splits, and for those with many boxes."""
    try:
        dataset = read.load(root, format, strict=False)
    except DatasetError as error:
        return Findings(format, 0, 0, (), {}, None, error.problems, error=str(error))
    examples = [example for split in dataset.splits.values() for example in split]
    twins = tuple(pair.problem(dataset) for pair in duplicates.across_splits(dataset.splits))
    return Findings(
        format=dataset.format,
        images=len(examples),
        boxes=sum(len(example.boxes) for example in examples),
        classes=dataset.class_names,
        splits={split: len(members) for split, members in dataset.splits.items()},
        fingerprint=dataset.fingerprint,
        problems=(*dataset.problems, *twins, *_crowded(dataset)),
    )


def _crowded(dataset: Dataset) -> list[Problem]:
    """Training pictures of which not all boxes are learned at once. (Of a mosaic the pipeline tells it in the log.)"""
    most = InputConfig().max_boxes
    told = "{} boxes, of which training takes {}"
    return [
        Problem("crowded_picture", relative(example.path, dataset.root), told.format(len(example.boxes), most))
        for example in dataset.splits.get("train", ())
        if len(example.boxes) > most
    ]


def show(findings: Findings, console: Console) -> None:
    """Counts, then the problems by kind with their first files."""
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
            # Not in the table: a file's name must be there whole, to be copied.
            line = f"  {problem.file}: {problem.detail}" if problem.file else f"  {problem.detail}"
            console.print(escape(line), highlight=False, soft_wrap=True)
        if len(by_kind[kind]) > _FIRST_FILES:
            console.print(f"  ... and {len(by_kind[kind]) - _FIRST_FILES} more (--json lists all)", highlight=False)
