"""The pictures that all processes of a machine share: same batches, made once, bounded, never a reason to stop."""

import errno
import logging
import multiprocessing
import os
import shutil
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.batches.pipeline import Pipeline
from data.config import AugmentConfig, InputConfig
from data.dataset import Example
from data.pictures import memory_store
from data.pictures.disk_cache import PictureKey, SharedCache
from data.pictures.memory_store import StoredPicture
from data.sets import read

AMPLE = 1 << 30


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Six pictures of noise, two sizes."""
    folder = tmp_path_factory.mktemp("noise")
    return [write_noise(folder / f"{number}.png", number) for number in range(6)]


def write_noise(path: Path, seed: int) -> Example:
    width, height = (80, 60) if seed % 2 else (50, 70)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
    return Example(path, width, height, np.array([[5, 5, 30, 40]], dtype=np.float32), np.array([1], dtype=np.int32))


def batches(pipeline: Pipeline) -> list[Any]:
    return [
        pipeline.batch(
            seed=1,
            step=step,
            batch=4,
            size=64,
            augment=AugmentConfig(),
            progress=0.0,
            input_config=InputConfig(max_boxes=9),
        )
        for step in range(4)
    ]


def same(some: list[Any], others: list[Any]) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in zip(some, others, strict=True)
        for name in ("images", "boxes", "classes")
    )


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


@pytest.fixture
def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The picture files that are decoded from now on."""
    read: list[Path] = []
    real = memory_store.PictureStore._load

    def counted(self: memory_store.PictureStore, path: Path, digest: bytes | None) -> StoredPicture:
        read.append(path)
        return real(self, path, digest)

    monkeypatch.setattr(memory_store.PictureStore, "_load", counted)
    return read


@pytest.mark.parametrize("side", [40, 80])
def test_batches_are_the_same_and_pictures_are_decoded_once(
    examples: list[Example], tmp_path: Path, side: int, count_reads: list[Path]
) -> None:
    plain = batches(Pipeline(examples, store_side=side))
    count_reads.clear()
    shared = SharedCache("data", tmp_path, AMPLE)
    assert same(plain, batches(Pipeline(examples, store_side=side, shared=shared)))
    assert sorted(count_reads) == sorted(example.path for example in examples)
    assert same(plain, batches(Pipeline(examples, store_side=side, shared=shared)))  # as another process would
    assert len(count_reads) == len(examples)


def test_evaluation_is_the_same(examples: list[Example], tmp_path: Path) -> None:
    shared = SharedCache("data", tmp_path, AMPLE)
    pipelines = [Pipeline(examples, store_side=80), *(Pipeline(examples, store_side=80, shared=shared) for _ in "12")]
    plain, first, second = (list(one.evaluation(size=64, fit="letterbox", batch=4)) for one in pipelines)
    for a, b, c in zip(plain, first, second, strict=True):
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.images, c.images)
        assert a.transforms == b.transforms == c.transforms


def test_nothing_shared_is_kept_in_memory_too(examples: list[Example], tmp_path: Path) -> None:
    pipeline = Pipeline(examples, store_side=80, shared=SharedCache("data", tmp_path, AMPLE))
    batches(pipeline)
    assert pipeline._store.kept_bytes == 0


def test_an_entry_is_named_by_all_that_its_pixels_depend_on(examples: list[Example], tmp_path: Path) -> None:
    opened = [
        Pipeline(some, store_side=side, shared=SharedCache(fingerprint, tmp_path, AMPLE))
        for some, side, fingerprint in (
            (examples, 80, "data"),
            (examples, 40, "data"),
            (examples, 80, "changed"),
            (examples[:3], 80, "data"),
            (examples, 80, "data"),
        )
    ]
    assert len(entries(tmp_path)) == 4
    del opened


def test_the_same_data_elsewhere_is_the_same_entry(tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place / "train").mkdir(parents=True)
        moved = [write_noise(tmp_path / place / "train" / f"{number}.png", number) for number in range(3)]
        batches(Pipeline(moved, store_side=80, shared=SharedCache("data", tmp_path / "cache", AMPLE)))
    assert len(entries(tmp_path / "cache")) == 1


