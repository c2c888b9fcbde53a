"""Load JSON files in COCO's form: with boxes, or of other tasks. Format: cocodataset.org, "Data format"."""

import json
from dataclasses import dataclass
from typing import Any

from data.readers import text_files
from data.readers.dataset_file import DatasetFile
from data.readers.folder import Folder

MAX_BYTES = 1 << 30  # COCO's own train2017 has 0.45 GB

# A key of annotations without a box -> what they are.
_OTHERS = {
    "caption": "captions of pictures",
    "segments_info": "panoptic segmentation",
    "keypoints": "keypoints without boxes",
    "category_id": "classes of whole pictures",
}
_RESULTS = "results of a detector, not labels"


@dataclass(frozen=True)
class Document:
    """A JSON file. content: its detection data in COCO's form; None if it has none.

    other: what it holds instead, in words, if it has COCO's form all the same; else None.
    """

    content: dict[str, Any] | None
    other: str | None = None


def load(folder: Folder, file: DatasetFile) -> Document:
    """The document, which is parsed only once. ValueError if it is broken."""
    return folder.computed_once(file, lambda: _parse(file))


def _parse(file: DatasetFile) -> Document:
    content = text_files.read_bytes(file.path, MAX_BYTES)
    wide = b"\0" in content[:4]  # UTF-16 and UTF-32 have zeros between ASCII characters
    if not wide and b'"images"' not in content and b'"image_id"' not in content:
        return Document(None)
    try:
        document = json.loads(content)
    except UnicodeDecodeError:
        document = json.loads(text_files.decode(content)[0])
    except RecursionError as error:
        raise ValueError("expected COCO's JSON, got brackets nested too deep") from error
    if isinstance(document, list):
        return Document(None, _RESULTS if any(_has(item, "bbox", "segmentation") for item in document) else None)
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        return Document(None)
    annotations = document.get("annotations")
    if not isinstance(annotations, list):
        pictures = any(_has(image, "file_name") for image in document["images"])
        return Document(None, "pictures without annotations" if pictures else None)
    if not annotations or any(_has(item, "bbox", "segmentation") for item in annotations):
        return Document(document)
    return Document(None, next((what for key, what in _OTHERS.items() if any(_has(a, key) for a in annotations)), None))


def _has(value: object, *keys: str) -> bool:
    return isinstance(value, dict) and any(key in value for key in keys)
