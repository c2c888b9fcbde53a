"""A search of a data set that has labels of two formats: the one that was named is read, by trials too."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from data.example import DatasetError
from evolve import task
from evolve.task import InputError, TaskRequest

XML = (
    "<annotation><object><name>dog</name><bndbox>"
    "<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
)


@pytest.fixture
def two_formats(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (tmp_path / split).mkdir()
        cv2.imwrite(str(tmp_path / split / "a.png"), rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        (tmp_path / split / "a.txt").write_text("0 .5 .5 .5 .5\n")
        (tmp_path / split / "a.xml").write_text(XML)
    (tmp_path / "classes.txt").write_text("cat\n")
    return tmp_path


@pytest.mark.parametrize(("format", "class_name"), [("voc", "dog"), ("yolo", "cat")])
def test_the_format_that_was_named_is_read(two_formats: Path, format: str, class_name: str) -> None:
    prepared = task.prepare(TaskRequest(data=two_formats, format=format, weights="none"))
    assert (prepared.description["format"], prepared.description["class_names"]) == (format, [class_name])
    assert prepared.factory.arguments["format"] == format


def test_without_a_format_the_two_are_named(two_formats: Path) -> None:
    with pytest.raises(DatasetError, match="got voc and yolo labels for its pictures: choose one with --format"):
        task.prepare(TaskRequest(data=two_formats, weights="none"))


def test_a_format_needs_data() -> None:
    with pytest.raises(InputError, match="--format voc: expected --data beside it"):
        task.prepare(TaskRequest(format="voc"))
