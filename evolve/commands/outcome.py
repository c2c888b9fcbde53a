"""The outcome of a search in words and tables."""

from collections.abc import Sequence
from pathlib import Path

from evolve import fitness
from evolve.commands import search_folders
from evolve.commands.tracking import SearchTracking
from evolve.file_names import WINNER_FILE
from evolve.genetics.genome import DEFAULTS
from evolve.process.terminal import command, complain, say, short_value, table
from evolve.records import progress, rungs
from evolve.records.comparison import Comparison, KnownComparison, MeanWithInterval
from evolve.records.events import Outcome
from evolve.records.state import SearchState
from evolve.verdict import winner


def say_outcome(state: SearchState, directory: Path, tracking: SearchTracking) -> int:
    """Print the outcome and the next commands; returns the exit code."""
    if tracking.problem:
        complain(f"note: {tracking.problem}; the journal has everything")
    if state.phase == "failed" or state.outcome is None:
        complain(f"evolve: search failed: {state.reason}")
        return 1
    for part in (*candidate_tables(state), *outcome_tables(state)):
        say(f"\n{part}")
    path = directory / WINNER_FILE
    data = [] if state.data.embedded else ["--data", state.data.path, *search_folders.format_flag(state)]
    say(f"\nverdict: {state.outcome.verdict}")
    for against in state.outcome.known.values():
        say(f"verdict: {against.verdict}")
    if (share := state.shortened_share) is not None and share > progress.MANY_SHORTENED:
        complain(f"gradients: {progress.shortened(share)}")
    for line in rungs.in_words(state):
        say(line)
    if (tuning := state.nms_confirmation(state.outcome.uid)) is not None and tuning.post is not None:
        say(f"NMS: {winner.nms_line(tuning.post)}")
    say(f"winner: {path}{_in_words(state.outcome)}")
    say("dashboard: make dashboard")
    by_hand = command("evolve", "train", path, *data, "--out", directory / "final")
    say(f"final training: {'make train, or: ' if search_folders.is_latest(directory) else ''}{by_hand}")
    return 0


def _in_words(outcome: Outcome) -> str:
    """A remark on a winner whose mean is below the defaults'; else empty."""
    if outcome.gain is None or outcome.gain.mean >= 0:
        return ""
    return " (the best that was found; the defaults have the better mean)"


def candidate_tables(state: SearchState) -> list[str]:
    """The candidates' standings when the winner was chosen; empty if there was no choice."""
    if state.choice is None:
        return []
    head: list[object] = ["candidate", "fitness in the search", "with fresh seeds", "shrunk mean", "seeds", "failed"]
    return [table([head, *[[*vars(standing).values()] for standing in state.choice.candidates]])]


def outcome_tables(state: SearchState) -> list[str]:
    """Two tables of winner, defaults and known sets: their scores, then the genes in which they differ."""
    outcome = state.outcome
    if outcome is None:
        return []
    best, defaults = state.individuals[outcome.uid], state.individuals[DEFAULTS]
    known = list(outcome.known)
    scores: list[list[object]] = [["", f"winner {best.uid}", f"defaults {defaults.uid}", *known]]
    scores.append(["fitness in the search", best.fitness, defaults.fitness, *[None for _ in known]])
    counts = [str(mean.seeds) for mean in (outcome.confirmed, outcome.defaults) if mean is not None]
    seeds = f"{' and '.join(dict.fromkeys(counts)) or 'no'} fresh seeds"
    scores += _score_rows(outcome.comparison, list(outcome.known.values()), outcome.split, outcome.metric, seeds)
    if outcome.map50_95 is not None:
        ap = fitness.IN_WORDS[fitness.AP]
        scores += _score_rows(outcome.map50_95, [None for _ in known], outcome.split, ap, "the same confirmations")
    genomes = [best.genome, defaults.genome, *[state.genome_of(name) for name in known]]
    genes: list[list[object]] = [["gene", "winner", "defaults", *known]]
    genes += [
        [gene, *[short_value(genome[gene]) for genome in genomes]]
        for gene, value in best.genome.items()
        if any(genome[gene] != value for genome in genomes)
    ]
    return [table(scores), *([table(genes)] if len(genes) > 1 else [])]


def _score_rows(
    compared: Comparison, known: Sequence[KnownComparison | None], split: str, metric: str, basis: str
) -> list[list[object]]:
    """Rows with the means in one metric: on the verdict's split, and on validation. known: None if it is not known."""
    means = [compared.confirmed, compared.defaults, *[None if against is None else against.mean for against in known]]
    rows: list[list[object]] = [[f"{split} {metric}, {basis}", *map(_mean, means)]]
    validation = compared.validation
    if validation is not None and split != "val":
        of_known = [None if against is None else against.validation for against in known]
        means = [validation.winner, validation.defaults, *of_known]
        rows.append([f"val {metric}, the same confirmations", *map(_mean, means)])
    return rows


def _mean(summary: MeanWithInterval | None) -> str:
    if summary is None:
        return "-"
    between = "" if summary.interval is None else f" ({summary.interval[0]:.4f} to {summary.interval[1]:.4f})"
    return f"{summary.mean:.4f}{between}"
