"""CSPDarknet53: layers 0-104 of Darknet's cfg/yolov4.cfg (Bochkovskiy et al. 2020, arXiv 2004.10934)."""

from typing import Any, NamedTuple

from model.config import DetectorConfig
from model.network import dropblock, layers, multipliers

Tensor = Any


class Stage(NamedTuple):
    """Channels and residual units of one stage at width and depth 1."""

    filters: int  # output channels of the down-sampling and of the stage
    branch: int  # of each of the two branches
    middle: int  # inside a residual unit
    units: int


STEM_FILTERS = 32
# Stage 1 differs: both branches keep all 64 channels and the unit's middle is half of them; from stage 2 on a branch
# has half of the stage's channels, and the middle as many as the branch.
STAGES = (
    Stage(64, 64, 32, 1),
    Stage(128, 64, 64, 2),
    Stage(256, 128, 128, 8),
    Stage(512, 256, 256, 8),
    Stage(1024, 512, 512, 4),
)
FIRST_DROPPED = 4  # DropBlock, if used, is at the end of this stage and of those after it


def cspdarknet53(images: Tensor, config: DetectorConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Feature maps of strides 8, 16, 32 (256, 512, 1024 channels at width 1) from images [b, h, w, 3]."""
    stem = multipliers.scaled_channels(STEM_FILTERS, config.width)
    x = layers.convolution(images, stem, 3, kind=config.backbone_activation, name="backbone_stem")
    taps = []
    for stage_number, stage in enumerate(STAGES, start=1):
        x = layers.csp_stage(
            x,
            multipliers.scaled_channels(stage.filters, config.width),
            branch=multipliers.scaled_channels(stage.branch, config.width),
            middle=multipliers.scaled_channels(stage.middle, config.width),
            units=multipliers.scaled_units(stage.units, config.depth),
            config=config,
            name=f"backbone_stage{stage_number}",
        )
        if stage_number >= FIRST_DROPPED:
            x = dropblock.add_dropblock(x, "backbone", config, name=f"backbone_stage{stage_number}_dropblock")
        taps.append(x)
    return taps[2], taps[3], taps[4]
