"""report.html: what a search came to, verdict first, then what it rests on."""

from collections.abc import Sequence
from datetime import UTC, datetime

from evolve.pages import (
    figures,
    gene_section,
    paying_section,
    progress_section,
    verdict_section,
    winner_section,
    work_section,
)
from evolve.pages.figures import Figure
from evolve.pages.markup import asset, escaped, json_block, page
from evolve.pages.search_facts import SearchFacts
from evolve.pages.section import MakeSection, Section

SECTIONS: Sequence[MakeSection] = (
    verdict_section.verdict,
    progress_section.generations,
    winner_section.genes,
    paying_section.paying,
    gene_section.scatter,
    gene_section.parallel,
    work_section.cost,
    progress_section.endings,
    work_section.settings,
)


def render(facts: SearchFacts) -> str:
    """The whole page."""
    sections = [section for make in SECTIONS if (section := make(facts)) is not None]
    drawn = {part.name: part.to_plain() for section in sections for part in section.parts if isinstance(part, Figure)}
    title = f"Report of search {facts.state.search_id}"
    body = asset("report.html").format(
        title=escaped(title),
        time=f"{datetime.fromtimestamp(facts.state.last_at, UTC):%Y-%m-%d %H:%M UTC}",
        links="".join(f'<a href="#{section.name}">{escaped(section.title)}</a>' for section in sections),
        sections="\n".join(_markup(section) for section in sections),
        data=json_block("figures", drawn),
        library=f'<script type="text/plain" id="library">{figures.library()}</script>',
    )
    return page(title, body, styles=("page.css", "report.css"), scripts=("report.js",))


def _markup(section: Section) -> str:
    parts = [_figure(part) if isinstance(part, Figure) else part for part in section.parts]
    heading = f"<h2>{escaped(section.title)}</h2>"
    return f'<section id="{section.name}">{heading}{"".join(parts)}</section>'


def _figure(figure: Figure) -> str:
    place = f'class="figure" id="figure-{figure.name}" data-figure="{figure.name}"'
    return f'<div {place} role="img" aria-label="{escaped(figure.alt)}" style="min-height:{figure.height}px"></div>'
