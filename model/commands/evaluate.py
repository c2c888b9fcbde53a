"""`python -m model evaluate`: average precision of a saved detector on a split, by COCO's or Darknet's protocol."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.command_line import add_format, print_json, report_problems, say
from data.config import STORE_FACTOR
from model.commands.shared import (
    add_post,
    add_size,
    add_weights,
    find_weights,
    finish,
    load_keras,
    nms_line,
    post_config,
    progress,
    table,
)
from model.config import DARKNET_POINTS, SHOWN_SCORE, PostConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data.dataset import Dataset, Example
    from model.commands.weights import SavedDetector
    from model.detection.average_precision import AveragePrecision, Detection
    from model.detection.darknet_precision import DarknetPrecision

EVALUATION_BATCH = 8
PICTURE_SUFFIXES = (".jpg", ".png")
NO_LIMIT = 1_000_000  # Darknet's protocol has no limit on candidates or detections


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    command = subparsers.add_parser("evaluate", help="average precision of a detector on a data set")
    add_weights(command)
    command.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data set's folder")
    add_format(command)
    command.add_argument("--split", choices=("train", "val", "test"), default="val")
    add_size(command, "the file's")
    command.add_argument("--fit", choices=("stretch", "letterbox"), help="default: the file's; stretch for Darknet's")
    command.add_argument(
        "--protocol", choices=("coco", "darknet"), default="coco",
        help="how precision is counted: COCO's AP50:95 (default), or AP50 as Darknet's `detector map`",
    )  # fmt: skip
    command.add_argument(
        "--points", type=int, choices=DARKNET_POINTS,
        help="with --protocol darknet: area under the curve (0, the default), or its mean at 11 or 101 recalls",
    )  # fmt: skip
    command.add_argument(
        "--pictures", type=Path, metavar="FILE.jpg",
        help=f"also write a grid of pictures of the split, with their truth beside the detections above {SHOWN_SCORE}",
    )  # fmt: skip
    add_post(command, PostConfig.score)
    finish(command, run)


def run(options: argparse.Namespace) -> int:
    """Compute and print the average precision of a saved detector on a split."""
    if options.points is not None and options.protocol != "darknet":
        raise ValueError(f"--points: expected --protocol darknet with it, got {options.protocol}")
    if options.pictures is not None and options.pictures.suffix.lower() not in PICTURE_SUFFIXES:
        raise ValueError(f"--pictures {options.pictures}: expected a name that ends in {' or '.join(PICTURE_SUFFIXES)}")
    weights = find_weights(options.weights, options)
    size = weights.size(options.size)
    limits = {"max_candidates": NO_LIMIT, "max_detections": NO_LIMIT} if options.protocol == "darknet" else {}
    post = post_config(options, weights, PostConfig.score, **limits)
    fit = options.fit or weights.fit
    from data.sets import read

    dataset = read.load_split(options.data, options.split, options.format)
    examples = examples_of(dataset, options.split, weights.class_names)
    report_problems(dataset)
    load_keras()
    from data.batches.pipeline import Pipeline
    from model.detection import evaluate

    network = weights.load()
    batch = min(EVALUATION_BATCH, len(examples))
    batches = Pipeline(examples, store_side=round(STORE_FACTOR * max(size))).evaluation(size=size, fit=fit, batch=batch)
    detections = evaluate.detections(
        lambda images: network.detect(images, post),
        progress(batches, -(-len(examples) // batch), f"evaluating {len(examples)} pictures"),
        examples,
    )
    if options.pictures is not None:
        from model.commands import picture_grid

        picture_grid.write(options.pictures, examples, detections, weights.class_names)
    heading = (
        f"split '{options.split}', {len(examples)} pictures at {size[0]}x{size[1]} (height x width, {fit}), "
        f"score above {post.score:g}, {nms_line(post, weights)}{_ignored_in_words(examples)}"
    )
    score = _coco if options.protocol == "coco" else _darknet
    document, text = score(evaluate.truths(examples), detections, weights, heading, options.points or 0)
    if options.json:
        print_json(document)
    else:
        say(text)
    return 0


def _coco(
    truths: "Sequence[Any]", detections: "Sequence[Detection]", weights: "SavedDetector", heading: str, _points: int
) -> tuple[dict[str, Any], str]:
    """Results by COCO's protocol: the JSON document and the table."""
    from model.detection.average_precision import average_precision

    result: AveragePrecision = average_precision(truths, detections, weights.class_names)
    document = {
        "map50": result.map50,
        "map50_95": result.map50_95,
        "map75": result.map75,
        "images": result.images,
        "per_class": dict(result.per_class),
        "classes": [
            {
                "name": row.name,
                "truths": row.truths,
                "detections": row.detections,
                "map50_95": row.ap50_95,
                "map50": row.ap50,
                "map75": row.ap75,
            }
            for row in result.rows
        ],
        "protocol": "coco",
    }
    rows: list[tuple[str, ...]] = [("class", "truths", "detections", "AP50:95", "AP50", "AP75")]
    rows += [
        (r.name, f"{r.truths}", f"{r.detections}", f"{r.ap50_95:.4f}", f"{r.ap50:.4f}", f"{r.ap75:.4f}")
        for r in result.rows
    ]
    total = (sum(r.truths for r in result.rows), sum(r.detections for r in result.rows))
    means = (result.map50_95, result.map50, result.map75)
    rows.append(("all classes", str(total[0]), str(total[1]), *(f"{value:.4f}" for value in means)))
    protocol = "COCO's protocol: 101 recalls, at most 100 detections a picture, classes without truths left out"
    return document, f"{protocol}\n{heading}\n{table(rows)}"


