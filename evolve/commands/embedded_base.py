"""Makes the base checkpoint that embedded trials start from: `python -m evolve.commands.embedded_base --out FILE`.

It trains on scenes of the "base" slice of the handwritten digits, which shares no digit with the scenes that
`make evolve` searches on, in three stages: the backbone as a classifier of crops, then only the detector's class loss,
then all losses, with Adam. A trial takes over everything but the classes in the output maps, as from any detector of
other classes. The settings were tuned by hand. A tool beside the search: it may import data and model directly.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evolve import objective, task
from evolve.file_names import RUNS
from evolve.genetics import space as spaces
from evolve.trial import Setting, TrialSpec, measurements
from evolve.trial_config import TrialConfig

DATA = RUNS / "digits-base"
IMAGES = {"train": 1500, "val": 160, "test": 1}
# The classifier's techniques are weak: it has few steps, and a network of this width has little capacity to spare.
CROP_STEPS = 600
CROPS: dict[str, float] = {"cutmix": 0.25, "mosaic": 0.1, "smoothing": 0.1, "dropblock": 0.05}
CROP_BATCH, CROP_SIDE, CROP_RATE = 64, 64, 0.003
CLASS_STEPS, STEPS = 400, 2000
SETTINGS: dict[str, Setting] = {
    "optimizer.learning_rate": 0.002,
    "optimizer.burn_in_share": 0.05,
    "optimizer.norm_momentum": 0.97,
    "optimizer.max_gradient_norm": 1000.0,
    "optimizer.spike_factor": 0.0,
    "loss.reduction": "picture",
    "loss.box_weight": 2.0,
    "loss.class_weight": 3.0,
    "loss.iou_threshold": 0.4,
    "loss.objectness_gamma": 0.0,
    "augment.mosaic_prob": 0.1,
    "augment.mosaic_off_share": 0.2,
    "augment.jitter": 0.1,
    "train.subdivisions": 1,
    "train.mini_batches_at_once": 1,
}
# First the class loss alone, on plain scenes: with all losses at once the neck learns to find digits, not to read them.
CLASSES_FIRST: dict[str, Setting] = {
    "train.sizes": (96,),
    "loss.box_weight": 0.0,
    "loss.objectness_weight": 0.0,
    "regularization.sat_prob": 0.0,
    "augment.mosaic_prob": 0.0,
    "augment.cutmix_prob": 0.0,
    "augment.jitter": 0.0,
    "augment.hue": 0.0,
    "augment.saturation": 1.0,
    "augment.exposure": 1.0,
}


def main() -> int:
    """Train and write the checkpoint; prints losses during the training and scores at the end."""
    parser = argparse.ArgumentParser(prog="python -m evolve.commands.embedded_base", description=__doc__)
    parser.add_argument("--out", type=Path, default=task.EMBEDDED_BASE, help="checkpoint to write (%(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of the detector (%(default)s)")
    parser.add_argument("--class-steps", type=int, default=CLASS_STEPS, help="steps of its classes (%(default)s)")
    parser.add_argument("--crop-steps", type=int, default=CROP_STEPS, help="steps of the classifier (%(default)s)")
    parser.add_argument("--start", type=Path, help="go on from this base checkpoint, with the last stage alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    from model import checkpoint
    from model.training.optimizer import Adam

    space = spaces.load(task.EMBEDDED_SPACE)
    fixed = {**space.trial, **dict(space.defaults()), **SETTINGS}
    config = TrialConfig.from_settings({**fixed, "train.steps": arguments.steps})
    first = TrialConfig.from_settings({**fixed, **CLASSES_FIRST, "train.steps": arguments.class_steps})
    root = objective.write_embedded_data(DATA, slice_name="base", images=IMAGES)
    described = objective.describe_data(root, size=config.train.size, fit=config.input.fit)
    train = objective.detection_objective(
        data=described["path"],
        class_names=described["class_names"],
        anchors=described["anchors"],
        fingerprint=described["fingerprint"],
        threads=arguments.threads,
        notes={"role": checkpoint.BASE_ROLE},
    )
    stages = [(first, None), (config, arguments.out)]
    if arguments.start is None:
        train.base = _backbone(train, config, arguments.crop_steps, arguments.seed)
    else:
        train.base = dict(checkpoint.read_weights(arguments.start))
        stages = stages[1:]
    train.optimizer = (Adam,)
    for stage, out in stages:
        steps = stage.train.steps
        spec = TrialSpec("base", stage.settings(), arguments.seed, steps, checkpoint=out)
        for measurement in measurements(train(spec)):
            numbers = {**measurement.losses, **measurement.scores}
            _say(f"step {measurement.step}: " + ", ".join(f"{name} {value:.3f}" for name, value in numbers.items()))
        train.base = train.weights()
    _say(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0


def _backbone(
    train: objective.DetectionObjective, config: TrialConfig, steps: int, seed: int
) -> dict[str, NDArray[np.float32]]:
    """The backbone's weights after its training as a classifier of crops of the training scenes."""
    from data.classification.crops import Crops
    from model.commands import pretrain

    crops, unseen = (Crops(train.splits[split], train.class_names) for split in ("train", "val"))
    settings = pretrain.PretrainConfig(steps=steps, batch=CROP_BATCH, size=CROP_SIDE, learning_rate=CROP_RATE, **CROPS)
    done = pretrain.classify(crops, unseen, config.detector, settings, seed, lambda line: _say(f"classifier: {line}"))
    return dict(done.weights)


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
