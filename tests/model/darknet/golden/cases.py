"""The networks and input sizes of the golden file; height before width."""

from dataclasses import dataclass, replace

from model.config import YOLOV4_TINY, DetectorConfig
from model.darknet import topology
from model.darknet.sections import Section

ANCHORS = {
    "yolov4": ((12, 16), (19, 36), (40, 28), (36, 75), (76, 55), (72, 146), (142, 110), (192, 243), (459, 401)),
    "yolov4-tiny": ((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319)),
}
SEED = 20200423  # the day the paper came out
SAMPLE = 300  # values of each map that the golden file keeps


@dataclass(frozen=True)
class Case:
    """One network; sizes are (height, width) of its inputs. decoded: whether its boxes are in the golden file too."""

    name: str
    config: DetectorConfig
    num_classes: int
    sizes: tuple[tuple[int, int], ...]
    decoded: bool = False

    @property
    def sections(self) -> tuple[Section, ...]:
        """The network's sections after [net]."""
        return topology.sections(self.config, self.num_classes)


SMALL = DetectorConfig(width=0.125, depth=0.34)
# cfg/yolov4-tiny-custom.cfg's masks; and two and four anchors a map, unsorted, the first on both and the last on none
CUSTOM = replace(YOLOV4_TINY, width=0.25, masks="0,1,2/3,4,5")
UNEVEN = replace(YOLOV4_TINY, width=0.25, masks="4,0/1,3,2,0")
CASES = (
    Case("full", DetectorConfig(), 80, ((416, 416), (320, 512))),
    Case("tiny", YOLOV4_TINY, 80, ((416, 416), (320, 512))),
    Case("small", SMALL, 3, ((96, 160),)),
    Case(
        "small_dropblock",
        DetectorConfig(width=0.125, depth=0.34, neck_activation="mish", dropblock_place="both"),
        2,
        ((96, 96),),
    ),
    Case("narrow_tiny", DetectorConfig("yolov4-tiny", backbone_activation="leaky", width=0.25), 1, ((96, 160),)),
    Case("custom_tiny", CUSTOM, 1, ((96, 160),), decoded=True),
    Case("uneven_tiny", UNEVEN, 2, ((96, 160),), decoded=True),
)
