"""Choose one of several pictures of one name, such as a.jpg and a.png, that fit a label or a list equally well."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath

from data.readers import copies_and_masks, name_matching
from data.readers.dataset_file import DatasetFile

_Kind = tuple[PurePosixPath, str]  # a folder, and a suffix as it is spelled there


class NamesakePictures:
    """Decides once for each set of kinds: if x/a.jpg is chosen over x/a.png, so is x/b.jpg over x/b.png.

    pictures: all of the data set.
    """

    def __init__(self, pictures: Sequence[DatasetFile]) -> None:
        self._pictures = pictures
        self._decided: dict[tuple[_Kind, ...], _Kind | None] = {}

    def choose(self, files: Sequence[DatasetFile], *, anywhere: bool = False) -> DatasetFile | None:
        """The picture that is meant among these, which have one name; None if nothing decides.

        In one folder, the suffix that is most frequent there decides, or else in the whole data set. If both tie, or in
        several folders, the contents decide: the first of equal copies, or the only one that is no mask.
        anywhere: whether they may be in several folders; if not, None for such pictures.
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
        if len(set(kinds)) < len(kinds):  # such as a.jpg and A.jpg in one folder
            return None
        if len({folder for folder, _ in kinds}) == 1:
            in_folder = Counter({kind: len(self._by_kind[kind]) for kind in kinds})
            in_data_set = Counter({(folder, suffix): self._suffix_counts[suffix] for folder, suffix in kinds})
            for counts in (in_folder, in_data_set):
                (usual, most), (_, second), *_ = counts.most_common()
                if most > second:
                    return usual
        paths_by_stem = [{file.stem: file.path for file in self._by_kind[kind]} for kind in kinds]
        stems = sorted(set.intersection(*map(set, paths_by_stem)))  # of which there is a picture of each kind
        groups = [[by_stem[stem] for by_stem in paths_by_stem] for stem in stems]
        index = copies_and_masks.preferred_column(groups)
        return kinds[index] if index is not None else None

    @cached_property
    def _by_kind(self) -> Mapping[_Kind, Sequence[DatasetFile]]:
        return name_matching.grouped((_kind(file), file) for file in self._pictures)

    @cached_property
    def _suffix_counts(self) -> Counter[str]:
        return Counter(file.relative_path.suffix for file in self._pictures)


def _kind(file: DatasetFile) -> _Kind:
    return file.folder, file.relative_path.suffix
