"""The report's section on the changes that paid: children in which a gene changed against those in which it did not."""

from collections.abc import Sequence
from dataclasses import dataclass

from evolve.genetics import screening
from evolve.pages.figures import BLUE, GREY, ORANGE, Figure, Trace, title
from evolve.pages.markup import table
from evolve.pages.search_facts import SearchFacts
from evolve.pages.section import Section

FEWEST_CHILDREN = 2  # on either side of a comparison: fewer have no variance
NOTE = """<p class="quiet">A child's gain is its score minus its parent's fitness; a stopped child counts with its last
score, brought to the scale of final ones. Children in which the gene changed are compared with those in which it did
not, which cancels the luck of parents that were chosen as the best. Several genes change in one child, and of twenty
95 % intervals about one leaves out zero by chance: this is a hint of what to look at, not a measurement.</p>"""


@dataclass(frozen=True)
class Effect:
    """A difference of two mean gains, and its 95 % interval."""

    mean: float
    interval: tuple[float, float]


def paying(facts: SearchFacts) -> Section | None:
    """For each gene: the mean gain of children in which it changed, against those in which it did not."""
    effects = [(gene, moved, effect) for gene, moved, effect in _effects(facts) if effect is not None]
    if not effects:
        return None
    effects.sort(key=lambda entry: -entry[2].mean)
    genes = [gene for gene, _, _ in effects]
    means = [effect.mean for _, _, effect in effects]
    data: list[Trace] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": means,
            "y": genes,
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": [effect.interval[1] - effect.mean for _, _, effect in effects],
                "arrayminus": [effect.mean - effect.interval[0] for _, _, effect in effects],
                "color": GREY,
            },
            "marker": {
                "size": 9,
                "color": [
                    BLUE if effect.interval[0] > 0 else ORANGE if effect.interval[1] < 0 else GREY
                    for _, _, effect in effects
                ],
            },
            "hovertemplate": "%{y}<br>%{x:+.4f}<extra></extra>",
        }
    ]
    layout = {
        "xaxis": {**title("difference in mean gain over the parent"), "zeroline": True},
        "yaxis": {"automargin": True, "autorange": "reversed"},
    }
    figure = Figure(
        "paying", "Difference in gain by gene that changed, with 95 % intervals", data, layout, 110 + 22 * len(effects)
    )
    rows = [
        [gene, moved, f"{effect.mean:+.4f}", f"{effect.interval[0]:+.4f} to {effect.interval[1]:+.4f}"]
        for gene, moved, effect in effects
    ]
    head = ["gene", "children in which it changed", "difference in mean gain", "95 % interval"]
    return Section(
        "paying", "Which changed genes paid", [NOTE, figure, table(head, rows, label="Effect of changed genes")]
    )


def _effects(facts: SearchFacts) -> list[tuple[str, int, Effect | None]]:
    """For each gene: the children in which it changed, and the difference in their mean gain (Welch's interval)."""
    individuals = facts.state.individuals
    scored = [one for one in individuals.values() if one.rungs]
    final = dict(
        zip(
            (one.uid for one in scored),
            screening.final_scores([one.rungs for one in scored], facts.state.recipe.rung_steps(facts.state.steps)),
            strict=True,
        )
    )
    pairs = [
        (one, individuals[one.parents[0]])
        for one in scored
        if one.parents and individuals[one.parents[0]].fitness is not None
    ]
    gains = [final[child.uid] - (parent.fitness or 0.0) for child, parent in pairs]
    effects: list[tuple[str, int, Effect | None]] = []
    for gene in facts.state.space.genes:
        changed = [child.genome.get(gene) != parent.genome.get(gene) for child, parent in pairs]
        moved = [value for value, has_changed in zip(gains, changed, strict=True) if has_changed]
        kept = [value for value, has_changed in zip(gains, changed, strict=True) if not has_changed]
        enough = min(len(moved), len(kept)) >= FEWEST_CHILDREN
        effects.append((gene, len(moved), _difference(moved, kept) if enough else None))
    return effects


def _difference(values: Sequence[float], others: Sequence[float]) -> Effect | None:
    """The difference of the means with its 95 % interval by Welch's t; None if no value differs from another.

    B. L. Welch, "The generalization of Student's problem when several different population variances are involved",
    Biometrika 34 (1947).
    """
    if len(set(values)) == len(set(others)) == 1:
        return None
    from scipy import stats

    low, high = stats.ttest_ind(values, others, equal_var=False).confidence_interval(0.95)
    return Effect(float(low + high) / 2, (float(low), float(high)))
