"""The report's sections on the course of a search: fitness over the generations, and how trials ended."""

from collections import Counter
from itertools import accumulate
from statistics import median

import numpy as np

from evolve.pages.figures import BLUE, FILLED, GREEN, GREY, ORANGE, Figure, Trace, title
from evolve.pages.markup import escaped, score, table
from evolve.pages.search_facts import IN_WORDS, SearchFacts
from evolve.pages.section import Section
from evolve.records import rungs
from evolve.records.state import IndividualRecord
from evolve.trial import TrialStatus, failure_class

QUARTILES = (0.25, 0.5, 0.75)
COLOURS = {
    TrialStatus.FINISHED: BLUE,
    TrialStatus.STOPPED_EARLY: GREY,
    TrialStatus.FAILED: ORANGE,
    TrialStatus.RUNNING: GREEN,
    TrialStatus.PROPOSED: GREEN,
}


def generations(facts: SearchFacts) -> Section | None:
    """Fitness over the generations: best, best so far, median and quartiles of those that reached the full budget."""
    fitness: dict[int, list[float]] = {}
    for one in facts.state.individuals.values():
        if one.fitness is not None:
            fitness.setdefault(one.generation, []).append(one.fitness)
    if not fitness:
        return None
    x = sorted(fitness)
    low, middle, high = ([float(np.quantile(fitness[generation], share)) for generation in x] for share in QUARTILES)
    best = [max(fitness[generation]) for generation in x]
    data: list[Trace] = [
        _line("upper quartile", x, high, {"color": BLUE, "width": 0}, showlegend=False),
        _line("middle half", x, low, {"color": BLUE, "width": 0}, fill="tonexty", fillcolor=FILLED),
        _line("median", x, middle, {"color": BLUE, "width": 2}),
        _line("best of the generation", x, best, {"color": GREY, "width": 2, "dash": "dot"}),
        _line("best so far", x, list(accumulate(best, max)), {"color": ORANGE, "width": 3, "shape": "hv"}),
    ]
    layout = {
        "xaxis": {**title("generation"), "dtick": max(1, len(x) // 15)},
        "yaxis": title("fitness"),
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom"},
    }
    alt = "Fitness over the generations: best so far, best of the generation, median and middle half"
    note = (
        '<p class="quiet">Only individuals that reached the full budget have a fitness; with rungs these are the best '
        "of their generation and a few control trials. The best so far can only rise, also by luck.</p>"
    )
    return Section("generations", "Generations", [Figure("generations", alt, data, layout), note])


def endings(facts: SearchFacts) -> Section:
    """How trials ended: counts by generation, what the rungs stopped, and failures by reason."""
    individuals = list(facts.state.individuals.values())
    counts = Counter((one.generation, facts.status_of(one)) for one in individuals)
    x = list(range(facts.state.generation + 1))
    data: list[Trace] = [
        {
            "type": "bar",
            "name": IN_WORDS[status],
            "x": x,
            "y": [counts[generation, status] for generation in x],
            "marker": {"color": colour},
            "hovertemplate": f"generation %{{x}}: %{{y}} {IN_WORDS[status]}<extra></extra>",
        }
        for status, colour in COLOURS.items()
        if any(counts[generation, status] for generation in x)
    ]
    layout = {
        "barmode": "stack",
        "xaxis": {**title("generation"), "dtick": max(1, len(x) // 15)},
        "yaxis": title("trials"),
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom"},
    }
    alt = "Number of trials by generation and status"
    parts: list[str | Figure] = [
        Figure("endings", alt, data, layout, 300),
        *_rungs(facts),
        *(f"<p>{escaped(line)}</p>" for line in rungs.in_words(facts.state, facts.status.rungs)),
        *_failures(facts),
        *_lost(facts),
    ]
    return Section("endings", "How trials ended", parts)


def _line(name: str, x: list[int], y: list[float], line: dict[str, object], **others: object) -> Trace:
    mode = "lines+markers" if line["width"] else "lines"
    hover = f"generation %{{x}}: {name} %{{y:.4f}}<extra></extra>"
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "x": x,
        "y": y,
        "line": line,
        "hovertemplate": hover,
        **others,
    }


def _rungs(facts: SearchFacts) -> list[str]:
    """A table of the rungs: how many trials have a score there, and how many were stopped on it."""
    individuals = facts.state.individuals.values()
    steps = sorted({step for one in individuals for step in one.rungs})
    if not steps:
        return []
    rows: list[list[object]] = []
    for step in steps:
        scores = [one.rungs[step] for one in individuals if step in one.rungs]
        stopped = sum(
            one.status is TrialStatus.STOPPED_EARLY and max(one.rungs, default=0) == step for one in individuals
        )
        rows.append(
            [
                step,
                f"{step / facts.state.steps:.0%}",
                len(scores),
                stopped,
                score(median(scores)),
                score(max(scores)),
            ]
        )
    trained = sum(one.trained_steps for one in individuals)
    share = trained / (facts.state.steps * len(individuals))
    note = (
        f"All individuals together trained {trained:,} steps: {share:.0%} of what the full budget for each would take."
    )
    head = ["rung (step)", "of the full budget", "reached it", "stopped there", "median score", "best score"]
    return ["<h3>Rungs</h3>", table(head, rows, label="Rungs"), f'<p class="quiet">{escaped(note)}</p>']


def _failures(facts: SearchFacts) -> list[str]:
    """A table of the failures, those that differ only in numbers together, the commonest first."""
    failed = [one for one in facts.state.individuals.values() if facts.status_of(one) is TrialStatus.FAILED]
    if not failed:
        return ["<h3>Failures</h3>", "<p>No trial failed.</p>"]
    classes: dict[tuple[str | None, str], list[IndividualRecord]] = {}
    for one in failed:
        classes.setdefault(failure_class(one.kind, one.reason or ""), []).append(one)
    ordered = sorted(classes.values(), key=len, reverse=True)
    rows = [[len(alike), alike[0].kind, alike[0].reason, alike[0].uid] for alike in ordered]
    return [
        "<h3>Failures by reason</h3>",
        table(["trials", "kind", "reason of the first", "first"], rows, label="Failures by reason"),
    ]


def _lost(facts: SearchFacts) -> list[str]:
    """A table of the attempts that were lost and made again, by cause."""
    causes: Counter[str] = Counter()
    for (_uid, _step, cause), count in facts.state.lost.items():
        causes[cause] += count
    if not causes:
        return []
    rows = [[count, cause] for cause, count in causes.most_common()]
    return [
        "<h3>Attempts that were lost and made again</h3>",
        table(["attempts", "cause"], rows, label="Lost attempts"),
    ]
