"""The layers of our networks in Darknet's order: what a .weights file holds, and the sections of a .cfg.

Listed separately from the Keras network because a file follows Darknet's order, in whatever order Keras makes layers.
Tests compare the two by names, shapes and outputs.
"""

from dataclasses import replace

from model.config import DetectorConfig
from model.darknet.sections import Section, SectionBuilder
from model.network import scales
from model.network.multipliers import scaled_channels, scaled_units

# filters, branch, middle and residual units of CSPDarknet53's stages at width and depth 1 (layers 1-104)
STAGES = ((64, 64, 32, 1), (128, 64, 64, 2), (256, 128, 128, 8), (512, 256, 256, 8), (1024, 512, 512, 4))
TINY_BLOCKS = (64, 128, 256)  # of yolov4-tiny's three CSP blocks


def sections(config: DetectorConfig, num_classes: int) -> tuple[Section, ...]:
    """The network's sections after [net]; the released yolov4 has 162 (cfg/yolov4.cfg)."""
    if num_classes < 1:
        raise ValueError(f"num_classes: expected at least 1, got {num_classes!r}")
    if config.variant == "yolov4-tiny":
        return _tiny_sections(config, num_classes)
    network = _YoloV4(config, num_classes)
    top, taps = network.backbone()
    network.heads(network.pyramid(top), *taps)
    return tuple(network.builder.sections)


def released_layers(config: DetectorConfig) -> DetectorConfig:
    """The same network without the layers that the released weights lack: SAM, MiWRC, DropBlock."""
    return replace(config, sam=False, shortcut="add", dropblock_place="none")


class _YoloV4:
    """Builds yolov4's sections; numbers in docstrings are the sections' indices in the released cfg."""

    def __init__(self, config: DetectorConfig, num_classes: int) -> None:
        self.config = config
        self.num_classes = num_classes
        self.builder = SectionBuilder()

    def _convolution(self, name: str, filters: int, kernel: int, *, stride: int = 1, activation: str) -> int:
        filters = scaled_channels(filters, self.config.width)
        return self.builder.convolution(name, filters, kernel, stride=stride, activation=activation)

    def backbone(self) -> tuple[int, tuple[int, int]]:
        """CSPDarknet53, 0-104: returns the indices of its last section and of the taps at strides 8 and 16."""
        self._convolution("backbone_stem", 32, 3, activation=self.config.backbone_activation)
        ends = []
        for stage, numbers in enumerate(STAGES, start=1):
            end = self._stage(f"backbone_stage{stage}", *numbers)
            ends.append(self._dropblock(f"backbone_stage{stage}", "backbone") if stage >= 4 else end)
        return ends[4], (ends[2], ends[3])

    def _stage(self, name: str, filters: int, branch: int, middle: int, units: int) -> int:
        kind = self.config.backbone_activation
        down = self._convolution(f"{name}_down", filters, 3, stride=2, activation=kind)
        skip = self._convolution(f"{name}_skip", branch, 1, activation=kind)
        self.builder.route(f"{name}_split", down)
        start = self._convolution(f"{name}_main", branch, 1, activation=kind)
        for unit in range(1, scaled_units(units, self.config.depth) + 1):
            self._convolution(f"{name}_unit{unit}_reduce", middle, 1, activation=kind)
            self._convolution(f"{name}_unit{unit}_expand", branch, 3, activation=kind)
            start = self._shortcut(f"{name}_unit{unit}_shortcut", start)
        end = self._convolution(f"{name}_exit", branch, 1, activation=kind)
        self.builder.route(f"{name}_concat", end, skip)
        return self._convolution(f"{name}_transition", filters, 1, activation=kind)

    def _shortcut(self, name: str, start: int) -> int:
        weights_type = "none" if self.config.shortcut == "add" else self.config.shortcut
        return self.builder.shortcut(
            name, start, weights_type=weights_type, normalization=self.config.shortcut_normalization
        )

    def _dropblock(self, name: str, part: str) -> int:
        """Add [dropout] if the configuration has DropBlock in this part; returns the last section's index."""
        if self.config.dropblock_place not in (part, "both"):
            return self.builder.last
        return self.builder.dropblock(f"{name}_dropblock", self.config.dropblock_size)

    def pyramid(self, top: int) -> int:
        """SPP, 105-116: max pools of 13, 9 and 5, concatenated with their input; returns the last index."""
        kind = self.config.neck_activation
        for k, (filters, kernel) in enumerate([(512, 1), (1024, 3), (512, 1)], start=1):
            top = self._convolution(f"spp_before{k}", filters, kernel, activation=kind)
        pools = [self.builder.maxpool("spp_pool5", 5, 1)]
        for size in (9, 13):
            self.builder.route(f"spp_again{size}", top)
            pools.insert(0, self.builder.maxpool(f"spp_pool{size}", size, 1))
        self.builder.route("spp_concat", *pools, top)
        for k, (filters, kernel) in enumerate([(512, 1), (1024, 3), (512, 1)], start=1):
            top = self._convolution(f"spp_after{k}", filters, kernel, activation=kind)
        return top

    def heads(self, top: int, tap8: int, tap16: int) -> None:
        """PAN and the three heads, 117-161."""
        fine16 = self._towards_fine("neck_down16", tap16, 256)
        out8 = self._towards_fine("neck_down8", tap8, 128)
        self._head(8, 256)
        out16 = self._towards_coarse("neck_up16", out8, fine16, 256)
        self._head(16, 512)
        self._towards_coarse("neck_up32", out16, top, 512)
        self._head(32, 1024)

    def _towards_fine(self, name: str, tap: int, filters: int) -> int:
        kind = self.config.neck_activation
        self._convolution(f"{name}_raise", filters, 1, activation=kind)
        raised = self.builder.upsample(f"{name}_upsample")
        self.builder.route(f"{name}_tap", tap)
        lateral = self._convolution(f"{name}_lateral", filters, 1, activation=kind)
        self.builder.route(f"{name}_concat", lateral, raised)
        return self._five_convolutions(name, filters)

    def _towards_coarse(self, name: str, fine: int, lateral: int, filters: int) -> int:
        self.builder.route(f"{name}_from", fine)
        lowered = self._convolution(f"{name}_lower", filters, 3, stride=2, activation=self.config.neck_activation)
        self.builder.route(f"{name}_concat", lowered, lateral)
        return self._five_convolutions(name, filters)

    def _five_convolutions(self, name: str, filters: int) -> int:
        """Five convolutions, 1x1 and 3x3 in turn.

        Before a head, SAM gates the fourth (as in yolov4-sam-mish), and DropBlock comes last.
        """
        feeds_head = name != "neck_down16"
        end = self.builder.last
        for k in range(1, 6):
            odd = k % 2 == 1
            end = self._convolution(
                f"{name}_five{k}",
                filters if odd else 2 * filters,
                1 if odd else 3,
                activation=self.config.neck_activation,
            )
            if k == 4 and self.config.sam and feeds_head:
                self._convolution(f"{name}_sam", 2 * filters, 1, activation="logistic")
                self.builder.sam(f"{name}_sam_gate", end)
        return self._dropblock(name, "neck") if feeds_head else end

    def _head(self, stride: int, filters: int) -> None:
        self._convolution(f"head{stride}", filters, 3, activation=self.config.neck_activation)
        _output(self.builder, self.config, stride, self.num_classes)


