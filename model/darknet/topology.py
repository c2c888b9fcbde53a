"""The layers of our networks in Darknet's order: what a .weights file holds, and the sections of a .cfg.

Written down here once more, and not taken from the Keras network: the order of a file is Darknet's, whatever the
order in which Keras makes layers. Tests hold the two together by names, shapes and heads.
"""

from dataclasses import replace

from model.config import DetectorConfig
from model.darknet.sections import Plan, Section
from model.network import scales
from model.network.multipliers import scaled_channels, scaled_units

# filters, branch, middle and residual units of CSPDarknet53's stages at width and depth 1 (layers 1-104)
STAGES = ((64, 64, 32, 1), (128, 64, 64, 2), (256, 128, 128, 8), (512, 256, 256, 8), (1024, 512, 512, 4))
TINY_BLOCKS = (64, 128, 256)  # of yolov4-tiny's three CSP blocks


def sections(config: DetectorConfig, num_classes: int) -> tuple[Section, ...]:
    """The network of that configuration; yolov4 as released has 162 sections (cfg/yolov4.cfg)."""
    if num_classes < 1:
        raise ValueError(f"num_classes: expected at least 1, got {num_classes!r}")
    if config.variant == "yolov4-tiny":
        return _tiny_sections(config, num_classes)
    network = _YoloV4(config, num_classes)
    top, taps = network.backbone()
    network.heads(network.pyramid(top), *taps)
    return tuple(network.plan.sections)


def released(config: DetectorConfig) -> DetectorConfig:
    """The same network without the layers that the released weights lack: SAM, MiWRC, DropBlock."""
    return replace(config, sam=False, shortcut="add", dropblock_place="none")


class _YoloV4:
    """Puts yolov4's sections together; numbers in comments are those of the released cfg."""

    def __init__(self, config: DetectorConfig, num_classes: int) -> None:
        self.config = config
        self.num_classes = num_classes
        self.plan = Plan()

    def _convolution(self, name: str, filters: int, kernel: int, *, stride: int = 1, activation: str) -> int:
        filters = scaled_channels(filters, self.config.width)
        return self.plan.convolution(name, filters, kernel, stride=stride, activation=activation)

    def backbone(self) -> tuple[int, tuple[int, int]]:
        """CSPDarknet53, 0-104: the places of its last section and of the taps of strides 8 and 16."""
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
        self.plan.route(f"{name}_split", down)
        start = self._convolution(f"{name}_main", branch, 1, activation=kind)
        for unit in range(1, scaled_units(units, self.config.depth) + 1):
            self._convolution(f"{name}_unit{unit}_reduce", middle, 1, activation=kind)
            self._convolution(f"{name}_unit{unit}_expand", branch, 3, activation=kind)
            start = self._shortcut(f"{name}_unit{unit}_shortcut", start)
        end = self._convolution(f"{name}_exit", branch, 1, activation=kind)
        self.plan.route(f"{name}_concat", end, skip)
        return self._convolution(f"{name}_transition", filters, 1, activation=kind)

    def _shortcut(self, name: str, start: int) -> int:
        weights_type = "none" if self.config.shortcut == "add" else self.config.shortcut
        return self.plan.shortcut(
            name, start, weights_type=weights_type, normalization=self.config.shortcut_normalization
        )

    def _dropblock(self, name: str, part: str) -> int:
        """The place of what comes out there, through [dropout] where the configuration has DropBlock in this part."""
        if self.config.dropblock_place not in (part, "both"):
            return self.plan.last
        return self.plan.dropblock(f"{name}_dropblock", self.config.dropblock_size)

    def pyramid(self, top: int) -> int:
        """SPP, 105-116: windows of 13, 9 and 5 beside their input."""
        kind = self.config.neck_activation
        for number, (filters, kernel) in enumerate([(512, 1), (1024, 3), (512, 1)], start=1):
            top = self._convolution(f"spp_before{number}", filters, kernel, activation=kind)
        pools = [self.plan.maxpool("spp_pool5", 5, 1)]
        for size in (9, 13):
            self.plan.route(f"spp_again{size}", top)
            pools.insert(0, self.plan.maxpool(f"spp_pool{size}", size, 1))
        self.plan.route("spp_concat", *pools, top)
        for number, (filters, kernel) in enumerate([(512, 1), (1024, 3), (512, 1)], start=1):
            top = self._convolution(f"spp_after{number}", filters, kernel, activation=kind)
        return top

    def heads(self, top: int, tap8: int, tap16: int) -> None:
        """PAN and the three scales, 117-161."""
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
        raised = self.plan.upsample(f"{name}_upsample")
        self.plan.route(f"{name}_tap", tap)
        lateral = self._convolution(f"{name}_lateral", filters, 1, activation=kind)
        self.plan.route(f"{name}_concat", lateral, raised)
        return self._five(name, filters)

    def _towards_coarse(self, name: str, fine: int, kept: int, filters: int) -> int:
        self.plan.route(f"{name}_from", fine)
        lowered = self._convolution(f"{name}_lower", filters, 3, stride=2, activation=self.config.neck_activation)
        self.plan.route(f"{name}_concat", lowered, kept)
        return self._five(name, filters)

    def _five(self, name: str, filters: int) -> int:
        """1x1 and 3x3 in turn; where a head follows, SAM gates the fourth (yolov4-sam-mish), and DropBlock is last."""
        feeds_head = name != "neck_down16"
        end = self.plan.last
        for number in range(1, 6):
            odd = number % 2 == 1
            end = self._convolution(
                f"{name}_five{number}",
                filters if odd else 2 * filters,
                1 if odd else 3,
                activation=self.config.neck_activation,
            )
            if number == 4 and self.config.sam and feeds_head:
                self._convolution(f"{name}_sam", 2 * filters, 1, activation="logistic")
                self.plan.sam(f"{name}_sam_gate", end)
        return self._dropblock(name, "neck") if feeds_head else end

    def _head(self, stride: int, filters: int) -> None:
        self._convolution(f"head{stride}", filters, 3, activation=self.config.neck_activation)
        _output(self.plan, self.config, stride, self.num_classes)


