"""The files of a data set: its pictures and possible labels, and which of them a name means.

Labels name pictures by paths of other machines, Windows or not. So files are found by the last part of the name alone,
and the folders in a name only decide between files of the same name. Thus no name leads out of the data set. Names are
compared in Unicode's composed form, since an archive made on macOS spells an accented letter with two characters.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from data.dataset import Problem
from data.pictures.picture_files import is_picture, is_unread
from data.readers import name_forms, name_matching
from data.readers.dataset_file import DatasetFile
from data.readers.name_matching import Key, Namesakes
from data.readers.namesake_pictures import NamesakePictures
from data.readers.split_names import split_of_folder

Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Folder:
    """All files under root that matter, each tuple sorted by path.

    pictures: those that can be read. other_files: possible labels, lists and settings. unread: pictures of formats that
    are not read, without a converted copy; they are among the problems. foreign_files: files that may hold labels or
    pictures in a form that is not read. answers: those of `computed_once`.
    """

    root: Path
    pictures: tuple[DatasetFile, ...]
    other_files: tuple[DatasetFile, ...]
    problems: tuple[Problem, ...] = ()
    unread: tuple[DatasetFile, ...] = ()
    foreign_files: tuple[DatasetFile, ...] = ()
    answers: dict[Hashable, Any] = field(default_factory=dict)

    def with_suffixes(self, *suffixes: str) -> list[DatasetFile]:
        """The files with one of these suffixes, among those that are no pictures."""
        return [file for file in self.other_files if file.suffix in suffixes]

    def computed_once(self, question: Hashable, find: Callable[[], Answer]) -> Answer:
        """The answer of `find`, computed once, as a folder is looked at to detect its format, then to read it."""
        if question not in self.answers:
            self.answers[question] = find()
        answer: Answer = self.answers[question]
        return answer

    def find_picture(
        self, name: str, near: PurePosixPath | None = None, split: str | None = None
    ) -> DatasetFile | None:
        """The picture that a label means by this name or path; the stem is enough if the name is not found.

        Among several pictures it is the one whose folders agree with the last folders of the name; then one in a folder
        of this split; then the one nearest to the folder `near`. None if there is none, or if nothing decides.
        """
        return self.choose(self._named(name).best(name_matching.parts(name)[:-1], near, split))

    def find_listed(self, name: str, home: PurePosixPath, split: str) -> DatasetFile | None:
        """The picture that a split's list in the folder `home` means by this name.

        Like `find_picture`, but nearness counts before the split, since a copy of the data set in another format may be
        beside it and have folders of splits too. A list among the pictures of another split does not mean these.
        """
        at_home = split_of_folder(home) in (None, split)
        return self.choose(self._named(name).best(name_matching.parts(name)[:-1], home, split, near_first=at_home))

    def directly_in(self, folder: PurePosixPath, name: str) -> Sequence[DatasetFile]:
        """The pictures with this name or stem directly in this folder; none if the name contains folders."""
        return self._named(name).directly_in(folder) if len(name_matching.parts(name)) == 1 else ()

    def has_picture(self, name: str) -> bool:
        """Whether one picture or several have this name."""
        return bool(self._named(name).files)

    def candidates(self, name: str) -> Sequence[DatasetFile]:
        """All pictures that a name may mean, whatever folders it contains."""
        return self._named(name).files

    def choose(self, files: Sequence[DatasetFile], *, anywhere: bool = False) -> DatasetFile | None:
        """The one that is meant among pictures of one name in one folder, or anywhere; None if nothing decides."""
        return self._namesakes.choose(files, anywhere=anywhere)

    def means_unread(self, name: str) -> bool:
        """Whether this name or stem means a picture of an unread format, which is reported already."""
        last = PurePosixPath(*name_matching.parts(name)[-1:])
        if not self.unread or not last.name:
            return False
        bare, marked = name_forms.unmarked(_stem(last))
        return name_forms.spelled(_stem(last)) in self._unread_spellings or (bare, not marked) in self._unread_unmarked

    def _named(self, name: str) -> Namesakes[DatasetFile]:
        parts = name_matching.parts(name)
        if not parts:
            return _NONE
        last = PurePosixPath(parts[-1])
        stem = _stem(last)
        bare, marked = name_forms.unmarked(stem)
        return (
            self._by_name.get(last.name)
            or self._by_stem.get(stem)
            or self._by_spelling.get(name_forms.spelled(stem))
            or self._unmarked.get((bare, not marked), _NONE)
        )

    @cached_property
    def _unread_spellings(self) -> frozenset[str]:
        return frozenset(name_forms.spelled(file.stem) for file in self.unread)

    @cached_property
    def _unread_unmarked(self) -> frozenset[tuple[str, bool]]:
        return frozenset(name_forms.unmarked(file.stem) for file in self.unread)

    @cached_property
    def by_path(self) -> Mapping[PurePosixPath, DatasetFile]:
        """Every file by its path from the root."""
        return {file.relative_path: file for file in (*self.other_files, *self.pictures)}

    @cached_property
    def _by_name(self) -> Mapping[str, Namesakes[DatasetFile]]:
        return _namesakes((file.name, file) for file in self.pictures)

    @cached_property
    def _by_stem(self) -> Mapping[str, Namesakes[DatasetFile]]:
        return _namesakes((file.stem, file) for file in self.pictures)

    @cached_property
    def _by_spelling(self) -> Mapping[str, Namesakes[DatasetFile]]:
        return _namesakes((name_forms.spelled(file.stem), file) for file in self.pictures)

    @cached_property
    def _unmarked(self) -> Mapping[tuple[str, bool], Namesakes[DatasetFile]]:
        """Pictures by (name without a tool's marks, whether it had marks)."""
        return _namesakes((name_forms.unmarked(file.stem), file) for file in self.pictures)

    @cached_property
    def _namesakes(self) -> NamesakePictures:
        return NamesakePictures(self.pictures)


_NONE: Namesakes[DatasetFile] = Namesakes()


def _stem(name: PurePosixPath) -> str:
    """The name without a picture's suffix, and only that: stems may contain dots."""
    return name.stem if is_picture(Path(name)) or is_unread(Path(name)) else name.name


def _namesakes(pairs: Iterable[tuple[Key, DatasetFile]]) -> dict[Key, Namesakes[DatasetFile]]:
    return {key: Namesakes(files) for key, files in name_matching.grouped(pairs).items()}
