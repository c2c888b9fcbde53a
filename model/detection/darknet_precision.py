"""Average precision as Darknet's `detector map` counts it (github.com/AlexeyAB/darknet, detector.c), at IoU .5.

Differences from COCO's protocol: every detection counts, not a picture's best hundred; a detection is matched to the
truth of its class that it overlaps most, even if that one is taken (as in Pascal VOC), and the overlap must exceed the
threshold; a class without truths counts as 0; AP is the area under the monotone envelope of precision over recall
(VOC 2010), or the mean of the envelope at 11 (VOC 2007) or 101 recalls.

Ignored boxes are no truths. A detection that overlaps no truth enough is left out if it overlaps an ignored box of its
class: a difficult object by an IoU above the threshold, as with `difficult=` in Darknet's .data file; a crowd, which
Darknet does not know, by the overlap divided by the detection's area. (Darknet's counts of right and wrong detections
above a score still include the ones left out.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.boxes import IgnoredBoxes, areas, overlap_and_union
from model.config import DARKNET_POINTS, SHOWN_SCORE
from model.detection.average_precision import Detection, Truth

IOU_THRESHOLD = 0.5
NO_TRUTH = -1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DarknetClass:
    """One class: AP50 in 0..1, truths, detections, and how many above SHOWN_SCORE are right and wrong."""

    name: str
    ap50: float
    truths: int
    detections: int
    right: int
    wrong: int


@dataclass(frozen=True)
class DarknetPrecision:
    """map50: mean over all classes, also those without truths. The other three: above SHOWN_SCORE, over all classes."""

    map50: float
    precision: float
    recall: float
    f1: float
    rows: tuple[DarknetClass, ...]
    images: int


def darknet_precision(
    truths: Sequence[Truth],
    detections: Sequence[Detection],
    class_names: Sequence[str],
    *,
    points: int = 0,
    iou_threshold: float = IOU_THRESHOLD,
) -> DarknetPrecision:
    """AP50 of detections against truths, one entry a picture, in pixels of the original pictures."""
    if points not in DARKNET_POINTS:
        raise ValueError(f"points: expected {', '.join(map(str, DARKNET_POINTS))}, got {points!r}")
    if len(truths) != len(detections):
        raise ValueError(
            f"average precision: expected detections for each of {len(truths)} pictures, got {len(detections)}"
        )
    if not sum(len(truth.classes) for truth in truths):
        raise ValueError(f"average precision: expected at least one truth, got none in {len(truths)} pictures")
    rows = tuple(
        _class_precision(truths, detections, class_id, name, points, iou_threshold)
        for class_id, name in enumerate(class_names)
    )
    right, wrong, present = (sum(getattr(row, name) for row in rows) for name in ("right", "wrong", "truths"))
    precision, recall = _share(right, right + wrong), _share(right, present)
    return DarknetPrecision(
        map50=float(np.mean([row.ap50 for row in rows])),
        precision=precision,
        recall=recall,
        f1=_share(2 * precision * recall, precision + recall),
        rows=rows,
        images=len(truths),
    )


def area(recall: Floats, precision: Floats, points: int) -> float:
    """The area under the curve's envelope, or the envelope's mean at `points` recalls.

    recall, precision: after each detection, from the best score down. The envelope at a recall is the best precision
    there or at any higher recall; beyond the last recall it is 0.
    """
    if not len(recall):
        return 0.0
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    if points == 0:
        return float(np.sum(np.diff(recall, prepend=0.0) * envelope))
    heights = np.append(envelope, 0.0)
    # Divided like the recalls, so that a recall of 3 of 10 is exactly the point 3 / 10; linspace rounds otherwise.
    return float(heights[np.searchsorted(recall, np.arange(points) / (points - 1))].mean())


def _class_precision(
    truths: Sequence[Truth],
    detections: Sequence[Detection],
    class_id: int,
    name: str,
    points: int,
    iou_threshold: float,
) -> DarknetClass:
    # Truths of all pictures are numbered consecutively, so that "taken" is one array.
    taken = np.zeros(sum(int((truth.classes == class_id).sum()) for truth in truths), bool)
    owners, scores, offset = [], [], 0
    for truth, (boxes, classes, confidences) in zip(truths, detections, strict=True):
        class_truths = truth.boxes[truth.classes == class_id]
        of_class = classes == class_id
        owner = _owners(boxes[of_class], class_truths, iou_threshold)
        counted = (owner != NO_TRUTH) | ~_on_ignored(boxes[of_class], truth.ignored, class_id, iou_threshold)
        owners.append(np.where(owner == NO_TRUTH, NO_TRUTH, owner + offset)[counted])
        scores.append(confidences[of_class][counted])
        offset += len(class_truths)
    owner, score = np.concatenate(owners), np.concatenate(scores)
    order = np.argsort(-score, kind="stable")
    hit = np.zeros(len(order), bool)
    for rank, index in enumerate(order.tolist()):
        if owner[index] != NO_TRUTH and not taken[owner[index]]:
            taken[owner[index]] = hit[rank] = True
    hits = np.cumsum(hit, dtype=np.float64)
    shown_hits = hit[score[order] > SHOWN_SCORE]
    return DarknetClass(
        name,
        ap50=area(hits / len(taken), hits / np.arange(1, len(hits) + 1), points) if len(taken) else 0.0,
        truths=len(taken),
        detections=len(order),
        right=int(shown_hits.sum()),
        wrong=int((~shown_hits).sum()),
    )


def _owners(boxes: NDArray[np.float32], truths: NDArray[np.float32], iou_threshold: float) -> NDArray[np.int64]:
    """Index of the truth that each box overlaps most, NO_TRUTH if by no more than the threshold; [n] from [n, 4]."""
    if not len(truths):
        return np.full(len(boxes), NO_TRUTH, np.int64)
    shared, union = _overlap_and_union(boxes, truths)
    iou = _quotient(shared, union)
    return np.where(iou.max(axis=1) > iou_threshold, iou.argmax(axis=1), NO_TRUTH)


def _on_ignored(
    boxes: NDArray[np.float32], ignored: IgnoredBoxes, class_id: int, iou_threshold: float
) -> NDArray[np.bool_]:
    """Whether each box overlaps an ignored box of the class by more than the threshold; [n] from [n, 4]."""
    of_class = ignored.classes == class_id
    shared, union = _overlap_and_union(boxes, ignored.boxes[of_class])
    whole = np.where(ignored.crowd[of_class], areas(boxes.astype(np.float64))[:, None], union)
    return np.asarray((_quotient(shared, whole) > iou_threshold).any(axis=1))


def _overlap_and_union(one: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Areas [n, m] of the overlaps and unions of boxes [n, 4] and [m, 4]."""
    shared, union = overlap_and_union(one.astype(np.float64)[:, None], other.astype(np.float64)[None], np)
    return shared, union


def _quotient(shared: Floats, whole: Floats) -> Floats:
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
