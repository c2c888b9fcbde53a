"""Reads a detector from Darknet's files: a .weights file, its cfg and its class names; fills in what they lack."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.config import RELEASED, DetectorConfig, Variant
from model.darknet import cfg, cfg_network, coco_names, convert, names, neighbours, topology, weights
from model.darknet.convert import LoadedWeights
from model.darknet.sections import Section
from model.darknet.weights import WeightsError

ANCHORS: dict[Variant, tuple[tuple[float, float], ...]] = {
    "yolov4": ((12, 16), (19, 36), (40, 28), (36, 75), (76, 55), (72, 146), (142, 110), (192, 243), (459, 401)),
    "yolov4-tiny": ((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319)),
}
SIZE = 416  # side of the input if there is no cfg


@dataclass(frozen=True)
class DarknetOptions:
    """What the user states about a .weights file; None if not stated.

    cfg and names: files to use instead of those beside it. num_classes: of the file. size: height and width of the
    input, instead of the cfg's.
    """

    cfg: Path | None = None
    names: Path | None = None
    variant: Variant | None = None
    num_classes: int | None = None
    size: tuple[int, int] | None = None


NO_OPTIONS = DarknetOptions()


@dataclass(frozen=True)
class DarknetDetector:
    """A network and the weights that a file gave for it; loaded.missing lists the layers that it did not give.

    class_names: empty if the file ends before its output maps and no names were found. note: a sentence on what was
    assumed, or taken from an unusual file; empty if neither. open_options: the options that would replace what was
    assumed.
    """

    config: DetectorConfig
    class_names: tuple[str, ...]
    anchors: tuple[tuple[float, float], ...]
    height: int
    width: int
    fit: Literal["stretch", "letterbox"]
    loaded: LoadedWeights
    cfg_path: Path | None = None
    note: str = ""
    open_options: tuple[str, ...] = ()

    @property
    def sections(self) -> tuple[Section, ...]:
        """The network's sections after [net]."""
        return topology.sections(self.config, len(self.class_names))


@dataclass(frozen=True)
class _MatchedNetwork:
    """What the weights and the cfg say together; num_classes: None if neither says."""

    config: DetectorConfig
    anchors: tuple[tuple[float, float], ...]
    height: int
    width: int
    fit: Literal["stretch", "letterbox"]
    loaded: LoadedWeights
    num_classes: int | None
    class_names: tuple[str, ...] | None = None  # from a cfg that we wrote


@dataclass(frozen=True)
class _ChosenNames:
    """Class names, and remarks on where they come from; assumed: no file and no option gave them."""

    names: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    assumed: bool = False


def read(
    path: Path, options: DarknetOptions = NO_OPTIONS, *, other_classes: bool = False, with_numbers: bool = True
) -> DarknetDetector:
    """Read the detector in a .weights file; WeightsError, CfgError or ValueError if the parts do not fit.

    The file must match its cfg. Without a cfg it is a released network; its variant and class count then follow from
    the file's length. other_classes: --names may have more or fewer names than the file has classes; its output maps
    are then left out. with_numbers: if False, loaded.weights is empty.
    """
    weights.open_file(path)  # first, so that a file of another kind is reported before a missing cfg
    cfg_path = options.cfg or neighbours.find_cfg(path)
    network = (
        _match_cfg(path, cfg_path, options, with_numbers) if cfg_path else _match_length(path, options, with_numbers)
    )
    chosen = _class_names(path, network, options, cfg_path, other_classes=other_classes)
    loaded = network.loaded
    if chosen.names:
        sections = topology.sections(network.config, len(chosen.names))
        loaded = convert.for_classes(loaded, sections, len(chosen.names))
    return DarknetDetector(
        network.config,
        chosen.names,
        network.anchors,
        *(options.size or (network.height, network.width)),
        network.fit,
        loaded,
        cfg_path,
        _note(path, options, cfg_path, network, chosen),
        (*(("--cfg",) if cfg_path is None else ()), *(("--names",) if chosen.assumed else ())),
    )


def _match_cfg(path: Path, cfg_path: Path, options: DarknetOptions, with_numbers: bool) -> _MatchedNetwork:
    detector = cfg_network.describe(cfg.read(cfg_path))
    if options.variant not in (None, detector.config.variant):
        raise ValueError(f"--variant: expected {detector.config.variant}, as {cfg_path} says, got {options.variant}")
    if options.num_classes not in (None, detector.num_classes):
        raise ValueError(f"--classes: expected {detector.num_classes}, as {cfg_path} says, got {options.num_classes}")
    try:
        loaded = _load(path, detector.config, detector.num_classes, with_numbers)
    except WeightsError as error:
        raise _mismatch(path, cfg_path, detector) or error from None
    return _MatchedNetwork(
        detector.config,
        detector.anchors,
        detector.height,
        detector.width,
        detector.fit,
        loaded,
        detector.num_classes,
        detector.class_names,
    )


