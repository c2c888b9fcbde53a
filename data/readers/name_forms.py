"""Forms of one name that tools make, and which of several other names is the likeliest to be meant.

A label exporter may change the case, write `%C3%A9` for `é`, keep the picture's suffix (`a.jpg.txt`), or add marks of
its own: Label Studio puts 8 hexadecimal digits in front, Roboflow puts `_jpg.rf.` and a hash behind.
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

_LONGEST = 255  # characters of a file's name; a name in a JSON may have millions
_REMEMBER = 1 << 17  # names
_COMPARE_AT_MOST = 1000  # names that are compared letter by letter
_ASK_AT_MOST = 100  # comparisons, each of which is slow
_CUTOFF = 0.6  # of difflib's ratio; difflib's own default


@lru_cache(maxsize=_REMEMBER)
def spelled(stem: str) -> str:
    """The stem without differences of spelling: in lower case, %-codes resolved, suffixes of files removed."""
    text = stem
    if "%" in stem:
        text = (parts(urllib.parse.unquote(stem)) or [stem])[-1]
    text = composed(text).casefold().strip()
    while (suffix := PurePosixPath(text).suffix) in _ENDINGS:
        text = text.removesuffix(suffix)
    return text


@lru_cache(maxsize=_REMEMBER)
def unmarked(stem: str) -> tuple[str, bool]:
    """(the stem without a tool's marks, with "-" for all but letters and digits; whether it had marks).

    A date in front is not a mark, although its digits could be hexadecimal.
    """
    text = spelled(stem)
    bare = text[mark.end() :] if (mark := _UUID.match(text)) else text
    if (mark := _HEXADECIMAL.match(bare)) and not _DATE.fullmatch(mark[1]):
        bare = bare[mark.end() :]
    bare = _ROBOFLOW.sub("", bare)
    return re.sub(r"[\W_]+", "-", bare).strip("-"), bare != text


def uncopied(stem: str) -> str:
    """The stem without what copying or shrinking adds: "a (1)", "a - Copy", "a_150x150"."""
    return _COPY.sub("", spelled(stem))


class LikeliestName:
    """Finds the likeliest of several files for a name: by its letters and numbers, else by difflib's ratio."""

    def __init__(self, paths: Iterable[PurePosixPath]) -> None:
        self._paths = list(paths)
        self._comparisons = 0

    def to(self, stem: str) -> PurePosixPath | None:
        """The path whose stem is most like this one; None if none is like it, or after too many comparisons."""
        if not self._paths or len(stem) > _LONGEST:
            return None
        if same := self._by_letters.get(_letters(stem)):
            return same
        self._comparisons += 1
        if self._comparisons > _ASK_AT_MOST:
            return None
        near = difflib.get_close_matches(spelled(stem), list(self._by_spelling), n=1, cutoff=_CUTOFF)
        return self._by_spelling[near[0]] if near else None

    @cached_property
    def _by_letters(self) -> Mapping[str, PurePosixPath]:
        return {_letters(path.stem): path for path in reversed(self._paths)}

    @cached_property
    def _by_spelling(self) -> Mapping[str, PurePosixPath]:
        return {spelled(path.stem): path for path in reversed(self._paths[:_COMPARE_AT_MOST])}


def _letters(stem: str) -> str:
    """Its letters and numbers alone, without leading zeros, so that frame_007 equals Frame 7."""
    return re.sub(r"0*(\d+)", r"\1 ", re.sub(r"[\W_]+", "", unmarked(stem)[0]))
