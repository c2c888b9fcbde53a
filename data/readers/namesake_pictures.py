"""Choose between several pictures of one name where their folders do not decide."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from data.readers import name_matching, same_pictures
from data.readers.files import DatasetFile

_Kind = tuple[PurePosixPath, str]  # a folder, and a suffix as it is spelled there


class NamesakePictures:
    """Decides for whole folders and suffixes: what is chosen of a.jpg and a.png is chosen of b.jpg and b.png."""

    def __init__(self, pictures: Sequence[DatasetFile]) -> None:
        self._pictures = pictures
        self._decided: dict[tuple[_Kind, ...], _Kind | None] = {}

    def choose(self, files: Sequence[DatasetFile], *, anywhere: bool = False) -> DatasetFile | None:
        """The picture with its folder's most frequent suffix, the first of equal copies, or the one that is no mask.

        None if nothing decides, or, unless `anywhere`, if they are in several folders.
        """
        if len(files) < 2:
            return files[0] if files else None
        if not anywhere and len({file.folder for file in files}) > 1:
            return None
        kinds = tuple(sorted(map(_kind, files)))
        if kinds not in self._decided:
            self._decided[kinds] = self._decide(kinds)
        return next((file for file in files if _kind(file) == self._decided[kinds]), None)

    def _decide(self, kinds: Sequence[_Kind]) -> _Kind | None:
        if len(set(kinds)) < len(kinds):
            return None
        if len({folder for folder, _ in kinds}) == 1:
            for counts in (Counter({kind: len(self._by_kind[kind]) for kind in kinds}), self._of_suffixes(kinds)):
                (usual, most), (_, second), *_ = counts.most_common()
                if most > second:
                    return usual
        stems = set.intersection(*({file.stem for file in self._by_kind[kind]} for kind in kinds))
        paths = [{file.stem: file.path for file in self._by_kind[kind]} for kind in kinds]
        column = same_pictures.preferred_column([[by_stem[stem] for by_stem in paths] for stem in sorted(stems)])
        return kinds[column] if column is not None else None

    def _of_suffixes(self, kinds: Sequence[_Kind]) -> Counter[_Kind]:
        return Counter({kind: self._suffixes[kind[1]] for kind in kinds})

    @cached_property
    def _by_kind(self) -> Mapping[_Kind, Sequence[DatasetFile]]:
        return name_matching.grouped((_kind(file), file) for file in self._pictures)

    @cached_property
    def _suffixes(self) -> Counter[str]:
        return Counter(file.relative_path.suffix for file in self._pictures)


def _kind(file: DatasetFile) -> _Kind:
    return file.folder, file.relative_path.suffix
