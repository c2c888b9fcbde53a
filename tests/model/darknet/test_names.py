"""Files of class names as the editors of all systems save them."""

from pathlib import Path

import pytest

from model.darknet import names
from model.darknet.names import NamesError


@pytest.mark.parametrize(
    "content",
    [
        b"traffic light\n\xc3\xbcbung\n",
        b"\xef\xbb\xbftraffic light\r\n\xc3\xbcbung \r\n\r\n",
        "traffic light\r\nübung\r\n".encode("utf-16"),
        b"  traffic light\t\n\n\xc3\xbcbung",  # a blank line is no class where there is no third one
    ],
)
def test_a_name_a_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.names"
    path.write_bytes(content)
    assert names.read(path) == names.read(path, 2) == ("traffic light", "übung")


@pytest.mark.parametrize(
    ("content", "count", "words"),
    [
        (b"", None, "expected one class name per line, got none"),
        (b"\n \n", None, "expected one class name per line, got none"),
        (b"a\n\nb\n", 3, "line 2: expected a class name, as 3 lines are 3 classes, got none"),
        (b"a\nb\na \n", None, "expected each class once, got 'a' twice"),
        (b"[net]\nbatch=64\n", None, "expected one class name per line, got a cfg"),
        (b"classes = 2\nnames = data/obj.names\n", None, r"expected one class name per line, got a \.data file"),
        (b"\xff\xfe\x00", None, r"expected a text file \(UTF-8\)"),
        (b"h\xe4kchen\n", None, r"expected a text file \(UTF-8\)"),
        (b"a\0b\n", None, "got binary content"),
    ],
)
def test_anything_else_is_one_sentence(content: bytes, count: int | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.names"
    path.write_bytes(content)
    with pytest.raises(NamesError, match=words) as refused:
        names.read(path, count)
    assert str(refused.value).startswith(f"{path}: ")


def test_files_that_are_not_there_or_huge(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.names", tmp_path):
        with pytest.raises(NamesError, match="expected a text file"):
            names.read(path)
    huge = tmp_path / "huge.names"
    with huge.open("wb") as file:
        file.truncate(1 << 34)
    with pytest.raises(NamesError, match="more than 16777216 bytes"):
        names.read(huge)
