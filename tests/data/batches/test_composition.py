"""Pictures that are joined: every kept box is where its pixels are, and a switch changes what it should.

Every object has its own colour: the bits of its class (1 to 7) are the channels that are lit, on black. So a pixel that
is more than half bright in these channels and no other is its object's.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data import chance
from data.batches import composition, mixup
from data.batches.pipeline import Pipeline, TrainingBatch
from data.chance import Stream
from data.config import AugmentConfig, InputConfig
from data.dataset import Example

HEIGHT, WIDTH = 96, 128
SPOTS = ((5, 8, 35, 30), (50, 5, 75, 25), (20, 48, 60, 60))  # in pictures of 90 x 70
STILL = {"hue": 0.0, "saturation": 1.0, "exposure": 1.0}
CONFIGS = {
    "plain": AugmentConfig(mosaic_prob=0, resize=1.5, **STILL),
    "mosaic": AugmentConfig(mosaic_prob=1, resize=1.5, **STILL),
    "cutmix": AugmentConfig(mosaic_prob=0, cutmix_prob=1, **STILL),
}


def write(folder: Path, number: int, classes: tuple[int, ...]) -> Example:
    image = np.zeros((70, 90, 3), dtype=np.uint8)
    for code, (left, top, right, bottom) in zip(classes, SPOTS, strict=False):
        image[top:bottom, left:right] = [255 * (code >> bit & 1) for bit in range(3)]
    path = folder / f"{number}.png"
    cv2.imwrite(str(path), image[..., ::-1])
    boxes = np.array(SPOTS[: len(classes)], dtype=np.float32)
    return Example(path, 90, 70, boxes, np.array(classes, dtype=np.int32))


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("coloured")
    sets = ((1, 2, 3), (4, 5), (6, 7))
    return Pipeline([write(folder, number, classes) for number, classes in enumerate(sets)], store_side=90)


@pytest.fixture(scope="module")
def red_and_blue(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """Two pictures with one object each, red (class 1) and blue (class 4): the mean colour is a dark one."""
    folder = tmp_path_factory.mktemp("red_and_blue")
    return Pipeline([write(folder, 0, (1,)), write(folder, 1, (4,))], store_side=90)


def batch(pipeline: Pipeline, config: AugmentConfig, **changed: Any) -> TrainingBatch:
    arguments: dict[str, Any] = {
        "seed": 3, "step": 5, "batch": 4, "size": (HEIGHT, WIDTH), "progress": 0.1,
        "input_config": InputConfig(max_boxes=30),
    }  # fmt: skip
    return pipeline.batch(augment=config, **(arguments | changed))


def codes(image: np.ndarray) -> np.ndarray:
    """[h, w]: the class whose colour each pixel has; 0 is black."""
    return ((image > 127) * np.array([1, 2, 4])).sum(axis=-1)


def pictures(made: TrainingBatch) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(image, boxes, classes) without padding."""
    return [
        (image, boxes[classes >= 0], classes[classes >= 0])
        for image, boxes, classes in zip(made.images, made.boxes, made.classes, strict=True)
    ]


@pytest.mark.parametrize("technique", CONFIGS)
@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**40))
def test_a_kept_box_ends_where_its_colour_does(coloured: Pipeline, technique: str, fit: str, seed: int) -> None:
    for image, boxes, classes in pictures(
        batch(coloured, CONFIGS[technique], seed=seed, input_config=InputConfig(fit, 30))
    ):
        seen = codes(image)
        for (left, top, right, bottom), label in zip(boxes, classes, strict=True):
            # What is outside the box (another object of its colour, or more of its own) is checked in the next test.
            within = seen[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))] == label
            rows, columns = np.nonzero(within)
            found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            found += [int(left), int(top)] * 2
            np.testing.assert_allclose(found, [left, top, right, bottom], atol=1.01)


@pytest.mark.parametrize("technique", CONFIGS)
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**40))
@example(seed=211077)  # cutmix: 0.89 pixels of an object are left of the rectangle, and 0.77 above it
def test_with_every_sliver_kept_no_colour_is_without_a_box(coloured: Pipeline, technique: str, seed: int) -> None:
    config = replace(CONFIGS[technique], min_visible_share=0.0, cutmix_min_visible=0.0)
    for image, boxes, classes in pictures(batch(coloured, config, seed=seed)):
        seen = codes(image)
        for label in range(1, 8):
            left_over = seen == label
            for left, top, right, bottom in boxes[classes == label]:
                x, y = int(max(left - 1, 0)), int(max(top - 1, 0))
                left_over[y : int(np.ceil(bottom)) + 1, x : int(np.ceil(right)) + 1] = False
            # Less than a pixel wide, along an edge of the canvas, of a quadrant or of the rectangle. At the rectangle's
            # corner it goes along two of its edges: all of it is still at the border of what it spans.
            pixels = np.argwhere(left_over)
            assert len(pixels) <= 2 * WIDTH
            if len(pixels):
                first, last = pixels.min(axis=0), pixels.max(axis=0)
                assert ((pixels == first) | (pixels == last)).any(axis=1).all()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**40))
