"""evolve lineage in words: the winner's ancestors first, what changed, gains as predicted and as measured."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evolve.__main__ import main
from evolve.commands import lineage
from evolve.records import journal
from evolve.records.journal import Journal, NewEvent
from evolve.records.state import SearchState


def blocks_of(said: str) -> dict[str, list[str]]:
    """The block of each individual: its first line after the uid, then its changes."""
    blocks = [block.splitlines() for block in said.split("\n\n")]
    return {
        lines[0].partition(" ")[0]: [lines[0].partition(" ")[2], *lines[1:]] for lines in blocks if "): " in lines[0]
    }


def check(state: SearchState, blocks: dict[str, list[str]], uid: str) -> None:
    """The blocks are the individual and its parents, each with exactly the genes that differ."""
    chain = [uid]
    while state.individuals[chain[-1]].parents:
        chain.append(state.individuals[chain[-1]].parents[0])
    assert list(blocks) == chain
    for name, parent in zip(chain, [*chain[1:], None], strict=True):
        record = state.individuals[name]
        about, *changes = blocks[name]
        assert about.startswith(f"({record.operator}, child of {parent}): " if parent else f"({record.operator}): ")
        genes = [line.split()[0] for line in changes]
        before = {} if parent is None else state.individuals[parent].genome
        assert genes == [gene for gene, value in record.genome.items() if parent and before[gene] != value]
        assert all(re.fullmatch(r"    \S+ +\S+ -> \S+", line) for line in changes)
        if record.fitness is not None:
            assert f"fitness {record.fitness:.4f}" in about


def test_the_winners_ancestors_come_first_and_tables_on_request(
    undisturbed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, state = str(undisturbed.journal.parent), undisturbed.state
    assert main(["lineage", directory]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"the winner {state.outcome.uid} and its ")
    check(state, blocks_of(said), state.outcome.uid)
    assert "elites: " not in said
    assert said.splitlines()[-1] == f"all 14 individuals: evolve lineage {directory} --all"
    assert main(["lineage", directory, "--all"]) == 0
    both = capsys.readouterr().out
    assert both.startswith(said.rpartition("\n\n")[0])
    assert [line for line in both.splitlines() if line.startswith("generation ")] == [
        f"generation {generation}: {count} individuals, elites: {' '.join(state.closed[generation])}"
        for generation, count in ((0, 8), (1, 6))
    ]
    for uid, record in state.individuals.items():
        [row] = [line for line in both.splitlines() if line.startswith(f"{uid}  ")]
        assert str(record.status).replace("_", " ") in row


def test_any_individual(undisturbed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    directory, state = str(undisturbed.journal.parent), undisturbed.state
    for uid, record in state.individuals.items():
        assert main(["lineage", directory, "--trial", uid]) == 0
        said = capsys.readouterr().out
        check(state, blocks_of(said), uid)
        if record.status == "failed":
            assert f"failed at step {max(record.rungs)}, score" in said or f"failed ({record.reason})" in said
            assert str(record.reason) in said
        elif record.status == "stopped_early":
            [(step, score)] = [max(record.rungs.items())]
            assert f": stopped early at step {step}, score {score:.4f}" in said.replace(", stopped", ": stopped")


@pytest.mark.parametrize(("typed", "meant"), [("g001-999", "g001-0"), ("g003", "g000-003"), ("g000-0004", "g000-004")])
def test_an_unknown_uid_is_refused_with_the_nearest_ones(
    typed: str, meant: str, undisturbed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags in ([], ["--json"]):
        assert main(["lineage", str(undisturbed.journal.parent), "--trial", typed, *flags]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith(
            f"evolve: individual {typed}: expected one of this search (g000-000 to g001-005)"
        )
        nearest = captured.err.strip().partition("; the nearest: ")[2].split(", ")
        assert len(nearest) == 3
        assert any(uid.startswith(meant) for uid in nearest)
        assert set(nearest) <= set(undisturbed.state.individuals)


def test_a_search_without_individuals_or_fitness(
    undisturbed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = journal.events(undisturbed.journal)
    for count in (1, 12):
        with Journal(tmp_path / str(count)) as young:
            young.append([NewEvent(event.kind, event.uid, event.payload) for event in first[:count]])
        assert main(["lineage", str(tmp_path / str(count))]) == 0
        assert capsys.readouterr().out.startswith("no individual has reached its full budget yet\n")
    assert main(["lineage", str(tmp_path / "1"), "--trial", "g000-000"]) == 2
    assert "expected one of this search, which has none yet" in capsys.readouterr().err


def test_gains_by_hand(undisturbed: Any) -> None:
    state = undisturbed.state
    child = next(record for record in state.individuals.values() if record.generation == 1)
    parent = state.individuals[child.parents[0]]
    known = {
        child.uid: replace(child, fitness=0.53, predicted=0.49),
        parent.uid: replace(parent, fitness=0.5, parents=(), operator="random"),
    }
    _, about, root = lineage.ancestry(replace(state, individuals=known), child.uid, "the individual").split("\n\n")
    assert about.splitlines()[0] == (
        f"{child.uid} (gaussian, child of {parent.uid}): predicted 0.4900 (-0.0100), fitness 0.5300 (+0.0300)"
    )
    assert root == f"{parent.uid} (random): fitness 0.5000"


def test_values_that_differ_late_are_shown_with_all_their_digits() -> None:
    assert lineage._change(0.9491, 0.94912) == "0.9491 -> 0.94912"
    assert lineage._change(0.949, 0.93) == "0.949 -> 0.93"
    assert lineage._change("mish", "leaky") == "mish -> leaky"
