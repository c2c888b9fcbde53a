"""The class names of a YOLO or Darknet data set. Several files may list them, and have to agree.

labelImg writes a classes.txt into every folder, each in the order of its own session, and a data.yaml may be older than
the classes.txt beside it. A label holds a number, so two lists of different order contradict each other, and are
refused. A list that agrees with another one and ends earlier does not contradict it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from data.dataset import DatasetError, Example, Problem
from data.readers import text_files, yolo_config, yolo_names
from data.readers.files import File
from data.readers.folder import Folder
from data.readers.yolo_config import Config


@dataclass(frozen=True)
class Names:
    """The longest list. The first `sure` of its names are classes even where no label has them."""

    all: tuple[str, ...] = ()
    sure: int = 0

    def used(self, splits: Mapping[str, Sequence[Example]]) -> tuple[str, ...]:
        """Those that are sure, and as many more as labels make use of."""
        return self.all[: max(self.sure, highest(splits) + 1)]


def highest(splits: Mapping[str, Sequence[Example]]) -> int:
    """The highest number of a class; -1 if there is no box."""
    return max((int(e.classes.max(initial=-1)) for found in splits.values() for e in found), default=-1)


def find(folder: Folder, config: Config | None, used: Iterable[File], problems: list[Problem]) -> Names:
    """The names that the settings and lists give, none if there are none; DatasetError if two lists contradict.

    used: the pictures and labels of the data set.
    """
    if config is None:
        return Names()
    lists = _lists(folder, config, used)
    for one in range(len(lists)):
        for other in lists[one + 1 :]:
            _refuse_other_order(folder, lists[one], other)
    if not lists:
        count = len(config.class_names) or config.count or _refuse_nameless(config)
        numbered = config.class_names or yolo_names.numbered(count, config.source, problems)
        return Names(numbered, count)
    longest = max(lists, key=lambda each: len(each[1]))  # the first of equals
    first = next((names for source, names in lists if source == config.source), longest[1])
    count = config.count or len(config.class_names)
    is_nameless = yolo_config.is_settings(config.source) and all(source != config.source for source, _ in lists)
    if is_nameless and count not in (0, len(longest[1])):
        raise DatasetError(
            f"{config.source.path}: expected as many classes as {longest[0].place} names, {len(longest[1])}, "
            f"got {count}",
            tuple(problems),
        )
    return Names((*first, *longest[1][len(first) :]), len(first))


def _lists(folder: Folder, config: Config, used: Iterable[File]) -> list[tuple[File, tuple[str, ...]]]:
    """(file, names) of the settings and of every list in a folder on the way to a picture or label; equal lists once.

    A vague one counts only if there is no better one, and a list of numbers for names does not count.
    """
    homes = {home for folder_of in {file.folder for file in used} for home in (folder_of, *folder_of.parents)}
    homes.add(config.source.folder)
    found = [(config.source, config.class_names)]
    for file in folder.others:
        if file.folder in homes and yolo_config.is_config(file) and file != config.source:
            found.append((file, _names_in(folder, file)))
    first_of: dict[tuple[str, ...], File] = {}
    for file, names in found:
        first_of.setdefault(names, file)
    named = [(file, names) for names, file in first_of.items() if names and not _are_numbers(names)]
    ranks = [yolo_config.rank(file) for file, _ in named]
    vague_too = all(rank == yolo_config.VAGUE for rank in ranks)
    return [each for each, rank in zip(named, ranks, strict=True) if vague_too or rank != yolo_config.VAGUE]


def _names_in(folder: Folder, file: File) -> tuple[str, ...]:
    """The names in a file beside the settings; none if it makes no sense."""
    try:
        return yolo_config.read(folder, file, []).class_names
    except DatasetError:
        return ()


def _are_numbers(names: Sequence[str]) -> bool:
    return list(names) == [str(number) for number in range(len(names))]


def _refuse_nameless(config: Config) -> int:
    raise DatasetError(
        f"{config.source.path}: names: expected the class names, or how many classes there are, got neither, and no "
        "list of classes on the way to the labels"
    )


def _refuse_other_order(folder: Folder, one: tuple[File, tuple[str, ...]], other: tuple[File, tuple[str, ...]]) -> None:
    for number, (first, second) in enumerate(zip(one[1], other[1], strict=False)):
        if text_files.plain(first) != text_files.plain(second):
            raise DatasetError(
                f"{folder.root}: expected one list of classes, got two that disagree: class {number} is '{first}' in "
                f"{one[0].place} and '{second}' in {other[0].place}: keep one list, and renumber the labels "
                "that follow the other"
            )
