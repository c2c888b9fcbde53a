"""lineage.html: the family tree of a search as a drawing to click and to walk through with the keyboard."""

from collections.abc import Iterator
from statistics import quantiles

from evolve.genetics.domains import Choice, Domain
from evolve.genetics.genome import DEFAULTS
from evolve.pages import tree
from evolve.pages.markup import asset, escaped, json_block, page, score
from evolve.pages.search_facts import IN_WORDS, SearchFacts, gain, last_score
from evolve.pages.tree import COLUMN_WIDTH, HEADING_HEIGHT, ROW_HEIGHT, Place, Tree
from evolve.records.state import IndividualRecord
from evolve.trial import TrialStatus

BAR_WIDTH = 62  # of the fitness bar in a row, in pixels
BULGE = 34  # of an edge within one column, in pixels
STAR = '<text class="star" x="10" y="5">★</text>'  # instead of a mark: the leader's


def render(facts: SearchFacts) -> str:
    """The whole page."""
    state = facts.state
    drawing = tree.draw(facts)
    title = f"Family tree of search {state.search_id}"
    body = asset("lineage.html").format(
        title=escaped(title),
        sentence=escaped(facts.headline),
        drawing=_svg(facts, drawing),
        data=json_block("search", _data(facts, drawing)),
    )
    return page(title, body, styles=("page.css", "lineage.css"), scripts=("lineage.js",))


def _data(facts: SearchFacts, drawing: Tree) -> dict[str, object]:
    """What the page's script shows of a chosen individual."""
    state = facts.state
    return {
        "steps": state.steps,
        "leader": facts.leader,
        "hasWinner": state.outcome is not None,
        "path": facts.path,
        "genes": [_gene(address, domain) for address, domain in state.space.genes.items()],
        "individuals": [_individual(facts, state.individuals[uid]) for uid in drawing.places],
        "freshScores": _fresh_scores(facts),
    }


def _gene(address: str, domain: Domain) -> dict[str, object]:
    plain = domain.to_plain()
    return {"name": address, "scale": plain["scale"], "choice": isinstance(domain, Choice), "default": domain.default}


def _individual(facts: SearchFacts, record: IndividualRecord) -> dict[str, object]:
    """One individual; keys without a value are left out, as a page may have thousands."""
    genes = facts.state.space.genes
    values = {
        "uid": record.uid,
        "generation": record.generation,
        "status": IN_WORDS[facts.status_of(record)],
        "operator": record.operator,
        "genome": [record.genome.get(gene) for gene in genes],
        "positions": [facts.position(gene, record.genome) for gene in genes],
        "parents": record.parents,
        "rungs": sorted(record.rungs.items()),
        "fitness": record.fitness,
        "predicted": record.predicted,
        "reason": None if record.reason is None else f"{record.kind}: {record.reason}",
        "seconds": round(record.seconds, 1),
        "attempts": record.attempts,
        "elite": record.uid in facts.elites,
    }
    return {key: value for key, value in values.items() if value not in (None, (), [], False)}


def _fresh_scores(facts: SearchFacts) -> dict[str, list[str]]:
    """What trainings with fresh seeds came to, in words, by the uid of the individual."""
    state = facts.state
    lines: dict[str, list[str]] = {}
    for standing in () if state.choice is None else state.choice.candidates:
        line = f"A candidate for the win: {score(standing.mean)} on validation, mean of {standing.seeds} fresh seeds."
        lines.setdefault(standing.uid, []).append(line)
    if state.outcome is not None:
        means = {state.outcome.uid: state.outcome.confirmed, DEFAULTS: state.outcome.defaults}
        for uid, mean in means.items():
            if mean is not None:
                line = (
                    f"For the verdict: {score(mean.mean)} on {state.outcome.split}, mean of {mean.seeds} fresh seeds."
                )
                lines.setdefault(uid, []).append(line)
    return lines


def _svg(facts: SearchFacts, drawing: Tree) -> str:
    parts = [
        f'<svg id="tree" viewBox="0 0 {drawing.width:g} {drawing.height:g}" width="{drawing.width:g}" '
        f'height="{drawing.height:g}" role="group" aria-label="Individuals by generation">',
        *_headings(facts, drawing),
        '<g id="edges">',
        *_edges(facts, drawing),
        "</g>",
        *(
            f'<rect class="backdrop" x="{x:g}" y="{HEADING_HEIGHT}" width="{COLUMN_WIDTH}" height="{height:g}"/>'
            for x, height in zip(drawing.columns, drawing.row_heights, strict=True)
        ),
        '<g id="chosen-edges"></g>',
        '<g id="nodes">',
        *_nodes(facts, drawing),
        "</g></svg>",
    ]
    return "\n".join(parts)


def _headings(facts: SearchFacts, drawing: Tree) -> Iterator[str]:
    for generation, x in enumerate(drawing.columns):
        records = facts.generation(generation)
        finished = sum(record.fitness is not None for record in records)
        yield f'<text class="heading" x="{x:g}" y="18">Generation {generation}</text>'
        yield f'<text class="caption" x="{x:g}" y="35">{finished} of {len(records)} finished</text>'
    for caption in drawing.captions:
        yield f'<text class="caption" x="{caption.x:g}" y="{caption.y:g}">{escaped(caption.text)}</text>'


