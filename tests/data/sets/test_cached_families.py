"""Families of pictures that are nearly the same, kept in the cache."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.dataset import Example
from data.pictures import cached_answers, picture_files
from data.sets import cached_families, duplicates, read

ENVIRONMENT = "YOLOV4_EVOLVE_CACHE"
Make = Callable[..., None]


def examples(root: Path, make_picture: Make, values: list[int]) -> list[Example]:
    """One-coloured pictures: those of one value are equal files, and so one family."""
    found = []
    for number, value in enumerate(values):
        path = root / f"{number}.png"
        make_picture(path, value=value)
        digest = picture_files.digest_of(path.read_bytes())
        found.append(Example(path, 40, 30, np.zeros((0, 4), np.float32), np.zeros(0, np.int32), digest))
    return found


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures were compared each time."""
    calls: list[int] = []
    real = duplicates.families

    def counted(found: list[Example]) -> tuple[list[list[int]], bool]:
        calls.append(len(found))
        return real(found)

    monkeypatch.setattr(duplicates, "families", counted)
    return calls


def test_they_are_found_once_and_anew_when_a_picture_changes(
    tmp_path: Path, make_picture: Make, comparisons: list[int]
) -> None:
    where = {ENVIRONMENT: str(tmp_path / "cache")}
    found = examples(tmp_path / "one", make_picture, [10, 20, 10, 20, 90])
    for _ in range(2):
        assert cached_families.families(found, where, min_pictures=2) == ([[0, 2], [1, 3]], True)
    # the same files elsewhere are the same
    assert cached_families.families(
        examples(tmp_path / "two", make_picture, [10, 20, 10, 20, 90]), where, min_pictures=2
    )[1]
    assert comparisons == [5]
    changed = examples(tmp_path / "one", make_picture, [10, 20, 10, 70, 90])
    assert cached_families.families(changed, where, min_pictures=2) == ([[0, 2]], True)
    assert comparisons == [5, 5]
    assert [path.suffix for path in (tmp_path / "cache" / "families").iterdir()] == [".json", ".json"]


@pytest.mark.parametrize(
    "content", ["", "[[0, 2", "{}", "[[0]]", "[[0, 9]]", "[[0, 1], [1, 2]]", "[" * 200_000, '[["0", 1]]', "\xff"]
)
def test_a_broken_file_counts_as_none(tmp_path: Path, make_picture: Make, comparisons: list[int], content: str) -> None:
    where = {ENVIRONMENT: str(tmp_path / "cache")}
    found = examples(tmp_path / "pictures", make_picture, [10, 20, 10])
    cached_families.families(found, where, min_pictures=2)
    (file,) = (tmp_path / "cache" / "families").iterdir()
    file.write_text(content, encoding="latin-1")
    for _ in range(2):
        assert cached_families.families(found, where, min_pictures=2) == ([[0, 2]], True)
    assert comparisons == [3, 3]


@pytest.mark.parametrize(
    "reason", ["the cache is off", "few pictures", "a picture without digest", "too many to compare", "no room"]
)
def test_where_nothing_is_kept_they_are_found_anew(
    tmp_path: Path,
    make_picture: Make,
    comparisons: list[int],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    where = {ENVIRONMENT: "off" if reason == "the cache is off" else str(tmp_path / "cache")}
    found = examples(tmp_path / "pictures", make_picture, [10, 20, 10])
    if reason == "a picture without digest":
        one = found[1]
        found[1] = Example(one.path, 40, 30, one.boxes, one.classes)
    if reason == "too many to compare":
        monkeypatch.setattr(duplicates, "MAX_BYTES", 1)
    if reason == "no room":
        (tmp_path / "cache").write_text("a file where the folder should be")
    for _ in range(2):
        answer = cached_families.families(found, where, min_pictures=4 if reason == "few pictures" else 2)
        assert answer == ([[0, 2]], reason != "too many to compare")
    assert comparisons == [3, 3]
    assert ("is not kept, but found anew" in caplog.text) == (reason == "no room")


def test_a_cut_of_many_pictures_asks_the_cache(
    tmp_path: Path, make_yolo: Callable[..., Path], comparisons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "cache"))
    labels = {f"{number}": "0 .5 .5 .5 .5\n" for number in range(cached_answers.MIN_PICTURES)}
    root = make_yolo(tmp_path / "mine", {"train": labels, "val": {"v": "0 .5 .5 .5 .5\n"}})
    first, again = read.load(root), read.load(root)
    assert (first.fingerprint, first.problems) == (again.fingerprint, again.problems)
    assert comparisons == [cached_answers.MIN_PICTURES]


def test_a_file_that_changed_since_it_was_read_is_reported_and_nothing_is_kept(
    tmp_path: Path, make_picture: Make
) -> None:
    where = {ENVIRONMENT: str(tmp_path / "cache")}
    found = examples(tmp_path / "pictures", make_picture, [10, 20, 10])
    whole = found[1].path.read_bytes()
    found[1].path.write_bytes(whole[:-30])  # as in the midst of being copied
    with pytest.raises(picture_files.PictureError, match=r"1\.png: expected the file that was read with its boxes"):
        cached_families.families(found, where, min_pictures=2)
    found[1].path.write_bytes(whole)
    assert not (tmp_path / "cache" / "families").exists()
    assert cached_families.families(found, where, min_pictures=2) == ([[0, 2]], True)


def test_other_thresholds_are_another_comparison(
    tmp_path: Path, make_picture: Make, comparisons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {ENVIRONMENT: str(tmp_path / "cache")}
    found = examples(tmp_path / "pictures", make_picture, [10, 20, 10])
    cached_families.families(found, where, min_pictures=2)
    monkeypatch.setattr(duplicates, "SETTINGS", (*duplicates.SETTINGS[:-1], 1))
    cached_families.families(found, where, min_pictures=2)
    assert comparisons == [3, 3]
