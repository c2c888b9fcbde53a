"""Makes released.txt: the layers of Darknet's released cfgs, one per line, from its repository at 59596d78.

    python tests/model/darknet/golden/make_released.py DARKNET/cfg/yolov4.cfg DARKNET/cfg/yolov4-tiny.cfg

It has its own parser of ten lines, which shares nothing with ours. Indices count from 0, without [net].
"""

import sys
from pathlib import Path

KEYS = {
    "convolutional": ("filters", "size", "stride", "activation", "batch_normalize"),
    "route": ("groups", "group_id"),
    "maxpool": ("size", "stride"),
    "upsample": ("stride",),
    "yolo": ("mask", "classes", "num", "scale_x_y"),
}


def lines(text: str) -> list[str]:
    """Kind, indices that it reads, and values of its keys; '-' if a key is missing."""
    blocks = [block.splitlines() for block in text.split("[")[2:]]
    found = []
    for place, (head, *rest) in enumerate(blocks):
        kind = head.strip().rstrip("]")
        plain = [line.replace(" ", "") for line in rest]
        keys = dict(line.split("=", 1) for line in plain if line and line[0] not in "#;")
        given = [int(part) for part in (keys.get("layers") or keys.get("from") or "-1").split(",")]
        sources = [part if part >= 0 else place + part for part in given]
        values = [keys.get(key, "-") for key in KEYS.get(kind, ())]
        found.append(" ".join([kind, ",".join(map(str, sources)), *values]))
    return found


if __name__ == "__main__":
    parts = []
    for name in sys.argv[1:]:
        parts += [f"# {Path(name).stem}", *lines(Path(name).read_text(encoding="utf-8"))]
    Path(__file__).with_name("released.txt").write_text("\n".join(parts) + "\n", encoding="utf-8")
