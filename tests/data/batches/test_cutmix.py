"""CutMix: which boxes stay, and where; the sums are done by hand."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.batches import cutmix
from data.batches.augment import Window
from data.config import AugmentConfig

WINDOW = Window(40, 30, 80, 70)  # 40 x 40


def outside(box: tuple[float, ...], min_visible: float) -> list[float] | None:
    boxes, keep = cutmix.outside(np.array([box], dtype=np.float32), WINDOW, min_visible)
    return boxes[0].tolist() if keep[0] else None


def inside(box: tuple[float, ...], min_visible: float) -> list[float] | None:
    boxes, keep = cutmix.inside(np.array([box], dtype=np.float32), WINDOW, min_visible)
    return boxes[0].tolist() if keep[0] else None


@pytest.mark.parametrize(
    ("box", "visible", "expected"),
    [
        ((0, 0, 20, 20), 1.0, (0, 0, 20, 20)),  # far away
        ((0, 30, 40, 70), 1.0, (0, 30, 40, 70)),  # touches the edge
        # a corner: 20 x 20 of 40 x 40 is hidden, 1 - 400 / 1600; the visible part reaches to all edges
        ((20, 10, 60, 50), 0.75, (20, 10, 60, 50)),
        # its whole right half, 20 of 40 columns over all rows: cut
        ((20, 40, 60, 60), 0.5, (20, 40, 40, 60)),
        # the same on the left, above, below
        ((70, 40, 100, 60), 2 / 3, (80, 40, 100, 60)),
        ((50, 60, 60, 100), 0.75, (50, 70, 60, 100)),
        ((50, 0, 60, 40), 0.75, (50, 0, 60, 30)),
        # a band through the middle, 40 of 120 columns: both ends can be seen
        ((0, 40, 120, 60), 2 / 3, (0, 40, 120, 60)),
        # a hole, 1600 of 100 x 100
        ((10, 0, 110, 100), 0.84, (10, 0, 110, 100)),
        # a strip that ends half a pixel before the box does: what is left of that is not to be seen
        ((20, 29.5, 60, 70.5), 0.5 + 0.5 / 41, (20, 29.5, 40, 70.5)),
    ],
)
def test_a_box_of_the_first_picture(box, visible: float, expected) -> None:
    assert outside(box, visible - 0.005) == pytest.approx(expected)
    if visible < 1:
        assert outside(box, visible + 0.005) is None


@pytest.mark.parametrize("min_visible", [0.0, 0.3])
def test_a_hidden_box_is_dropped_whatever_the_share(min_visible: float) -> None:
    assert outside((45, 35, 60, 60), min_visible) is None
    assert outside((40, 30, 80, 70), min_visible) is None
    assert outside((39.5, 30, 80, 70), min_visible) is None  # half a pixel looks out


@pytest.mark.parametrize(
    ("box", "share", "expected"),
    [
        ((45, 35, 60, 60), 1.0, (45, 35, 60, 60)),
        ((20, 10, 60, 50), 0.25, (40, 30, 60, 50)),  # 20 x 20 of 40 x 40
        ((0, 0, 120, 100), 1600 / 12000, (40, 30, 80, 70)),  # the rectangle is all of it that is seen
    ],
)
def test_a_box_of_the_pasted_picture(box, share: float, expected) -> None:
    assert inside(box, share - 0.005) == pytest.approx(expected)
    if share < 1:
        assert inside(box, share + 0.005) is None


def test_a_pasted_sliver_is_dropped_whatever_the_share() -> None:
    assert inside((0, 0, 40.5, 100), 0.0) is None
    assert inside((0, 0, 10, 10), 0.0) is None


spans = st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda ends: ends[0] != ends[1]).map(sorted)


@example([14, 24], [0, 5], [0, 17], [0, 5], 0.3)  # 15 of 50 pixels
@example([0, 10], [0, 9], [0, 7], [0, 9], 0.3)  # 27 of 90 pixels
@given(spans, spans, spans, spans, st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]))
def test_boxes_are_what_counting_pixels_says(xs, ys, window_xs, window_ys, min_visible: float) -> None:
    """Whole pixels: kept by the share of the box that can be seen, and as large as what can be seen."""
    box, window = (xs[0], ys[0], xs[1], ys[1]), Window(window_xs[0], window_ys[0], window_xs[1], window_ys[1])
    painted, pasted = np.zeros((30, 30), dtype=bool), np.zeros((30, 30), dtype=bool)
    painted[ys[0] : ys[1], xs[0] : xs[1]] = True
    pasted[window.top : window.bottom, window.left : window.right] = True
    for follow, seen in ((cutmix.outside, painted & ~pasted), (cutmix.inside, painted & pasted)):
        boxes, keep = follow(np.array([box], dtype=np.float32), window, min_visible)
        assert keep[0] == (seen.any() and seen.sum() >= min_visible * painted.sum())
        if keep[0]:
            rows, columns = np.nonzero(seen)
            assert boxes[0].tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@given(st.integers(0, 2**32), st.sampled_from([(64, 64), (96, 32), (32, 416)]))
def test_the_rectangle_has_its_sides_and_lies_inside(seed: int, size: tuple[int, int]) -> None:
    config = AugmentConfig(cutmix_prob=1, cutmix_min_side=0.4, cutmix_max_side=0.6)
    drawn = cutmix.draw_cutmix(np.random.default_rng(seed), config, 7)
    assert drawn is not None
    assert 0 <= drawn.partner < 7
    window, (height, width) = cutmix.rectangle(drawn, size), size
    assert 0 <= window.left < window.right <= width
    assert 0 <= window.top < window.bottom <= height
    assert 0.4 * width - 1 <= window.right - window.left <= 0.6 * width + 1
    assert 0.4 * height - 1 <= window.bottom - window.top <= 0.6 * height + 1


def test_it_may_lie_anywhere() -> None:
    rng, config = np.random.default_rng(0), AugmentConfig(cutmix_prob=1)
    windows = np.array([cutmix.rectangle(cutmix.draw_cutmix(rng, config, 2), 100) for _ in range(2000)])
    assert windows[:, :2].min(axis=0).tolist() == [0, 0]
    assert windows[:, 2:].max(axis=0).tolist() == [100, 100]
    widths = windows[:, 2] - windows[:, 0]
    assert (widths.min(), widths.max()) == (30, 80)
    assert widths.mean() == pytest.approx(55, abs=1.5)  # even between 30 and 80


@pytest.mark.parametrize("changed", [{"cutmix_prob": 0}, {"cutmix_min_side": 0.1}, {"jitter": 0}, {"resize": 2}])
def test_draws_are_the_same_whatever_the_configuration(changed) -> None:
    before, after = np.random.default_rng(1), np.random.default_rng(1)
    cutmix.draw_cutmix(before, AugmentConfig(cutmix_prob=1), 5)
    cutmix.draw_cutmix(after, AugmentConfig(**{"cutmix_prob": 1, **changed}), 5)
    assert before.random() == after.random()
