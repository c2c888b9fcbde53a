"""What both pages share: the frame of a page, text that cannot become markup, values for scripts, tables.

A page is one file. Its content security policy forbids every request, so it works offline and tells nobody anything.
"""

import html
import json
from collections.abc import Sequence
from importlib import resources

import pandas as pd

FAVICON = "data:,"  # an empty one: a browser would ask the server for /favicon.ico otherwise
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
MISSING = "–"  # noqa: RUF001 an en dash, as tables print it


def escaped(value: object) -> str:
    """The value as text of a page, in elements and in quoted attributes."""
    return html.escape(str(value))


def short(value: object) -> str:
    """A value for people: four significant digits, a dash for None. Not escaped."""
    if value is None or (isinstance(value, float) and value != value):
        return MISSING
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def score(value: float | None) -> str:
    """A score or fitness with four decimals; a dash for None."""
    return MISSING if value is None else f"{value:.4f}"


def json_block(name: str, value: object) -> str:
    """A value that scripts read with JSON.parse. No text in it can end the element: < is written as \\u003c."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{escaped(name)}">{text}</script>'


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, label: str) -> str:
    """A table; every cell is escaped. label: what it shows, for screen readers. The first column heads its row."""
    frame = pd.DataFrame([[short(cell) for cell in row] for row in rows], columns=pd.Index(columns))
    body = frame.to_html(index=False, escape=True, border=0, classes="table")
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escaped(label)}">{body}</div>'


def asset(name: str) -> str:
    """The text of a style sheet or script of this room."""
    return resources.files("evolve.pages").joinpath(name).read_text(encoding="utf-8")


def page(title: str, body: str, *, styles: Sequence[str], scripts: Sequence[str]) -> str:
    """A whole page. body: markup. styles, scripts: names of assets."""
    style = "\n".join(asset(name) for name in styles)
    script = "\n".join(f"<script>\n{asset(name)}</script>" for name in scripts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="icon" href="{FAVICON}">
<title>{escaped(title)}</title>
<style>
{style}</style>
</head>
<body>
{body}
{script}
</body>
</html>
"""
