"""Text files of unknown origin: byte order marks, UTF-16, and the code pages of Korean and western Windows."""

from pathlib import Path

from data.dataset import Problem

MAX_BYTES = 16 << 20  # of the labels of one picture, or of settings
MAX_LIST_BYTES = 256 << 20  # of a list of pictures

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_HANGUL = range(0xAC00, 0xD7A4)


class TextError(ValueError):
    """A file that cannot be read as text; the message does not name it."""


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The file's content; TextError when it cannot be read or is far too long for labels."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise TextError(f"expected at most {limit >> 20} MiB of text, got {size / (1 << 20):.0f} MiB")
        return path.read_bytes()
    except OSError as error:
        raise TextError(f"expected text, cannot read it: {error.strerror}") from error


def decode(content: bytes) -> tuple[str, str]:
    """(text, encoding): UTF-8 or UTF-16 by its mark; else cp949 where that gives Hangul alone, else Windows' latin.

    Every byte means something in latin-1, and most pairs of bytes something in cp949: German read as cp949 gives rare
    Chinese signs, which no Korean label is made of.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _strict(content, encoding), encoding
    for encoding in ("utf-8", "cp949", "cp1252", "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "cp949" or all(ord(sign) < 128 or ord(sign) in _HANGUL for sign in text):
            break
    if "\0" in text:
        raise TextError("expected text, got binary content")
    return text, encoding


def read(path: Path, name: str, problems: list[Problem], limit: int = MAX_BYTES) -> str:
    """The file's text; an encoding that had to be guessed joins the problems under this name."""
    text, encoding = decode(read_bytes(path, limit))
    note_encoding(encoding, name, problems)
    return text


def note_encoding(encoding: str, name: str, problems: list[Problem]) -> None:
    """One of the problems, where the encoding is a guess."""
    if encoding in ("cp949", "cp1252", "latin-1"):
        problems.append(Problem("text_encoding", name, f"expected UTF-8, read as {encoding}"))


def plain(name: str) -> str:
    """A class name without what its spelling leaves open: case, spaces, dashes; for comparisons."""
    return "".join(sign for sign in name.casefold() if not sign.isspace() and sign not in "-_") or name


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise TextError(f"expected text, cannot read it: {error}") from error
