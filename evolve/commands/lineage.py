"""The command lineage: prints the family tree of a search, read without a lock."""

import json
from argparse import Namespace

from evolve.commands.search_folders import read_state
from evolve.process.terminal import say, short_value, table
from evolve.records import lineage
from evolve.records.state import IndividualRecord, SearchState


def family(arguments: Namespace) -> int:
    """Print all generations, then the ancestors of the winner or of the best so far."""
    state = read_state(arguments.directory)
    if arguments.json:
        say(json.dumps(lineage.family_tree(state, arguments.trial)))
        return 0
    if arguments.trial is not None:
        say(table([ANCESTRY, *_changes(state, arguments.trial)]))
        return 0
    agreements = lineage.predictions(state)
    for generation in range(state.generation + 1):
        elites = state.closed.get(generation, ())
        rows: list[list[object]] = [["uid", "parents", "operator", "status", "fitness", "reached", "elite", "reason"]]
        records = [record for record in state.individuals.values() if record.generation == generation]
        rows += [_row(record, elites) for record in records]
        say(f"generation {generation}: {len(records)} individuals, elites: {' '.join(elites) or 'none yet'}")
        say(table(rows))
        if generation in agreements:
            say(_agreement(agreements[generation]))
        say("")
    chosen = state.outcome.uid if state.outcome else (state.best.uid if state.best else None)
    if chosen is not None:
        say(f"{'the winner' if state.outcome else 'the best so far'} and its ancestors")
        say(table([ANCESTRY, *_changes(state, chosen)]))
    return 0


def _agreement(agreement: lineage.Agreement) -> str:
    correlation = agreement.rank_correlation
    shown = "not known yet" if correlation is None else f"{correlation:+.2f}"
    return f"rank correlation of predicted and measured fitness: {shown} ({agreement.children} children)"


ANCESTRY: list[object] = ["uid", "fitness", "gain", "changed genes"]


def _row(record: IndividualRecord, elites: tuple[str, ...]) -> list[object]:
    reached = "-" if not record.rungs else f"{max(record.rungs)} ({record.rungs[max(record.rungs)]:.4f})"
    mark = "yes" if record.uid in elites else ""
    parents = " ".join(record.parents) or None
    return [
        record.uid,
        parents,
        record.operator,
        str(record.status).replace("_", " "),
        record.fitness,
        reached,
        mark,
        record.reason or "",
    ]


def _changes(state: SearchState, uid: str) -> list[list[object]]:
    """A row for the individual and each ancestor: the genes in which it differs from its first parent."""
    lines: list[list[object]] = []
    for record in lineage.ancestors(state, uid):
        parent = state.individuals[record.parents[0]].genome if record.parents else None
        changed = (
            record.operator
            if parent is None
            else ", ".join(
                f"{gene} {short_value(parent[gene])} -> {short_value(value)}"
                for gene, value in record.genome.items()
                if parent[gene] != value
            )
        )
        before = state.individuals[record.parents[0]].fitness if record.parents else None
        gain = None if record.fitness is None or before is None else f"{record.fitness - before:+.4f}"
        lines.append([record.uid, record.fitness, gain, changed])
    return lines
