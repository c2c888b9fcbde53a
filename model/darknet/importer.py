"""A detector in Darknet's files: a .weights file, its cfg and its class names, and what they leave open."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.config import RELEASED, DetectorConfig, Variant
from model.darknet import cfg, cfg_network, coco_names, convert, names, neighbours, topology, weights
from model.darknet.convert import Loaded
from model.darknet.sections import Section
from model.darknet.weights import WeightsError

ANCHORS: dict[Variant, tuple[tuple[float, float], ...]] = {
    "yolov4": ((12, 16), (19, 36), (40, 28), (36, 75), (76, 55), (72, 146), (142, 110), (192, 243), (459, 401)),
    "yolov4-tiny": ((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319)),
}
SIZE = 416  # where no cfg names one


@dataclass(frozen=True)
class Said:
    """What the user says of a .weights file; None: not said.

    cfg and names: files, instead of those that lie beside it. num_classes: of the file. size: height and width of the
    input, instead of the cfg's.
    """

    cfg: Path | None = None
    names: Path | None = None
    variant: Variant | None = None
    num_classes: int | None = None
    size: tuple[int, int] | None = None


NOTHING = Said()


@dataclass(frozen=True)
class Source:
    """A network with the weights that a file gave for it; loaded.left names the layers that it did not.

    class_names: empty where the file ends before its output maps and nobody names classes. note: a sentence on what was
    taken from elsewhere than the usual place, or assumed; empty where all is as Darknet leaves it. open_options: which
    options would have said what was assumed.
    """

    config: DetectorConfig
    class_names: tuple[str, ...]
    anchors: tuple[tuple[float, float], ...]
    height: int
    width: int
    fit: Literal["stretch", "letterbox"]
    loaded: Loaded
    cfg_path: Path | None = None
    note: str = ""
    open_options: tuple[str, ...] = ()

    @property
    def sections(self) -> tuple[Section, ...]:
        """The network in Darknet's order."""
        return topology.sections(self.config, len(self.class_names))


@dataclass(frozen=True)
class _Network:
    """What weights and cfg say together; num_classes: None where neither tells."""

    config: DetectorConfig
    anchors: tuple[tuple[float, float], ...]
    height: int
    width: int
    fit: Literal["stretch", "letterbox"]
    loaded: Loaded
    num_classes: int | None
    class_names: tuple[str, ...] | None = None  # of a cfg of ours


@dataclass(frozen=True)
class _Called:
    """Class names, and what must be said of where they come from; assumed: nobody gave them."""

    names: tuple[str, ...]
    words: tuple[str, ...] = ()
    assumed: bool = False


def read(path: Path, said: Said = NOTHING, *, other_classes: bool = False, with_numbers: bool = True) -> Source:
    """The detector in a .weights file; WeightsError, CfgError or ValueError where the parts do not fit.

    What the cfg says, the file must be. Without a cfg it is the released network of the variant, which like the class
    count then follows from the file's length. other_classes: the names that are said may be more or fewer than the file
    has classes; its output maps are then left out. with_numbers: without them loaded.weights is empty.
    """
    weights.open_file(path)  # what is no .weights file at all is said before its cfg is looked for
    cfg_path = said.cfg or neighbours.find_cfg(path)
    network = _by_cfg(path, cfg_path, said, with_numbers) if cfg_path else _by_length(path, said, with_numbers)
    called = _class_names(path, network, said, cfg_path, other_classes=other_classes)
    loaded = network.loaded
    if called.names:
        sections = topology.sections(network.config, len(called.names))
        loaded = convert.for_classes(loaded, sections, len(called.names))
    return Source(
        network.config,
        called.names,
        network.anchors,
        *(said.size or (network.height, network.width)),
        network.fit,
        loaded,
        cfg_path,
        _note(path, said, cfg_path, network, called),
        (*(("--cfg",) if cfg_path is None else ()), *(("--names",) if called.assumed else ())),
    )


def _by_cfg(path: Path, cfg_path: Path, said: Said, with_numbers: bool) -> _Network:
    described = cfg_network.describe(cfg.read(cfg_path))
    if said.variant not in (None, described.config.variant):
        raise ValueError(f"--variant: expected {described.config.variant}, as {cfg_path} says, got {said.variant}")
    if said.num_classes not in (None, described.num_classes):
        raise ValueError(f"--classes: expected {described.num_classes}, as {cfg_path} says, got {said.num_classes}")
    try:
        loaded = _load(path, described.config, described.num_classes, with_numbers)
    except WeightsError as error:
        raise _of_another(path, cfg_path, described) or error from None
    return _Network(
        described.config,
        described.anchors,
        described.height,
        described.width,
        described.fit,
        loaded,
        described.num_classes,
        described.class_names,
    )