def _mismatch(path: Path, cfg_path: Path, detector: cfg_network.CfgDetector) -> WeightsError | None:
    """The error for a file that matches another class count or network than its cfg's; None if it matches neither."""
    others = [detector.config, *(known for known in RELEASED.values() if known.variant != detector.config.variant)]
    for config in others:
        try:
            num_classes = _load(path, config, None, with_numbers=False).num_classes
        except WeightsError:
            continue
        if num_classes is not None and (config.variant, num_classes) != (detector.config.variant, detector.num_classes):
            return WeightsError(
                f"{path}: expected weights of {detector.config.variant} with {detector.num_classes} classes, as "
                f"{cfg_path} says, got those of {config.variant} with {num_classes}"
            )
    return None


def _match_length(path: Path, options: DarknetOptions, with_numbers: bool) -> _MatchedNetwork:
    """The network of a file without a cfg: the released one that has as many floats."""
    mismatches: list[str] = []
    for network in RELEASED.values():
        if options.variant not in (None, network.variant):
            continue
        try:
            loaded = _load(path, network, options.num_classes, with_numbers)
        except WeightsError as error:
            mismatches.append(str(error).removeprefix(f"{path}: "))
            continue
        num_classes = options.num_classes or loaded.num_classes
        if loaded.num_classes is not None and options.variant is None:
            _check_no_other_cfg(path)
        return _MatchedNetwork(network, ANCHORS[network.variant], SIZE, SIZE, "stretch", loaded, num_classes)
    raise WeightsError(f"{path}: {'; and of yolov4-tiny: '.join(mismatches)}")


def _check_no_other_cfg(path: Path) -> None:
    """Raise ValueError if a file without its own cfg has a cfg of another name beside it: that one may be meant."""
    others = neighbours.other_cfgs(path)
    if others:
        called = " or ".join(f"{stem}.cfg" for stem in neighbours.stems(path))
        raise ValueError(
            f"{path}: expected a cfg called {called} beside it, got {neighbours.listed(others)}; "
            "--cfg FILE names its cfg"
        )


def _load(path: Path, config: DetectorConfig, num_classes: int | None, with_numbers: bool) -> LoadedWeights:
    """Read the file as all or the first layers of the network, else of the released one of that width and depth."""
    networks = [topology.sections(config, num_classes or 1)]
    if topology.released_layers(config) != config:
        networks.append(topology.sections(topology.released_layers(config), num_classes or 1))
    return convert.read(path, *networks, num_classes=num_classes, with_numbers=with_numbers)


def _class_names(
    path: Path, network: _MatchedNetwork, options: DarknetOptions, cfg_path: Path | None, *, other_classes: bool
) -> _ChosenNames:
    """The names of --names, else those found beside the file, else COCO's or numbered ones."""
    count = network.num_classes
    if options.names is not None:
        return _ChosenNames(read_names_option(options.names, path, None if other_classes else count))
    nearby = neighbours.find_names(path, count)
    if network.class_names is not None and not (nearby.by_name and nearby.names != network.class_names):
        return _ChosenNames(network.class_names)
    if network.class_names is not None:
        raise ValueError(f"{nearby.path}: expected the class names of {cfg_path}, got others; --names FILE says which")
    if nearby.names is not None:
        usual = nearby.path == path.with_suffix(".names")
        return _ChosenNames(nearby.names, () if usual else (f"its class names are those of {nearby.path}",))
    if count is None:
        return _ChosenNames((), assumed=True)
    released = network.anchors == ANCHORS[network.config.variant]
    if count == len(coco_names.NAMES) and released:
        return _ChosenNames(coco_names.NAMES, ("its classes have COCO's names",), assumed=True)
    numbered = tuple(f"class {k}" for k in range(count))
    ends = f"'{numbered[0]}'" if count == 1 else f"'{numbered[0]}' to '{numbered[-1]}'"
    why = f", as {nearby.unused}" if nearby.unused else ""
    return _ChosenNames(numbered, (f"its classes are called {ends}{why}",), assumed=True)


def read_names_option(file: Path, path: Path, count: int | None) -> tuple[str, ...]:
    """Read the file of --names; ValueError if it does not have `count` names. path: of the weights."""
    try:
        class_names = names.read(file, count)
    except names.NamesError as error:
        raise names.NamesError(f"--names {error}") from error
    if count not in (None, len(class_names)):
        raise ValueError(f"--names: expected {count} classes, as many as {path} has, got {len(class_names)}")
    return class_names


def _note(
    path: Path, options: DarknetOptions, cfg_path: Path | None, network: _MatchedNetwork, chosen: _ChosenNames
) -> str:
    """A sentence on what was taken from an unusual file, and on what is assumed; empty if there is neither."""
    parts = []
    if cfg_path is None:
        variant = network.config.variant
        size = "" if options.size else f", at {SIZE}x{SIZE} pixels"
        # Darknet's README has people train on yolov4-tiny-custom.cfg, whose masks are others.
        own = variant == "yolov4-tiny" and network.num_classes not in (None, len(coco_names.NAMES))
        custom = " (with yolov4-tiny-custom.cfg its boxes would differ)" if own else ""
        parts.append(f"no cfg was found, so its anchors and masks are those of Darknet's {variant}.cfg{custom}{size}")
    elif options.cfg is None and cfg_path != path.with_suffix(".cfg"):
        parts.append(f"its cfg is {cfg_path}")
    parts += chosen.remarks
    return f"{path}: {'; '.join(parts)}" if parts else ""
