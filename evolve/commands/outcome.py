"""What came out of a search, in words and tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from evolve import fitness
from evolve.commands import search_folders
from evolve.commands.tracking import Tracked
from evolve.genetics.genome import DEFAULTS
from evolve.process.terminal import command, complain, say, short, table
from evolve.records.state import Outcome, SearchState
from evolve.verdict import winner


def say_outcome(state: SearchState, directory: Path, tracked: Tracked) -> int:
    """What came out, and what to do with it; the exit code."""
    if tracked.problem:
        complain(f"note: {tracked.problem}; the journal has everything")
    if state.phase == "failed" or state.outcome is None:
        complain(f"evolve: search failed: {state.reason}")
        return 1
    for part in (*candidate_tables(state), *outcome_tables(state)):
        say(f"\n{part}")
    path = directory / winner.WINNER_FILE
    embedded = state.data.get("embedded")
    data = [] if embedded else ["--data", state.data.get("path"), *search_folders.format_flag(state)]
    say(f"\nverdict: {state.outcome.verdict}")
    if (tuning := state.tuned(state.outcome.uid)) is not None and tuning.post is not None:
        say(f"NMS: {winner.nms_line(tuning.post)}")
    say(f"winner: {path}{_in_words(state.outcome)}")
    say("dashboard: make dashboard")
    by_hand = command("evolve", "train", path, *data, "--out", directory / "final")
    say(f"final training: {'make train, or: ' if search_folders.is_latest(directory) else ''}{by_hand}")
    return 0


def _in_words(outcome: Outcome) -> str:
    """What a winner is that came out below the defaults."""
    if outcome.gain is None or float(str(outcome.gain["mean"])) >= 0:
        return ""
    return " (the best that was found; the defaults have the better mean)"


def candidate_tables(state: SearchState) -> list[str]:
    """The candidates as they stood when the winner was chosen; none where there was no choice."""
    if state.choice is None:
        return []
    keys = ("uid", "fitness", "mean", "shrunk", "seeds", "failed")
    head: list[object] = ["candidate", "fitness in the search", "with fresh seeds", "shrunk mean", "seeds", "failed"]
    return [table([head, *[[one[key] for key in keys] for one in state.choice.candidates]])]


def outcome_tables(state: SearchState) -> list[str]:
    """The winner against the defaults: scores, then the genes in which they differ."""
    outcome = state.outcome
    if outcome is None:
        return []
    ours, defaults = state.individuals[outcome.uid], state.individuals[DEFAULTS]
    scores: list[list[object]] = [["", f"winner {ours.uid}", f"defaults {defaults.uid}"]]
    scores.append(["fitness in the search", ours.fitness, defaults.fitness])
    counts = [str(one["seeds"]) for one in (outcome.confirmed, outcome.defaults) if one is not None]
    seeds = f"{' and '.join(dict.fromkeys(counts)) or 'no'} fresh seeds"
    judged = {"confirmed": outcome.confirmed, "defaults": outcome.defaults, "validation": outcome.validation}
    scores += _compared(judged, outcome.split, outcome.metric, seeds)
    if outcome.map50_95 is not None:
        scores += _compared(outcome.map50_95, outcome.split, fitness.IN_WORDS[fitness.AP], "the same runs")
    genes: list[list[object]] = [["gene", "winner", "defaults"]]
    genes += [
        [gene, short(value), short(defaults.genome[gene])]
        for gene, value in ours.genome.items()
        if value != defaults.genome[gene]
    ]
    return [table(scores), *([table(genes)] if len(genes) > 1 else [])]


def _compared(compared: Mapping[str, object], split: str, metric: str, runs: str) -> list[list[object]]:
    """Winner and defaults in one metric: on the split of the verdict, and on validation."""
    ours, others, validation = (
        cast(Mapping[str, object] | None, compared[name]) for name in ("confirmed", "defaults", "validation")
    )
    rows: list[list[object]] = [[f"{split} {metric}, {runs}", _mean(ours), _mean(others)]]
    if validation is not None and split != "val":
        both = [cast(Mapping[str, object] | None, validation[name]) for name in ("winner", "defaults")]
        rows.append([f"val {metric}, the same runs", *map(_mean, both)])
    return rows


def _mean(summary: Mapping[str, object] | None) -> str:
    if summary is None:
        return "-"
    spread = summary["interval"]
    between = f" ({spread[0]:.4f} to {spread[1]:.4f})" if isinstance(spread, list) else ""
    return f"{summary['mean']:.4f}{between}"
