"""The binary file: both headers, and every kind of wrong file is refused in a sentence before memory is allocated."""

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.darknet import weights
from model.darknet.weights import WeightsError

VALUES = np.array([1.5, -2.0, 3.25], "<f4")


def test_the_header_that_darknet_writes_now(tmp_path: Path) -> None:
    path = tmp_path / "new.weights"
    assert weights.write_file(path, [VALUES[:1], VALUES[1:]], seen=32_032_000) == 32
    # by hand: versions 0, 2, 5 as int32, seen as uint64, then the floats, all little endian
    by_hand = bytes.fromhex("00000000 02000000 05000000") + struct.pack("<Q", 32_032_000) + VALUES.tobytes()
    assert path.read_bytes() == by_hand
    file = weights.open_file(path)
    assert file.header == weights.Header(0, 2, 5, 32_032_000)
    assert file.count == 3
    np.testing.assert_array_equal(file.floats, VALUES)
    assert [found.name for found in tmp_path.iterdir()] == ["new.weights"]  # nothing half-written is left


@pytest.mark.parametrize(
    ("versions", "form", "size"), [((0, 1, 0), "<I", 16), ((0, 2, 0), "<Q", 20), ((1, 0, 0), "<Q", 20)]
)
def test_both_forms_of_the_header(tmp_path: Path, versions: tuple[int, int, int], form: str, size: int) -> None:
    path = tmp_path / "file.weights"
    path.write_bytes(struct.pack("<3i", *versions) + struct.pack(form, 77) + VALUES.tobytes())
    file = weights.open_file(path)
    assert (file.header.size, file.header.seen) == (size, 77)
    np.testing.assert_array_equal(file.floats, VALUES)


GOOD = struct.pack("<3iQ", 0, 2, 5, 0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected a header of 16 or 20 bytes and weights, got 0 bytes"),
        (b"\0" * 11, "got 11 bytes"),
        (b"\0" * 16, "expected weights after the header of 16 bytes, got 16 bytes in all"),
        (GOOD, "expected weights after the header of 20 bytes, got 20 bytes in all"),
        (GOOD[:17], "expected weights after the header"),
        (GOOD + b"\0\0\0", "expected a whole number of floats of 4 bytes after the header of 20 bytes, got 3 bytes"),
        (struct.pack(">3iQ", 0, 2, 5, 0) + VALUES.tobytes(), "its bytes are in the wrong order"),
        (struct.pack("<3iQ", -1, 2, 5, 0) + VALUES.tobytes(), "expected a version like 0.2 at its start, got -1.2"),
        (struct.pack("<3iQ", 2_000_000_000, 2, 5, 0) + VALUES.tobytes(), "got 2000000000.2"),
        (b"PK\3\4" + b"\0" * 40, r"got a ZIP archive, as checkpoints \(\.keras\) and PyTorch's files are"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 40, "got an HDF5 file"),
        (b"# a text file, not weights at all\n", "got a text that begins with '# a text file, not w'"),
        (b"<!DOCTYPE html>\n<html>", "got a text that begins with '<!DOCTYPE html>'"),  # a download page
        (b"[net]\nbatch=64\nwidth=416\n", "got a text that begins with '.net.'"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "got a Git LFS pointer instead of the file"),
    ],
)
def test_wrong_files_are_told_in_a_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "wrong.weights"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=words) as raised:
        weights.open_file(path)
    assert str(raised.value).startswith(f"{path}: expected ")


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="got a folder"):
        weights.open_file(tmp_path)
    with pytest.raises(WeightsError, match="got nothing there"):
        weights.open_file(tmp_path / "absent.weights")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.weights"
    weights.write_file(path, [VALUES])
    before = path.read_bytes()

    def arrays() -> "object":
        yield VALUES
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError):
        weights.write_file(path, arrays())  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["file.weights"]


def test_a_huge_file_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.weights"
    with path.open("wb") as file:  # 64 GB that lie nowhere: the disk keeps the header alone
        file.write(struct.pack("<3iQ", 0, 2, 5, 2**64 - 1))
        file.truncate(1 << 36)
    tracemalloc.start()
    try:
        found = weights.open_file(path)
        assert found.count == ((1 << 36) - 20) // 4
        assert found.header.seen == 2**64 - 1
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("fuzz")


@given(content=st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda rest: GOOD + rest)))
def test_any_bytes_are_a_file_or_a_sentence(folder: Path, content: bytes) -> None:
    path = folder / "any.weights"
    path.unlink(missing_ok=True)  # a file written over is flushed to the disk at once, which takes long
    path.write_bytes(content)
    try:
        file = weights.open_file(path)
    except WeightsError as refused:
        told = str(refused)
    else:
        assert file.header.size + 4 * file.count == len(content)
        return
    assert told.startswith(f"{path}: expected ")
