"""A training in pieces: what is done, where it goes on, and its files that are up to date after each piece."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evolve.execution import single_trial, storage
from evolve.execution.attempt import finite, read_result
from evolve.execution.executor import Executor
from evolve.file_names import BEST_DETECTOR_FILE, CURVE_FILE
from evolve.final import curve, pieces
from evolve.final.curve import Point
from evolve.process import files
from evolve.trial import Failure, Measurement, TrialSpec


class Training:
    """The pieces of one training. Made again from the same spec and folder, it goes on where it was.

    whole: the spec from step 0 to the end, with the file of its detector. folder: keeps states and results. weights:
    of the validation scores that make fitness.
    """

    def __init__(self, whole: TrialSpec, folder: Path, weights: Mapping[str, float]) -> None:
        if whole.checkpoint is None:
            raise ValueError(f"{whole.uid}: expected a file for the detector, got none")
        self.points: list[Point] = []
        self.measured: list[Measurement] = []
        self.steps = whole.stop_step
        self._detector, self._folder, self._weights = whole.checkpoint, folder, weights
        self._pieces = pieces.cut(whole, folder)
        for piece in self._pieces:
            # the detector of an earlier piece may be away: it was not the best
            last = piece.stop_step == self.steps
            measured = read_result(piece if last else replace(piece, checkpoint=None))
            if measured is None:
                break
            self._add(piece, measured)
        if self.points:
            self._tidy()

    @property
    def step(self) -> int:
        """The step from which it goes on: the end of the last piece that is done."""
        return self.points[-1].step if self.points else 0

    def run(self, executor: Executor, show: Callable[[Point], None]) -> Failure | None:
        """Train the pieces that are not done, and show the point at the end of each; returns the failure or None."""

        def done(piece: TrialSpec, measured: Sequence[Measurement]) -> None:
            self._add(piece, measured)
            self._tidy()
            show(self.points[-1])

        return single_trial.run_pieces(executor, self._pieces[len(self.points) :], done)

    def _add(self, piece: TrialSpec, measured: Sequence[Measurement]) -> None:
        measured = [finite(measurement) for measurement in measured]
        seconds = self.points[-1].seconds if self.points else 0.0
        self.points.append(curve.point(piece, measured, seconds))
        self.measured += measured

    def _tidy(self) -> None:
        """Bring curve and best detector up to date, and remove the states that are not needed any more.

        The state before the last one stays, in case that the last one gets damaged.
        """
        curve.write(self._detector.with_name(CURVE_FILE), self.points)
        best = curve.best(self.points, self._weights)
        target = self._detector.with_name(BEST_DETECTOR_FILE)
        for path in self._folder.glob("detector-*.keras"):
            if best is not None and path == pieces.detector_file(self._folder, best.step):
                files.move_durably(path, target)
            else:
                path.unlink()
        if self.step == self.steps and (best is None or best.step == self.steps) and self._detector.is_file():
            temporary = self._folder / target.name
            shutil.copyfile(self._detector, temporary)
            files.move_durably(temporary, target)
        storage.remove_states_before(self._folder, self._pieces[len(self.points) - 1].start_step)
