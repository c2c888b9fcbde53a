"""What a name of another machine means here: its parts, and which of several files of that name fits it best."""

import unicodedata
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Protocol, TypeVar


class _HasPlace(Protocol):
    @property
    def place(self) -> PurePosixPath: ...


Placed = TypeVar("Placed", bound=_HasPlace)

COMPARE_AT_MOST = 256  # files of one name; of more, only one in the expected folder is found


def parts(name: str) -> list[str]:
    """The parts of a path of any system, composed."""
    return [part for part in composed(name.strip()).replace("\\", "/").split("/") if part not in ("", ".")]


def composed(text: str) -> str:
    """Unicode's composed form."""
    return unicodedata.normalize("NFC", text)


def best(found: Sequence[Placed], folders: Sequence[str], near: PurePosixPath | None) -> Placed | None:
    """The file whose folders fit best; of equals in one folder the first; None where the choice would be a guess."""
    if len(found) < 2:
        return found[0] if found else None
    if len(found) > COMPARE_AT_MOST:
        found = [file for file in found if file.place.parent == near]
    scores = [_fit(file.place.parent.parts, folders, near.parts if near else ()) for file in found]
    fitting = [file for file, score in zip(found, scores, strict=True) if score == max(scores)]
    return fitting[0] if len({file.place.parent for file in fitting}) == 1 else None


def _fit(parts: Sequence[str], folders: Sequence[str], near: Sequence[str]) -> tuple[int, int]:
    """How many last folders agree with the name's; then how many first and last ones with those of `near`."""
    named = _common(parts[::-1], folders[::-1])
    return named, _common(parts, near) + _common(parts[::-1], near[::-1])


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts agree from the start."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
