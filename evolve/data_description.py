"""What a search learns and starts from, as its journal and its winner file describe it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DataDescription:
    """A typed view of the description of data set and base weights.

    plain: the description as JSON and YAML hold it. A task from Python may have any keys (docs/python-api.md), and a
    winner file may have lost some, so every value may be missing: None, unless the property says otherwise.
    """

    plain: Mapping[str, object]

    @property
    def path(self) -> str | None:
        """The folder of the data set."""
        return self._text("path")

    @property
    def format(self) -> str | None:
        """Its format: voc, coco or yolo."""
        return self._text("format")

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of its pictures and labels."""
        return self._text("fingerprint")

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of its classes, in order; empty if there is no list of them."""
        names = self.plain.get("class_names")
        return tuple(str(name) for name in names) if isinstance(names, list | tuple) else ()

    @property
    def embedded(self) -> bool:
        """Whether it is the embedded data set."""
        return bool(self.plain.get("embedded"))

    @property
    def verdict_split(self) -> str:
        """The split that the verdict is on: "test", or "val" if the data set has no test pictures."""
        images = self.plain.get("images")
        return "test" if isinstance(images, Mapping) and images.get("test") else "val"

    @property
    def weights(self) -> str | None:
        """The file that trials start from; None: they start from scratch."""
        return self._text("weights")

    @property
    def weights_fingerprint(self) -> str | None:
        """SHA-256 of that file, and of its cfg if it has one."""
        return self._text("weights_fingerprint")

    @property
    def weights_cfg(self) -> str | None:
        """The cfg of Darknet's weights."""
        return self._text("weights_cfg")

    def _text(self, name: str) -> str | None:
        value = self.plain.get(name)
        return None if value is None else str(value)
