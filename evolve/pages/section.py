"""A section of report.html: a function of the facts of a search makes it, and SECTIONS in report_page.py lists it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evolve.pages.figures import Figure
from evolve.pages.search_facts import SearchFacts


@dataclass(frozen=True)
class Section:
    """A section. parts: markup, with figures where they are to be drawn."""

    name: str  # of its anchor
    title: str
    parts: Sequence[str | Figure]


MakeSection = Callable[[SearchFacts], Section | None]  # None: the search has nothing to show there yet
