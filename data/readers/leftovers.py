"""What no partner was found for: each label, and each picture, is named with the likeliest one."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from data.dataset import DatasetError, Problem
from data.readers import derived
from data.readers.claims import Pairs
from data.readers.files import File
from data.readers.folder import Folder
from data.readers.name_forms import Likeliest


def name_labels(
    folder: Folder, labels: Sequence[File], pairs: Pairs, is_meant: Callable[[File], bool], problems: list[Problem]
) -> None:
    """Label files without a picture join the problems. is_meant: whether a file is a label at all, by its content."""
    if not pairs.outputs:
        found = [label.folder for label in labels if derived.is_output(label.folder)]
        for place, count in Counter(found).items():
            detail = f"{count} labels in a folder of what a detector found: read as labels, there are no others"
            problems.append(Problem("output_labels", str(place), detail))
    outputs = set(pairs.outputs)
    without = [picture.place for picture in folder.pictures if not pairs.is_labelled(picture)]
    partners = Likeliest([*without, *(picture.place for picture in folder.pictures if pairs.is_labelled(picture))])
    for label in labels:
        if label in pairs.guessed:
            detail = f"taken for the label of {pairs.picture_of[label].place}, by its name without a tool's marks"
            problems.append(Problem("likely_name", str(label.place), detail))
        if label in pairs.picture_of or not is_meant(label):
            continue
        if label in outputs:
            detail = "what a detector found, by its folder; not used beside other labels"
            problems.append(Problem("derived_file", str(label.place), detail))
        elif label in pairs.ties:
            kind = "ambiguous_label" if _has_rival(label, pairs) else "missing_picture"
            problems.append(Problem(kind, str(label.place), f"{_tie(label, pairs)}; not used"))
        elif label in pairs.second:
            picture = pairs.second[label]
            detail = f"of the picture {picture.place}, which has {pairs.label_of[picture].place}; not used"
            problems.append(Problem("duplicate_annotation", str(label.place), detail))
        elif not folder.means_unread(label.stem):
            near = partners.to(label.stem)
            detail = f"no picture '{label.stem}'{likeliest(near)}; skipped"
            problems.append(Problem("missing_picture", str(label.place), detail))


def without_picture(labels: Iterable[File], pairs: Pairs) -> Likeliest:
    """The labels that a picture without one may have been meant by."""
    outputs = set(pairs.outputs)
    return Likeliest(label.place for label in labels if pairs.is_open(label) and label not in outputs)


def refuse_ties(folder: Folder, labels: Iterable[File], pairs: Pairs) -> None:
    """DatasetError where no label was joined since several fit alike: two sets of labels, or of pictures."""
    tied = [label for label in labels if label in pairs.ties]
    if tied and not pairs.label_of:
        raise DatasetError(
            f"{folder.root}: expected one label for a picture, and one picture for a label, but {tied[0].place} "
            f"{_tie(tied[0], pairs)}: keep one set of pictures and one of labels in the folder"
        )


def _tie(label: File, pairs: Pairs) -> str:
    pictures = pairs.ties[label]
    if not _has_rival(label, pairs):
        return f"fits {' and '.join(str(picture.place) for picture in pictures[:3])} alike"
    others = [other.place for other in pairs.ties[pictures[0]] if other != label]
    return f"fits {pictures[0].place}, as {' and '.join(map(str, others[:3]))} does"


def _has_rival(label: File, pairs: Pairs) -> bool:
    """Whether it is another label that makes the tie, and not another picture."""
    first = pairs.ties[label][0]
    return len(pairs.ties.get(first, ())) > 1


def likeliest(place: PurePosixPath | None) -> str:
    """The likeliest partner in words to be added; empty if there is none."""
    return f" (the likeliest is {place})" if place else ""