def _tiny_sections(config: DetectorConfig, num_classes: int) -> tuple[Section, ...]:
    """yolov4-tiny: 38 sections as released (cfg/yolov4-tiny.cfg); stride 32 comes first in the file."""
    plan = Plan()

    def convolution(name: str, filters: int, kernel: int, stride: int = 1, *, neck: bool = False) -> int:
        kind = config.neck_activation if neck else config.backbone_activation
        filters = scaled_channels(filters, config.width)
        return plan.convolution(name, filters, kernel, stride=stride, activation=kind)

    def head(stride: int, filters: int) -> None:
        convolution(f"head{stride}", filters, 3, neck=True)
        _output(plan, config, stride, num_classes)

    convolution("tiny_stem1", 32, 3, 2)
    convolution("tiny_stem2", 64, 3, 2)
    tap = 0
    for number, filters in enumerate(TINY_BLOCKS, start=1):
        name = f"tiny_block{number}"
        entry = convolution(f"{name}_entry", filters, 3)
        plan.second_half(f"{name}_split")
        first = convolution(f"{name}_first", filters // 2, 3)
        second = convolution(f"{name}_second", filters // 2, 3)
        plan.route(f"{name}_inner", second, first)
        tap = convolution(f"{name}_exit", filters, 1)
        plan.route(f"{name}_concat", entry, tap)
        plan.maxpool(f"{name}_pool", 2, 2)
    convolution("tiny_top", 512, 3)
    top = convolution("neck_top", 256, 1, neck=True)
    head(32, 512)
    plan.route("neck_from", top)
    convolution("neck_raise", 128, 1, neck=True)
    raised = plan.upsample("neck_upsample")
    plan.route("neck_concat", raised, tap)
    head(16, 256)
    return tuple(plan.sections)


def _output(plan: Plan, config: DetectorConfig, stride: int, num_classes: int) -> None:
    """The output convolution of a stride and its [yolo]."""
    maps = scales.of_config(config)
    number, scale = next(found for found in enumerate(maps) if found[1].stride == stride)
    plan.output(f"head{stride}_output", len(scale.mask), num_classes)
    anchors = scales.number_of_anchors(maps)
    plan.yolo(f"yolo{stride}", scale.mask, num_classes, anchors, config.scale_xy[number])
