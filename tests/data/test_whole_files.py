"""Files and folders appear whole or not at all."""

from pathlib import Path

import pytest

from data.whole_files import written_whole


def test_a_file_or_folder_gets_its_name_at_the_end(tmp_path: Path) -> None:
    for name in ("new/file.txt", "new/folder"):
        with written_whole(tmp_path / name) as unfinished:
            assert (unfinished.name, unfinished.suffix) == (Path(name).name, Path(name).suffix)
            inside = unfinished
            if name.endswith("folder"):
                unfinished.mkdir()
                inside = unfinished / "file.txt"
            inside.write_text("all of it")
            assert not (tmp_path / name).exists()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "new",
        "new/file.txt",
        "new/folder",
        "new/folder/file.txt",
    ]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_text("old")

    def fail() -> None:
        with written_whole(file) as unfinished:
            unfinished.write_text("half of i")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file.txt", "old")]


def test_two_at_once_do_not_meet(tmp_path: Path) -> None:
    with written_whole(tmp_path / "a") as first, written_whole(tmp_path / "a") as second:
        first.write_text("first")
        second.write_text("second")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "first")]


def test_others_may_read_what_was_written_as_if_it_had_been_written_in_place(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with written_whole(tmp_path / "whole") as unfinished:
        unfinished.mkdir()
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_name_may_be_as_long_as_the_disk_takes(tmp_path: Path) -> None:
    with written_whole(tmp_path / ("a" * 255)) as unfinished:
        unfinished.write_text("all of it")
    assert [path.name for path in tmp_path.iterdir()] == ["a" * 255]
