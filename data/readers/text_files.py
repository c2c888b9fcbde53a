"""Read text files of unknown encoding: with byte order marks, in UTF-16, or in Korean and western code pages."""

from pathlib import Path

from data.problems import Report
from data.readers.dataset_file import DatasetFile

MAX_BYTES = 16 << 20  # of the labels of one picture, or of settings
MAX_LIST_BYTES = 256 << 20  # of a list of pictures

_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_HANGUL = range(0xAC00, 0xD7A4)


class TextError(ValueError):
    """A file cannot be read as text; the message does not name the file."""


def read_bytes(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The file's content; TextError if it cannot be read or is longer than `limit` bytes."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise TextError(f"expected at most {limit >> 20} MiB of text, got {size / (1 << 20):.0f} MiB")
        return path.read_bytes()
    except OSError as error:
        raise TextError(f"expected text, cannot read it: {error.strerror}") from error


def decode(content: bytes) -> tuple[str, str]:
    """(text, encoding): by a byte order mark; else UTF-8; else cp949 if it gives Hangul alone; else cp1252 or latin-1.

    Every byte is valid in latin-1, and most pairs of bytes are in cp949: German read as cp949 gives rare Chinese signs,
    which Korean labels do not contain. TextError for binary content.
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


def read(file: DatasetFile, report: Report, limit: int = MAX_BYTES) -> str:
    """The file's text; an encoding that had to be guessed is reported."""
    text, encoding = decode(read_bytes(file.path, limit))
    note_encoding(encoding, file, report)
    return text


def note_encoding(encoding: str, file: DatasetFile, report: Report) -> None:
    """Report an encoding that is a guess."""
    if encoding in ("cp949", "cp1252", "latin-1"):
        report.add("text_encoding", file.relative_path, f"expected UTF-8, read as {encoding}")


def normalized(name: str) -> str:
    """A class name without case, spaces, dashes and underscores, for comparisons."""
    return "".join(sign for sign in name.casefold() if not sign.isspace() and sign not in "-_") or name


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise TextError(f"expected text, cannot read it: {error}") from error
