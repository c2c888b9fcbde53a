"""The report's first section: the verdict, and the scores that it rests on."""

from evolve import fitness
from evolve.genetics.genome import DEFAULTS
from evolve.pages.figures import BLUE, GREY, ORANGE, Figure, Trace, title
from evolve.pages.markup import MISSING, escaped, score, table
from evolve.pages.search_facts import SearchFacts
from evolve.pages.section import Section
from evolve.process.terminal import duration
from evolve.records.comparison import Comparison, MeanWithInterval
from evolve.records.events import Confirmation, Outcome
from evolve.verdict import scores


def verdict(facts: SearchFacts) -> Section:
    """The verdict's sentence, what the search came to in a few numbers, and the scores behind the verdict."""
    state = facts.state
    parts: list[str | Figure] = [f'<p class="verdict">{escaped(facts.headline)}</p>', _tiles(facts)]
    outcome = state.outcome
    if outcome is not None:
        parts.append(
            table(
                ["score", f"winner {outcome.uid}", f"defaults {DEFAULTS}", "gain"],
                _rows(facts, outcome),
                label="Scores",
            )
        )
        if outcome.known:
            head = ["known set", f"{outcome.split} {outcome.metric}, fresh seeds", "the winner against it"]
            known = [[name, _mean(against.mean), against.verdict] for name, against in outcome.known.items()]
            parts.append(table(head, known, label="Known sets"))
        figure = _seeds_figure(facts, outcome)
        parts += [] if figure is None else [figure]
    if state.choice is not None:
        head = ["candidate", "fitness in the search", "mean with fresh seeds", "shrunk mean", "seeds", "failed"]
        rows = [
            [one.uid, score(one.fitness), score(one.mean), score(one.shrunk), one.seeds, one.failed]
            for one in state.choice.candidates
        ]
        parts += ["<h3>How the winner was chosen</h3>", table(head, rows, label="Candidates")]
        parts.append(
            '<p class="quiet">Fitness in the search is the best of many noisy scores and too high on average. '
            "The candidates were trained again with the same fresh seeds; the best shrunk mean on validation wins.</p>"
        )
    return Section("verdict", "Verdict", parts)


def _tiles(facts: SearchFacts) -> str:
    state, status = facts.state, facts.status
    trials = status.trials
    busy = sum(seconds for kind, seconds in status.worker_seconds.items() if kind != "idle")
    best = MISSING if state.best is None else f"{score(state.best.fitness)} ({state.best.uid})"
    tiles = [
        ("state", status.state),
        ("generations", f"{len(state.closed)} of {state.generations + 1} done"),
        ("individuals", str(len(state.individuals))),
        ("finished", str(trials["finished"])),
        ("stopped early", str(trials["stopped_early"])),
        ("failed", str(trials["failed"])),
        ("best fitness in the search", best),
        ("time", duration(status.elapsed_seconds)),
        ("worker time at work", duration(busy)),
    ]
    waiting = trials["proposed"] + trials["running"]
    if waiting:
        tiles.insert(6, ("running or waiting", str(waiting)))
    cells = "".join(f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>" for name, value in tiles)
    return f'<dl class="tiles">{cells}</dl>'


def _rows(facts: SearchFacts, outcome: Outcome) -> list[list[object]]:
    individuals = facts.state.individuals
    own, of_defaults = individuals[outcome.uid].fitness, individuals[DEFAULTS].fitness
    rows: list[list[object]] = [["fitness in the search (validation)", score(own), score(of_defaults), MISSING]]
    rows += _comparison_rows(outcome.comparison, outcome.split, outcome.metric)
    if outcome.map50_95 is not None:
        rows += _comparison_rows(outcome.map50_95, outcome.split, fitness.IN_WORDS[fitness.AP])
    return rows


def _comparison_rows(compared: Comparison, split: str, metric: str) -> list[list[object]]:
    gain = MISSING
    if compared.gain is not None:
        low, high = compared.gain.interval
        between = f"{100 * compared.gain.level:.3g} % interval {low:+.4f} to {high:+.4f}"
        gain = f"{compared.gain.mean:+.4f} ({between}), probability {compared.gain.probability:.3f}"
    rows: list[list[object]] = [
        [f"{split} {metric}, fresh seeds", _mean(compared.confirmed), _mean(compared.defaults), gain]
    ]
    if compared.validation is not None and split != "val":
        means = compared.validation
        rows.append([f"val {metric}, fresh seeds", _mean(means.winner), _mean(means.defaults), MISSING])
    return rows


def _mean(mean: MeanWithInterval | None) -> str:
    if mean is None:
        return MISSING
    between = "" if mean.interval is None else f" ({mean.interval[0]:.4f} to {mean.interval[1]:.4f})"
    return f"{score(mean.mean)}{between}, {mean.seeds} seeds"


def _seeds_figure(facts: SearchFacts, outcome: Outcome) -> Figure | None:
    """Every training behind the verdict as a dot, and the means with their 95 % intervals."""
    sides = {
        f"winner {outcome.uid}": (outcome.uid, outcome.confirmed, BLUE),
        f"defaults {DEFAULTS}": (DEFAULTS, outcome.defaults, GREY),
        **{name: (name, against.mean, GREY) for name, against in outcome.known.items()},
    }
    data: list[Trace] = []
    for name, (uid, mean, colour) in sides.items():
        confirmations = facts.state.confirmations_of(uid, for_choice=False)
        scored = [(one, scores.of(one, outcome.split, facts.state.space.fitness)) for one in confirmations]
        finished = [(one, value) for one, value in scored if value is not None]
        if mean is None or not finished:
            continue
        data.append(_dots(name, finished, colour))
        if mean.interval is not None:
            data.append(_whisker(name, mean.mean, mean.interval, colour))
    if not data:
        return None
    layout = {
        "xaxis": title(f"{outcome.metric} on {outcome.split}"),
        "yaxis": {"automargin": True, "autorange": "reversed"},
        "showlegend": False,
    }
    return Figure(
        "seeds",
        "Scores of winner, defaults and known sets, one dot for each fresh seed, with means and 95 % intervals",
        data,
        layout,
        230,
    )


def _dots(name: str, finished: list[tuple[Confirmation, float]], colour: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [value for _, value in finished],
        "y": [name] * len(finished),
        "text": [f"{one.uid} (seed {one.seed})" for one, _ in finished],
        "hovertemplate": "%{text}<br>%{x:.4f}<extra></extra>",
        "marker": {"color": colour, "size": 9, "opacity": 0.6},
    }


def _whisker(name: str, mean: float, between: tuple[float, float], colour: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [mean],
        "y": [name],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [between[1] - mean],
            "arrayminus": [mean - between[0]],
            "color": colour,
            "thickness": 2,
        },
        "hovertemplate": f"mean %{{x:.4f}}, 95 % interval {between[0]:.4f} to {between[1]:.4f}<extra></extra>",
        "marker": {"color": ORANGE, "size": 12, "symbol": "line-ns-open", "line": {"width": 3}},
    }
