"""Published settings by name: search_spaces/presets/*.yaml, each a flat mapping from address to value.

`darknet` is the released cfg, `paper` uses every technique of the paper. Imports neither TensorFlow nor Keras.
The addresses are those of a trial's configuration, which checks the values when it is made.
"""

from importlib.resources import files
from typing import Any, cast

from data import safe_yaml
from model.config import DetectorConfig

NAMES = ("darknet", "paper")


def load(name: str) -> dict[str, Any]:
    """The settings of a preset by address, such as "loss.box". ValueError for an unknown name."""
    if name not in NAMES:
        raise ValueError(f"preset: expected one of {', '.join(NAMES)}, got {name!r}")
    file = files("search_spaces") / "presets" / f"{name}.yaml"
    return cast(dict[str, Any], safe_yaml.load(file.read_text(encoding="utf-8")))


def detector_config(name: str) -> DetectorConfig:
    """The network of a preset at full width and depth: its settings under `detector.`."""
    settings = {address: value for address, value in load(name).items() if address.startswith("detector.")}
    return DetectorConfig(**{address.removeprefix("detector."): value for address, value in settings.items()})
