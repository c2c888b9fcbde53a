"""The command lineage: prints the family tree of a search, read without a lock."""

import json
from argparse import Namespace

from evolve.commands.search_folders import read_state
from evolve.process.terminal import command, say, short_value, table
from evolve.records import lineage
from evolve.records.state import IndividualRecord, SearchState
from evolve.trial import TrialStatus, Value


def family(arguments: Namespace) -> int:
    """Print the ancestors of the winner, of the best so far or of a given individual; on request all generations."""
    state = read_state(arguments.directory)
    if arguments.json:
        say(json.dumps(lineage.family_tree(state, arguments.trial)))
        return 0
    if arguments.trial is not None:
        say(ancestry(state, arguments.trial, "the individual"))
        return 0
    leader = state.leader
    if leader is None:
        say("no individual has reached its full budget yet")
    else:
        say(ancestry(state, leader, "the best so far" if state.outcome is None else "the winner"))
    if arguments.all:
        _say_generations(state)
    else:
        agreements = lineage.predictions(state)
        if agreements:
            say()
        for generation, agreement in agreements.items():
            say(f"generation {generation}: {_agreement(agreement)}")
        say(f"\nall {len(state.individuals)} individuals: {command('evolve', 'lineage', arguments.directory, '--all')}")
    return 0


def ancestry(state: SearchState, uid: str, role: str) -> str:
    """The individual and its ancestors, youngest first: how each was made, how good it is, and what changed.

    ValueError if the search has no such individual.
    """
    records = lineage.ancestors(state, uid)
    others = " and its ancestors" if len(records) > 1 else "; it has no parents"
    blocks = [f"{role} {uid}{others}"]
    for record in records:
        parent = state.individuals[record.parents[0]] if record.parents else None
        blocks.append("\n".join([_about(record, parent), *_changes(record, parent)]))
    return "\n\n".join(blocks)


def _about(record: IndividualRecord, parent: IndividualRecord | None) -> str:
    """One line: uid, operator and parents, fitness and gain as predicted and as measured, or how far the trial got."""
    parents = f", child of {' and '.join(record.parents)}" if record.parents else ""
    before = None if parent is None else parent.fitness
    parts = []
    if record.predicted is not None:
        parts.append(f"predicted {_with_gain(record.predicted, before)}")
    if record.fitness is not None:
        parts.append(f"fitness {_with_gain(record.fitness, before)}")
    else:
        reached = f" at step {max(record.rungs)}, score {record.rungs[max(record.rungs)]:.4f}" if record.rungs else ""
        reason = f" ({record.reason})" if record.reason else ""
        parts.append(f"{_in_words(record.status)}{reached}{reason}")
    return f"{record.uid} ({record.operator}{parents}): {', '.join(parts)}"


def _with_gain(fitness: float, before: float | None) -> str:
    """A fitness with its difference to the parent's."""
    return f"{fitness:.4f}" if before is None else f"{fitness:.4f} ({fitness - before:+.4f})"


def _changes(record: IndividualRecord, parent: IndividualRecord | None) -> list[str]:
    """A line for each gene in which the individual differs from its first parent: old -> new."""
    if parent is None:
        return []
    changed = [gene for gene, value in record.genome.items() if parent.genome[gene] != value]
    widest = max(map(len, changed), default=0)
    return [f"    {gene.ljust(widest)}  {_change(parent.genome[gene], record.genome[gene])}" for gene in changed]


def _change(old: Value, new: Value) -> str:
    """Both values, with as many digits as they need to differ."""
    short = (short_value(old), short_value(new))
    return " -> ".join(short if short[0] != short[1] else (str(old), str(new)))


def _say_generations(state: SearchState) -> None:
    """Print a table of each generation."""
    agreements = lineage.predictions(state)
    for generation in range(state.generation + 1):
        elites = state.closed.get(generation, ())
        rows: list[list[object]] = [["uid", "parents", "operator", "status", "fitness", "reached", "elite", "reason"]]
        records = [record for record in state.individuals.values() if record.generation == generation]
        rows += [_row(record, elites) for record in records]
        say(f"\ngeneration {generation}: {len(records)} individuals, elites: {' '.join(elites) or 'none yet'}")
        say(table(rows))
        if generation in agreements:
            say(_agreement(agreements[generation]))


def _agreement(agreement: lineage.Agreement) -> str:
    correlation = agreement.rank_correlation
    shown = "not known yet" if correlation is None else f"{correlation:+.2f}"
    return f"rank correlation of predicted and measured fitness: {shown} ({agreement.children} children)"


def _row(record: IndividualRecord, elites: tuple[str, ...]) -> list[object]:
    reached = "-" if not record.rungs else f"{max(record.rungs)} ({record.rungs[max(record.rungs)]:.4f})"
    mark = "yes" if record.uid in elites else ""
    parents = " ".join(record.parents) or None
    return [
        record.uid,
        parents,
        record.operator,
        _in_words(record.status),
        record.fitness,
        reached,
        mark,
        record.reason or "",
    ]


def _in_words(status: TrialStatus) -> str:
    return str(status).replace("_", " ")
