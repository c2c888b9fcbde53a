"""The paper's bags of freebies and specials: which of them are on in a trial's configuration.

Lists every technique that can be switched off, with the settings that decide it (YOLOv4 paper, arXiv 2004.10934,
sections 2 and 3; docs/yolov4.md has each one's file, genes and test). CSP, SPP, PAN by concatenation and DIoU-NMS have
no switch: they are always part of the network and its evaluation.
"""

from collections.abc import Callable, Mapping

from evolve.trial import Setting

Settings = Mapping[str, Setting]

WITHOUT_SWITCH = ("CSP", "SPP", "PAN by concatenation", "DIoU-NMS")


def _is(address: str, *values: Setting) -> Callable[[Settings], bool]:
    return lambda settings: settings[address] in values


def _over(address: str, least: float = 0.0) -> Callable[[Settings], bool]:
    return lambda settings: float(settings[address]) > least  # type: ignore[arg-type]


def _all(*switches: Callable[[Settings], bool]) -> Callable[[Settings], bool]:
    return lambda settings: all(switch(settings) for switch in switches)


def _several_shapes(settings: Settings) -> bool:
    sizes = settings["train.sizes"]
    return isinstance(sizes, tuple) and len(set(sizes)) > 1


TECHNIQUES: Mapping[str, Callable[[Settings], bool]] = {
    "Mish in the backbone": _is("detector.backbone_activation", "mish"),
    "Mish in neck and heads": _is("detector.neck_activation", "mish"),
    "MiWRC": _is("detector.shortcut", "per_feature", "per_channel"),
    "SAM": _is("detector.sam", True),
    "CIoU": _is("loss.box", "ciou"),
    "CmBN": _all(_is("regularization.cmbn", True), _over("train.subdivisions", 1)),
    "DropBlock": _all(
        _is("detector.dropblock_place", "neck", "backbone", "both"), _over("regularization.dropblock_rate")
    ),
    "Mosaic": _over("augment.mosaic_prob"),
    "CutMix": _over("augment.cutmix_prob"),
    "SAT": _all(_over("regularization.sat_prob"), _over("regularization.sat_strength")),
    "class label smoothing": _over("loss.label_smoothing"),
    "grid sensitivity": _all(*(_over(f"detector.scale_xy_{stride}", 1.0) for stride in (8, 16, 32))),
    "several anchors per truth": lambda settings: not _is("loss.iou_threshold", 1.0)(settings),
    "cosine annealing": _is("optimizer.policy", "cosine"),
    "random training shapes": _several_shapes,
}


def switched_off(settings: Settings) -> tuple[str, ...]:
    """The names of the techniques that are off in a whole configuration (TrialConfig.settings())."""
    return tuple(name for name, is_on in TECHNIQUES.items() if not is_on(settings))
