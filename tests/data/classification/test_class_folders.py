"""Folders of pictures by class: their splits, and the dirt between them."""

import os

import numpy as np
import pytest

from data.classification import class_folders
from data.classification.class_folders import FolderPictures
from data.dataset import DatasetError


@pytest.fixture
def folders(tmp_path, make_picture):
    """Classes of 10 and of 20 pictures."""
    for number in range(10):
        make_picture(tmp_path / "cat" / f"{number}.png", value=200)
    for number in range(20):
        make_picture(tmp_path / "dog and wolf" / f"{number}.JPG", value=50)
    return tmp_path


def test_a_split_is_cut_by_seed_from_every_class(folders):
    found = class_folders.read(folders)
    assert found.class_names == ("cat", "dog and wolf")
    # 15 % of 10: 2 (1.5 rounds to the even); of 20: 3
    assert {name: len(files) for name, files in found.val.items()} == {"cat": 2, "dog and wolf": 3}
    for name, count in (("cat", 10), ("dog and wolf", 20)):
        assert len({*found.train[name], *found.val[name]}) == count
    assert class_folders.read(folders) == found
    assert class_folders.read(folders, split_seed=1).val != found.val


def test_a_given_split_is_taken(tmp_path, make_picture):
    for split in ("Train", "valid", "test"):
        for name in ("a", "b"):
            for number in range(2):
                make_picture(tmp_path / split / name / f"{split}{number}.png")
    found = class_folders.read(tmp_path)
    assert {path.parent.parent.name for files in found.train.values() for path in files} == {"Train"}
    assert {path.parent.parent.name for files in found.val.values() for path in files} == {"valid"}
    assert class_folders.is_class_folders(tmp_path)


def test_a_class_may_be_called_as_a_split_is(tmp_path, make_picture):
    for name in ("train", "plane"):  # things on rails and in the air
        for number in range(2):
            make_picture(tmp_path / name / f"{number}.png")
    assert class_folders.read(tmp_path).class_names == ("plane", "train")


def test_what_is_no_picture_is_passed_over(folders, make_picture):
    (folders / "README.txt").write_text("notes")
    (folders / "cat" / "Thumbs.db").write_bytes(b"x")
    (folders / "cat" / "._0.png").write_bytes(b"Mac OS X")
    make_picture(folders / ".cache" / "x.png")
    make_picture(folders / "__MACOSX" / "x.png")
    found = class_folders.read(folders)
    assert found.class_names == ("cat", "dog and wolf")
    assert len(found.train["cat"]) + len(found.val["cat"]) == 10


def test_a_class_without_pictures_is_named(folders):
    (folders / "bird").mkdir()
    with pytest.raises(DatasetError, match=r"bird: expected pictures of class 'bird', got a folder without any"):
        class_folders.read(folders)


def test_broken_pictures_are_named_and_counted(folders):
    (folders / "cat" / "3.png").write_bytes(b"")
    (folders / "cat" / "4.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"cat/3\.png: .*empty file \(1 more"):
        class_folders.read(folders)


def test_a_damaged_picture_whose_header_is_whole_is_named(folders):
    path = folders / "cat" / "3.png"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"IDAT", b"IDAT\xff", 1))
    with pytest.raises(DatasetError, match=r"cat/3\.png: expected a picture, got one that cannot be decoded"):
        class_folders.read(folders)


def test_a_class_that_only_val_has_is_named(tmp_path, make_picture):
    for place in ("train/a", "train/b", "val/a", "val/c"):
        make_picture(tmp_path / place / "0.png")
    with pytest.raises(DatasetError, match=r"val/c: expected a class of .*train"):
        class_folders.read(tmp_path)


def test_one_class_or_one_picture_each_is_too_little(tmp_path, make_picture):
    make_picture(tmp_path / "a" / "0.png")
    assert not class_folders.is_class_folders(tmp_path)
    with pytest.raises(DatasetError, match="two or more classes, got a"):
        class_folders.read(tmp_path)
    make_picture(tmp_path / "b" / "0.png")
    assert class_folders.is_class_folders(tmp_path)
    with pytest.raises(DatasetError, match="got one of each"):
        class_folders.read(tmp_path)


def test_nothing_there_and_val_alone(tmp_path, make_picture):
    with pytest.raises(DatasetError, match="nothing there"):
        class_folders.read(tmp_path / "gone")
    make_picture(tmp_path / "val" / "a" / "0.png")
    with pytest.raises(DatasetError, match="expected a folder train beside val"):
        class_folders.read(tmp_path)


def test_the_fingerprint_is_of_places_and_bytes(folders, make_picture):
    before = class_folders.read(folders).fingerprint
    os.utime(folders / "cat" / "0.png")
    assert class_folders.read(folders).fingerprint == before
    make_picture(folders / "cat" / "0.png", width=41)
    assert class_folders.read(folders).fingerprint != before


def test_views_are_squares_of_the_picture(folders):
    found = class_folders.read(folders)
    source = FolderPictures(found.train, found.class_names, store_side=64)
    assert len(source) == 8 + 17
    for index, number, value in ((0, 0, 200), (24, 1, 50)):
        for rng in (None, np.random.default_rng(1)):
            view, found_class = source.picture(index, 16, rng)
            assert found_class == number
            assert view.shape == (16, 16, 3)
            np.testing.assert_allclose(view, value, atol=2)
