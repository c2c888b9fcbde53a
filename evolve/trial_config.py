"""TrialConfig joins the settings of data and model; a gene's name is its address in it, such as "loss.box_weight".

Standard library only: a search space is checked at launch, before anything heavy is imported.
"""

import dataclasses
import itertools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data.config import AugmentConfig, InputConfig
from evolve.trial import Setting
from model.config import STRUCTURAL as MODEL_STRUCTURAL
from model.config import DetectorConfig, LossConfig, OptimizerConfig, PostConfig, RegularizationConfig, TrainConfig

# Settings that shape the graph: a trial that differs only in others traces and compiles nothing.
STRUCTURAL = MODEL_STRUCTURAL | {"input.max_boxes"}

STEPS = "train.steps"  # the length of the schedule
TUNED_POST = ("nms", "nms_iou", "nms_beta")  # NMS settings tuned after the winner's training; not settings of a trial


@dataclass(frozen=True)
class TrialConfig:
    """The whole effective configuration of a trial."""

    detector: DetectorConfig = field(default_factory=DetectorConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    regularization: RegularizationConfig = field(default_factory=RegularizationConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    input: InputConfig = field(default_factory=InputConfig)

    @staticmethod
    def from_settings(settings: Mapping[str, Setting]) -> "TrialConfig":
        """The configuration with these values by address; all other settings have their defaults.

        ValueError names an unknown address, a value of the wrong type, or one out of bounds.
        """
        by_room: dict[str, dict[str, Any]] = {room: {} for room in ROOMS}
        for address, value in settings.items():
            kind = ADDRESSES.get(address)
            if kind is None:
                raise ValueError(_unknown(address))
            room, _, name = address.partition(".")
            by_room[room][name] = _convert(address, kind, value)
        return TrialConfig(**{room: ROOMS[room](**values) for room, values in by_room.items()})

    def settings(self) -> dict[str, Setting]:
        """Every value by its address: the inverse of from_settings."""
        return {
            f"{room}.{f.name}": getattr(getattr(self, room), f.name)
            for room, config in ROOMS.items()
            for f in dataclasses.fields(config)
        }


ROOMS: dict[str, Any] = {
    "detector": DetectorConfig,
    "loss": LossConfig,
    "optimizer": OptimizerConfig,
    "regularization": RegularizationConfig,
    "train": TrainConfig,
    "augment": AugmentConfig,
    "input": InputConfig,
}

ADDRESSES: dict[str, Any] = {
    f"{room}.{name}": kind
    for room, config in ROOMS.items()
    for name, kind in typing.get_type_hints(config).items()
    if not name.startswith("_")
}

KINDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def post_config(settings: Mapping[str, object]) -> PostConfig:
    """Tuned NMS settings (nms, nms_iou, nms_beta) as the model's PostConfig; ValueError names a wrong one."""
    values: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in TUNED_POST:
            raise ValueError(f"'{name}' is no tuned setting of NMS; expected one of {', '.join(TUNED_POST)}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            values[name] = float(value)
        elif name == "nms":
            values[name] = value  # PostConfig checks it
        else:
            raise ValueError(f"post.{name}: expected a number, got {value!r}")
    return PostConfig(**values)


def _unknown(address: str) -> str:
    return f"'{address}' is no setting of a trial; expected one of {', '.join(sorted(ADDRESSES))}"


def _convert(address: str, kind: Any, value: Setting | list[int]) -> Any:
    """The value in the field's type; YAML and the command line give, for example 1 for a float or an int for a list."""
    if typing.get_origin(kind) is tuple:
        sizes = value if isinstance(value, list | tuple) else (value,)
        return tuple(_convert(address, int, size) for size in sizes)
    if typing.get_origin(kind) in (typing.Literal, types.UnionType):
        return value  # the config class checks it
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer():
        return int(value)
    if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):  # in Python True is an int
        return value
    raise ValueError(f"{address}: expected {KINDS[kind]}, got {value!r}")


def check_space(
    name: str,
    trial: Mapping[str, Setting],
    genes: Mapping[str, list[Setting]],
    defaults: Mapping[str, Setting] | None = None,
) -> None:
    """Check that every address exists, and that extreme values of genes, alone and in pairs within a room, are valid.

    genes: address -> the values to try (low, high, default, or every choice). defaults: the value of each gene while
    others are tried. ValueError names the space, the gene and what is wrong.
    """
    both = sorted(set(trial) & set(genes))
    if both:
        raise ValueError(f"{name}: '{both[0]}' is both a gene and a fixed trial setting; expected one of the two")
    never_genes = {
        "train.steps": "the budget",
        "detector.variant": "the network, which the anchors belong to,",
        "detector.masks": "how anchors are dealt out to the output maps",
        "train.sizes": "a list of training shapes",
    }
    for address in genes:
        if address not in ADDRESSES:
            raise ValueError(f"{name}: gene {_unknown(address)}")
        if address in never_genes:
            raise ValueError(f"{name}: gene '{address}': {never_genes[address]} is no gene; expected it under trial:")
    _check_settings(f"{name}: trial", trial)
    base = {**trial, **(defaults or {})}
    _check_settings(f"{name}: the defaults of the genes", base)
    for address, values in genes.items():
        for value in values:
            _check_settings(f"{name}: gene {address!r} at {value!r}", {**base, address: value})
    for (first, values), (second, other_values) in itertools.combinations(genes.items(), 2):
        if first.partition(".")[0] == second.partition(".")[0]:  # a room checks only its own settings
            for value, other in itertools.product(values, other_values):
                what = f"{name}: genes {first!r} at {value!r} and {second!r} at {other!r}"
                _check_settings(what, {**base, first: value, second: other})


def _check_settings(what: str, settings: Mapping[str, Setting]) -> None:
    try:
        TrialConfig.from_settings(settings)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