def _darknet(
    truths: "Sequence[Any]", detections: "Sequence[Detection]", weights: "SavedDetector", heading: str, points: int
) -> tuple[dict[str, Any], str]:
    """Results by Darknet's protocol, which has AP at IoU .5 only: the JSON document and the table."""
    from model.detection.darknet_precision import darknet_precision

    result: DarknetPrecision = darknet_precision(truths, detections, weights.class_names, points=points)
    document = {
        "map50": result.map50,
        "map50_95": None,
        "map75": None,
        "images": result.images,
        "per_class": {row.name: row.ap50 for row in result.rows},
        "precision": result.precision,
        "recall": result.recall,
        "f1": result.f1,
        "protocol": "darknet",
        "points": points,
    }
    rows = [("class", "truths", "detections", "AP50", "right", "wrong")]
    rows += [
        (r.name, f"{r.truths}", f"{r.detections}", f"{r.ap50:.4f}", f"{r.right}", f"{r.wrong}") for r in result.rows
    ]
    sums = (sum(getattr(r, name) for r in result.rows) for name in ("truths", "detections", "right", "wrong"))
    truth, shown, right, wrong = (str(number) for number in sums)
    rows.append(("all classes", truth, shown, f"{result.map50:.4f}", right, wrong))
    curve = "area under the curve" if points == 0 else f"mean at {points} recalls"
    return document, (
        f"Darknet's protocol (detector map): AP at IoU .5, {curve}, all detections, classes without truths count as 0\n"
        f"{heading}\n{table(rows)}\n"
        f"  at scores above {SHOWN_SCORE:g} (right, wrong): precision {result.precision:.4f}  recall "
        f"{result.recall:.4f}  F1 {result.f1:.4f}"
    )


def examples_of(dataset: "Dataset", split: str, class_names: "Sequence[str]") -> "list[Example]":
    """The split's examples, with class ids changed to the detector's; ValueError if it does not know a class."""
    from dataclasses import replace

    import numpy as np

    examples = dataset.splits.get(split, ())
    if not examples:
        filled = ", ".join(name for name, examples_of_split in dataset.splits.items() if examples_of_split)
        raise ValueError(f"{dataset.root}: expected pictures in split '{split}', got none (there are: {filled})")
    unknown = [name for name in dataset.class_names if name not in class_names]
    if unknown:
        raise ValueError(
            f"{dataset.root}: expected classes that the detector knows ({', '.join(class_names)}), "
            f"got {', '.join(unknown)} too"
        )
    new_ids = np.array([list(class_names).index(name) for name in dataset.class_names], np.int32)
    return [
        replace(
            example,
            classes=new_ids[example.classes],
            ignored=replace(example.ignored, classes=new_ids[example.ignored.classes]),
        )
        for example in examples
    ]


def _ignored_in_words(examples: "Sequence[Example]") -> str:
    """The numbers of difficult objects and of crowds that are ignored, to be added to a heading."""
    total = sum(len(example.ignored) for example in examples)
    crowds = sum(int(example.ignored.crowd.sum()) for example in examples)
    return f", {total - crowds} difficult objects and {crowds} crowds ignored" if total else ""
