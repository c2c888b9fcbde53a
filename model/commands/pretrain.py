"""`python -m model pretrain`: a backbone trained as a classifier, for detectors to start from.

Learns the classes of a detection data set from crops around its boxes, or those of a folder with a folder of pictures
for each class. Writes a detector checkpoint whose backbone is trained and whose other weights are fresh. Input is
checked before TensorFlow loads. The shipped base is made with `classify` too (evolve/commands/embedded_base.py).
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from data.command_line import complain, print_json, say
from data.config import require
from model.commands.shared import checked_size, finish, load_keras
from model.config import Activation, DetectorConfig, Shortcut, ShortcutNormalization

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from data.classification.class_mix import PictureSource

REPORTS = 20  # lines that are printed during a training
MOST_HELD_OUT = 2000  # most pictures that the accuracy is measured on
# cfg/yolov4.cfg's, for class folders, which have no boxes to fit anchors to
ANCHORS = ((12, 16), (19, 36), (40, 28), (36, 75), (76, 55), (72, 146), (142, 110), (192, 243), (459, 401))


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of one pre-training; 0 switches a technique off. Defaults: the paper's, or Darknet's classifier's."""

    steps: int = 3000
    batch: int = 64
    size: int = 96  # side of the pictures
    learning_rate: float = 0.002  # of Adam, falling to 0 along a cosine
    cutmix: float = 0.5  # probability for a picture that is not a mosaic
    mosaic: float = 0.3  # probability for a picture
    smoothing: float = 0.1  # of the labels
    dropblock: float = 0.1  # share of the cells that DropBlock drops at full strength

    def __post_init__(self) -> None:
        require(self.steps >= 1, "--steps", "at least 1", self.steps)
        require(self.batch >= 2, "--batch", "at least 2, to normalize over", self.batch)
        checked_size(self.size)
        require(self.learning_rate > 0, "--learning-rate", "above 0", self.learning_rate)
        for name in ("cutmix", "mosaic"):
            require(0 <= getattr(self, name) <= 1, f"--{name}", "0 to 1", getattr(self, name))
        for name in ("smoothing", "dropblock"):
            require(0 <= getattr(self, name) < 1, f"--{name}", "0 or more, below 1", getattr(self, name))


@dataclass(frozen=True)
class TrainedBackbone:
    """The backbone's weights by "layer/weight" name, and the share of held-out pictures classified right, by tap."""

    weights: "Mapping[str, NDArray[np.float32]]"
    accuracy: tuple[float, ...]  # strides 8, 16, 32
    held_out: int


@dataclass(frozen=True)
class PretrainData:
    """The pictures to train and test on, and what the checkpoint records of them."""

    train: "PictureSource"
    val: "PictureSource"
    anchors: tuple[tuple[float, float], ...]
    fingerprint: str
    kind: str


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    command = subparsers.add_parser("pretrain", help="train a backbone as a classifier, for detectors to start from")
    command.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="a detection data set, or a folder for each class"
    )
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="checkpoint to write (.keras)")
    for name, of_what in (("width", "channels"), ("depth", "residual units")):
        command.add_argument(f"--{name}", type=float, default=1.0, help=f"factor on the {of_what} (default 1)")
    command.add_argument("--activation", choices=get_args(Activation), default="mish", help="default: mish")
    command.add_argument("--shortcut", choices=get_args(Shortcut), default="add", help="default: add; others: MiWRC")
    command.add_argument(
        "--shortcut-normalization", choices=get_args(ShortcutNormalization), default="relu", help="default: relu"
    )
    command.add_argument("--seed", type=int, default=0)
    for name, kind, what in (
        ("steps", int, "length of the training"),
        ("batch", int, "pictures a step"),
        ("size", int, "side of the pictures in pixels"),
        ("learning-rate", float, "of Adam, at the start"),
        ("cutmix", float, "probability of CutMix for a picture that is not a mosaic"),
        ("mosaic", float, "probability of mosaic"),
        ("smoothing", float, "class label smoothing"),
        ("dropblock", float, "share of the cells that DropBlock drops"),
    ):
        default = getattr(PretrainConfig, name.replace("-", "_"))
        command.add_argument(f"--{name}", type=kind, default=default, help=f"{what} (default {default})")
    finish(command, run)


def run(options: argparse.Namespace) -> int:
    """Train, report the accuracy and write the checkpoint."""
    fields = PretrainConfig.__dataclass_fields__
    config = PretrainConfig(**{name: getattr(options, name) for name in fields})
    require(options.seed >= 0, "--seed", "0 or more", options.seed)
    detector = DetectorConfig(
        width=options.width,
        depth=options.depth,
        backbone_activation=options.activation,
        shortcut=options.shortcut,
        shortcut_normalization=options.shortcut_normalization,
    )
    check_target(options.out)
    data = read_data(options.data, config.size)
    report: Callable[[str], None] = complain if options.json else say
    names = data.train.class_names
    report(
        f"{options.data}: {len(data.train)} {data.kind} of {len(names)} classes to train on, {len(data.val)} held out"
    )
    load_keras()
    trained = classify(data.train, data.val, detector, config, options.seed, report)
    _save(options.out, trained, detector, config, data, options.seed)
    megabytes = options.out.stat().st_size / 1e6
    if options.json:
        print_json(
            {
                "checkpoint": str(options.out),
                "classes": list(names),
                "held_out": trained.held_out,
                "accuracy": {str(8 << tap): share for tap, share in enumerate(trained.accuracy)},
            }
        )
    else:
        say(f"{options.out}: {megabytes:.1f} MB, the backbone trained and the rest fresh; start from it with --weights")
    return 0


