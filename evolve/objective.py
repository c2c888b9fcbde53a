"""The real objective: trains a detector on the data as a spec says, and yields measurements.

The only file that joins the packages `data` and `model`. It is light to import: what loads OpenCV or
TensorFlow is imported where it is needed, so the controller can describe a data set without them.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from data.config import STORE_FACTOR, Fit
from evolve import fitness, starting_weights
from evolve.trial import GpuNotUsable, Measurement, Progress, Report, TrialDiverged, TrialSpec, TunedPost, Value
from evolve.trial_config import STRUCTURAL, TrialConfig, post_config
from model.config import NORMS_KEPT, DetectorConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from data.batches.pipeline import Pipeline
    from data.dataset import Example
    from model.detection.average_precision import AveragePrecision
    from model.detection.evaluate import CandidateBatch
    from model.training.optimizer import Adam
    from model.training.trainer import Trainer

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

# Number of reports with training losses in a schedule, beside the scores at rungs.
REPORTS_PER_SCHEDULE = 18
TUNED_ON = "val"  # the split for NMS tuning, the same as for fitness
SCORES = ("map50_95", "map50", "map75")  # reported for each split, as "val/map50"
FLOAT32_BYTES = 4
RUNNING = ("/moving_mean", "/moving_variance")  # ends of the names of statistics, which no optimizer changes


def describe_data(
    root: Path, *, size: int, fit: Fit, detector: DetectorConfig | None = None, format: str | None = None
) -> dict[str, Any]:
    """What a search must know about a data set, as plain values; raises the reader's error if it is unusable.

    format: voc, coco or yolo; None: the detected one.
    Returns path, format, fingerprint, class_names, anchors (all of the detector's, network pixels at `size`), the
    numbers of images and boxes by split, and the number of problems by kind.
    """
    from collections import Counter

    from data.sets import anchors, read
    from model.network import scales

    dataset = read.load(root, format)
    maps = scales.of_config(detector or DetectorConfig())
    used = anchors.for_dataset(dataset.splits["train"], size=size, fit=fit, k=len(scales.anchor_indices(maps)))
    chosen = scales.with_unused_anchors(used, maps)
    return {
        "path": str(root.resolve()),
        "format": dataset.format,
        "fingerprint": dataset.fingerprint,
        "class_names": list(dataset.class_names),
        "anchors": [[float(w), float(h)] for w, h in chosen],
        "images": {split: len(examples) for split, examples in dataset.splits.items()},
        "boxes": {split: sum(len(e.boxes) for e in examples) for split, examples in dataset.splits.items()},
        "problems": dict(Counter(problem.kind for problem in dataset.problems)),
    }


def state_bytes(config: TrialConfig, num_classes: int) -> int:
    """The size in bytes of a trial's stored state.

    It has weights, velocities, the last gradient norms and, with ema_decay above 0, moving averages.

    Counted without Keras from the layers in Darknet's order, which have the same weights; model/training/trainer.py
    stores them.
    """
    from model.darknet import topology

    stored = [part for section in topology.sections(config.detector, num_classes) for part in section.stored]
    total = sum(part.count for part in stored)
    trained = total - sum(part.count for part in stored if part.name.endswith(RUNNING))
    copies = 1 + (config.optimizer.ema_decay > 0)
    return FLOAT32_BYTES * (total + copies * trained + NORMS_KEPT)


def write_embedded_data(
    root: Path, *, slice_name: Literal["target", "base"] = "target", images: Mapping[str, int] | None = None
) -> Path:
    """Write the embedded scenes of handwritten digits in YOLO format, if they are missing; returns their folder.

    If the root cannot be written, the folder is in this machine's cache. images: number of scenes by split; None: the
    default of data/digits.
    """
    from data.digits import synthetic
    from data.pictures import disk_cache

    def write(folder: Path) -> Path:
        return synthetic.write(folder, seed=0, images=images or synthetic.IMAGES, digits=slice_name)

    try:
        return write(root)
    except OSError:
        folder = disk_cache.cache_folder(os.environ)
        if folder is None:
            raise
        return write(folder / root.name)


def detection_objective(
    *,
    data: str,
    class_names: Sequence[str],
    anchors: Sequence[Sequence[float]],
    fingerprint: str,
    format: str | None = None,
    weights: str | None = None,
    weights_fingerprint: str | None = None,
    weights_cfg: str | None = None,
    masks: Sequence[Sequence[int]] | None = None,
    threads: int = 1,
    gpu: bool = False,
    notes: Mapping[str, str] | None = None,
) -> DetectionObjective:
    """Make the objective of a worker: set threads, check the GPU, read the data set and the base weights.

    Raises GpuNotUsable if a GPU was requested but TensorFlow sees none, instead of silently training on the CPU.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    gpus = tf.config.list_physical_devices("GPU")
    if gpu and not gpus:
        raise GpuNotUsable(
            "TensorFlow sees no GPU though one was asked for: expected a usable CUDA installation; "
            "run `make setup LOCK=locks/cuda.txt`, or search on the CPU with --cpu"
        )
    for device in gpus:
        tf.config.experimental.set_memory_growth(device, True)

    import cv2

    from data.sets import read

    cv2.setNumThreads(threads)
    dataset = read.load(Path(data), format)
    if dataset.fingerprint != fingerprint:
        raise ValueError(f"{data}: the data set changed: expected fingerprint {fingerprint}, got {dataset.fingerprint}")
    sizes = [(float(w), float(h)) for w, h in anchors]
    base = None
    if weights is not None:
        path, cfg = Path(weights), Path(weights_cfg) if weights_cfg else None
        if weights_fingerprint not in (None, starting_weights.fingerprint(path, cfg)):
            raise ValueError(f"{weights}: the base weights changed: expected fingerprint {weights_fingerprint}")
        base = starting_weights.base_weights(path, class_names, sizes, masks, cfg)
    return DetectionObjective(
        dataset.splits,
        class_names,
        sizes,
        base,
        {"data_fingerprint": fingerprint, **(notes or {})},
    )


class DetectionObjective:
    """Trains a YOLOv4 detector as a spec says; keeps its compiled steps for specs with the same structure."""

    def __init__(
        self,
        splits: Mapping[str, tuple[Example, ...]],
        class_names: Sequence[str],
        anchors: Sequence[tuple[float, float]],
        base: Mapping[str, NDArray[np.float32]] | None,
        notes: Mapping[str, str],
    ) -> None:
        self.splits = splits
        self.class_names = tuple(class_names)
        self.anchors = tuple(anchors)
        self.notes = dict(notes)
        self.base = base  # weights that every trial starts from, by "layer/weight" name
        self.optimizer: tuple[type[Adam], ...] = ()  # replaces the trainer's default; only to make the shipped base
        self._structure: tuple[object, ...] | None = None
        self._trainer: Trainer | None = None
        self._pipelines: dict[str, Pipeline] = {}

    def __call__(self, spec: TrialSpec) -> Iterator[Report]:
        """Train the spec's piece; the last measurement has the scores of its splits.

        Each step, each batch of an evaluation and each setting of the NMS tuning gives a sign of life.
        """
        from model.training import train

        config = TrialConfig.from_settings(spec.config)
        started = time.perf_counter()
        trainer = self._trainer_for(config)
        trainer.averaging = config.optimizer.ema_decay > 0
        start_step = self._begin(trainer, spec)
        seconds = {"prepare": time.perf_counter() - started}
        steps = config.train.steps
        pipeline = self._pipeline("train", config)

        def batch_at(step: int) -> Any:
            return pipeline.batch(
                seed=spec.seed,
                step=step,
                batch=config.train.batch,
                size=_size_at(spec.seed, step, config),
                augment=config.augment,
                progress=step / steps,
                input_config=config.input,
            )

        reports = train.train(
            trainer,
            batch_at,
            config,
            seed=spec.seed,
            steps=range(start_step, spec.stop_step),
            report_every=max(1, steps // REPORTS_PER_SCHEDULE),
        )
        try:
            for report in reports:
                if isinstance(report, int):
                    yield Progress(report)
                    continue
                seconds = _sum_by_kind(seconds, report.seconds)
                if report.step < spec.stop_step:
                    yield Measurement(report.step, report.losses, {}, seconds, report.traces)
                    seconds = {}
                    continue
                yield (yield from self._finish(spec, config, trainer, report, seconds))
        except train.Diverged as error:
            raise TrialDiverged(str(error)) from None

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """The weights at the end of the last spec, by "layer/weight" name; ValueError before the first spec."""
        if self._trainer is None:
            raise ValueError("weights: expected a spec trained before, got none")
        return self._trainer.weights()

    def _begin(self, trainer: Trainer, spec: TrialSpec) -> int:
        """Set the trainer to the spec's start; returns the step to train from.

        If the stored state is missing or damaged, the latest one before it is taken, else the start. The steps from
        there are trained again, with the same weights as a result.
        """
        for step in _stored_steps(spec):
            try:
                trainer.load_state(_state_file(spec, step))
            except (FileNotFoundError, ValueError) as error:
                logger.warning("%s: the state of step %d cannot be used: %s", spec.uid, step, error)
            else:
                if step < spec.start_step:
                    logger.warning("%s: trained again from step %d", spec.uid, step)
                return step
        if spec.start_step > 0:
            logger.warning("%s: trained again from its start", spec.uid)
        trainer.reset(spec.seed, self.base)
        return 0

    def _finish(
        self, spec: TrialSpec, config: TrialConfig, trainer: Trainer, report: Any, seconds: dict[str, float]
    ) -> Generator[Progress, None, Measurement]:
        """Evaluate, store what the spec asks for, tune NMS if it asks for that; returns the last measurement."""
        if not trainer.is_finite():
            raise TrialDiverged(f"a weight is not finite after step {report.step} of {config.train.steps}")
        traces_before = trainer.traces
        started = time.perf_counter()
        scores: dict[str, float] = {}
        tuning_batches: list[CandidateBatch] = []
        evaluated = started
        if spec.evaluate_splits or spec.checkpoint is not None:
            with trainer.as_scored(self._statistics_pictures(config, trainer)):
                for split in spec.evaluate_splits:
                    looked: Iterable[CandidateBatch] = self._look(split, config, trainer)
                    if split == TUNED_ON and spec.tune_post:
                        looked = _collecting(looked, tuning_batches)
                    scores |= yield from self._scores(split, looked, report.step)
                evaluated = time.perf_counter()
                if spec.checkpoint is not None:
                    self._save(spec, config, trainer)
        kind = "compile" if trainer.traces > traces_before else "evaluate"
        seconds[kind] = seconds.get(kind, 0.0) + evaluated - started
        if spec.state_dir is not None and spec.stop_step < config.train.steps:
            trainer.save_state(_state_file(spec, spec.stop_step))
        seconds["checkpoint"] = time.perf_counter() - evaluated
        post = None
        if spec.tune_post:
            started = time.perf_counter()
            post = yield from self._tune_nms(tuning_batches, spec.tune_post, report.step)
            seconds["tune"] = time.perf_counter() - started
        traces = report.traces + trainer.traces - traces_before
        return Measurement(report.step, report.losses, scores, seconds, traces, post)

    def _statistics_pictures(self, config: TrialConfig, trainer: Trainer) -> list[NDArray[np.uint8]]:
        """The training pictures for estimating normalization statistics, the same for every trial of a task."""
        return self._pipeline("train", config).sample(
            config.train.statistics_pictures,
            size=config.train.size,
            fit=config.input.fit,
            batch=config.train.batch // trainer.batch_passes.num_passes,
        )

    def _look(self, split: str, config: TrialConfig, trainer: Trainer) -> Iterator[CandidateBatch]:
        """Run the forward pass over a split; yields its batches."""
        from model.detection import evaluate

        return evaluate.candidate_batches(
            lambda images: trainer.forward(images, config.detector.scale_xy),
            self._pipeline(split, config).evaluation(
                size=config.train.size, fit=config.input.fit, batch=config.train.batch
            ),
        )

    def _scores(
        self, split: str, looked: Iterable[CandidateBatch], step: int
    ) -> Generator[Progress, None, dict[str, float]]:
        """The split's scores by name, with the fixed NMS of all trials."""
        from model.detection import evaluate

        seen: list[evaluate.DetectionBatch] = []
        for batch in evaluate.apply_nms(looked):
            seen.append(batch)
            yield Progress(step)
        return _scores_by_name(split, evaluate.score_detections(seen, self.splits[split], self.class_names))

    def _tune_nms(
        self, looked: Sequence[CandidateBatch], weights: Mapping[str, float], step: int
    ) -> Generator[Progress, None, TunedPost]:
        """Tune NMS on the batches of a forward pass over the validation split."""
        from model.detection import nms_tuning

        settings_tried = nms_tuning.tune(
            looked,
            self.splits[TUNED_ON],
            self.class_names,
            lambda precision: fitness.score(_scores_by_name(TUNED_ON, precision), weights),
        )
        tuning = yield from _signs_of_life(settings_tried, step)
        settings: dict[str, Value] = {"nms": tuning.post.nms, "nms_iou": tuning.post.nms_iou}
        if tuning.post.nms == "diou":
            settings["nms_beta"] = tuning.post.nms_beta
        return TunedPost(
            settings,
            fixed={"fitness": tuning.fixed_score, **_scores_by_name(TUNED_ON, tuning.fixed)},
            tuned={"fitness": tuning.tuned_score, **_scores_by_name(TUNED_ON, tuning.tuned)},
        )

    def _save(self, spec: TrialSpec, config: TrialConfig, trainer: Trainer) -> None:
        from model import checkpoint

        info = checkpoint.DetectorInfo(
            class_names=self.class_names,
            anchors=self.anchors,
            size=config.train.size,
            fit=config.input.fit,
            detector=config.detector,
            notes={**self.notes, "uid": spec.uid, "steps": str(spec.stop_step)},
            post=post_config(spec.post) if spec.post else None,
        )
        if spec.checkpoint is not None:
            checkpoint.save_detector(spec.checkpoint, trainer.model, info)

    def _trainer_for(self, config: TrialConfig) -> Trainer:
        """The warm trainer, or a new one if a setting that shapes the graph has changed."""
        from model.training.trainer import Trainer

        settings = config.settings()
        structure = tuple(settings[address] for address in sorted(STRUCTURAL))
        if self._trainer is None or structure != self._structure:
            self._trainer = Trainer(
                config.detector,
                self.class_names,
                self.anchors,
                *self.optimizer,
                train=config.train,
                sat_goal=config.regularization.sat_goal,
            )
            self._structure = structure
            self._pipelines = {}
        return self._trainer

    def _pipeline(self, split: str, config: TrialConfig) -> Pipeline:
        from data.batches.pipeline import Pipeline
        from data.pictures.disk_cache import SharedCache

        if split not in self._pipelines:
            side = round(STORE_FACTOR * max(config.train.size, *config.train.sizes))
            fingerprint = self.notes.get("data_fingerprint")
            shared = SharedCache.for_split(fingerprint, split) if fingerprint else None
            self._pipelines[split] = Pipeline(self.splits[split], store_side=side, shared=shared)
        return self._pipelines[split]


def _size_at(seed: int, step: int, config: TrialConfig) -> int:
    """The network's input size at a step, counted from 0. Darknet, too, ends at one size, its largest (detector.c)."""
    from data.batches.pipeline import training_size

    train = config.train
    if step >= train.steps * (1 - train.final_size_share):
        return train.size
    return training_size(seed, step, train.sizes, train.size_period)


def _scores_by_name(split: str, precision: AveragePrecision) -> dict[str, float]:
    return {f"{split}/{name}": getattr(precision, name) for name in SCORES}


def _collecting(batches: Iterable[CandidateBatch], collected: list[CandidateBatch]) -> Iterator[CandidateBatch]:
    """Yield the same batches, and append each to `collected`."""
    for batch in batches:
        collected.append(batch)
        yield batch


def _signs_of_life(steps: Generator[object, None, Result], step: int) -> Generator[Progress, None, Result]:
    """Yield a sign of life for each item of a generator; returns its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield Progress(step)


def _sum_by_kind(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    return {kind: first.get(kind, 0.0) + second.get(kind, 0.0) for kind in first.keys() | second.keys()}


def _stored_steps(spec: TrialSpec) -> list[int]:
    """The steps from which the spec may go on: its start_step, then those of earlier stored states, latest first."""
    if spec.start_step == 0 or spec.state_dir is None:
        return []
    names = [path.stem.partition("-")[2] for path in spec.state_dir.glob("state-*.npz")]
    earlier = {int(name) for name in names if name.isdecimal() and 0 < int(name) < spec.start_step}
    return [spec.start_step, *sorted(earlier, reverse=True)]


def _state_file(spec: TrialSpec, step: int) -> Path:
    if spec.state_dir is None:
        raise ValueError(f"{spec.uid}: a trial that starts at step {step} needs a state directory, got none")
    return spec.state_dir / f"state-{step}.npz"
