"""Warm starts: winner files of other searches, as sets that a new search has in its first generation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evolve.genetics.domains import Domain
from evolve.genetics.genome import Genome, uid_of
from evolve.genetics.plain import error_prefix
from evolve.process.terminal import short_value
from evolve.task import Task
from evolve.trial import Setting
from evolve.verdict import winner as winners
from evolve.verdict.winner import Winner


@dataclass(frozen=True)
class WarmStarts:
    """Sets to begin with, in the order of their slots from 1 on, and a sentence on each file."""

    genomes: tuple[Genome, ...] = ()
    notes: tuple[str, ...] = ()


def read(paths: Sequence[Path]) -> list[tuple[Path, Winner]]:
    """Read the winner files; WinnerError or ValueError for the first one that cannot be used."""
    return [(path, winners.read(path)) for path in paths]


def fit(files: Sequence[tuple[Path, Winner]], task: Task) -> WarmStarts:
    """The files' sets as genomes of the task's space; a set that equals another one or the defaults is left out.

    A gene that a file's search did not have takes the value of all trials there, or its default here if that value is
    outside its range. ValueError names file, gene, range and value if a gene of the file is outside its range here.
    """
    origins = {task.space.defaults(): "the defaults"}
    notes = []
    for path, winner in files:
        with error_prefix(f"warm start {path}"):
            chosen = {gene: _value(gene, domain, winner) for gene, domain in task.space.genes.items()}
            genome = task.space.genome({gene: value for gene, (value, _) in chosen.items()})
        if genome in origins:
            notes.append(f"warm start {path}: has the same set as {origins[genome]}, which is trained once")
            continue
        new_genes = [remark for _, remark in chosen.values() if remark]
        parts = [f"{winner.uid} of search {winner.search_id}", *_differences(winner, genome, task)]
        if new_genes:
            parts.append(f"genes that were not searched for it: {', '.join(new_genes)}")
        notes.append(f"warm start {uid_of(0, len(origins))}: {path}: {'; '.join(parts)}")
        origins[genome] = str(path)
    return WarmStarts(tuple(origins)[1:], tuple(notes))


def _value(gene: str, domain: Domain, winner: Winner) -> tuple[Setting, str]:
    """The gene's value, and a remark if the winner's search did not have the gene; ValueError if it is outside."""
    value = winner.config[gene]
    try:
        domain.to_unit(value)  # type: ignore[arg-type]  # it refuses a list
    except ValueError as error:
        if gene in winner.genome:
            raise ValueError(f"gene {gene!r}: {error}") from None
        return domain.default, f"{gene} {short_value(domain.default)} (the default, as {error})"
    return value, "" if gene in winner.genome else f"{gene} {short_value(value)}"


def _differences(winner: Winner, genome: Genome, task: Task) -> list[str]:
    """The settings that are fixed here to other values than the winner's trial had, as at most one phrase."""
    differing = [
        f"{address} {short_value(value)} instead of {short_value(winner.config[address])}"
        for address, value in task.config_of(genome).items()
        if address not in genome and value != winner.config[address]
    ]
    return [f"here with {', '.join(differing)}"] if differing else []
