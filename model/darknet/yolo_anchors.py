"""Reads anchors and masks of a cfg's [yolo] sections, as Darknet does (parser.c, parse_yolo).

Each section has a list of pairs, of which the first num= are used, and a mask with the indices of its own map's
anchors; without a mask it uses all. Darknet's cfgs repeat one list; lists that differ are joined one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from model.darknet.cfg import CfgError

Keys = Mapping[str, str]
Pair = tuple[float, float]


def read(name: str, yolos: Sequence[Keys]) -> tuple[tuple[Pair, ...], tuple[tuple[int, ...], ...]]:
    """All anchors, and each section's mask as indices into them, in the file's order; CfgError names the file."""
    joint: tuple[Pair, ...] = ()
    begins: dict[tuple[Pair, ...], int] = {}
    masks = []
    for keys in yolos:
        pairs, mask = _pairs(name, keys), _mask(name, keys)
        beyond = [index for index in mask if not 0 <= index < len(pairs)]
        if beyond:
            raise CfgError(
                f"{name}: mask={keys.get('mask', '')[:80]}: expected indices among its {len(pairs)} anchors, "
                f"from 0 on, got {beyond[0]}"
            )
        if len(set(mask)) < len(mask):
            raise CfgError(f"{name}: mask={keys['mask'][:80]}: expected each anchor once")
        if pairs not in begins:
            longer = next((known for known in begins if known[: len(pairs)] == pairs), None)
            begins[pairs] = len(joint) if longer is None else begins[longer]
            joint += pairs if longer is None else ()
        masks.append(tuple(begins[pairs] + index for index in mask))
    return joint, tuple(masks)


def _pairs(name: str, keys: Keys) -> tuple[Pair, ...]:
    if "anchors" not in keys:
        raise CfgError(f"{name}: expected anchors= in every [yolo], got none")
    try:
        numbers = [float(part) for part in keys["anchors"].rstrip(",").split(",")]
    except ValueError as error:
        raise CfgError(f"{name}: anchors: expected numbers: {str(error)[:80]}") from error
    if len(numbers) % 2 or not all(math.isfinite(value) and value > 0 for value in numbers):
        raise CfgError(f"{name}: anchors: expected pairs of numbers above 0, got {keys['anchors'][:80]}")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))[: _num(name, keys)]


def _num(name: str, keys: Keys) -> int:
    text = keys.get("num", "1")  # 1 is Darknet's default
    if not text.isdecimal() or int(text[:9]) < 1:
        raise CfgError(f"{name}: num: expected a number of anchors, got {text[:40] or 'nothing'}")
    return int(text[:9])


def _mask(name: str, keys: Keys) -> tuple[int, ...]:
    if "mask" not in keys:
        return tuple(range(len(_pairs(name, keys))))
    try:
        return tuple(int(part) for part in keys["mask"].rstrip(",").split(","))
    except ValueError as error:
        raise CfgError(f"{name}: mask: expected indices of anchors such as 0,1,2, got {keys['mask'][:80]}") from error