@pytest.mark.parametrize("name", ["pixels", "records"])
@pytest.mark.parametrize("damage", ["flip", "zero", "cut"])
def test_a_damaged_file_is_made_again(examples: list[Example], tmp_path: Path, name: str, damage: str) -> None:
    plain = batches(Pipeline(examples, store_side=80))
    shared = SharedCache("data", tmp_path, AMPLE)
    batches(Pipeline(examples, store_side=80, shared=shared))
    path = tmp_path / entries(tmp_path)[0] / name
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    path.write_bytes(
        {"flip": content ^ 1, "zero": np.zeros_like(content), "cut": content[: len(content) // 2]}[damage].tobytes()
    )
    assert same(plain, batches(Pipeline(examples, store_side=80, shared=shared)))


def keys(side: int) -> list[PictureKey]:
    return [PictureKey("a", side, side)]


def num_bytes(side: int) -> int:
    return 3 * side * side + 40  # a record: 4 + 4 + 2 x 4 + 3 x 8


def test_the_longest_unused_entries_go(tmp_path: Path) -> None:
    limit = 2 * num_bytes(10)
    for age, fingerprint in ((30, "a"), (20, "b")):
        SharedCache(fingerprint, tmp_path, limit).open(keys(10), 10)
        newest = max((path for path in tmp_path.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
        os.utime(newest, (time.time() - age, time.time() - age))
    first, second = sorted((tmp_path / name for name in entries(tmp_path)), key=lambda path: path.stat().st_mtime)
    SharedCache("a", tmp_path, limit).open(keys(10), 10)  # used again: b is the older one now
    SharedCache("c", tmp_path, limit).open(keys(10), 10)
    assert first.exists()
    assert not second.exists()
    assert len(entries(tmp_path)) == 2


def test_an_entry_in_use_stays_and_the_new_one_is_not_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    in_use = SharedCache("a", tmp_path, num_bytes(10)).open(keys(10), 10)
    with caplog.at_level(logging.WARNING):
        assert SharedCache("b", tmp_path, num_bytes(10)).open(keys(10), 10) is None
    assert len(caplog.messages) == 1
    assert "got a limit of" in caplog.messages[0]
    assert len(entries(tmp_path)) == 1
    del in_use
    assert SharedCache("b", tmp_path, num_bytes(10)).open(keys(10), 10) is not None


def test_pictures_that_do_not_fit_are_kept_in_memory_within_their_share(
    examples: list[Example], tmp_path: Path
) -> None:
    pipeline = Pipeline(examples, store_side=80, cache_bytes=30_000, shared=SharedCache("data", tmp_path, 50_000))
    assert same(batches(pipeline), batches(Pipeline(examples, store_side=80)))
    assert entries(tmp_path) == []
    assert 0 < pipeline._store.kept_bytes <= 30_000


def test_a_full_disk_is_reported_once(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = Pipeline(examples, store_side=80, shared=SharedCache("data", tmp_path, AMPLE))
    real, calls = os.pwrite, []

    def full(file: int, content: Any, offset: int) -> int:
        calls.append(offset)
        if len(calls) > 4:  # two pictures and their records
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, content, offset)

    monkeypatch.setattr(os, "pwrite", full)
    with caplog.at_level(logging.WARNING):
        assert same(batches(pipeline), batches(Pipeline(examples, store_side=80)))
    assert len(caplog.messages) == 1
    assert "No space left on device" in caplog.messages[0]
    assert len(calls) == 5


def test_a_disk_without_room_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage(tmp_path))(AMPLE, AMPLE, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert SharedCache("a", tmp_path, AMPLE).open(keys(10), 10) is None
    assert entries(tmp_path) == []


def test_a_folder_that_is_a_file_is_reported_once(
    examples: list[Example], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        pipeline = Pipeline(examples, store_side=80, shared=SharedCache("data", tmp_path / "file", AMPLE))
    assert len(caplog.messages) == 1
    assert "kept in each process's memory" in caplog.messages[0]
    assert same(batches(pipeline), batches(Pipeline(examples, store_side=80)))


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    (tmp_path / ".new").mkdir()
    (tmp_path / ".new" / "pixels").write_bytes(b"half")
    assert SharedCache("a", tmp_path, AMPLE).open(keys(10), 10) is not None
    assert not (tmp_path / ".new").exists()


def _fill(folder: Path, examples: list[Example], answers: Any) -> None:
    made = batches(Pipeline(examples, store_side=80, shared=SharedCache("data", folder, AMPLE)))
    answers.put([one.images for one in made])


def test_processes_that_begin_at_once_agree(examples: list[Example], tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    workers = [context.Process(target=_fill, args=(tmp_path, examples, answers)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = [answers.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    expected = [one.images for one in batches(Pipeline(examples, store_side=80))]
    assert all(np.array_equal(a, b) for images in found for a, b in zip(images, expected, strict=True))
    assert len(entries(tmp_path)) == 1


def test_the_place() -> None:
    home = Path.home() / ".cache" / "yolov4-evolve"
    for environment, folder in (
        ({}, home),
        ({"XDG_CACHE_HOME": "/x"}, Path("/x/yolov4-evolve")),
        ({"XDG_CACHE_HOME": "/x", "YOLOV4_EVOLVE_CACHE": "/y"}, Path("/y")),
        ({"YOLOV4_EVOLVE_CACHE": "off"}, None),
    ):
        assert SharedCache.for_split("a", "val", environment).folder == folder
    assert SharedCache.for_split("a", "val", {}).max_bytes == 20e9
    assert SharedCache.for_split("a", "val", {"YOLOV4_EVOLVE_CACHE_GB": "0.5"}).max_bytes == 5e8
    with pytest.raises(ValueError, match="YOLOV4_EVOLVE_CACHE_GB: expected a number of gigabytes, got 'much'"):
        SharedCache.for_split("a", "val", {"YOLOV4_EVOLVE_CACHE_GB": "much"})


def test_no_cache_asked_for_is_none() -> None:
    assert SharedCache("a", None, AMPLE).open(keys(10), 10) is None


def test_splits_whose_files_have_the_same_names_and_sizes_do_not_share_pictures(tmp_path: Path) -> None:
    """data/train/images/0.png and data/test/images/0.png: black ones and white ones."""
    environment = {"YOLOV4_EVOLVE_CACHE": str(tmp_path / "cache")}
    for split, level in (("train", 0), ("test", 255)):
        folder = tmp_path / "data" / split / "images"
        folder.mkdir(parents=True)
        examples = []
        for k in range(3):
            cv2.imwrite(str(folder / f"{k}.png"), np.full((20, 30, 3), level, np.uint8))
            examples.append(Example(folder / f"{k}.png", 30, 20, np.zeros((0, 4), np.float32), np.zeros(0, np.int32)))
        shared = SharedCache.for_split("the data set", split, environment)
        (seen,) = Pipeline(examples, store_side=32, shared=shared).evaluation(size=32, fit="stretch", batch=3)
        assert np.unique(seen.images).tolist() == [level]


def test_a_picture_that_changed_after_it_was_read_never_gets_in(tmp_path: Path, make_yolo) -> None:
    labels = {f"{number}": "0 .5 .5 .5 .5\n" for number in range(6)}
    root = make_yolo(tmp_path / "set", dict.fromkeys(("train", "val", "test"), labels))
    for number in range(6):
        write_noise(root / "train" / "images" / f"{number}.png", 2 * number)
    dataset = read.load(root)
    shared = SharedCache(dataset.fingerprint, tmp_path / "cache", AMPLE)
    write_noise(root / "train" / "images" / "3.png", 20)  # of the same size
    with pytest.raises(ValueError, match=r"3\.png: expected the file that was read with its boxes"):
        batches(Pipeline(dataset.splits["train"], store_side=80, shared=shared))
    write_noise(root / "train" / "images" / "3.png", 2 * 3)  # as it was
    again, alone = (Pipeline(dataset.splits["train"], store_side=80, shared=cache) for cache in (shared, None))
    assert same(batches(again), batches(alone))
