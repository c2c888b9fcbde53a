"""The class names of a YOLO or Darknet data set. Several files may list them, but they must agree.

labelImg writes a classes.txt into every folder, each in the order of its own session, and a data.yaml may be older than
the classes.txt beside it. Labels hold numbers, so two lists with different orders contradict each other and are
refused. A list that is the beginning of another one does not contradict it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from data.dataset import DatasetError, Example
from data.problems import Report
from data.readers import text_files, yolo_config, yolo_names
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder
from data.readers.yolo_config import YoloConfig


@dataclass(frozen=True)
class ClassNames:
    """The longest list of names. The first `sure` of them are classes even if no label has them."""

    all: tuple[str, ...] = ()
    sure: int = 0

    def used(self, splits: Mapping[str, Sequence[Example]]) -> tuple[str, ...]:
        """The names that are sure, and as many more as labels use."""
        return self.all[: max(self.sure, highest_class(splits) + 1)]


def highest_class(splits: Mapping[str, Sequence[Example]]) -> int:
    """The highest class number in use; -1 if there is no box."""
    return max((int(e.classes.max(initial=-1)) for members in splits.values() for e in members), default=-1)


def find(folder: Folder, config: YoloConfig | None, used: Iterable[DatasetFile], report: Report) -> ClassNames:
    """The names in settings and lists; empty without any such file; DatasetError if two lists contradict each other.

    used: the pictures and labels of the data set.
    """
    if config is None:
        return ClassNames()
    lists = _lists(folder, config, used)
    for index, names in enumerate(lists):
        for other in lists[index + 1 :]:
            _refuse_other_order(folder, names, other)
    if not lists:
        count = len(config.class_names) or config.count or _refuse_nameless(config)
        numbered = config.class_names or yolo_names.numbers_as_names(count, config.source, report)
        return ClassNames(numbered, count)
    longest = max(lists, key=lambda listed: len(listed[1]))  # the first of equally long ones
    first = next((names for source, names in lists if source == config.source), longest[1])
    count = config.count or len(config.class_names)
    is_nameless = yolo_config.is_settings(config.source) and all(source != config.source for source, _ in lists)
    if is_nameless and count not in (0, len(longest[1])):
        raise report.error(
            f"{config.source.path}: expected as many classes as {longest[0].relative_path} names, {len(longest[1])}, "
            f"got {count}"
        )
    return ClassNames((*first, *longest[1][len(first) :]), len(first))


def _lists(
    folder: Folder, config: YoloConfig, used: Iterable[DatasetFile]
) -> list[tuple[DatasetFile, tuple[str, ...]]]:
    """(file, names) of the settings and of each list in a folder above a picture or label; equal lists once.

    If the names come from a list that is in no such folder, all other lists in the data set count too. A file with a
    vague name counts only if there is no better one. A list of numbers as names does not count.
    """
    homes = {home for folder_of in {file.folder for file in used} for home in (folder_of, *folder_of.parents)}
    anywhere = not yolo_config.is_settings(config.source) and config.source.folder not in homes
    homes.add(config.source.folder)
    sources = [(config.source, config.class_names)]
    for file in folder.other_files:
        if (anywhere or file.folder in homes) and yolo_config.is_config(file) and file != config.source:
            sources.append((file, _names_in(folder, file)))
    first_of: dict[tuple[str, ...], DatasetFile] = {}
    for file, names in sources:
        first_of.setdefault(names, file)
    named = [(file, names) for names, file in first_of.items() if names and not _are_numbers(names)]
    ranks = [yolo_config.rank(file) for file, _ in named]
    vague_too = all(rank == yolo_config.VAGUE for rank in ranks)
    return [listed for listed, rank in zip(named, ranks, strict=True) if vague_too or rank != yolo_config.VAGUE]


def _names_in(folder: Folder, file: DatasetFile) -> tuple[str, ...]:
    """The names in a file beside the settings; none if it cannot be read."""
    try:
        return yolo_config.read(folder, file, Report()).class_names
    except DatasetError:
        return ()


def _are_numbers(names: Sequence[str]) -> bool:
    return list(names) == [str(number) for number in range(len(names))]


def _refuse_nameless(config: YoloConfig) -> int:
    raise DatasetError(
        f"{config.source.path}: names: expected the class names, or how many classes there are, got neither, and no "
        "list of classes in a folder above the labels"
    )


def _refuse_other_order(
    folder: Folder, first: tuple[DatasetFile, tuple[str, ...]], second: tuple[DatasetFile, tuple[str, ...]]
) -> None:
    for number, (name, other) in enumerate(zip(first[1], second[1], strict=False)):
        if text_files.normalized(name) != text_files.normalized(other):
            raise DatasetError(
                f"{folder.root}: expected one list of classes, got two that disagree: class {number} is '{name}' in "
                f"{first[0].relative_path} and '{other}' in {second[0].relative_path}: keep one list, and renumber the "
                "labels that follow the other"
            )
