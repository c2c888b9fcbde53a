"""Figures of the report as plotly's plain values (https://plotly.com/javascript/reference/): data and layout.

Only trace types that plotly draws as SVG: WebGL is missing on many remote screens. Axes, grid and text take the
colours of the page from report.js, so here are only the colours of data.
"""

import base64
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from plotly.offline import get_plotlyjs

BLUE, ORANGE, GREY, GREEN = "#2f8fce", "#e07b1f", "#8b949e", "#1f9e89"  # told apart by the colour-blind
COMPRESSION = 6  # of 9: takes half of the time, for two percent more
FILLED = "rgba(47,143,206,0.22)"
BEST_FIRST = ("#e07b1f", "#2f8fce", "#7ea6c4", "#9aa3ad")  # of groups by rank

Trace = Mapping[str, object]


@dataclass(frozen=True)
class Figure:
    """A figure. alt: what it shows, for screen readers. height: in pixels."""

    name: str
    alt: str
    data: Sequence[Trace]
    layout: Mapping[str, object]
    height: int = 340

    def to_plain(self) -> dict[str, object]:
        """What report.js gives to plotly."""
        margin = {"l": 60, "r": 20, "t": 30, "b": 50}
        layout = {"margin": margin, "height": self.height, **self.layout}
        return {"data": [_without_markup(trace) for trace in self.data], "layout": _without_markup(layout)}


@cache
def library() -> str:
    """plotly.js, compressed and as base64, so that a page stays small; report.js unpacks it."""
    # without the time, so that equal pages are equal bytes
    packed = gzip.compress(get_plotlyjs().encode(), COMPRESSION, mtime=0)
    return base64.b64encode(packed).decode("ascii")


def title(text: str) -> dict[str, object]:
    """The title of an axis or of a legend."""
    return {"title": {"text": text}}


def grid(count: int, columns: int, row_height: int) -> tuple[dict[str, object], int]:
    """The layout of `count` small figures in columns, and its height in pixels."""
    rows = -(-count // columns)
    return {"grid": {"rows": rows, "columns": columns, "pattern": "independent", "ygap": 0.4}}, rows * row_height + 60


def axis(index: int) -> str:
    """The number of an axis in the name of its trace: empty for the first."""
    return "" if index == 0 else str(index + 1)


def _without_markup(value: object, key: str = "") -> object:
    """The value with its texts as plain text: plotly reads some markup in them. Hover templates are ours, and stay."""
    if isinstance(value, Mapping):
        return {name: _without_markup(inner, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_markup(inner, key) for inner in value]
    return value.replace("<", "&lt;") if isinstance(value, str) and key != "hovertemplate" else value