def test_mixup_shows_both_pictures_and_has_the_boxes_of_both(red_and_blue: Pipeline, seed: int) -> None:
    config = AugmentConfig(mosaic_prob=0, mixup_prob=1, min_visible_share=0, **STILL)
    for image, boxes, classes in pictures(batch(red_and_blue, config, seed=seed)):
        for channel, label in ((0, 1), (2, 4)):
            # More than half of an edge at a share of 0.35; the mean colour around a picture is darker.
            lit = image[..., channel] > 45
            covered = np.zeros_like(lit)
            for left, top, right, bottom in boxes[classes == label]:
                inner = lit[int(np.ceil(top + 1.5)) : int(bottom - 1.5), int(np.ceil(left + 1.5)) : int(right - 1.5)]
                assert inner.all()
                covered[int(max(top - 2, 0)) : int(bottom) + 3, int(max(left - 2, 0)) : int(right) + 3] = True
            assert (lit & ~covered).sum() <= WIDTH


def layouts(config: AugmentConfig, progress: float = 0.0) -> list[composition.Layout]:
    """The layouts of a hundred slots."""
    slots = [composition.BatchSlot(1, step, slot) for step in range(20) for slot in range(5)]
    return [
        composition.draw_layout(
            chance.generator(Stream.PICTURE, slot.seed, slot.step, slot.slot),
            slot, 2, [(90, 70)] * 6, config, composition.Canvas(64, "stretch"), progress,
        )
        for slot in slots
    ]  # fmt: skip


def kind(drawn: composition.Layout) -> str:
    if len(drawn.tiles) == 4:
        return "mosaic"
    if drawn.is_cutmix:
        return "cutmix"
    return "mixup" if len(drawn.tiles) == 2 else "plain"


def test_mosaic_first_then_cutmix_then_mixup() -> None:
    kinds = [kind(one) for one in layouts(AugmentConfig(mosaic_prob=0.3, cutmix_prob=0.4, mixup_prob=0.5))]
    # shares 0.3, 0.7 x 0.4, 0.42 x 0.5
    for name, share in (("mosaic", 0.3), ("cutmix", 0.28), ("mixup", 0.21), ("plain", 0.21)):
        assert kinds.count(name) / 100 == pytest.approx(share, abs=0.15)
    assert {kind(one) for one in layouts(AugmentConfig(mosaic_prob=1, cutmix_prob=1, mixup_prob=1))} == {"mosaic"}
    assert {kind(one) for one in layouts(AugmentConfig(mosaic_prob=0, cutmix_prob=1, mixup_prob=1))} == {"cutmix"}


def test_the_last_share_without_mosaic_is_one_without_mosaic_only() -> None:
    config = AugmentConfig(mosaic_prob=1, mosaic_off_share=0.5, cutmix_prob=1)
    assert {kind(one) for one in layouts(config, progress=0.4)} == {"mosaic"}
    assert {kind(one) for one in layouts(config, progress=0.6)} == {"cutmix"}


SOME = AugmentConfig(mosaic_prob=0.4, cutmix_prob=0.4, mixup_prob=0.4, resize=1.3)


def equal(a: composition.Layout, b: composition.Layout) -> bool:
    def plain(one: composition.Layout) -> list[Any]:
        return [(t.example, t.change, t.placement, t.window, t.patch, t.opacity) for t in one.tiles]

    return plain(a) == plain(b)