def classify(
    train: "PictureSource",
    val: "PictureSource",
    detector: DetectorConfig,
    config: PretrainConfig,
    seed: int,
    report: Callable[[str], None],
) -> TrainedBackbone:
    """Train a backbone as a classifier of `train`; reports losses on the way, and the accuracy on `val` at the end."""
    from data.classification.class_mix import MixConfig, MixedBatches, plain_batches
    from model.training.pretrain import Pretraining

    batches = MixedBatches(train, MixConfig(cutmix_prob=config.cutmix, mosaic_prob=config.mosaic))
    stage = Pretraining(detector, len(train.class_names), seed, dropblock_rate=config.dropblock)
    begun = time.perf_counter()
    progress = stage.run(
        lambda k: batches.batch(seed=seed, step=k, batch=config.batch, side=config.size),
        steps=config.steps,
        learning_rate=config.learning_rate,
        smoothing=config.smoothing,
    )
    for step, losses in progress:
        if step % max(1, config.steps // REPORTS) == 0 or step == config.steps:
            terms = ", ".join(f"{value:.3f}" for value in losses)
            pace = step / (time.perf_counter() - begun)
            report(
                f"step {step} of {config.steps}: cross entropy by stride (8, 16, 32) {terms}; {pace:.1f} steps a second"
            )
    shares, count = stage.accuracy(plain_batches(val, side=config.size, limit=MOST_HELD_OUT))
    accuracies = ", ".join(f"{share:.1%}" for share in shares)
    report(f"right on {count} held-out pictures, by stride (8, 16, 32): {accuracies}")
    return TrainedBackbone(stage.weights(), shares, count)


def check_target(path: Path) -> None:
    """Raise ValueError if no checkpoint can be written there, before the training instead of after it."""
    require(path.suffix == ".keras", f"--out {path}", "a name that ends in .keras", path.name)
    require(not path.is_dir(), f"--out {path}", "a file", "a folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {path}: expected a folder to write to: {error.strerror}") from error


def read_data(root: Path, size: int) -> PretrainData:
    """Crops of the data set's objects, or the pictures of its class folders; ValueError if it is neither."""
    from data.classification import class_folders
    from data.dataset import DatasetError
    from data.sets import read

    try:
        read.detect(root)
    except DatasetError:
        if not class_folders.is_class_folders(root):
            raise
        return _from_folders(root, size)
    return _from_objects(root, size)


def _from_objects(root: Path, size: int) -> PretrainData:
    from data.classification.crops import Crops
    from data.sets import anchors, read

    dataset = read.load(root)
    names = dataset.class_names
    require(len(names) >= 2, f"{root}", "two classes or more to tell apart", ", ".join(names))
    train, val = (Crops(dataset.splits[split], names) for split in ("train", "val"))
    fitting = anchors.for_dataset(dataset.splits["train"], size=size, fit="stretch")
    return PretrainData(train, val, fitting, dataset.fingerprint, "objects")


def _from_folders(root: Path, size: int) -> PretrainData:
    from data.classification import class_folders
    from data.classification.class_folders import FolderPictures

    class_folder_set = class_folders.read(root)
    train, val = (
        FolderPictures(files, class_folder_set.class_names, store_side=2 * size)
        for files in (class_folder_set.train, class_folder_set.val)
    )
    anchors = tuple((float(width), float(height)) for width, height in ANCHORS)
    return PretrainData(train, val, anchors, class_folder_set.fingerprint, "pictures")


def _save(
    path: Path,
    trained: TrainedBackbone,
    detector: DetectorConfig,
    config: PretrainConfig,
    data: PretrainData,
    seed: int,
) -> None:
    """Save a detector with this backbone and all other weights fresh."""
    from model import checkpoint
    from model.network import architecture as network
    from model.network import initialize

    names = data.train.class_names
    model = network.build(detector, len(names))
    initialize.initialize(model, len(names), seed, trained.weights)
    notes = {
        "role": checkpoint.BACKBONE_ROLE,
        "data_fingerprint": data.fingerprint,
        "pretrained": f"{config.steps} steps of {config.batch} at {config.size}, seed {seed}",
        "accuracy": ", ".join(f"{share:.4f}" for share in trained.accuracy),
    }
    info = checkpoint.DetectorInfo(names, data.anchors, config.size, "stretch", detector, notes)
    checkpoint.save_detector(path, model, info)
