"""Where each individual is drawn in the family tree: generations as columns, ranked from the top.

The best finished ones of a generation have a row each. All others are dots below, in blocks by status and in the order
of their rank, so that a generation of a thousand still fits a screen or two. Lengths are pixels at full size.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from evolve.pages.search_facts import SearchFacts, rank_key
from evolve.records.state import IndividualRecord
from evolve.trial import TrialStatus

LISTED = 25  # rows of a generation at most; elites and the winner's path have one in any case
MARGIN = 44
COLUMN_WIDTH = 156  # of the rows and blocks
GAP = 110  # between two columns, for the edges
ROW_HEIGHT = 20
DOT = 12  # side of a dot's cell
DOTS_PER_LINE = COLUMN_WIDTH // DOT
HEADING_HEIGHT = 48  # of a column's heading
CAPTION_HEIGHT = 26  # of a block's caption
BLOCKS: Sequence[tuple[str, frozenset[TrialStatus]]] = (
    ("more finished", frozenset({TrialStatus.FINISHED})),
    ("running or waiting", frozenset({TrialStatus.RUNNING, TrialStatus.PROPOSED})),
    ("stopped early", frozenset({TrialStatus.STOPPED_EARLY})),
    ("failed", frozenset({TrialStatus.FAILED})),
)


@dataclass(frozen=True)
class Place:
    """Where an individual is drawn."""

    x: float  # left end of a row, middle of a dot
    y: float  # middle
    listed: bool  # whether it has a row

    @property
    def right(self) -> float:
        """Where edges to its children begin."""
        return self.x + COLUMN_WIDTH if self.listed else self.x


@dataclass(frozen=True)
class Caption:
    """A line of text above a block of dots."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class Tree:
    """The drawing of a search's family tree."""

    places: dict[str, Place]  # by uid, in the order in which arrow keys go through a column
    captions: list[Caption]
    columns: list[float]  # left end of each generation
    row_heights: list[float]  # of each generation's rows together
    width: float
    height: float


def draw(facts: SearchFacts) -> Tree:
    """Lay out all individuals of a search."""
    tree = Tree({}, [], [], [], 0.0, 0.0)
    for generation in range(facts.state.generation + 1):
        _draw_column(facts, generation, tree)
    width = MARGIN * 2 + len(tree.columns) * (COLUMN_WIDTH + GAP) - GAP
    bottom = max((place.y for place in tree.places.values()), default=0.0)
    return replace(tree, width=width, height=bottom + ROW_HEIGHT / 2 + MARGIN)


def _draw_column(facts: SearchFacts, generation: int, tree: Tree) -> None:
    """Add a generation's places and captions."""
    x = MARGIN + generation * (COLUMN_WIDTH + GAP)
    tree.columns.append(x)
    ranked = sorted(facts.generation(generation), key=rank_key)
    best = {record.uid for record in ranked[:LISTED] if record.fitness is not None}
    y: float = HEADING_HEIGHT
    for record in ranked:
        if record.uid in best | facts.elites or record.uid in facts.path:
            tree.places[record.uid] = Place(x, y + ROW_HEIGHT / 2, True)
            y += ROW_HEIGHT
    tree.row_heights.append(y - HEADING_HEIGHT)
    rest = [record for record in ranked if record.uid not in tree.places]
    for name, statuses in BLOCKS:
        block = [record for record in rest if facts.status_of(record) in statuses]
        if block:
            tree.captions.append(Caption(x, y + CAPTION_HEIGHT - 8, f"{len(block)} {name}"))
            y = _draw_block(block, x, y + CAPTION_HEIGHT, tree.places)


def _draw_block(block: Iterable[IndividualRecord], x: float, top: float, places: dict[str, Place]) -> float:
    """Add the places of a block of dots; returns its lower end."""
    bottom = top
    for index, record in enumerate(block):
        line, position = divmod(index, DOTS_PER_LINE)
        places[record.uid] = Place(x + (position + 0.5) * DOT, top + (line + 0.5) * DOT, False)
        bottom = top + (line + 1) * DOT
    return bottom
