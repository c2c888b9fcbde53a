"""Chooses NMS settings after a training, from a fixed grid, on stored candidates of the validation pictures.

It needs no further forward pass or training. The best of many scores on one split is a little too high, so the tuned
score is never compared with others: it only says how to use the detector. Comparisons use the fixed settings.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from model.config import PostConfig
from model.detection import evaluate
from model.detection.average_precision import AveragePrecision

THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)
BETAS = (0.4, 0.6, 0.8, 1.0)  # of DIoU-NMS; Darknet's is 0.6, the paper's 1


@dataclass(frozen=True)
class TuningResult:
    """The chosen settings, and the scores of the fixed and the chosen ones."""

    post: PostConfig
    fixed_score: float
    tuned_score: float
    fixed: AveragePrecision
    tuned: AveragePrecision


def grid(fixed: PostConfig) -> list[PostConfig]:
    """The settings to try, nearest to the fixed ones first: by kind, then threshold, then beta."""
    tried = [replace(fixed, nms="plain", nms_iou=iou) for iou in THRESHOLDS]
    tried += [replace(fixed, nms="diou", nms_iou=iou, nms_beta=beta) for iou in THRESHOLDS for beta in BETAS]

    def distance(post: PostConfig) -> tuple[bool, float, float]:
        iou, beta = abs(post.nms_iou - fixed.nms_iou), abs(post.nms_beta - fixed.nms_beta)
        return post.nms != fixed.nms, round(iou, 6), round(beta, 6)

    return [fixed, *sorted((post for post in tried if post != fixed), key=distance)]


def tune(
    candidate_batches: Sequence[evaluate.CandidateBatch],
    pictures: Sequence[evaluate.LabelledPicture],
    class_names: Sequence[str],
    score: Callable[[AveragePrecision], float],
    fixed: PostConfig | None = None,
) -> Generator[PostConfig, None, TuningResult]:
    """Find the settings of the grid with the highest score; on a tie, the nearest to the fixed ones.

    candidate_batches: of all the pictures, made with the fixed score cut. Yields each setting after it was tried;
    returns the result.
    """
    start = fixed or PostConfig()
    first = best = evaluate.score_candidates(candidate_batches, pictures, class_names, start)
    fixed_score = highest = score(first)
    chosen = start
    yield start
    for post in grid(start)[1:]:
        result = evaluate.score_candidates(candidate_batches, pictures, class_names, post)
        if (tried_score := score(result)) > highest:
            chosen, best, highest = post, result, tried_score
        yield post
    return TuningResult(chosen, fixed_score, highest, first, best)
