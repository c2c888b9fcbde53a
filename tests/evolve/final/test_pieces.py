"""A training's pieces: how many, where they end, and which of them are scored."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.final import pieces
from evolve.trial import TrialSpec


def whole(steps: int) -> TrialSpec:
    return TrialSpec("defaults", {"train.steps": steps}, seed=1, stop_step=steps, checkpoint=Path("out/detector.keras"))


@given(st.integers(1, 40_000))
def test_pieces_cover_every_step_once_and_are_few(steps: int) -> None:
    cut = pieces.cut(whole(steps), Path("folder"))
    assert [piece.start_step for piece in cut] == [0, *(piece.stop_step for piece in cut[:-1])]
    assert cut[-1].stop_step == steps
    lengths = [piece.stop_step - piece.start_step for piece in cut]
    assert 1 <= lengths[-1] <= lengths[0]
    assert set(lengths[:-1]) <= {lengths[0]}
    assert len(cut) <= 50
    assert lengths[0] <= -(-steps // 50)  # what a kill costs: a fiftieth, rounded up
    scored = [piece for piece in cut if piece.evaluate_splits]
    assert scored[-1] is cut[-1]
    assert len(scored) <= 10
    assert {piece.evaluate_splits for piece in scored} == {("val",)}
    assert [piece.checkpoint for piece in cut if not piece.evaluate_splits] == [None] * (len(cut) - len(scored))
    files = [piece.checkpoint for piece in scored]
    assert files[-1] == Path("out/detector.keras")
    assert len(set(files)) == len(files)


def test_by_hand() -> None:
    assert pieces.stops(120) == (*range(3, 120, 3), 120)  # 40 pieces
    cut = pieces.cut(whole(120), Path("folder"))
    assert [piece.stop_step for piece in cut if piece.evaluate_splits] == [15, 30, 45, 60, 75, 90, 105, 120]
    assert pieces.stops(2) == (1, 2)
    with pytest.raises(ValueError, match="expected at least 1, got 0"):
        pieces.stops(0)