def _edges(facts: SearchFacts, drawing: Tree) -> Iterator[str]:
    """A line from each parent to each child; those to rows come last, as later ones are drawn on top."""
    individuals = facts.state.individuals
    pairs = [(individuals[parent], child) for child in individuals.values() for parent in child.parents]
    gains = {(parent.uid, child.uid): gain(child, parent) for parent, child in pairs}
    sizes = sorted(abs(step.value) for step in gains.values() if step is not None)
    big = (
        quantiles(sizes, n=4)[2] if len(sizes) > 1 else 0.0
    )  # a quarter of all gains and losses is at least this large
    for parent, child in sorted(pairs, key=lambda pair: drawing.places[pair[1].uid].listed):
        change = gains[parent.uid, child.uid]
        classes = ["edge"]
        if change is not None:
            classes.append("gain" if change.value > 0 else "loss" if change.value < 0 else "same")
            classes += ["big"] if abs(change.value) >= big else []
        classes += ["listed"] if drawing.places[child.uid].listed else []
        classes += ["path"] if child.uid in facts.path and parent.uid in facts.path else []
        classes += ["inner"] if child.generation == parent.generation else []  # a mutant of the defaults
        line = _curve(drawing.places[parent.uid], drawing.places[child.uid])
        uids = f'data-parent="{escaped(parent.uid)}" data-child="{escaped(child.uid)}"'
        yield f'<path class="{" ".join(classes)}" {uids} d="{line}"/>'


def _curve(parent: Place, child: Place) -> str:
    """The line of an edge; within one column it leaves and returns on the left."""
    if child.x <= parent.right:
        turn = min(parent.x, child.x) - BULGE
        return f"M{parent.x:g},{parent.y:g}C{turn:g},{parent.y:g} {turn:g},{child.y:g} {child.x:g},{child.y:g}"
    middle = (parent.right + child.x) / 2
    return f"M{parent.right:g},{parent.y:g}C{middle:g},{parent.y:g} {middle:g},{child.y:g} {child.x:g},{child.y:g}"


def _nodes(facts: SearchFacts, drawing: Tree) -> Iterator[str]:
    fitness = [record.fitness for record in facts.state.individuals.values() if record.fitness is not None]
    low, high = (min(fitness), max(fitness)) if fitness else (0.0, 1.0)
    for uid, place in drawing.places.items():
        record = facts.state.individuals[uid]
        status = facts.status_of(record)
        classes = ["node", str(status).replace("_", "-")]
        classes += ["row"] if place.listed else ["dot"]
        classes += ["elite"] if uid in facts.elites else []
        classes += ["path"] if uid in facts.path else []
        classes += ["leader"] if uid == facts.leader else []
        said = escaped(_said(facts, record))
        yield (
            f'<g class="{" ".join(classes)}" data-uid="{escaped(uid)}" transform="translate({place.x:g},{place.y:g})" '
            f'role="button" tabindex="-1" aria-label="{said}"><title>{said}</title>'
        )
        share = 0.0 if record.fitness is None or high == low else (record.fitness - low) / (high - low)
        mark = STAR if uid == facts.leader else _mark(status, 10.0 if place.listed else 0.0)
        yield _row(record, mark, share) if place.listed else mark
        yield "</g>"


def _row(record: IndividualRecord, mark: str, share: float) -> str:
    """A row: its mark, the uid, the fitness, and a bar from the worst to the best fitness of the search."""
    top = -ROW_HEIGHT / 2
    bar = COLUMN_WIDTH - BAR_WIDTH - 2
    return (
        f'<rect class="plate" x="0" y="{top + 1:g}" width="{COLUMN_WIDTH}" height="{ROW_HEIGHT - 2}" rx="3"/>'
        f'<rect class="bar" x="{bar}" y="{top + 4:g}" width="{BAR_WIDTH * share:.1f}" height="{ROW_HEIGHT - 8}"/>'
        f'{mark}<text x="20" y="4">{escaped(record.uid)}</text>'
        f'<text class="fitness" x="{COLUMN_WIDTH - 6}" y="4">{score(record.fitness)}</text>'
    )


def _mark(status: TrialStatus, x: float) -> str:
    """The sign of a status; shapes differ, so that colours need not."""
    if status is TrialStatus.FAILED:
        return f'<path class="mark" d="M{x - 3:g},-3L{x + 3:g},3M{x - 3:g},3L{x + 3:g},-3"/>'
    if status in (TrialStatus.RUNNING, TrialStatus.PROPOSED):
        return f'<rect class="mark" x="{x - 3:g}" y="-3" width="6" height="6"/>'
    return f'<circle class="mark" cx="{x:g}" r="{4 if status is TrialStatus.FINISHED else 3}"/>'


def _said(facts: SearchFacts, record: IndividualRecord) -> str:
    """The individual in one line, for tooltips and screen readers."""
    status = IN_WORDS[facts.status_of(record)]
    if record.fitness is not None:
        return f"{record.uid}, {status}, fitness {score(record.fitness)}"
    if record.reason is not None:
        return f"{record.uid}, {status}: {record.reason}"
    reached = last_score(record)
    return f"{record.uid}, {status}" + ("" if reached is None else f", score {score(reached[1])} at step {reached[0]}")
