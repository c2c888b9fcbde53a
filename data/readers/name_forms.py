"""The forms that one name takes on its way through tools, and which of other names is the likeliest to be meant.

A label exporter may change the case, write `%C3%A9` for `é`, leave the picture's ending inside (`a.jpg.txt`), or add
marks of its own: Label Studio puts 8 hexadecimal digits in front, Roboflow `_jpg.rf.` and a hash behind.
"""

import difflib
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from pathlib import PurePosixPath

from data.pictures.picture_files import OTHER_SUFFIXES, SUFFIXES
from data.readers.name_matching import composed, parts

_ENDINGS = SUFFIXES | OTHER_SUFFIXES | {".xml", ".json", ".txt"}
_HEXADECIMAL = re.compile(r"(?:\d+-)?([0-9a-f]{8})(?:-|__)(?=.)")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-|_+)(?=.)")
_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_ROBOFLOW = re.compile(r"[_.](?:jpe?g|png|bmp|webp|tiff?)\.rf\.[0-9a-z]{8,}$")

_COPY = re.compile(r"(?:[\s_-]*\(\d{1,3}\)|[\s_-]+copy(?:[\s_-]*\(?\d{1,3}\)?)?|[\s_-]+\d{2,4}x\d{2,4})$")

_LONGEST = 255  # characters that a file's name has at most; one in a JSON may have millions
_REMEMBER = 1 << 17  # names
_COMPARE_AT_MOST = 1000  # names, letter by letter
_ASK_AT_MOST = 100  # times, for the same reason
_CUTOFF = 0.6  # of difflib's ratio, its own default


@lru_cache(maxsize=_REMEMBER)
def spelled(stem: str) -> str:
    """The stem without what only spells it differently: case, %-codes, the endings of files inside it."""
    text = stem
    if "%" in stem:
        text = (parts(urllib.parse.unquote(stem)) or [stem])[-1]
    text = composed(text).casefold().strip()
    while (suffix := PurePosixPath(text).suffix) in _ENDINGS:
        text = text.removesuffix(suffix)
    return text


@lru_cache(maxsize=_REMEMBER)
def unmarked(stem: str) -> tuple[str, bool]:
    """(the spelled stem without a tool's marks, and with "-" for all that is no letter or digit; whether it had marks).

    A date in front is no mark, though its digits are hexadecimal ones.
    """
    text = spelled(stem)
    bare = text[found.end() :] if (found := _UUID.match(text)) else text
    if (found := _HEXADECIMAL.match(bare)) and not _DATE.fullmatch(found[1]):
        bare = bare[found.end() :]
    bare = _ROBOFLOW.sub("", bare)
    return re.sub(r"[\W_]+", "-", bare).strip("-"), bare != text


def uncopied(stem: str) -> str:
    """The spelled stem without what copying or shrinking adds: "a (1)", "a - Copy", "a_150x150"."""
    return _COPY.sub("", spelled(stem))


class Likeliest:
    """Which of these names another one may have been: by its letters and numbers, else by difflib's ratio."""

    def __init__(self, places: Iterable[PurePosixPath]) -> None:
        self._places = list(places)
        self._asked = 0

    def to(self, stem: str) -> PurePosixPath | None:
        """The place whose stem is likest to this one; None if none is like it, or after too many questions."""
        if not self._places or len(stem) > _LONGEST:
            return None
        if same := self._by_letters.get(_letters(stem)):
            return same
        self._asked += 1
        if self._asked > _ASK_AT_MOST:
            return None
        near = difflib.get_close_matches(spelled(stem), list(self._by_spelling), n=1, cutoff=_CUTOFF)
        return self._by_spelling[near[0]] if near else None

    @cached_property
    def _by_letters(self) -> Mapping[str, PurePosixPath]:
        return {_letters(place.stem): place for place in reversed(self._places)}

    @cached_property
    def _by_spelling(self) -> Mapping[str, PurePosixPath]:
        return {spelled(place.stem): place for place in reversed(self._places[:_COMPARE_AT_MOST])}


def _letters(stem: str) -> str:
    """Letters and numbers alone, these without leading zeros: frame_007 and Frame 7 are one."""
    return re.sub(r"0*(\d+)", r"\1 ", re.sub(r"[\W_]+", "", unmarked(stem)[0]))
