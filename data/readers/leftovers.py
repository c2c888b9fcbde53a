"""Report labels and pictures that have no partner, each with the likeliest one."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

from data.dataset import DatasetError
from data.problems import Report
from data.readers import derived
from data.readers.claims import Pairs
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder
from data.readers.name_forms import LikeliestName


def report_labels(
    folder: Folder,
    labels: Sequence[DatasetFile],
    pairs: Pairs,
    is_label: Callable[[DatasetFile], bool],
    report: Report,
) -> None:
    """Report labels without a picture, and pairs that are guesses. is_label: by a file's content."""
    if not pairs.detector_outputs:
        output_folders = [label.folder for label in labels if derived.is_output(label.folder)]
        for output_folder, count in Counter(output_folders).items():
            detail = f"{count} labels in a folder of detector output: read as labels, since there are no others"
            report.add("output_labels", output_folder, detail)
    outputs = set(pairs.detector_outputs)
    unlabelled = [picture.relative_path for picture in folder.pictures if not pairs.is_labelled(picture)]
    partners = LikeliestName(
        [*unlabelled, *(picture.relative_path for picture in folder.pictures if pairs.is_labelled(picture))]
    )
    for label in labels:
        if label in pairs.guessed:
            detail = (
                f"taken for the label of {pairs.picture_of[label].relative_path}, by its name without a tool's marks"
            )
            report.add("likely_name", label.relative_path, detail)
        if label in pairs.picture_of or not is_label(label):
            continue
        if label in outputs:
            detail = "detector output, by the name of its folder; not used beside other labels"
            report.add("derived_file", label.relative_path, detail)
        elif label in pairs.ties:
            kind = "ambiguous_label" if _has_rival(label, pairs) else "missing_picture"
            report.add(kind, label.relative_path, f"{_tie(label, pairs)}; not used")
        elif label in pairs.surplus:
            picture = pairs.surplus[label]
            other = pairs.label_of[picture].relative_path
            detail = f"fits the picture {picture.relative_path}, which has the label {other}; not used"
            report.add("duplicate_annotation", label.relative_path, detail)
        elif not folder.means_unread(label.stem):
            nearest = partners.to(label.stem)
            detail = f"no picture '{label.stem}'{likeliest_in_words(nearest)}; skipped"
            report.add("missing_picture", label.relative_path, detail)


def unpaired_labels(labels: Iterable[DatasetFile], pairs: Pairs) -> LikeliestName:
    """The labels without a picture, to find the likeliest one for a picture without a label."""
    outputs = set(pairs.detector_outputs)
    return LikeliestName(label.relative_path for label in labels if pairs.is_open(label) and label not in outputs)


def refuse_ties(folder: Folder, labels: Iterable[DatasetFile], pairs: Pairs) -> None:
    """DatasetError if no label was paired because several fit equally well: two sets of labels, or of pictures."""
    tied = [label for label in labels if label in pairs.ties]
    if tied and not pairs.label_of:
        raise DatasetError(
            f"{folder.root}: expected one label for a picture, and one picture for a label, but "
            f"{tied[0].relative_path} {_tie(tied[0], pairs)}: keep one set of pictures and one of labels in the folder"
        )


def _tie(label: DatasetFile, pairs: Pairs) -> str:
    pictures = pairs.ties[label]
    if not _has_rival(label, pairs):
        return f"fits {' and '.join(str(picture.relative_path) for picture in pictures[:3])} equally well"
    others = [other.relative_path for other in pairs.ties[pictures[0]] if other != label]
    return f"fits {pictures[0].relative_path}, as {' and '.join(map(str, others[:3]))} does"


def _has_rival(label: DatasetFile, pairs: Pairs) -> bool:
    """Whether the tie is between labels, not between pictures."""
    first = pairs.ties[label][0]
    return len(pairs.ties.get(first, ())) > 1


def describe_unjoined(folder: Folder, labels: Iterable[DatasetFile]) -> str | None:
    """In words, the first of these labels, of which none has a picture, with its likeliest one; None without labels."""
    first = next(iter(labels), None)
    if first is None:
        return None
    nearest = LikeliestName(picture.relative_path for picture in folder.pictures).to(first.stem)
    return f"no picture has the name of {first.relative_path}{likeliest_in_words(nearest)}"


def likeliest_in_words(partner: PurePosixPath | None) -> str:
    """The likeliest partner, as an addition to a sentence; empty if there is none."""
    return f" (the likeliest is {partner})" if partner else ""
