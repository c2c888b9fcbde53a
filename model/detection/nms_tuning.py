"""NMS settings chosen after a training, on candidates of its validation pictures: no forward pass more, no training.

A fixed grid of thresholds and kinds. What is chosen is the best of many scores on one split, so its score there is a
little too high: it says how to use the detector, and stands in no comparison (those have the fixed settings).
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from model.config import PostConfig
from model.detection import evaluate
from model.detection.average_precision import AveragePrecision

THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
BETAS = (0.4, 0.6, 0.8, 1.0)  # of DIoU-NMS: from far off Darknet's 0.6 to the paper's 1


@dataclass(frozen=True)
class Tuned:
    """The settings that were chosen, and what they and the fixed ones score."""

    post: PostConfig
    fixed_score: float
    tuned_score: float
    fixed: AveragePrecision
    tuned: AveragePrecision


def grid(fixed: PostConfig) -> list[PostConfig]:
    """What is tried, the nearest to the fixed settings first: they themselves, then their kind, threshold and beta."""
    tried = [replace(fixed, nms="plain", nms_iou=iou) for iou in THRESHOLDS]
    tried += [replace(fixed, nms="diou", nms_iou=iou, nms_beta=beta) for iou in THRESHOLDS for beta in BETAS]

    def distance(post: PostConfig) -> tuple[bool, float, float]:
        iou, beta = abs(post.nms_iou - fixed.nms_iou), abs(post.nms_beta - fixed.nms_beta)
        return post.nms != fixed.nms, round(iou, 6), round(beta, 6)

    return [fixed, *sorted((post for post in tried if post != fixed), key=distance)]


def tune(
    looked: Sequence[evaluate.Looked],
    pictures: Sequence[evaluate.Picture],
    class_names: Sequence[str],
    score: Callable[[AveragePrecision], float],
    fixed: PostConfig | None = None,
) -> Generator[PostConfig, None, Tuned]:
    """The settings of the grid with the highest score; of several, the nearest to the fixed ones.

    looked: candidates of all the pictures, made with the fixed score cut. Yields each setting when it was tried, and
    returns what was chosen.
    """
    start = fixed or PostConfig()
    first = best = evaluate.precision(looked, pictures, class_names, start)
    fixed_score = highest = score(first)
    chosen = start
    yield start
    for post in grid(start)[1:]:
        found = evaluate.precision(looked, pictures, class_names, post)
        if (reached := score(found)) > highest:
            chosen, best, highest = post, found, reached
        yield post
    return Tuned(chosen, fixed_score, highest, first, best)
