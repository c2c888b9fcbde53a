"""Runs any exported file on pictures, whether it outputs raw maps, candidates or detections."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.config import PostConfig
from model.detection import predict
from model.detection.predict import Detections
from model.export.card import Card, ExportError
from model.network import decode_arrays

Floats = NDArray[np.float32]
# float32 [1, height, width, 3] in 0..1 -> the file's outputs by name
RunFile = Callable[[Floats], Mapping[str, Any]]


class ExportedNetwork:
    """A detector in an exported file, which takes one picture at a time."""

    def __init__(self, source: str, card: Card, run: RunFile) -> None:
        self.source = source
        self.card = card
        self._run = run

    def maps(self, images: NDArray[Any]) -> dict[str, Floats]:
        """Raw output maps of pictures [b, height, width, 3], by name; ExportError if the file outputs decoded ones."""
        if self.card.output != "maps":
            raise ExportError(f"{self.source}: expected raw output maps, got a file that decodes them itself")
        of_pictures = [self._outputs(image) for image in images]
        return {name: np.concatenate([outputs[name] for outputs in of_pictures]) for name in self.card.shapes()}

    def detect(self, images: NDArray[Any], post: PostConfig) -> list[Detections]:
        """Each picture's detections in network pixels. If the file contains NMS, only the score of `post` is used."""
        return [self._detections(self._outputs(image), post) for image in images]

    def _outputs(self, image: NDArray[Any]) -> Mapping[str, Any]:
        expected = (self.card.height, self.card.width, 3)
        if image.shape != expected:
            raise ExportError(f"{self.source}: expected pictures {expected}, got {image.shape}")
        return self._run(predict.to_unit_range(image)[None])

    def _detections(self, outputs: Mapping[str, Any], post: PostConfig) -> Detections:
        if self.card.output == "maps":
            raw = [outputs[name] for name in self.card.shapes()]
            return predict.detect(
                decode_arrays.boxes(raw, self.card.anchors, self.card.scale_xy, self.card.maps), post
            )[0]
        if self.card.output == "candidates":
            scores = np.asarray(outputs["scores"], np.float32)
            return predict.detect((outputs["boxes"], np.ones(scores.shape[:2], np.float32), scores), post)[0]
        boxes, classes, scores = (np.asarray(outputs[name])[0] for name in ("boxes", "classes", "scores"))
        keep = (classes >= 0) & (scores > post.score)
        return Detections(boxes[keep].astype(np.float32), classes[keep].astype(np.int32), scores[keep])
