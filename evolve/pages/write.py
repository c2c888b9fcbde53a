"""Writes the pages of a search, from its state alone: equal journals give equal pages, byte for byte."""

from dataclasses import dataclass
from pathlib import Path

from evolve.file_names import LINEAGE_PAGE, REPORT_PAGE
from evolve.pages import lineage_page, report_page
from evolve.pages.search_facts import SearchFacts
from evolve.process.files import write_durably
from evolve.records.state import SearchState


@dataclass(frozen=True)
class Pages:
    """The files that were written."""

    report: Path
    lineage: Path


def write(directory: Path, state: SearchState, *, held: bool) -> Pages:
    """Write report.html and lineage.html into a folder. held: whether a living process writes the search's journal.

    OSError if the folder cannot be written.
    """
    facts = SearchFacts(state, held)
    pages = Pages(directory / REPORT_PAGE, directory / LINEAGE_PAGE)
    write_durably(pages.lineage, lineage_page.render(facts))
    write_durably(pages.report, report_page.render(facts))
    return pages
