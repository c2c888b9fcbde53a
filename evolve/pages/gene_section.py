"""The report's sections on genes: fitness against each, and parallel coordinates."""

from collections.abc import Sequence

from evolve.genetics.domains import Choice
from evolve.pages.figures import BEST_FIRST, BLUE, ORANGE, Figure, Trace, axis, grid, title
from evolve.pages.markup import escaped, short
from evolve.pages.search_facts import SearchFacts
from evolve.pages.section import Section
from evolve.records.state import IndividualRecord

COLUMNS = 4  # of small figures
MOST_DRAWN = 500  # individuals in a figure; more would make a browser slow, and hide each other


def scatter(facts: SearchFacts) -> Section | None:
    """A small figure for each gene: its value and the fitness of everyone that reached the full budget."""
    drawn, note = _drawn(facts)
    genes = list(facts.state.space.genes)
    if not drawn or not genes:
        return None
    data: list[Trace] = []
    layout, height = grid(len(genes), COLUMNS, 170)
    fitness = [round(one.fitness or 0.0, 5) for one in drawn]
    for index, gene in enumerate(genes):
        x, y = f"x{axis(index)}", f"y{axis(index)}"
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [_shown(one.genome.get(gene)) for one in drawn],
                "y": fitness,
                "text": [one.uid for one in drawn],
                "hovertemplate": f"%{{text}}<br>{escaped(gene)} %{{x}}<br>fitness %{{y:.4f}}<extra></extra>",
                "marker": {
                    "color": [ORANGE if one.uid == facts.leader else BLUE for one in drawn],
                    "size": 5,
                    "opacity": 0.75,
                },
                "xaxis": x,
                "yaxis": y,
                "showlegend": False,
            }
        )
        domain = facts.state.space.genes[gene]
        kind = "category" if isinstance(domain, Choice) else "log" if domain.to_plain()["scale"] == "log" else "linear"
        layout[f"xaxis{axis(index)}"] = {
            "type": kind,
            "title": {"text": gene, "standoff": 4, "font": {"size": 11}},
            "tickfont": {"size": 9},
            "nticks": 4,
            "exponentformat": "e",
        }
        layout[f"yaxis{axis(index)}"] = {"tickfont": {"size": 9}, "nticks": 4}
    name = "winner" if facts.state.outcome is not None else "best so far"
    text = (
        f'<p class="quiet">Each dot is an individual that reached the full budget{note}, the {name} in orange. '
        "A click opens it in the family tree.</p>"
    )
    alt = "Fitness against the value of each gene"
    return Section("scatter", "Fitness against each gene", [text, Figure("scatter", alt, data, layout, height)])


def parallel(facts: SearchFacts) -> Section | None:
    """Parallel coordinates: a line through the genes for each individual, coloured by the rank of its fitness."""
    drawn, note = _drawn(facts)
    genes = list(facts.state.space.genes)
    if len(drawn) < 2 or len(genes) < 2:
        return None
    data: list[Trace] = []
    groups = _groups(drawn)
    for (name, members), colour in reversed(list(zip(groups, BEST_FIRST, strict=True))):  # the best are drawn on top
        if members:
            data.append(_lines(facts, genes, name, members, colour))
    layout = {
        "xaxis": {"tickangle": -55, "automargin": True, "type": "category"},
        "yaxis": {**title("position in the gene's range"), "range": [-0.02, 1.02]},
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "traceorder": "reversed"},
        "hovermode": "closest",
    }
    text = (
        f'<p class="quiet">Each line is an individual that reached the full budget{note}. '
        "A click on a name in the legend hides these lines, a double click shows them alone.</p>"
    )
    alt = "Parallel coordinates of the genes, by groups of fitness"
    return Section("parallel", "All genes side by side", [text, Figure("parallel", alt, data, layout, 520)])


def _drawn(facts: SearchFacts) -> tuple[list[IndividualRecord], str]:
    """The individuals to draw, best first, and a remark if they are not all: the best, and the rest spread evenly."""
    ranking = facts.state.ranking
    if len(ranking) <= MOST_DRAWN:
        return ranking, ""
    best, rest = ranking[: MOST_DRAWN // 2], ranking[MOST_DRAWN // 2 :]
    number = MOST_DRAWN - len(best)
    spread = [rest[index * len(rest) // number] for index in range(number)]
    remark = f" ({MOST_DRAWN} of {len(ranking)} are drawn: the best {len(best)}, and others spread evenly by rank)"
    return best + spread, remark


def _groups(ranking: Sequence[IndividualRecord]) -> list[tuple[str, Sequence[IndividualRecord]]]:
    """The individuals in four groups by rank, best first; as many as BEST_FIRST has colours."""
    tenth, half = max(1, len(ranking) // 10), len(ranking) // 2
    return [
        ("the best", ranking[:1]),
        ("best tenth", ranking[1:tenth]),
        ("upper half", ranking[tenth:half]),
        ("lower half", ranking[half:]),
    ]


def _lines(facts: SearchFacts, genes: list[str], name: str, members: Sequence[IndividualRecord], colour: str) -> Trace:
    """One trace with a line for each individual; None between two lines lifts the pen."""
    x: list[str | None] = []
    y: list[float | None] = []
    text: list[str | None] = []
    for one in members:
        x += [*genes, None]
        y += [*(facts.position(gene, one.genome) for gene in genes), None]
        text += [*(f"{one.uid}: {short(one.genome.get(gene))}" for gene in genes), None]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": x,
        "y": y,
        "text": text,
        "hovertemplate": "%{x}<br>%{text}<extra></extra>",
        "line": {"color": colour, "width": 3 if name == "the best" else 1.2},
        "opacity": 1.0 if name in ("the best", "best tenth") else 0.45,
    }


def _shown(value: object) -> object:
    """A gene's value on an axis; true and false become words, as plotly would draw them as numbers."""
    return str(value).lower() if isinstance(value, bool) else value