@pytest.mark.parametrize(
    ("changed", "untouched"),
    [
        ({"cutmix_prob": 0.0}, {"mosaic"}),
        ({"cutmix_prob": 0.9}, {"mosaic", "cutmix"}),
        ({"cutmix_min_side": 0.2, "cutmix_max_side": 0.3}, {"mosaic", "mixup", "plain"}),
        ({"mixup_prob": 0.0}, {"mosaic", "cutmix", "plain"}),
        ({"mixup_prob": 0.9}, {"mosaic", "cutmix", "mixup"}),
        ({"mosaic_prob": 0.0}, {"cutmix", "mixup", "plain"}),
        ({"mosaic_prob": 0.9}, {"mosaic"}),
        ({"mosaic_min_offset": 0.4}, {"cutmix", "mixup", "plain"}),
    ],
)
def test_a_switch_leaves_the_others_as_they_were(changed: dict[str, float], untouched: set[str]) -> None:
    before, after = layouts(SOME), layouts(replace(SOME, **changed))
    assert {kind(one) for one in before} == {"mosaic", "cutmix", "mixup", "plain"}
    for one, other in zip(before, after, strict=True):
        if kind(one) in untouched:
            assert equal(one, other)
    assert not all(equal(one, other) for one, other in zip(before, after, strict=True))


def test_resize_changes_sizes_and_nothing_else() -> None:
    ratios: list[float] = []
    for one, other in zip(layouts(SOME), layouts(replace(SOME, resize=1.0)), strict=True):
        assert kind(one) == kind(other)
        for tile, still in zip(one.tiles, other.tiles, strict=True):
            assert tile.change.resize != 1
            assert replace(tile.change, resize=1.0) == still.change
            assert (tile.example, tile.window, tile.opacity) == (still.example, still.window, still.opacity)
            ratios += [still.placement.scale_x / tile.placement.scale_x / tile.change.resize]
            ratios += [still.placement.scale_y / tile.placement.scale_y / tile.change.resize]
    # A crop of r times the sides makes everything 1/r times as large, up to the rounding to whole pixels.
    assert np.median(ratios) == pytest.approx(1, abs=0.005)
    assert np.median(np.abs(np.log(ratios))) < 0.02


def test_cutmix_replaces_the_rectangle_and_no_other_pixel(coloured: Pipeline) -> None:
    config = AugmentConfig(mosaic_prob=0, cutmix_prob=1)
    mixed, plain = batch(coloured, config, batch=8), batch(coloured, replace(config, cutmix_prob=0), batch=8)
    for slot in range(8):
        rows, columns = np.nonzero((mixed.images[slot] != plain.images[slot]).any(axis=-1))
        if len(rows):  # two black backgrounds may be all there is
            assert np.ptp(rows) < round(0.8 * HEIGHT)
            assert np.ptp(columns) < round(0.8 * WIDTH)
    assert (mixed.images != plain.images).any()


def test_mixup_is_the_weighted_sum(red_and_blue: Pipeline) -> None:
    """The red and the blue channel of a pair add up: each picture is lit with its share."""
    config = AugmentConfig(jitter=0, flip_prob=0, mosaic_prob=0, mixup_prob=1, **STILL)
    sums = []
    for image, _, classes in pictures(batch(red_and_blue, config, batch=16)):
        if set(classes.tolist()) == {1, 4}:
            sums.append(int(image[..., 0].max()) + int(image[..., 2].max()))
    assert sums
    assert sums == pytest.approx([255] * len(sums), abs=1)


@pytest.mark.parametrize("config", [AugmentConfig(mosaic_prob=0), SOME, AugmentConfig(mosaic_prob=0, mixup_prob=1)])
def test_the_generator_of_the_place_moves_by_the_same_count(config: AugmentConfig) -> None:
    def after(one: AugmentConfig) -> float:
        rng, slot = np.random.default_rng(0), composition.BatchSlot(1, 2, 3)
        composition.draw_layout(rng, slot, 0, [(90, 70)] * 3, one, composition.Canvas(64, "stretch"), 0.0)
        return float(rng.random())

    assert after(config) == after(AugmentConfig())


def test_the_share_is_the_first_pictures() -> None:
    slot, config = composition.BatchSlot(1, 2, 3), AugmentConfig(mosaic_prob=0, mixup_prob=1)
    drawn = composition.draw_layout(
        np.random.default_rng(0), slot, 0, [(90, 70)] * 3, config, composition.Canvas(64, "stretch"), 0.0
    )
    expected = mixup.draw_mixup(slot.generator(Stream.MIXUP), config, 3)
    assert expected is not None
    assert drawn.tiles[0].opacity == 1
    assert drawn.tiles[1].opacity == 1 - expected.share


@pytest.mark.parametrize("technique", ["cutmix_prob", "mixup_prob"])
def test_no_picture_is_joined_with_itself(technique: str) -> None:
    config = AugmentConfig(mosaic_prob=0, **{technique: 1.0})
    partners = [one.tiles[1].example for one in layouts(config)]
    assert set(partners) == {0, 1, 3, 4, 5}  # the first one is 2, of 6
