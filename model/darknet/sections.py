"""A network as Darknet writes it down: sections in order, what each reads and what it stores."""

from dataclasses import dataclass, field
from math import prod
from typing import Literal

Kind = Literal["convolutional", "route", "shortcut", "maxpool", "upsample", "sam", "dropout", "yolo"]


@dataclass(frozen=True)
class Stored:
    """One run of floats in a .weights file: our "layer/weight" name and its shape in the file's order."""

    name: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Numbers in it."""
        return prod(self.shape)


@dataclass(frozen=True)
class Section:
    """One section of a cfg after [net], which is one layer of Darknet's.

    inputs: places (from 0) of the sections it reads; -1 is the image. The one before comes first where it is read.
    """

    kind: Kind
    name: str  # the stem of our layers' names; a role such as "neck_down16_concat" where no weight is behind it
    inputs: tuple[int, ...]
    channels: int  # of its output
    options: tuple[tuple[str, str], ...] = ()  # cfg keys that shape the network, beside the inputs
    stored: tuple[Stored, ...] = ()

    @property
    def count(self) -> int:
        """Floats it keeps in a .weights file."""
        return sum(part.count for part in self.stored)

    def option(self, key: str, default: str = "") -> str:
        """The value of a cfg key."""
        return dict(self.options).get(key, default)


@dataclass
class Plan:
    """Sections while they are put together; every method returns the place of the section it added."""

    sections: list[Section] = field(default_factory=list)

    @property
    def last(self) -> int:
        """Place of the last section, -1 while there is none."""
        return len(self.sections) - 1

    def channels(self, place: int) -> int:
        """Channels of a section's output; of the image for -1."""
        return 3 if place < 0 else self.sections[place].channels

    def _add(self, section: Section) -> int:
        self.sections.append(section)
        return self.last

    def convolution(self, name: str, filters: int, kernel: int, *, stride: int = 1, activation: str) -> int:
        """Convolution without bias, batch normalization, activation."""
        norms = tuple(
            Stored(f"{name}_norm/{part}", (filters,)) for part in ("beta", "gamma", "moving_mean", "moving_variance")
        )
        kernels = Stored(f"{name}_conv/kernel", (filters, self.channels(self.last), kernel, kernel))
        options = (("batch_normalize", "1"), *_convolution_options(filters, kernel, stride, activation))
        return self._add(Section("convolutional", name, (self.last,), filters, options, (*norms, kernels)))

    def output(self, name: str, num_anchors: int, num_classes: int) -> int:
        """A 1x1 convolution with bias and nothing after it: a box, objectness and classes for each anchor."""
        filters = num_anchors * (5 + num_classes)
        stored = (
            Stored(f"{name}/bias", (filters,)),
            Stored(f"{name}/kernel", (filters, self.channels(self.last), 1, 1)),
        )
        options = _convolution_options(filters, 1, 1, "linear")
        return self._add(Section("convolutional", name, (self.last,), filters, options, stored))

    def route(self, name: str, *places: int) -> int:
        """The outputs of sections side by side; of one section: that output."""
        return self._add(Section("route", name, places, sum(self.channels(place) for place in places)))

    def second_half(self, name: str) -> int:
        """The second half of the channels before (yolov4-tiny's split)."""
        options = (("groups", "2"), ("group_id", "1"))
        return self._add(Section("route", name, (self.last,), self.channels(self.last) // 2, options))

    def shortcut(self, name: str, start: int, *, weights_type: str, normalization: str) -> int:
        """The output before plus that of `start`; weighted unless weights_type is "none"."""
        channels = self.channels(self.last)
        options = [("activation", "linear")]
        stored: tuple[Stored, ...] = ()
        if weights_type != "none":
            options += [("weights_type", weights_type), ("weights_normalization", normalization)]
            shape = (2,) if weights_type == "per_feature" else (2, channels)
            stored = (Stored(f"{name}/shortcut_weights", shape),)
        return self._add(Section("shortcut", name, (self.last, start), channels, tuple(options), stored))

    def maxpool(self, name: str, size: int, stride: int) -> int:
        """The largest of a window."""
        options = (("size", str(size)), ("stride", str(stride)))
        return self._add(Section("maxpool", name, (self.last,), self.channels(self.last), options))

    def upsample(self, name: str) -> int:
        """Twice the side, nearest neighbour."""
        return self._add(Section("upsample", name, (self.last,), self.channels(self.last), (("stride", "2"),)))

    def sam(self, name: str, start: int) -> int:
        """The output before times that of `start`, element by element."""
        options = (("activation", "linear"),)
        return self._add(Section("sam", name, (self.last, start), self.channels(self.last), options))

    def dropblock(self, name: str, size: int) -> int:
        """Blocks of the output before set to zero, in training only."""
        options = (("dropblock", "1"), ("dropblock_size_abs", str(size)))
        return self._add(Section("dropout", name, (self.last,), self.channels(self.last), options))

    def yolo(self, name: str, mask: tuple[int, ...], num_classes: int, num_anchors: int, scale_xy: float) -> int:
        """The loss and decoding of one scale."""
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
