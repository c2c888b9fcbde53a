"""A trained detector as one file: Keras' .keras archive with one more member, detector.json.

Keras could load the file, but we never let it: the network is built from detector.json's settings and filled with the
stored arrays, so that no code or configuration inside a file can run or choose a Python class. Light to import: a
wrong file is reported before TensorFlow loads.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import h5py  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from data.whole_files import written_whole
from model.config import DetectorConfig, PostConfig
from model.network import scales

FORMAT = 1
INFO_MEMBER = "detector.json"
WEIGHTS_MEMBER = "model.weights.h5"  # Keras' name
LARGEST_INFO = 1 << 24  # bytes; a usual one has a few KB

# The note "role" of checkpoints that other trainings start from: which weights a training may take over.
BASE_ROLE, BACKBONE_ROLE = "base", "backbone"  # all but the class weights; only the backbone
BACKBONE_LAYERS = ("backbone_", "tiny_")  # prefixes of the backbone's layer names: of yolov4, of yolov4-tiny

Weights = dict[str, NDArray[np.float32]]


class CheckpointError(ValueError):
    """A file is not one of our checkpoints, or not of this network; the message names the file and what is wrong."""


@dataclass(frozen=True)
class DetectorInfo:
    """What is needed to use a detector, apart from its weights."""

    class_names: tuple[str, ...]
    anchors: tuple[tuple[float, float], ...]  # (width, height), network pixels; as released nine, for yolov4-tiny six
    size: int | tuple[int, int]  # of the network input for evaluation: the side of a square, or (height, width)
    fit: Literal["stretch", "letterbox"]
    detector: DetectorConfig
    notes: Mapping[str, str] = field(default_factory=dict)  # its origin: data fingerprint, search, uid ...
    post: PostConfig | None = None  # settings whose NMS was tuned on validation; None: use the defaults

    def __post_init__(self) -> None:
        if not self.class_names:
            raise ValueError("class_names: expected at least one class, got none")
        num_anchors = scales.number_of_anchors(scales.of_config(self.detector))
        if len(self.anchors) < num_anchors or any(len(anchor) != 2 or min(anchor) <= 0 for anchor in self.anchors):
            raise ValueError(f"anchors: expected {num_anchors} pairs of width and height above 0, got {self.anchors!r}")
        if min(self.shape) < 32 or any(side % 32 for side in self.shape):
            raise ValueError(f"size: expected multiples of 32, got {self.size!r}")
        if self.fit not in ("stretch", "letterbox"):
            raise ValueError(f"fit: expected 'stretch' or 'letterbox', got {self.fit!r}")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the network input, pixels."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


@dataclass(frozen=True)
class Transfer:
    """The names "layer/weight" of the weights that were copied, and of those that stayed as they were."""

    loaded: tuple[str, ...]
    unmatched: tuple[str, ...]


def save_detector(
    path: Path, model: Any, info: DetectorInfo, *, dtype: Literal["float32", "float16"] = "float32"
) -> None:
    """Write model and info to `path` (.keras), whole or not at all.

    float16 halves the file: it rounds the convolution kernels; norms and biases stay float32.
    """
    if path.suffix != ".keras":
        raise CheckpointError(f"{path}: expected a name that ends in .keras")
    with written_whole(path) as unfinished:
        by_keras = unfinished.with_name(f"by_keras-{path.name}")
        model.save(by_keras)
        plain = {
            "format": FORMAT,
            **asdict(info),
            "weights": {layer.name: [v.name for v in layer.weights] for layer in model.layers if layer.weights},
        }
        with zipfile.ZipFile(by_keras) as source, zipfile.ZipFile(unfinished, "w") as target:
            for member in source.infolist():
                content = source.read(member)
                if member.filename == WEIGHTS_MEMBER and dtype == "float16":
                    content = _halved(content)
                target.writestr(member.filename, content)
            target.writestr(INFO_MEMBER, json.dumps(plain, indent=1))


def load_detector(path: Path) -> tuple[Any, DetectorInfo]:
    """The keras.Model and its DetectorInfo; CheckpointError unless every weight comes from the file."""
    info = read_info(path)
    weights = read_weights(path)
    from model.network import architecture

    model = architecture.build(info.detector, len(info.class_names))
    transferred = transfer(model, weights)
    if transferred.unmatched or len(transferred.loaded) != len(weights):
        unfit = transferred.unmatched or tuple(sorted(weights.keys() - set(transferred.loaded)))
        raise CheckpointError(
            f"{path}: expected the {len(transferred.loaded) + len(transferred.unmatched)} weights of its network, "
            f"got {len(weights)}, and {len(unfit)} do not fit, such as {unfit[0]}"
        )
    return model, info


def read_info(path: Path) -> DetectorInfo:
    """Read the file's description of its detector, without the weights."""
    plain = _read_plain(path)
    try:
        return DetectorInfo(
            class_names=tuple(str(name) for name in plain["class_names"]),
            anchors=tuple((float(w), float(h)) for w, h in plain["anchors"]),
            size=_size(plain["size"]),
            fit=plain["fit"],
            detector=DetectorConfig(**plain["detector"]),
            notes={str(key): str(value) for key, value in plain["notes"].items()},
            post=None if plain.get("post") is None else PostConfig(**plain["post"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: {INFO_MEMBER} is damaged: {error}") from error


def _size(plain: Any) -> int | tuple[int, int]:
    sides = plain if isinstance(plain, list) else [plain]
    if len(sides) > 2 or not sides or not all(type(side) is int for side in sides):
        raise ValueError(f"size: expected a side or height and width, got {plain!r}")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def read_weights(path: Path) -> Weights:
    """The stored arrays by "layer/weight" name, float32, without building the network."""
    names = _read_plain(path).get("weights", {})
    weights: Weights = {}
    declared = 0
    with _archive(path) as archive:
        content = archive.read(WEIGHTS_MEMBER)
    try:
        with h5py.File(io.BytesIO(content), "r") as stored:
            for group in stored["layers"].values():
                layer = str(group["vars"].attrs.get("name", ""))
                for index, name in enumerate(names.get(layer, ())):
                    array = group["vars"][str(index)]
                    # An HDF5 header can claim more than the file holds; Keras stores every number uncompressed.
                    declared += array.nbytes
                    if declared > len(content):
                        raise ValueError(f"{layer}/{name}: expected numbers, got a size larger than the file")
                    weights[f"{layer}/{name}"] = np.asarray(array, np.float32)
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointError(f"{path}: {WEIGHTS_MEMBER} is damaged: {error}") from error
    expected = sum(len(of_layer) for of_layer in names.values())
    if not weights or len(weights) != expected:
        raise CheckpointError(f"{path}: expected {expected} weights, got {len(weights)}")
    return weights


def transfer(model: Any, weights: Mapping[str, NDArray[np.float32]]) -> Transfer:
    """Copy the weights whose names and shapes are the model's; output maps of another class count stay unchanged."""
    loaded, unmatched = [], []
    for layer in model.layers:
        for variable in layer.weights:
            name = f"{layer.name}/{variable.name}"
            stored = weights.get(name)
            if stored is not None and tuple(stored.shape) == tuple(variable.shape):
                variable.assign(stored)
                loaded.append(name)
            else:
                unmatched.append(name)
    return Transfer(tuple(loaded), tuple(unmatched))


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive; CheckpointError says what is wrong with it."""
    if path.is_dir():
        raise CheckpointError(f"{path}: expected a checkpoint file (.keras), got a folder")
    if not path.exists():
        raise CheckpointError(f"{path}: expected a checkpoint file (.keras), got nothing there")
    try:
        with zipfile.ZipFile(path) as archive:
            missing = {INFO_MEMBER, WEIGHTS_MEMBER} - set(archive.namelist())
            if missing:
                raise CheckpointError(
                    f"{path}: expected a checkpoint of this project, "
                    f"got an archive without {', '.join(sorted(missing))}"
                )
            compressed = [m.filename for m in archive.infolist() if m.compress_type != zipfile.ZIP_STORED]
            if compressed:  # we never compress, so this refuses small files that unpack to huge ones
                raise CheckpointError(f"{path}: expected members stored as they are, got {compressed[0]} compressed")
            yield archive
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise CheckpointError(
            f"{path}: expected a checkpoint file (.keras), got a file that is damaged or of another kind ({error})"
        ) from error


def _read_plain(path: Path) -> dict[str, Any]:
    with _archive(path) as archive:
        if archive.getinfo(INFO_MEMBER).file_size > LARGEST_INFO:
            raise CheckpointError(f"{path}: expected {INFO_MEMBER} of a few KB, got more than {LARGEST_INFO} bytes")
        content = archive.read(INFO_MEMBER)
    try:
        plain = json.loads(content)
    except ValueError as error:
        raise CheckpointError(f"{path}: {INFO_MEMBER} is damaged: {error}") from error
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        got = plain.get("format") if isinstance(plain, dict) else plain
        raise CheckpointError(f"{path}: expected checkpoint format {FORMAT}, got {got!r}")
    return plain


def _halved(content: bytes) -> bytes:
    """Keras' weights file with its kernels in float16; groups and names stay the same."""
    out = io.BytesIO()
    with h5py.File(io.BytesIO(content), "r") as source, h5py.File(out, "w") as target:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Group):
                copied = target.require_group(name)
            else:
                values = np.asarray(item)
                copied = target.create_dataset(name, data=values.astype(np.float16) if values.ndim == 4 else values)
            for key, value in item.attrs.items():
                copied.attrs[key] = value

        source.visititems(copy)
    return out.getvalue()
