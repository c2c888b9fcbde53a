"""The report's section on the winner's genes: the winner, or the best so far, against the defaults."""

from evolve.genetics.genome import DEFAULTS
from evolve.pages.figures import BLUE, GREY, Figure, Trace, title
from evolve.pages.markup import escaped, short, table
from evolve.pages.search_facts import SearchFacts
from evolve.pages.section import Section


def genes(facts: SearchFacts) -> Section | None:
    """The winner, or the best so far, against the defaults gene by gene."""
    uid, state = facts.leader, facts.state
    if uid is None or DEFAULTS not in state.individuals or not state.space.genes:
        return None
    leader, defaults = state.individuals[uid].genome, state.individuals[DEFAULTS].genome
    name = "winner" if state.outcome is not None else "best so far"
    changed = [gene for gene in state.space.genes if leader.get(gene) != defaults.get(gene)]
    rows = [[gene, short(defaults.get(gene)), short(leader.get(gene)), _range(facts, gene)] for gene in changed]
    same = [gene for gene in state.space.genes if gene not in changed]
    parts: list[str | Figure] = []
    if uid == DEFAULTS:
        parts.append("<p>The defaults themselves lead, so no gene differs.</p>")
    else:
        parts += [
            _positions_figure(facts, changed, name),
            table(["gene", "defaults", f"{name} {uid}", "range"], rows, label="Genes"),
        ]
        unchanged = f"As in the defaults: {', '.join(same)}." if same else "No gene is as in the defaults."
        parts.append(f'<p class="quiet">{escaped(unchanged)}</p>')
    return Section("genes", f"The {name} against the defaults, gene by gene", parts)


def _positions_figure(facts: SearchFacts, changed: list[str], name: str) -> Figure:
    """Where winner and defaults are in the range of each gene that differs; log scales are drawn as such."""
    state = facts.state
    leader, defaults = state.individuals[facts.leader or DEFAULTS].genome, state.individuals[DEFAULTS].genome
    lines_x: list[float | None] = []
    lines_y: list[str | None] = []
    for gene in changed:
        lines_x += [facts.position(gene, defaults), facts.position(gene, leader), None]
        lines_y += [gene, gene, None]
    data: list[Trace] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": lines_x,
            "y": lines_y,
            "line": {"color": GREY, "width": 2},
            "hoverinfo": "skip",
            "showlegend": False,
        }
    ]
    for label, genome, colour, symbol in (("defaults", defaults, GREY, "circle-open"), (name, leader, BLUE, "circle")):
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label,
                "x": [facts.position(gene, genome) for gene in changed],
                "y": changed,
                "text": [short(genome.get(gene)) for gene in changed],
                "hovertemplate": f"%{{y}}<br>{label}: %{{text}}<extra></extra>",
                "marker": {"color": colour, "size": 11, "symbol": symbol, "line": {"width": 2}},
            }
        )
    layout = {
        "xaxis": {
            **title("position in the gene's range"),
            "range": [-0.03, 1.03],
            "tickvals": [0, 1],
            "ticktext": ["low", "high"],
        },
        "yaxis": {"automargin": True, "autorange": "reversed"},
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom"},
    }
    return Figure(
        "positions",
        f"Position of {name} and defaults in the range of each gene that differs",
        data,
        layout,
        120 + 24 * len(changed),
    )


def _range(facts: SearchFacts, gene: str) -> str:
    plain = facts.state.space.genes[gene].to_plain()
    values = plain.get("values")
    if isinstance(values, list):
        return ", ".join(short(value) for value in values)
    return f"{short(plain['low'])} to {short(plain['high'])} ({plain['scale']})"
