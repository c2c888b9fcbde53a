"""Changes to pictures: boxes stay where the pixels are, colours do what they should."""

import colorsys
import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.batches import augment, mosaic
from data.batches.augment import Change, Placement, Region, Window
from data.batches.mosaic import Mosaic
from data.config import AugmentConfig

BLACK = (0.0, 0.0, 0.0)
PLAIN = Change(0, 0, 0, 0, flip=False, hue=0, saturation=1, exposure=1)


def bright_rectangle(width: int, height: int, box: tuple[int, int, int, int]) -> np.ndarray:
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 255
    return image


def lit(image: np.ndarray) -> list[int]:
    """Where the pixels are that are more than half bright, xyxy: a bilinear edge is half bright at the edge itself."""
    rows, columns = np.nonzero(image[..., 0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def paint(image: np.ndarray, where: Placement) -> tuple[Placement, np.ndarray]:
    """The placement in whole pixels, and what its window shows."""
    window = Window(where.left, where.top, where.right, where.bottom)
    where, patch = augment.snap(where, window, image.shape[1], image.shape[0])
    return where, augment.apply_to_image(image, patch, window, PLAIN, BLACK)


changes = st.builds(
    Change,
    *[st.floats(-0.4, 0.4)] * 4,
    flip=st.booleans(),
    hue=st.just(0.0),
    saturation=st.just(1.0),
    exposure=st.just(1.0),
)


@settings(deadline=None)
@given(changes, st.sampled_from(["stretch", "letterbox"]))
def test_a_kept_box_is_where_its_pixels_are(change: Change, fit) -> None:
    image = bright_rectangle(90, 70, (30, 25, 70, 60))
    where = augment.place_on_canvas(augment.region(change, 90, 70, 128, fit), change.flip, 128)
    where, painted = paint(image, where)
    boxes, keep = augment.apply_to_boxes(np.array([[30.0, 25, 70, 60]]), np.array([where]), 0.0)
    if keep[0]:
        np.testing.assert_allclose(lit(painted), boxes[0], atol=1)
    else:
        assert (painted[..., 0] > 127).sum() <= 2 * 128  # less than a pixel wide


@settings(deadline=None)
@given(
    st.tuples(changes, changes, changes, changes),
    st.floats(0.2, 0.8),
    st.floats(0.2, 0.8),
    st.tuples(*[st.booleans()] * 4),
    st.integers(0, 3),
)
def test_a_kept_box_of_a_mosaic_is_where_its_pixels_are(four, cut_x, cut_y, to_cross, quadrant) -> None:
    drawn = Mosaic(cut_x, cut_y, (0, 0, 0), to_cross)
    canvas, painted = np.zeros((128, 128, 3), dtype=np.uint8), np.zeros((128, 128), dtype=int)
    for number, change in enumerate(four):
        image = bright_rectangle(90, 70, (30, 25, 70, 60) if number == quadrant else (0, 0, 0, 0))
        where = mosaic.place_quadrant(
            drawn, number, change, augment.region(change, 90, 70, 128, "stretch"), 90, 70, 128
        )
        where, window = paint(image, where)
        canvas[where.top : where.bottom, where.left : where.right] = window
        painted[where.top : where.bottom, where.left : where.right] += 1
        if number == quadrant:
            boxes, keep = augment.apply_to_boxes(np.array([[30.0, 25, 70, 60]]), np.array([where]), 0.0)
    assert (painted == 1).all()  # the quadrants cover the input, and do not overlap
    if keep[0]:
        np.testing.assert_allclose(lit(canvas), boxes[0], atol=1)
    else:
        assert (canvas[..., 0] > 127).sum() <= 2 * 128


def test_mosaic_shows_the_corner_next_to_the_cross() -> None:
    # Top left quadrant, cut at half of 100: of the picture on the full canvas its bottom right 50 x 50 part.
    drawn = Mosaic(0.5, 0.5, (0, 0, 0), (False,) * 4)
    where = mosaic.place_quadrant(drawn, 0, PLAIN, Region(0, 0, 100, 100), 100, 100, 100)
    assert where == Placement(1, -50, 1, -50, 0, 0, 50, 50)


def test_mosaic_shifts_past_the_padding() -> None:
    # The crop reaches 25 px beyond the right edge of a 100 px picture: on the canvas of 125 px the last 25 are padding.
    drawn = Mosaic(0.4, 0.5, (0, 0, 0), (False,) * 4)
    where = mosaic.place_quadrant(drawn, 0, PLAIN, Region(0, 0, 125, 125), 100, 100, 125)
    # cut at 50: without padding x' = x - 75, with it the picture's right edge (100) lands on the cut.
    assert where.scale_x * 100 + where.offset_x == pytest.approx(50)


def seen_edges(where: Placement, side: int) -> tuple[float, float]:
    """Where the picture's edges next to the cross end up, for a square picture."""
    x = sorted((where.offset_x, where.scale_x * side + where.offset_x))
    y = (where.offset_y, where.scale_y * side + where.offset_y)
    return x[1] if where.left == 0 else x[0], y[1] if where.top == 0 else y[0]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("quadrant", range(4))
@pytest.mark.parametrize("to_cross", [False, True])
def test_padding_never_lies_next_to_the_cross(quadrant: int, flip: bool, to_cross: bool) -> None:
    # 10 to 25 px of padding on every side of a 100 px picture, a different width each
    change = Change(-0.1, -0.15, -0.2, -0.25, flip=flip, hue=0, saturation=1, exposure=1)
    drawn = Mosaic(0.4, 0.6, (0, 0, 0), (to_cross,) * 4)
    crop = augment.region(change, 100, 100, 100, "stretch")
    where = mosaic.place_quadrant(drawn, quadrant, change, crop, 100, 100, 100)
    assert seen_edges(where, 100) == pytest.approx((40, 60))


@pytest.mark.parametrize("quadrant", range(4))
@pytest.mark.parametrize("to_cross", [False, True])
def test_the_cross_of_an_input_that_is_no_square(quadrant: int, to_cross: bool) -> None:
    change = Change(-0.1, -0.15, -0.2, -0.25, flip=False, hue=0, saturation=1, exposure=1)
    drawn = Mosaic(0.25, 0.5, (0, 0, 0), (to_cross,) * 4)
    crop = augment.region(change, 100, 100, 100, "stretch")
    where = mosaic.place_quadrant(drawn, quadrant, change, crop, 100, 100, (60, 120))
    assert seen_edges(where, 100) == pytest.approx((30, 30))  # 0.25 of 120, 0.5 of 60
    assert (where.right - where.left, where.bottom - where.top) == (30 if quadrant % 2 == 0 else 90, 30)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("quadrant", range(4))
def test_a_crop_pushed_to_the_cross_ends_with_the_picture(quadrant: int, flip: bool) -> None:
    change = Change(0.1, 0.15, 0.2, 0.25, flip=flip, hue=0, saturation=1, exposure=1)  # a crop inside the picture
    crop = augment.region(change, 100, 100, 100, "stretch")
    pushed, left_alone = (
        mosaic.place_quadrant(Mosaic(0.4, 0.6, (0, 0, 0), (to_cross,) * 4), quadrant, change, crop, 100, 100, 100)
        for to_cross in (True, False)
    )
    assert seen_edges(pushed, 100) == pytest.approx((40, 60))
    assert seen_edges(left_alone, 100) != pytest.approx((40, 60))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("quadrant", range(4))
def test_pushed_to_the_cross_the_pictures_meet_there(quadrant: int, flip: bool) -> None:
    change = Change(-0.2, -0.2, -0.1, -0.3, flip=flip, hue=0, saturation=1, exposure=1)
    drawn = Mosaic(0.5, 0.5, (0, 0, 0), (True,) * 4)
    crop = augment.region(change, 100, 100, 100, "stretch")
    where = mosaic.place_quadrant(drawn, quadrant, change, crop, 100, 100, 100)
    image = np.full((100, 100, 3), 255, dtype=np.uint8)
    _, window = paint(image, where)
    corner = window[0 if quadrant >= 2 else -1, 0 if quadrant % 2 else -1]
    assert corner.tolist() == [255, 255, 255]


def test_boxes_are_cut_dropped_or_kept_by_their_visible_share() -> None:
    whole = np.array([Placement(1, 0, 1, 0, 0, 0, 50, 50)])
    boxes = np.array([[10.0, 10, 20, 20], [45, 10, 55, 20], [49, 10, 59, 20], [49.5, 0, 60, 50]])
    # visible: all, 5/10, 1/10, 0.5 px wide
    moved, keep = augment.apply_to_boxes(boxes, np.repeat(whole, 4, axis=0), 0.3)
    assert keep.tolist() == [True, True, False, False]
    assert moved[1].tolist() == [45, 10, 50, 20]
    _, keep = augment.apply_to_boxes(boxes, np.repeat(whole, 4, axis=0), 0.0)
    assert keep.tolist() == [True, True, True, False]


def test_draws_are_the_same_whatever_the_configuration() -> None:
    def draws(config: AugmentConfig) -> tuple[Change, float]:
        rng = np.random.default_rng(5)
        mosaic.draw_mosaic(rng, config, 10, 0.0)
        return augment.draw_change(rng, config), rng.random()

    with_all, after_all = draws(AugmentConfig())
    without, after_none = draws(AugmentConfig(mosaic_prob=0, flip_prob=0, hue=0))
    assert after_all == after_none
    assert (with_all.left, with_all.saturation) == (without.left, without.saturation)
    assert without.hue == 0
    assert not without.flip


def test_the_ranges_of_the_draws() -> None:
    rng = np.random.default_rng(0)
    drawn = [augment.draw_change(rng, AugmentConfig()) for _ in range(2000)]
    assert 0.29 < max(change.left for change in drawn) <= 0.3
    assert -0.3 <= min(change.left for change in drawn) < -0.29
    assert 1 / 1.5 <= min(change.saturation for change in drawn) < 0.68
    assert 1.48 < max(change.exposure for change in drawn) <= 1.5
    assert 0.45 < np.mean([change.flip for change in drawn]) < 0.55


def test_no_mosaic_in_the_last_share_of_the_schedule() -> None:
    config = AugmentConfig(mosaic_prob=1, mosaic_off_share=0.25)
    rng = np.random.default_rng(0)
    assert mosaic.draw_mosaic(rng, config, 10, 0.74) is not None
    assert mosaic.draw_mosaic(rng, config, 10, 0.75) is None
    assert mosaic.draw_mosaic(rng, AugmentConfig(mosaic_prob=1), 10, 1.0) is not None


@pytest.mark.parametrize("rgb", [(200, 60, 60), (60, 200, 90), (90, 80, 220), (210, 30, 120)])
@pytest.mark.parametrize("hue", [-0.1, 0.1])
def test_hue_wraps_around(rgb: tuple[int, int, int], hue: float) -> None:
    h, s, v = colorsys.rgb_to_hsv(*(value / 255 for value in rgb))
    expected = [255 * value for value in colorsys.hsv_to_rgb((h + hue) % 1, s, v)]
    change = Change(0, 0, 0, 0, flip=False, hue=hue, saturation=1, exposure=1)
    changed = augment.change_colour(np.full((2, 2, 3), rgb, dtype=np.uint8), change)
    np.testing.assert_allclose(changed[0, 0], expected, atol=6)  # 8-bit hue


def test_exposure_and_saturation() -> None:
    image = np.full((2, 2, 3), (100, 60, 60), dtype=np.uint8)
    brighter = augment.change_colour(image, Change(0, 0, 0, 0, flip=False, hue=0, saturation=1, exposure=1.5))
    np.testing.assert_allclose(brighter[0, 0], [150, 90, 90], atol=2)
    glaring = augment.change_colour(image * 2, Change(0, 0, 0, 0, flip=False, hue=0, saturation=1, exposure=1.5))
    np.testing.assert_allclose(glaring[0, 0], [255, 153, 153], atol=2)  # V stops at 255, S stays 0.4
    # S = 1 - 60/100 = 0.4; halved 0.2: the lesser channels rise to 80
    paler = augment.change_colour(image, Change(0, 0, 0, 0, flip=False, hue=0, saturation=0.5, exposure=1))
    np.testing.assert_allclose(paler[0, 0], [100, 80, 80], atol=2)


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("resize", [0.5, 1.5])
def test_resize_scales_the_region_about_its_middle(fit, resize: float) -> None:
    change = Change(0.1, 0.2, -0.1, 0, flip=False, hue=0, saturation=1, exposure=1)
    still, grown = (
        augment.region(one, 90, 60, 96, fit) for one in (change, dataclasses.replace(change, resize=resize))
    )
    for low, high in ((0, 2), (1, 3)):
        assert grown[high] - grown[low] == pytest.approx(resize * (still[high] - still[low]))
        assert grown[high] + grown[low] == pytest.approx(still[high] + still[low])


def test_the_resize_lies_between_its_inverse_and_itself_evenly() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([augment.draw_resize(rng, AugmentConfig(resize=1.5)) for _ in range(2000)])
    assert 1 / 1.5 <= drawn.min() < 0.68
    assert 1.49 < drawn.max() <= 1.5
    assert np.mean(drawn < 1) == pytest.approx(0.5, abs=0.04)
    assert (np.array([augment.draw_resize(rng, AugmentConfig()) for _ in range(9)]) == 1).all()


@settings(deadline=None)
@given(
    st.floats(0.2, 4), st.booleans(), st.floats(-200, 200), st.floats(0.2, 4), st.floats(-200, 200),
    st.tuples(st.integers(0, 60), st.integers(0, 60)), st.tuples(st.integers(1, 60), st.integers(1, 60)),
)  # fmt: skip
def test_snapping_moves_edges_by_less_than_a_pixel(
    scale_x: float, flip: bool, offset_x: float, scale_y: float, offset_y: float,
    start: tuple[int, int], side: tuple[int, int],
) -> None:  # fmt: skip
    window = Window(start[0], start[1], start[0] + side[0], start[1] + side[1])
    where = Placement(-scale_x if flip else scale_x, offset_x, scale_y, offset_y, 0, 0, 120, 120)
    snapped, patch = augment.snap(where, window, 50, 40)
    edges_x = sorted((offset_x, where.scale_x * 50 + offset_x))
    edges_y = (offset_y, scale_y * 40 + offset_y)
    if patch is None:
        assert snapped == where
        seen_x = min(window.right, edges_x[1]) - max(window.left, edges_x[0])
        seen_y = min(window.bottom, edges_y[1]) - max(window.top, edges_y[0])
        assert min(seen_x, seen_y) <= 1
        return
    assert patch.flip == flip
    for low, high, length in ((0, 2, 50), (1, 3, 40)):
        assert 0 <= patch.source[low] < patch.source[high] <= length
        assert window[low] <= patch.target[low] < patch.target[high] <= window[high]
    # the snapped placement takes the source to the target, and the first one nearly does
    corners = np.array([patch.source], dtype=np.float64)
    to, _ = augment.apply_to_boxes(corners, np.array([snapped._replace(left=-999, top=-999, right=999, bottom=999)]), 0)
    np.testing.assert_allclose(to[0], patch.target, atol=1e-3)
    for at, scale, offset in ((0, where.scale_x, offset_x), (1, scale_y, offset_y)):
        ends = sorted(scale * patch.source[at + 2 * end] + offset for end in (0, 1))
        # half a pixel of the input and half of the picture; a whole one where the picture's is the only one seen
        np.testing.assert_allclose(ends, [patch.target[at], patch.target[at + 2]], atol=0.51 + 1.01 * abs(scale))


@pytest.mark.parametrize(
    ("size", "region"),
    [
        (96, (0, -15, 90, 75)),  # 90 x 60 in a square: 30 are missing in height
        ((96, 192), (-15, 0, 105, 60)),  # twice as wide as high: 120 x 60
        ((192, 96), (0, -60, 90, 120)),  # twice as high as wide: 90 x 180
        ((64, 96), (0, 0, 90, 60)),  # 3 to 2, as the picture
    ],
)
def test_a_letterboxed_picture_keeps_its_aspect_ratio_in_an_input_of_any(size, region) -> None:
    found = augment.region(PLAIN, 90, 60, size, "letterbox")
    assert found == pytest.approx(region)
    where = augment.place_on_canvas(found, False, size)
    assert where.scale_x == pytest.approx(where.scale_y)


def test_without_a_change_the_picture_is_what_a_resize_makes_of_it() -> None:
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    where = augment.place_on_canvas(augment.region(PLAIN, 90, 70, (35, 60), "stretch"), False, (35, 60))
    snapped, painted = paint(image, where)
    assert snapped == pytest.approx(where)
    np.testing.assert_array_equal(painted, cv2.resize(image, (60, 35)))


def test_nothing_of_the_picture_is_all_fill() -> None:
    window = Window(10, 20, 30, 50)
    snapped, patch = augment.snap(Placement(1, 100, 1, 0, 10, 20, 30, 50), window, 40, 40)
    assert (snapped.offset_x, patch) == (100, None)
    painted = augment.apply_to_image(np.zeros((40, 40, 3), dtype=np.uint8), patch, window, PLAIN, (1.4, 2.6, 255.0))
    assert painted.shape == (30, 20, 3)
    assert (painted == [1, 3, 255]).all()


def test_picture_and_fill_change_their_colour_alike() -> None:
    grey = np.full((40, 40, 3), (100, 60, 60), dtype=np.uint8)
    window = Window(0, 0, 64, 64)
    _, patch = augment.snap(Placement(1, 12, 1, 12, 0, 0, 64, 64), window, 40, 40)
    change = Change(0, 0, 0, 0, flip=False, hue=0.1, saturation=1.3, exposure=1.2)
    painted = augment.apply_to_image(grey, patch, window, change, (100.0, 60.0, 60.0))
    assert len(np.unique(painted.reshape(-1, 3), axis=0)) == 1
