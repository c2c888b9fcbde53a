"""What a label and its picture have in common: how they are called, and where they lie."""

from collections.abc import Callable

from data.readers import derived, joining, name_forms
from data.readers.files import File

FolderKey = tuple[str, ...] | None  # None: a file in this folder has no such counterpart

_PICTURES = ("images", "jpegimages")  # the formats' names for the folder of pictures, in lower case


def stem(file: File) -> str:
    """The name without its ending, composed."""
    return joining.composed(file.place.stem)


def full(file: File) -> str:
    """The name with its ending, composed."""
    return joining.composed(file.place.name)


def spelled(file: File) -> str:
    """The stem without what only spells it differently."""
    return name_forms.spelled(file.place.stem)


# How a label and its picture are called: a and a.jpg; a.jpg.txt and a.jpg; A.txt and a.jpg.
NAMES: tuple[tuple[Callable[[File], str], Callable[[File], str]], ...] = (
    (stem, stem),
    (stem, full),
    (spelled, spelled),
)


def folder(file: File) -> FolderKey:
    """Where the file lies, in any case."""
    return tuple(part.lower() for part in file.place.parent.parts)


def parallel(file: File) -> FolderKey:
    """Where it lies but for the words for pictures and labels. It equals no other key."""
    return ("...", *derived.parallel(file.place.parent))


def counterpart(home: str) -> Callable[[File], FolderKey]:
    """Of a picture, the folder where its format has the label: `home` in place of the last images, or JPEGImages."""

    def of(picture: File) -> FolderKey:
        parts = [part.lower() for part in picture.place.parent.parts]
        last = max((at for at, part in enumerate(parts) if part in _PICTURES), default=None)
        return None if last is None else (*parts[:last], home, *parts[last + 1 :])

    return of
