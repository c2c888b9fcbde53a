"""Cuts a training into pieces. At the end of each its state is stored; at some ends validation is scored too.

The ends are steps, not times, so a training has the same pieces on every machine and after every interruption. A trial
in pieces equals a trial in one go (docs/architecture.md, "What makes a result repeatable"), so they change no weight.
"""

from dataclasses import replace
from pathlib import Path

from evolve.trial import TrialSpec

PIECES = 50  # at most; a kill costs at most this part of the training
VALIDATIONS = 10  # at most, the one after the last step included


def stops(steps: int) -> tuple[int, ...]:
    """The last step of each piece, evenly spaced; the last one is `steps`. ValueError if steps is below 1."""
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    length = -(-steps // PIECES)
    return (*range(length, steps, length), steps)


def cut(whole: TrialSpec, folder: Path) -> tuple[TrialSpec, ...]:
    """The pieces of a training from step 0 to whole.stop_step. `folder` keeps states, results and detectors.

    The last piece writes whole.checkpoint. A piece that scores validation before writes detector_of(piece) there.
    """
    pieces, start = [], 0
    for count, stop in enumerate(stops(whole.stop_step), start=1):
        piece = replace(whole, start_step=start, stop_step=stop, state_dir=folder)
        if stop < whole.stop_step:
            scored = count % (PIECES // VALIDATIONS) == 0
            splits = whole.evaluate_splits if scored else ()
            piece = replace(piece, evaluate_splits=splits, checkpoint=detector_file(folder, stop) if scored else None)
        pieces.append(piece)
        start = stop
    return tuple(pieces)


def detector_file(folder: Path, step: int) -> Path:
    """The file of the detector at a step, as long as it is not known whether it is the best."""
    return folder / f"detector-{step}.keras"
