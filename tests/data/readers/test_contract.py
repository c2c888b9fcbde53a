"""What every format promises, to be read and to be written; a new one joins by its name in READERS and WRITERS."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data import __main__ as commands
from data.commands import preview
from data.dataset import Dataset, DatasetError
from data.sets import read
from data.sets.convert import WRITERS
from data.sets.read import READERS

Make = Callable[..., Path]


@pytest.fixture
def original(tmp_path: Path, make_yolo: Make) -> Dataset:
    """Three splits, a picture without objects, several boxes in one, classes without any box."""
    labels = {
        "train": {"a": "1 0.5 0.5 0.5 0.2\n0 0.25 0.75 0.1 0.1\n", "b": "\n"},
        "val": {"c": "0 0.5 0.5 0.25 0.5\n"},
        "test": {"d": "1 0.3 0.3 0.2 0.2\n"},
    }
    return read.load_own_splits(make_yolo(tmp_path / "original", labels, "names: [cat, dog, no one]\n"))


def test_what_can_be_read_can_be_written_and_is_named_by_the_commands() -> None:
    assert set(READERS) == set(WRITERS) == set(commands.FORMATS) == set(preview.FORMATS)


@pytest.mark.parametrize("name", READERS)
def test_what_is_written_is_read_back(name: str, original: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "written"
    folder.mkdir()
    WRITERS[name](original, folder)
    found = read.load_own_splits(folder, name)
    assert (found.format, found.root) == (name, folder)
    assert read.detect(folder) == name
    assert found.class_names == original.class_names
    assert set(found.splits) == set(original.splits)
    for split, examples in original.splits.items():
        by_stem = {example.path.stem: example for example in found.splits[split]}
        assert set(by_stem) == {example.path.stem for example in examples}
        for example in examples:
            came = by_stem[example.path.stem]
            assert (came.width, came.height) == (example.width, example.height)
            np.testing.assert_array_equal(came.classes, example.classes)
            np.testing.assert_allclose(came.boxes, example.boxes, atol=1e-3)
            assert came.boxes.dtype == np.float32


@pytest.mark.parametrize("name", READERS)
def test_reading_is_repeatable_and_changes_nothing(name: str, original: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "written"
    folder.mkdir()
    WRITERS[name](original, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    first, second = read.load_own_splits(folder, name), read.load_own_splits(folder, name)
    assert first.fingerprint == second.fingerprint
    assert first.problems == second.problems
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", READERS)
def test_a_folder_without_its_labels_is_refused_by_name(name: str, tmp_path: Path, make_picture: Make) -> None:
    make_picture(tmp_path / "pictures" / "a.png")
    with pytest.raises(DatasetError, match="pictures") as caught:
        read.load_own_splits(tmp_path / "pictures", name)
    assert "\n" not in str(caught.value)
