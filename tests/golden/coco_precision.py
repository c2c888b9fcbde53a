"""Makes coco_precision.json and coco_crowds.json: detections and truths by chance, and what pycocotools says of them.

In the second a truth has a sixth number: 1 for a crowd (iscrowd).

Run with pycocotools 2.0.11 and numpy 2.4 in an environment of its own: python tests/golden/coco_precision.py
"""

import contextlib
import importlib.metadata
import io
import json
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

CLASSES = 4  # the last has no truth
PICTURES = 10


def case(rng):
    """One picture: truths [x1, y1, x2, y2, class], detections with a score more; of one class more than 100 in some."""
    low = rng.uniform(0, 300, (rng.integers(0, 8), 2))
    boxes = np.concatenate([low, low + rng.uniform(10, 120, low.shape)], axis=1)
    classes = rng.integers(0, CLASSES - 1, len(boxes))
    copies = int(rng.integers(1, 60))
    near = np.repeat(boxes, copies, axis=0) + rng.normal(0, 5, (copies * len(boxes), 4))
    near[:, 2:] = np.maximum(near[:, 2:], near[:, :2] + 1)
    shown = np.where(rng.random(len(near)) < 0.85, np.repeat(classes, copies), rng.integers(0, CLASSES, len(near)))
    scores = rng.random(len(near))
    truths = np.column_stack([boxes, classes]).astype(np.float32)
    return truths.tolist(), np.column_stack([near, shown, scores]).astype(np.float32).tolist()


def crowded():
    """A picture whose one hit comes after 110 misses of its class: beyond the hundred that count."""
    misses = [[400.0, 400.0, 410.0 + k, 420.0, 0.0, 0.75] for k in range(110)]
    return [[10.0, 10.0, 90.0, 90.0, 0.0]], [*misses, [10.0, 10.0, 90.0, 90.0, 0.0, 0.5]]


def with_crowds(rng):
    """A picture of which a third of the truths are crowds, with small detections all over them."""
    truths, detections = case(rng)
    labelled = [[*truth, float(rng.random() < 1 / 3)] for truth in truths]
    for left, top, right, bottom, number, crowd in labelled:
        for _ in range(10 if crowd else 0):
            x, y = rng.uniform(left - 10, right), rng.uniform(top - 10, bottom)
            detections.append([x, y, x + rng.uniform(3, 30), y + rng.uniform(3, 30), number, rng.random()])
    return labelled, np.array(detections, np.float32).tolist()


def rows(boxes, extra):
    """COCO's form of a picture's rows."""
    return [
        {"bbox": [x1, y1, x2 - x1, y2 - y1], "category_id": int(number) + 1, **extra(rest, x2 - x1, y2 - y1)}
        for x1, y1, x2, y2, number, *rest in boxes
    ]


def main():
    """Draw, ask pycocotools, write."""
    rng = np.random.default_rng(20)
    write("coco_precision.json", [case(rng) for _ in range(PICTURES - 1)] + [crowded()])
    rng = np.random.default_rng(21)
    write("coco_crowds.json", [with_crowds(rng) for _ in range(PICTURES)])


def write(name, cases):
    """Ask pycocotools of these pictures, and write what it says."""
    annotations, results = [], []
    for image, (truths, detections) in enumerate(cases, start=1):
        annotations += rows(
            truths,
            lambda crowd, w, h, image=image: {"image_id": image, "area": w * h, "iscrowd": int(any(crowd))},
        )
        results += rows(detections, lambda rest, w, h, image=image: {"image_id": image, "score": rest[0]})
    for number, row in enumerate(annotations, start=1):
        row["id"] = number
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": k + 1} for k in range(PICTURES)],
        "categories": [{"id": c + 1} for c in range(CLASSES)],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][:, :, :, 0, 2]  # all areas, 100 detections a picture
    document = {
        "versions": {name: importlib.metadata.version(name) for name in ("pycocotools", "numpy")},
        "classes": CLASSES,
        "pictures": cases,
        "map50_95": evaluation.stats[0],
        "map50": evaluation.stats[1],
        "map75": evaluation.stats[2],
        "per_class": [float(precision[:, :, c].mean()) for c in range(CLASSES)],  # -1: no truth
    }
    Path(__file__).with_name(name).write_text(json.dumps(document))


if __name__ == "__main__":
    main()
