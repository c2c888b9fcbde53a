"""A detector in Darknet's files: a .weights file, the .cfg beside it where there is one, and what they leave open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.config import RELEASED, DetectorConfig, Variant
from model.darknet import cfg, convert, recognize, topology, weights
from model.darknet.convert import Loaded
from model.darknet.plan import Section
from model.darknet.weights import WeightsError

ANCHORS: dict[Variant, tuple[tuple[float, float], ...]] = {
    "yolov4": ((12, 16), (19, 36), (40, 28), (36, 75), (76, 55), (72, 146), (142, 110), (192, 243), (459, 401)),
    "yolov4-tiny": ((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319)),
}
SIZE = 416  # where no cfg names one


@dataclass(frozen=True)
class Source:
    """A network with the weights that a file gave for it; loaded.left names the layers that it did not."""

    config: DetectorConfig
    class_names: tuple[str, ...]
    anchors: tuple[tuple[float, float], ...]
    height: int
    width: int
    fit: Literal["stretch", "letterbox"]
    loaded: Loaded

    @property
    def sections(self) -> tuple[Section, ...]:
        """The network in Darknet's order."""
        return topology.sections(self.config, len(self.class_names))


def cfg_beside(path: Path) -> Path | None:
    """The cfg of the same name in the same folder, where there is one."""
    beside = Path(path).with_suffix(".cfg")
    return beside if beside.is_file() else None


def read(
    path: Path,
    *,
    cfg_path: Path | None = None,
    variant: Variant | None = None,
    config: DetectorConfig | None = None,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
) -> Source:
    """The detector in a .weights file; WeightsError, CfgError or ValueError where the parts do not fit.

    What the cfg says, the file must be. Without a cfg it is the released network of the variant, which like the class
    count then follows from the file's length, or `config`. num_classes: of the file. class_names: of the detector;
    where there are more or fewer than the file has classes, its output maps are left out. size: height and width of
    the input, instead of the cfg's.
    """
    if cfg_path is not None:
        return _by_cfg(path, recognize.describe(cfg.read(cfg_path)), cfg_path, num_classes, class_names, size)
    weights.open_file(path)  # what is no .weights file at all is said once
    if config is not None:
        networks: tuple[DetectorConfig, ...] = (config,)
    else:
        networks = tuple(RELEASED.values()) if variant is None else (RELEASED[variant],)
    tried: list[str] = []
    for network in networks:
        try:
            loaded = _load(path, network, num_classes)
        except WeightsError as error:
            tried.append(str(error).removeprefix(f"{path}: "))
            continue
        names = _names(class_names, num_classes or loaded.num_classes, path)
        loaded = convert.for_classes(loaded, topology.sections(network, len(names)), len(names))
        height, width = size or (SIZE, SIZE)
        return Source(network, names, ANCHORS[network.variant], height, width, "stretch", loaded)
    raise WeightsError(f"{path}: {'; and of yolov4-tiny: '.join(tried)}")


def _by_cfg(
    path: Path,
    described: recognize.Described,
    cfg_path: Path,
    num_classes: int | None,
    class_names: Sequence[str] | None,
    size: tuple[int, int] | None,
) -> Source:
    if num_classes is not None and num_classes != described.num_classes:
        raise ValueError(f"{cfg_path}: expected {num_classes} classes, got {described.num_classes}")
    loaded = _load(path, described.config, described.num_classes)
    names = _names(class_names or described.class_names, described.num_classes, path)
    loaded = convert.for_classes(loaded, topology.sections(described.config, len(names)), len(names))
    return Source(
        described.config,
        names,
        described.anchors,
        *(size or (described.height, described.width)),
        described.fit,
        loaded,
    )


def _load(path: Path, config: DetectorConfig, num_classes: int | None) -> Loaded:
    """The file as the whole or the first layers of the network, or of the released one of that width and depth."""
    networks = [topology.sections(config, num_classes or 1)]
    if topology.released(config) != config:
        networks.append(topology.sections(topology.released(config), num_classes or 1))
    return convert.read(path, *networks, num_classes=num_classes)


def _names(given: Sequence[str] | None, num_classes: int | None, path: Path) -> tuple[str, ...]:
    if given:
        return tuple(given)
    if num_classes is None:
        raise ValueError(f"{path}: it ends before the first output map; expected class names beside it, got none")
    return tuple(f"class {number}" for number in range(num_classes))
