"""Batches: repeatable from their key alone, padded, true to the pixels."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data.batches.pipeline import Pipeline, TrainingBatch, training_size
from data.config import AugmentConfig, InputConfig
from data.dataset import Example
from data.pictures.memory_store import PictureStore

BOX = (30.0, 25.0, 70.0, 60.0)
COLOURFREE = AugmentConfig(hue=0, saturation=1, exposure=1)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Example]:
    """Ten black 90 x 70 pictures with one white rectangle each."""
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for number in range(10):
        image = np.zeros((70, 90, 3), dtype=np.uint8)
        image[25:60, 30:70] = 255
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), image)
        found.append(Example(path, 90, 70, np.array([BOX], dtype=np.float32), np.array([number], dtype=np.int32)))
    return found


def batch(pipeline: Pipeline, **changed: Any) -> TrainingBatch:
    arguments: dict[str, Any] = {
        "seed": 3, "step": 5, "batch": 4, "size": 96, "augment": COLOURFREE, "progress": 0.1,
        "input_config": InputConfig(max_boxes=8),
    }  # fmt: skip
    return pipeline.batch(**(arguments | changed))


def same(a: TrainingBatch, b: TrainingBatch) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("images", "boxes", "classes", "dropped"))


def test_shapes_and_padding(examples: list[Example]) -> None:
    made = batch(Pipeline(examples, store_side=90))
    assert made.images.shape == (4, 96, 96, 3)
    assert made.images.dtype == np.uint8
    assert made.boxes.shape == (4, 8, 4)
    assert made.boxes.dtype == np.float32
    assert made.classes.shape == (4, 8)
    assert made.classes.dtype == np.int32
    assert (made.boxes[made.classes == -1] == 0).all()
    assert (made.classes >= 0).any()


def test_a_batch_depends_on_its_key_alone(examples: list[Example]) -> None:
    fresh = batch(Pipeline(examples, store_side=90))
    used = Pipeline(examples, store_side=90)
    for step in (9, 2, 30):
        batch(used, step=step, seed=8)
    assert same(fresh, batch(used))
    assert same(fresh, batch(used))
    assert not same(fresh, batch(used, step=6))
    assert not same(fresh, batch(used, seed=4))


def test_places_and_steps_change_one_picture_differently(examples: list[Example]) -> None:
    pipeline = Pipeline(examples[:1], store_side=90)
    jitter = AugmentConfig(mosaic_prob=0)
    boxes = np.concatenate([batch(pipeline, step=step, augment=jitter).boxes[:, 0] for step in range(3)])
    assert len(np.unique(boxes, axis=0)) == 12


def test_a_batch_does_not_depend_on_the_thread_count(examples: list[Example]) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = batch(Pipeline(examples, store_side=90), size=256)
        cv2.setNumThreads(4)
        assert same(one, batch(Pipeline(examples, store_side=90), size=256))
    finally:
        cv2.setNumThreads(before)


def test_a_store_too_small_for_one_picture_changes_nothing(examples: list[Example]) -> None:
    assert same(batch(Pipeline(examples, store_side=90)), batch(Pipeline(examples, store_side=90, cache_bytes=1)))


def test_every_picture_comes_once_an_epoch(examples: list[Example]) -> None:
    pipeline = Pipeline(examples, store_side=90)
    still = AugmentConfig(jitter=0, flip_prob=0, mosaic_prob=0)

    def epoch(number: int) -> list[int]:
        steps = (batch(pipeline, step=5 * number + i, batch=2, augment=still) for i in range(5))
        return [int(label) for made in steps for label in made.classes[:, 0]]

    assert sorted(epoch(0)) == list(range(10))
    assert sorted(epoch(1)) == list(range(10))
    assert epoch(0) != epoch(1)


@pytest.mark.parametrize("mosaic_prob", [0.0, 1.0])
@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_every_bright_pixel_lies_in_a_box_and_every_box_is_bright(
    examples: list[Example], mosaic_prob: float, fit: str
) -> None:
    config = AugmentConfig(hue=0, saturation=1, exposure=1, mosaic_prob=mosaic_prob, min_visible_share=0)
    pipeline = Pipeline(examples, store_side=90)
    for step in range(20):
        made = batch(pipeline, step=step, augment=config, input_config=InputConfig(fit, 8))
        for image, boxes, classes in zip(made.images, made.boxes, made.classes, strict=True):
            covered = np.zeros((96, 96), dtype=bool)
            for left, top, right, bottom in boxes[classes >= 0]:
                inner = image[int(np.ceil(top + 1)) : int(bottom - 1), int(np.ceil(left + 1)) : int(right - 1)]
                assert (inner > 200).all()
                covered[max(0, int(top) - 1) : int(bottom) + 2, max(0, int(left) - 1) : int(right) + 2] = True
            outside = image[~covered]
            # What no box covers is at most a sliver of less than a pixel at a border.
            assert (outside > 200).all(axis=-1).sum() <= 96


def test_without_changes_the_boxes_are_the_examples(examples: list[Example]) -> None:
    still = AugmentConfig(jitter=0, flip_prob=0, mosaic_prob=0, hue=0, saturation=1, exposure=1)
    made = batch(Pipeline(examples, store_side=90), augment=still, size=180)
    # 90 x 70 stretched to 180 x 180: factors 2 and 180 / 70
    np.testing.assert_allclose(made.boxes[0, 0], [60, 25 * 180 / 70, 140, 60 * 180 / 70], rtol=1e-6)


def test_shrunk_pictures_keep_their_boxes(examples: list[Example]) -> None:
    still = AugmentConfig(jitter=0, flip_prob=0, mosaic_prob=0)
    large, small = (batch(Pipeline(examples, store_side=side), augment=still) for side in (90, 45))
    np.testing.assert_allclose(large.boxes, small.boxes, atol=1e-3)


def test_boxes_beyond_the_most_are_shuffled_cut_and_counted(examples: list[Example]) -> None:
    crowd = np.array([[x, 10, x + 4, 20] for x in range(0, 40, 2)], dtype=np.float32)
    crowded = [Example(examples[0].path, 90, 70, crowd, np.arange(20, dtype=np.int32))]
    still = AugmentConfig(jitter=0, flip_prob=0, mosaic_prob=0)
    made = batch(Pipeline(crowded, store_side=90), augment=still, batch=2)
    assert made.dropped == 2 * (20 - 8)
    for classes in made.classes:
        assert len(set(classes.tolist())) == 8
        assert classes.tolist() != list(range(8))
    assert made.classes[0].tolist() != made.classes[1].tolist()
    # each class still has its own box: class k starts at x = 2k of 90, on 96
    np.testing.assert_allclose(made.boxes[0, :, 0], made.classes[0] * 2 * 96 / 90, rtol=1e-5)


def test_the_first_batch_with_too_many_boxes_is_reported(
    examples: list[Example], caplog: pytest.LogCaptureFixture
) -> None:
    row = np.array([[x, 10, x + 4, 20] for x in range(0, 40, 10)], dtype=np.float32)
    four = [Example(examples[0].path, 90, 70, row, np.zeros(4, dtype=np.int32))]
    pipeline = Pipeline(four, store_side=90)
    batch(pipeline, augment=AugmentConfig(jitter=0, mosaic_prob=0))
    assert caplog.messages == []  # 4 of 8
    for step in range(3):  # mosaics of four
        batch(pipeline, augment=AugmentConfig(jitter=0.4, mosaic_prob=1, min_visible_share=0), step=step, batch=64)
    (message,) = caplog.messages
    assert "expected at most 8 boxes in a training picture (input.max_boxes), got more" in message


def test_evaluation_gives_every_picture_once_and_the_way_back(examples: list[Example]) -> None:
    pipeline = Pipeline(examples, store_side=45)
    seen = []
    for made in pipeline.evaluation(size=64, fit="letterbox", batch=4):
        assert made.images.shape == (4, 64, 64, 3)
        assert len(made.transforms) == 4
        for index, image, how in zip(made.indices, made.images, made.transforms, strict=True):
            if index < 0:
                assert (image == 0).all()
                continue
            seen.append(int(index))
            rows, columns = np.nonzero(image[..., 0] > 191)
            found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            np.testing.assert_allclose(how.to_picture(found), BOX, atol=2)
    assert seen == list(range(10))


def test_a_sample_is_spread_over_the_examples_and_comes_in_full_batches(examples: list[Example]) -> None:
    pipeline = Pipeline(examples, store_side=90)
    shown = next(iter(pipeline.evaluation(size=96, fit="stretch", batch=10))).images
    # Examples 0, 2, 4, 7 and 9; the last has no mate.
    [first, second] = pipeline.sample(5, size=96, fit="stretch", batch=2)
    np.testing.assert_array_equal(first, shown[[0, 2]])
    np.testing.assert_array_equal(second, shown[[4, 7]])
    [all_ten] = pipeline.sample(64, size=96, fit="stretch", batch=16)
    np.testing.assert_array_equal(all_ten, shown)
    assert pipeline.sample(0, size=96, fit="stretch", batch=4) == []


def test_training_shapes_change_with_the_period_only() -> None:
    sizes = [training_size(7, step, (64, 96, 128), 10) for step in range(300)]
    assert all(len(set(sizes[start : start + 10])) == 1 for start in range(0, 300, 10))
    assert set(sizes) == {64, 96, 128}
    assert sizes == [training_size(7, step, (64, 96, 128), 10) for step in range(300)]


def test_the_store_stays_within_its_bytes() -> None:
    reads: list[str] = []

    def read(path: Path, _: bytes | None) -> np.ndarray:
        reads.append(path.name)
        return np.zeros((10, 10, 3), dtype=np.uint8)

    store = PictureStore(10, 900, read)  # room for three pictures of 300 bytes
    for name in "abcabd":
        store.get(Path(name))
    assert reads == ["a", "b", "c", "d"]
    assert store.kept_bytes == 900
    store.get(Path("c"))  # the least recently used when d came
    assert reads[-1] == "c"


def test_a_picture_that_changed_its_size_is_named(examples: list[Example]) -> None:
    stale = [Example(examples[0].path, 100, 70, examples[0].boxes, examples[0].classes)]
    with pytest.raises(ValueError, match=r"0\.png: expected the 100x70 picture .* got 90x70"):
        batch(Pipeline(stale, store_side=90))


def test_no_examples_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one example"):
        Pipeline([], store_side=90)
