"""`python -m model evaluate`: average precision of saved weights on a split of a data set."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from model.commands.shared import add_post, add_weights, checked_size, finish, load_keras, print_json, say
from model.config import PostConfig

if TYPE_CHECKING:
    from data.example import Dataset, Example
    from model.average_precision import AveragePrecision
    from model.checkpoint import DetectorInfo

EVALUATION_BATCH = 8
STORE_FACTOR = 1.5  # pictures are kept at up to this many times the network's side, as in training


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's options."""
    command = subparsers.add_parser("evaluate", help="average precision of a checkpoint on a data set")
    add_weights(command)
    command.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data set's folder")
    command.add_argument("--split", choices=("train", "val", "test"), default="val")
    command.add_argument("--size", type=int, help="side of the input in pixels (default: the checkpoint's)")
    command.add_argument("--fit", choices=("stretch", "letterbox"), help="default: the checkpoint's")
    add_post(command, PostConfig.score)
    finish(command, run)


def run(options: argparse.Namespace) -> int:
    """Average precision of saved weights on a split of a data set."""
    from model import checkpoint

    info = checkpoint.read_info(options.weights)
    size = checked_size(options.size or info.size)
    post = PostConfig(score=options.score, nms_iou=options.nms_iou, nms=options.nms)
    from data import read

    dataset = read.load(options.data, strict=False)
    examples = examples_of(dataset, options.split, info)
    tell_problems(dataset)
    load_keras()
    from data.pipeline import Pipeline
    from model import predict
    from model.evaluate import evaluate

    model, info = checkpoint.load_detector(options.weights)
    forward = predict.compile_forward(model, info.anchors, info.detector.scale_xy)
    batches = Pipeline(examples, store_side=round(STORE_FACTOR * size)).evaluation(
        size=size, fit=options.fit or info.fit, batch=min(EVALUATION_BATCH, len(examples))
    )
    found = evaluate(forward, batches, examples, info.class_names, post)
    if options.json:
        print_json(
            {
                "map50": found.map50,
                "map50_95": found.map50_95,
                "map75": found.map75,
                "images": found.images,
                "per_class": dict(found.per_class),
            }
        )
    else:
        _print_table(found, options.split)
    return 0


def tell_problems(dataset: "Dataset") -> None:
    """What was mended or skipped in the data set, counted by kind, beside the scores: they are not of all of it."""
    from collections import Counter

    counts = Counter(problem.kind for problem in dataset.problems)
    if counts:
        found = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        sys.stderr.write(f"{dataset.root}: {found} (`python -m data check` lists them)\n")


def examples_of(dataset: "Dataset", split: str, info: "DetectorInfo") -> "list[Example]":
    """The split's examples, their classes numbered as the detector numbers them."""
    from dataclasses import replace

    import numpy as np

    examples = dataset.splits.get(split, ())
    if not examples:
        held = ", ".join(name for name, found in dataset.splits.items() if found)
        raise ValueError(f"{dataset.root}: expected pictures in split '{split}', got none (there are: {held})")
    unknown = [name for name in dataset.class_names if name not in info.class_names]
    if unknown:
        raise ValueError(
            f"{dataset.root}: expected classes that the detector knows ({', '.join(info.class_names)}), "
            f"got {', '.join(unknown)} too"
        )
    number = np.array([info.class_names.index(name) for name in dataset.class_names], np.int32)
    return [replace(example, classes=number[example.classes]) for example in examples]


def _print_table(found: "AveragePrecision", split: str) -> None:
    width = max(len(name) for name in (*found.per_class, "all classes"))
    say(f"COCO average precision on {found.images} pictures of split '{split}'")
    for name, value in found.per_class.items():
        say(f"  {name:<{width}}  AP50:95 {value:.4f}")
    say(f"  {'all classes':<{width}}  AP50:95 {found.map50_95:.4f}  AP50 {found.map50:.4f}  AP75 {found.map75:.4f}")
