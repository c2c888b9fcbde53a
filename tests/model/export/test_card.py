"""The card of an exported file is read back as written; damaged ones are refused with the file's name."""

import json
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import PostConfig
from model.export import card as cards
from model.export.card import Card, ExportError, Output

ANCHORS = tuple((8.0 * k, 10.0 * k) for k in range(1, 10))
MASKS = ((0, 1, 2), (3, 4, 5), (6, 7, 8))


def test_read_back_as_written(card: Callable[..., Card]) -> None:
    for output in get_args(cards.Output):
        one = card(output)
        assert cards.from_json(cards.to_json(one), "file") == one


@pytest.mark.parametrize(
    ("output", "shapes"),
    [
        # 64 x 96 pixels: grids of 8 x 12, 4 x 6 and 2 x 3 cells, 3 anchors each, 3 * (5 + 3) channels
        ("maps", {"stride_8": (1, 8, 12, 24), "stride_16": (1, 4, 6, 24), "stride_32": (1, 2, 3, 24)}),
        ("candidates", {"boxes": (1, 3 * (96 + 24 + 6), 4), "scores": (1, 378, 3)}),
        ("detections", {"boxes": (1, 40, 4), "classes": (1, 40), "scores": (1, 40)}),
    ],
)
def test_shapes(card: Callable[..., Card], output: Output, shapes: dict[str, tuple[int, ...]]) -> None:
    assert card(output).shapes() == shapes


def test_each_output_map_has_as_many_anchors_as_its_mask(card: Callable[..., Card]) -> None:
    # 64 x 96 pixels, three classes, so 8 channels an anchor: 2, 1 and 4 anchors on grids of 96, 24 and 6 cells
    uneven = ((3, 0), (8,), (1, 2, 5, 0))
    assert card(masks=uneven).shapes() == {
        "stride_8": (1, 8, 12, 16),
        "stride_16": (1, 4, 6, 8),
        "stride_32": (1, 2, 3, 32),
    }
    assert card("candidates", masks=uneven).shapes()["boxes"] == (1, 2 * 96 + 24 + 4 * 6, 4)
    plain = json.loads(cards.to_json(card(masks=uneven)))
    assert plain["masks"] == [[3, 0], [8], [1, 2, 5, 0]]  # for those who decode raw maps elsewhere


@pytest.mark.parametrize(("number", "masks"), [(3, MASKS), (2, ((1, 2, 3), (3, 4, 5)))])
def test_a_file_of_before_it_told_masks_has_the_released_ones(
    card: Callable[..., Card], number: int, masks: tuple[tuple[int, ...], ...]
) -> None:
    one = card(masks=masks, scale_xy=(1.1,) * number)
    plain = json.loads(cards.to_json(one))
    del plain["masks"]
    assert cards.from_json(json.dumps(plain), "file") == one


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "expected export format 1, got 2"),
        ({"class_names": []}, "class_names: expected at least one class"),
        ({"anchors": [[1, 2]]}, "anchors: expected 9 pairs, got 1"),
        ({"anchors": [[1, 2]] * 8 + [[0, 1]]}, "anchors: expected sizes above 0"),
        ({"scale_xy": [1.0]}, "scale_xy: expected 3 numbers, got"),
        ({"masks": [[0]]}, r"output maps: expected 3 \(yolov4\) or 2 \(yolov4-tiny\), got 1"),
        ({"masks": [[0, 1], [2], [9]]}, "anchors: expected 10 pairs, got 9"),
        ({"masks": [[0, 1], [2], []]}, "masks: expected different anchor indices on each output map"),
        ({"masks": [[0, 1], [2, 2], [3]]}, "masks: expected different anchor indices"),
        ({"masks": [[0, 1], [-1], [3]]}, "masks: expected different anchor indices"),
        ({"masks": [["a"], [0], [1]]}, "damaged"),
        ({"height": 100}, "input: expected multiples of 32"),
        ({"fit": "crop"}, "fit: expected 'stretch' or 'letterbox', got 'crop'"),
        ({"output": "boxes"}, "output: expected"),
        ({"output": "detections"}, "post: expected"),
        ({"post": {"score": 7}}, "post.score"),
        ({"notes": 3}, "damaged"),
    ],
)
def test_damage_is_told(card: Callable[..., Card], change: dict[str, object], words: str) -> None:
    plain = {**json.loads(cards.to_json(card())), **change}
    with pytest.raises(ExportError, match=f"file: .*{words}"):
        cards.from_json(json.dumps(plain), "file")


@given(content=st.binary(max_size=40) | st.text(max_size=40))
def test_anything_else_is_an_export_error(content: bytes | str) -> None:
    with pytest.raises(ExportError, match="file: "):
        cards.from_json(content, "file")


def test_post_settings_belong_to_nms_alone() -> None:
    with pytest.raises(ValueError, match="post: expected settings only with NMS"):
        Card(("a",), ANCHORS, MASKS, (1.2, 1.1, 1.05), 64, 64, "stretch", "maps", PostConfig())