def _tiny_sections(config: DetectorConfig, num_classes: int) -> tuple[Section, ...]:
    """yolov4-tiny: 38 sections in the released cfg/yolov4-tiny.cfg; the head of stride 32 comes first."""
    builder = SectionBuilder()

    def convolution(name: str, filters: int, kernel: int, stride: int = 1, *, neck: bool = False) -> int:
        kind = config.neck_activation if neck else config.backbone_activation
        filters = scaled_channels(filters, config.width)
        return builder.convolution(name, filters, kernel, stride=stride, activation=kind)

    def head(stride: int, filters: int) -> None:
        convolution(f"head{stride}", filters, 3, neck=True)
        _output(builder, config, stride, num_classes)

    convolution("tiny_stem1", 32, 3, 2)
    convolution("tiny_stem2", 64, 3, 2)
    tap = 0
    for block, filters in enumerate(TINY_BLOCKS, start=1):
        name = f"tiny_block{block}"
        entry = convolution(f"{name}_entry", filters, 3)
        builder.second_half(f"{name}_split")
        first = convolution(f"{name}_first", filters // 2, 3)
        second = convolution(f"{name}_second", filters // 2, 3)
        builder.route(f"{name}_inner", second, first)
        tap = convolution(f"{name}_exit", filters, 1)
        builder.route(f"{name}_concat", entry, tap)
        builder.maxpool(f"{name}_pool", 2, 2)
    convolution("tiny_top", 512, 3)
    top = convolution("neck_top", 256, 1, neck=True)
    head(32, 512)
    builder.route("neck_from", top)
    convolution("neck_raise", 128, 1, neck=True)
    raised = builder.upsample("neck_upsample")
    builder.route("neck_concat", raised, tap)
    head(16, 256)
    return tuple(builder.sections)


def _output(builder: SectionBuilder, config: DetectorConfig, stride: int, num_classes: int) -> None:
    """The output convolution of a stride and its [yolo]."""
    maps = scales.of_config(config)
    position, scale = next((k, scale) for k, scale in enumerate(maps) if scale.stride == stride)
    builder.output(f"head{stride}_output", len(scale.mask), num_classes)
    anchors = scales.number_of_anchors(maps)
    builder.yolo(f"yolo{stride}", scale.mask, num_classes, anchors, config.scale_xy[position])