def _of_another(path: Path, cfg_path: Path, described: cfg_network.Described) -> WeightsError | None:
    """What a file is that is not as its cfg says: of another number of classes, or of the other network."""
    others = [described.config, *(known for known in RELEASED.values() if known.variant != described.config.variant)]
    for config in others:
        try:
            found = _load(path, config, None, with_numbers=False).num_classes
        except WeightsError:
            continue
        if found is not None and (config.variant, found) != (described.config.variant, described.num_classes):
            return WeightsError(
                f"{path}: expected weights of {described.config.variant} with {described.num_classes} classes, as "
                f"{cfg_path} says, got those of {config.variant} with {found}"
            )
    return None


def _by_length(path: Path, said: Said, with_numbers: bool) -> _Network:
    """The network without a cfg: a released one that has as many floats."""
    tried: list[str] = []
    for network in RELEASED.values():
        if said.variant not in (None, network.variant):
            continue
        try:
            loaded = _load(path, network, said.num_classes, with_numbers)
        except WeightsError as error:
            tried.append(str(error).removeprefix(f"{path}: "))
            continue
        num_classes = said.num_classes or loaded.num_classes
        if loaded.num_classes is not None and said.variant is None:
            _check_others(path)
        return _Network(network, ANCHORS[network.variant], SIZE, SIZE, "stretch", loaded, num_classes)
    raise WeightsError(f"{path}: {'; and of yolov4-tiny: '.join(tried)}")


def _check_others(path: Path) -> None:
    """ValueError where a cfg of another name lies beside a file without its own: it is likely to be the file's."""
    others = neighbours.other_cfgs(path)
    if others:
        called = " or ".join(f"{stem}.cfg" for stem in neighbours.stems(path))
        raise ValueError(
            f"{path}: expected a cfg called {called} beside it, got {neighbours.listed(others)}; "
            "--cfg FILE names its cfg"
        )


def _load(path: Path, config: DetectorConfig, num_classes: int | None, with_numbers: bool) -> Loaded:
    """The file as the whole or the first layers of the network, or of the released one of that width and depth."""
    networks = [topology.sections(config, num_classes or 1)]
    if topology.released(config) != config:
        networks.append(topology.sections(topology.released(config), num_classes or 1))
    return convert.read(path, *networks, num_classes=num_classes, with_numbers=with_numbers)


def _class_names(path: Path, network: _Network, said: Said, cfg_path: Path | None, *, other_classes: bool) -> _Called:
    """The names that are said, else those beside the file, else what must do."""
    count = network.num_classes
    if said.names is not None:
        return _Called(said_names(said.names, path, None if other_classes else count))
    found = neighbours.find_names(path, count)
    if network.class_names is not None and not (found.by_name and found.names != network.class_names):
        return _Called(network.class_names)
    if network.class_names is not None:
        raise ValueError(f"{found.path}: expected the class names of {cfg_path}, got others; --names FILE says which")
    if found.names is not None:
        usual = found.path == path.with_suffix(".names")
        return _Called(found.names, () if usual else (f"its class names are those of {found.path}",))
    if count is None:
        return _Called((), assumed=True)
    released = network.anchors == ANCHORS[network.config.variant]
    if count == len(coco_names.NAMES) and released:
        return _Called(coco_names.NAMES, ("its classes are called as COCO's",), assumed=True)
    numbered = tuple(f"class {number}" for number in range(count))
    ends = f"'{numbered[0]}'" if count == 1 else f"'{numbered[0]}' to '{numbered[-1]}'"
    why = f", as {found.unused}" if found.unused else ""
    return _Called(numbered, (f"its classes are called {ends}{why}",), assumed=True)


def said_names(file: Path, path: Path, count: int | None) -> tuple[str, ...]:
    """--names; ValueError where they are not `count`."""
    try:
        found = names.read(file, count)
    except names.NamesError as error:
        raise names.NamesError(f"--names {error}") from error
    if count not in (None, len(found)):
        raise ValueError(f"--names: expected {count} classes, as many as {path} has, got {len(found)}")
    return found


def _note(path: Path, said: Said, cfg_path: Path | None, network: _Network, called: _Called) -> str:
    """A sentence on what does not lie where Darknet leaves it, and on what is assumed."""
    parts = []
    if cfg_path is None:
        variant = network.config.variant
        size = "" if said.size else f", at {SIZE}x{SIZE} pixels"
        # Darknet's README has people train on yolov4-tiny-custom.cfg, whose masks are others.
        own = variant == "yolov4-tiny" and network.num_classes not in (None, len(coco_names.NAMES))
        custom = " (with yolov4-tiny-custom.cfg its boxes would be others)" if own else ""
        parts.append(f"no cfg was found, so its anchors and masks are those of Darknet's {variant}.cfg{custom}{size}")
    elif said.cfg is None and cfg_path != path.with_suffix(".cfg"):
        parts.append(f"its cfg is {cfg_path}")
    parts += called.words
    return f"{path}: {'; '.join(parts)}" if parts else ""
