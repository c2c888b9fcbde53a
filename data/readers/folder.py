"""The files of a data set, walked once: which pictures and labels there are, and which of them a name means.

Labels name pictures by paths of other machines, Windows or not, so names are joined by their last part alone and what a
name says of folders only decides between files of one name. So no name leads out of the data set. Names are compared in
Unicode's composed form: an archive made on macOS spells an accented letter with two characters.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from data.dataset import Problem
from data.pictures.picture_files import is_picture, is_unread
from data.readers import name_forms, name_matching
from data.readers.files import File
from data.readers.name_matching import Key, Namesakes
from data.readers.namesake_pictures import NamesakePictures
from data.readers.split_names import split_of

Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Folder:
    """All pictures and possible labels under root, sorted by place. known: what was found out about them.

    unread: pictures of formats that are not read, and that were not converted; they are among the problems.
    strange: files that may hold labels or pictures in a form that is not read.
    """

    root: Path
    pictures: tuple[File, ...]
    others: tuple[File, ...]
    problems: tuple[Problem, ...] = ()
    unread: tuple[File, ...] = ()
    strange: tuple[File, ...] = ()
    known: dict[Hashable, Any] = field(default_factory=dict)

    def of_kind(self, *suffixes: str) -> list[File]:
        """The files that end so."""
        return [file for file in self.others if file.suffix in suffixes]

    def once(self, question: Hashable, find: Callable[[], Answer]) -> Answer:
        """The answer, found when it is first asked for: readers look at a folder to detect its format, then read it."""
        if question not in self.known:
            self.known[question] = find()
        answer: Answer = self.known[question]
        return answer

    def picture(self, name: str, near: PurePosixPath | None = None, split: str | None = None) -> File | None:
        """The picture that a label means by this name or path; the stem will do where the name is not found.

        Of several, the one whose folders agree with the name's last ones; else one in a folder of this split; else the
        one nearest to the folder `near`. None if there is none, or no way to choose.
        """
        return self.foremost(self._named(name).best(name_matching.parts(name)[:-1], near, split))

    def listed(self, name: str, home: PurePosixPath, split: str) -> File | None:
        """The picture that a split's list in the folder `home` means by this name.

        As `picture`, but that nearness counts before the split: a copy of the data set in another format, beside it,
        has folders of splits too. A list that lies among another split's pictures does not mean these.
        """
        at_home = split_of(home) in (None, split)
        return self.foremost(self._named(name).best(name_matching.parts(name)[:-1], home, split, near_first=at_home))

    def right_in(self, folder: PurePosixPath, name: str) -> Sequence[File]:
        """The pictures of this name, or stem, in this folder itself; none if the name tells of folders."""
        return self._named(name).right_in(folder) if len(name_matching.parts(name)) == 1 else ()

    def knows(self, name: str) -> bool:
        """Whether a picture has this name, or several have."""
        return bool(self._named(name).files)

    def candidates(self, name: str) -> Sequence[File]:
        """All pictures that a name may mean, whatever it says of folders."""
        return self._named(name).files

    def foremost(self, files: Sequence[File], *, anywhere: bool = False) -> File | None:
        """Of pictures of one name in one folder, or anywhere, the one that is meant; None if nothing decides."""
        return self._namesakes.foremost(files, anywhere=anywhere)

    def means_unread(self, name: str) -> bool:
        """Whether a label of this name, or stem, belongs to a picture that is not read, and was reported already."""
        last = PurePosixPath(*name_matching.parts(name)[-1:])
        if not self.unread or not last.name:
            return False
        bare, marked = name_forms.unmarked(_stem(last))
        return name_forms.spelled(_stem(last)) in self._unread_spellings or (bare, not marked) in self._unread_unmarked

    def _named(self, name: str) -> Namesakes[File]:
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
    def by_place(self) -> Mapping[PurePosixPath, File]:
        """Every file by where it lies."""
        return {file.place: file for file in (*self.others, *self.pictures)}

    @cached_property
    def _by_name(self) -> Mapping[str, Namesakes[File]]:
        return _namesakes((file.name, file) for file in self.pictures)

    @cached_property
    def _by_stem(self) -> Mapping[str, Namesakes[File]]:
        return _namesakes((file.stem, file) for file in self.pictures)

    @cached_property
    def _by_spelling(self) -> Mapping[str, Namesakes[File]]:
        return _namesakes((name_forms.spelled(file.stem), file) for file in self.pictures)

    @cached_property
    def _unmarked(self) -> Mapping[tuple[str, bool], Namesakes[File]]:
        """By the name without a tool's marks, and whether it had some: what has none is meant by one that has."""
        return _namesakes((name_forms.unmarked(file.stem), file) for file in self.pictures)

    @cached_property
    def _namesakes(self) -> NamesakePictures:
        return NamesakePictures(self.pictures)


_NONE: Namesakes[File] = Namesakes()


def _stem(name: PurePosixPath) -> str:
    """Without the ending of a picture; stems have dots of their own."""
    return name.stem if is_picture(Path(name)) or is_unread(Path(name)) else name.name


def _namesakes(pairs: Iterable[tuple[Key, File]]) -> dict[Key, Namesakes[File]]:
    return {key: Namesakes(files) for key, files in name_matching.grouped(pairs).items()}
