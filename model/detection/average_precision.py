"""COCO's average precision, by faster-coco-eval (the same numbers as pycocotools in a sixth of the time).

AP: mean over IoU .50:.05:.95 of 101-point interpolated precision, then over classes; at most 100 detections a
picture; detections are matched greedily from the best score down, each truth once. Darknet's own protocol is in
model/detection/darknet_precision.py.

Ignored boxes are no truths, and a detection that is matched with one, because no truth was left for it, does not count.
Each may be matched any number of times: a crowd (COCO's iscrowd) by the overlap divided by the detection's area, as in
pycocotools; a difficult object by IoU, as in Pascal VOC's development kit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.boxes import NONE_IGNORED, IgnoredBoxes, overlap_and_union

MAX_DETECTIONS = 100
MAX_AREA = 1e10  # COCO's bound on the areas of all sizes; a truth beyond it is ignored
LEAST_IOU = 0.5

# Boxes [n, 4] xyxy, classes [n], scores [n]
Detection = tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]


class Truth(NamedTuple):
    """The labels of a picture: boxes [n, 4] xyxy, classes [n], and the boxes that do not count."""

    boxes: NDArray[np.float32]
    classes: NDArray[np.int32]
    ignored: IgnoredBoxes = NONE_IGNORED


@dataclass(frozen=True)
class ClassPrecision:
    """One class: AP in 0..1, its number of truths and of detections."""

    name: str
    ap50_95: float
    ap50: float
    ap75: float
    truths: int
    detections: int


@dataclass(frozen=True)
class AveragePrecision:
    """Means over the classes that have a truth, in 0..1. per_class: AP50:95 of each of those classes."""

    map50_95: float
    map50: float
    map75: float
    per_class: Mapping[str, float]
    images: int
    rows: tuple[ClassPrecision, ...] = ()  # the same classes in order, each with its counts


def average_precision(
    truths: Sequence[Truth], detections: Sequence[Detection], class_names: Sequence[str]
) -> AveragePrecision:
    """AP of detections against truths, one entry a picture, in pixels of the original pictures."""
    if len(truths) != len(detections):
        raise ValueError(
            f"average precision: expected detections for each of {len(truths)} pictures, got {len(detections)}"
        )
    present = sorted({int(c) for truth in truths for c in truth.classes})
    if not present:
        raise ValueError(f"average precision: expected at least one truth, got none in {len(truths)} pictures")
    if present[0] < 0 or present[-1] >= len(class_names):
        raise ValueError(
            f"average precision: expected truths of classes 0 to {len(class_names) - 1}, "
            f"got {present[0]} to {present[-1]}"
        )
    precision = _precision(truths, detections, class_names, present)
    by_class = precision.mean(axis=1)  # [iou thresholds, classes]
    rows = tuple(
        ClassPrecision(
            class_names[class_id],
            ap50_95=float(by_class[:, column].mean()),
            ap50=float(by_class[0, column]),
            ap75=float(by_class[5, column]),
            truths=sum(int((truth.classes == class_id).sum()) for truth in truths),
            detections=sum(int((classes == class_id).sum()) for _, classes, _ in detections),
        )
        for column, class_id in enumerate(present)
    )
    return AveragePrecision(
        map50_95=float(by_class.mean()),
        map50=float(by_class[0].mean()),
        map75=float(by_class[5].mean()),
        per_class={row.name: row.ap50_95 for row in rows},
        images=len(truths),
        rows=rows,
    )


def _precision(
    truths: Sequence[Truth], detections: Sequence[Detection], class_names: Sequence[str], present: list[int]
) -> NDArray[np.float64]:
    """Interpolated precision [10 IoU thresholds, 101 recalls, classes present]."""
    from faster_coco_eval import COCO, COCOeval_faster

    dataset = {
        "info": {},
        "images": [{"id": k + 1} for k in range(len(truths))],
        "categories": [{"id": c + 1, "name": class_names[c]} for c in present],
        "annotations": _truth_rows(truths, detections),
    }
    truth_index = COCO(dataset)
    evaluation = COCOeval_faster(truth_index, truth_index.loadRes(_detection_rows(detections)), "bbox")
    evaluation.params.maxDets = [MAX_DETECTIONS]
    evaluation.params.areaRng = [[0, MAX_AREA]]
    evaluation.params.areaRngLbl = ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    # [thresholds, recalls, classes, areas, max detections]; -1 would mean a class without truths
    precision: NDArray[np.float64] = np.asarray(evaluation.eval["precision"], np.float64)[:, :, :, 0, 0]
    return precision


def _corner_and_size(boxes: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = boxes.astype(np.float64)
    return np.concatenate([wide[:, :2], wide[:, 2:] - wide[:, :2]], axis=1)


def _truth_rows(truths: Sequence[Truth], detections: Sequence[Detection]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def add(image: int, box: list[float], class_id: int, area: float, crowd: bool = False) -> None:
        labels = {"image_id": image, "category_id": class_id + 1, "bbox": box, "area": area, "iscrowd": int(crowd)}
        rows.append({"id": len(rows) + 1, **labels})

    for image, (truth, detected) in enumerate(zip(truths, detections, strict=True), start=1):
        for box, class_id in zip(_corner_and_size(truth.boxes).tolist(), truth.classes.tolist(), strict=True):
            add(image, box, class_id, box[2] * box[3])
        ignored = truth.ignored
        if not len(ignored):
            continue
        copies = np.where(ignored.crowd, 1, _num_overlapping(ignored, detected))
        for k, box in enumerate(_corner_and_size(ignored.boxes).tolist()):
            # COCO matches a crowd any number of times, but another truth once, ignored or not: so there are as many
            # of a difficult object as there are detections to match it.
            for _ in range(copies[k]):
                add(image, box, int(ignored.classes[k]), 2 * MAX_AREA, bool(ignored.crowd[k]))
    return rows


def _num_overlapping(ignored: IgnoredBoxes, detected: Detection) -> NDArray[np.int64]:
    """The number of detections of its class that each ignored box may be matched with by IoU: [n]."""
    boxes, classes, _ = detected
    ours, theirs = ignored.boxes.astype(np.float64)[:, None], boxes.astype(np.float64)[None]
    shared, union = overlap_and_union(ours, theirs, np)
    # A little below the threshold, since a copy too many changes nothing and one too few does.
    overlapping = (shared > 0) & (shared >= (LEAST_IOU - 1e-6) * union)
    matching = overlapping & (ignored.classes[:, None] == classes[None])
    return np.asarray(np.minimum(matching.sum(axis=1), MAX_DETECTIONS))


def _detection_rows(detections: Sequence[Detection]) -> list[dict[str, Any]]:
    """Rows for loadRes, which ignores classes without a truth and their detections."""
    return [
        {"image_id": image, "category_id": class_id + 1, "bbox": box, "score": score, "segmentation": []}
        for image, (boxes, classes, scores) in enumerate(detections, start=1)
        for box, class_id, score in zip(
            _corner_and_size(boxes).tolist(), classes.tolist(), scores.tolist(), strict=True
        )
    ]
