"""A network in Darknet's form: sections in order, which sections each one reads, and the arrays that it stores."""

from dataclasses import dataclass, field
from math import prod
from typing import Literal

Kind = Literal["convolutional", "route", "shortcut", "maxpool", "upsample", "sam", "dropout", "yolo"]


@dataclass(frozen=True)
class StoredArray:
    """One array in a .weights file: our "layer/weight" name, and its shape in the file's order."""

    name: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many floats it has."""
        return prod(self.shape)


@dataclass(frozen=True)
class Section:
    """One section of a cfg after [net], which is one layer of Darknet's.

    inputs: indices (from 0) of the sections it reads; -1 is the image. If it reads the section before it, that one
    comes first.
    """

    kind: Kind
    name: str  # the stem of our layers' names; without weights a role such as "neck_down16_concat"
    inputs: tuple[int, ...]
    channels: int  # of its output
    options: tuple[tuple[str, str], ...] = ()  # cfg keys that shape the network, apart from the inputs
    stored: tuple[StoredArray, ...] = ()

    @property
    def count(self) -> int:
        """How many floats it has in a .weights file."""
        return sum(part.count for part in self.stored)

    def option(self, key: str, default: str = "") -> str:
        """The value of a cfg key."""
        return dict(self.options).get(key, default)


@dataclass
class SectionBuilder:
    """Builds the list of sections; every method that adds a section returns its index."""

    sections: list[Section] = field(default_factory=list)

    @property
    def last(self) -> int:
        """Index of the last section; -1 if there is none yet."""
        return len(self.sections) - 1

    def channels(self, index: int) -> int:
        """Channels of a section's output; index -1 is the image."""
        return 3 if index < 0 else self.sections[index].channels

    def _add(self, section: Section) -> int:
        self.sections.append(section)
        return self.last

    def convolution(self, name: str, filters: int, kernel: int, *, stride: int = 1, activation: str) -> int:
        """Convolution without bias, batch normalization, activation."""
        norms = tuple(
            StoredArray(f"{name}_norm/{part}", (filters,))
            for part in ("beta", "gamma", "moving_mean", "moving_variance")
        )
        kernels = StoredArray(f"{name}_conv/kernel", (filters, self.channels(self.last), kernel, kernel))
        options = (("batch_normalize", "1"), *_convolution_options(filters, kernel, stride, activation))
        return self._add(Section("convolutional", name, (self.last,), filters, options, (*norms, kernels)))

    def output(self, name: str, num_anchors: int, num_classes: int) -> int:
        """A 1x1 convolution with bias and nothing after it: a box, objectness and classes for each anchor."""
        filters = num_anchors * (5 + num_classes)
        stored = (
            StoredArray(f"{name}/bias", (filters,)),
            StoredArray(f"{name}/kernel", (filters, self.channels(self.last), 1, 1)),
        )
        options = _convolution_options(filters, 1, 1, "linear")
        return self._add(Section("convolutional", name, (self.last,), filters, options, stored))

    def route(self, name: str, *indices: int) -> int:
        """The outputs of sections concatenated by channel; a single one is passed on unchanged."""
        return self._add(Section("route", name, indices, sum(self.channels(index) for index in indices)))

    def second_half(self, name: str) -> int:
        """The second half of the previous section's channels (yolov4-tiny's split)."""
        options = (("groups", "2"), ("group_id", "1"))
        return self._add(Section("route", name, (self.last,), self.channels(self.last) // 2, options))

    def shortcut(self, name: str, start: int, *, weights_type: str, normalization: str) -> int:
        """The previous section's output plus that of `start`; a weighted sum unless weights_type is "none"."""
        channels = self.channels(self.last)
        options = [("activation", "linear")]
        stored: tuple[StoredArray, ...] = ()
        if weights_type != "none":
            options += [("weights_type", weights_type), ("weights_normalization", normalization)]
            shape = (2,) if weights_type == "per_feature" else (2, channels)
            stored = (StoredArray(f"{name}/shortcut_weights", shape),)
        return self._add(Section("shortcut", name, (self.last, start), channels, tuple(options), stored))

    def maxpool(self, name: str, size: int, stride: int) -> int:
        """Max pooling."""
        options = (("size", str(size)), ("stride", str(stride)))
        return self._add(Section("maxpool", name, (self.last,), self.channels(self.last), options))

    def upsample(self, name: str) -> int:
        """Nearest-neighbour upsampling to twice the side."""
        return self._add(Section("upsample", name, (self.last,), self.channels(self.last), (("stride", "2"),)))

    def sam(self, name: str, start: int) -> int:
        """The previous section's output times that of `start`, element by element."""
        options = (("activation", "linear"),)
        return self._add(Section("sam", name, (self.last, start), self.channels(self.last), options))

    def dropblock(self, name: str, size: int) -> int:
        """DropBlock: sets blocks of the previous section's output to zero, in training only."""
        options = (("dropblock", "1"), ("dropblock_size_abs", str(size)))
        return self._add(Section("dropout", name, (self.last,), self.channels(self.last), options))

    def yolo(self, name: str, mask: tuple[int, ...], num_classes: int, num_anchors: int, scale_xy: float) -> int:
        """The loss and decoding of one output map."""
        options = (
            ("mask", ",".join(map(str, mask))),
            ("classes", str(num_classes)),
            ("num", str(num_anchors)),
            ("scale_x_y", f"{scale_xy:.9g}"),
        )
        return self._add(Section("yolo", name, (self.last,), self.channels(self.last), options))


def _convolution_options(filters: int, kernel: int, stride: int, activation: str) -> tuple[tuple[str, str], ...]:
    return (
        ("filters", str(filters)),
        ("size", str(kernel)),
        ("stride", str(stride)),
        ("pad", "1"),
        ("activation", activation),
    )
