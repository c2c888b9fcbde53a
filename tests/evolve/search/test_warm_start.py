"""Warm starts: the winners of other searches in the first generation."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve import search, task
from evolve.__main__ import main
from evolve.genetics import seeding
from evolve.genetics.genome import Genome
from evolve.simulated import SPACE
from evolve.task import InputError
from evolve.verdict import winner

House = Any
Plain = dict[str, Any]
SHAPE = ["--population", "6", "--elites", "2", "--children", "2", "--generations", "1", "--candidates", "1"]
SHAPE += ["--tracking-uri", "none"]
MOMENTUM = "optimizer.momentum"


@pytest.fixture
def plain(undisturbed: Any) -> Plain:
    """The winner file of a search in the simulated space."""
    content: Plain = yaml.safe_load((undisturbed.journal.parent / "winner.yaml").read_text())
    return content


def write(path: str, plain: Plain, **genes: float) -> str:
    """Write a winner file with other values of some genes; the dots of their names are underscores twice."""
    changed = {name.replace("__", "."): value for name, value in genes.items()}
    content = {**plain, "genome": {**plain["genome"], **changed}, "config": {**plain["config"], **changed}}
    winner.write(Path(path), content)
    return path


def write_space(path: str, **genes: object) -> str:
    """Write the simulated space with other lines of some genes; None: without the gene."""
    changed = {name.replace("__", "."): line for name, line in genes.items()}
    lines = {**SPACE["genes"], **changed}  # type: ignore[dict-item]
    space = {**SPACE, "genes": {name: line for name, line in lines.items() if line is not None}}
    Path(path).write_text(yaml.safe_dump(space))
    return path


def individuals(directory: str, capsys: pytest.CaptureFixture[str]) -> list[Plain]:
    capsys.readouterr()
    assert main(["lineage", directory, "--json"]) == 0
    family: list[Plain] = json.loads(capsys.readouterr().out)["individuals"]
    return family


@pytest.mark.parametrize("kind", sorted(seeding.SEEDINGS))
def test_the_sets_of_the_files_follow_the_defaults_and_a_resume_needs_no_file(
    kind: str, simulated: Any, capsys: pytest.CaptureFixture[str], plain: Plain
) -> None:
    files = [write("a.yaml", plain), write("b.yaml", plain, optimizer__momentum=0.7)]
    assert main(["search", "--out", "s", "--seeding", kind, *SHAPE, "--warm-start", *files]) == 0
    said = capsys.readouterr().out
    assert "; 2 warm starts among them" in said
    uid, search_id = plain["search"]["uid"], plain["search"]["id"]
    assert f"warm start g000-001: a.yaml: {uid} of search {search_id}\n" in said
    assert f"warm start g000-002: b.yaml: {uid} of search {search_id}\n" in said
    first = individuals("s", capsys)[:6]
    assert [one["operator"] for one in first[:3]] == ["defaults", "warm_start", "warm_start"]
    assert first[1]["genome"] == plain["genome"]
    assert first[2]["genome"] == {**plain["genome"], MOMENTUM: 0.7}
    assert [one["parents"] for one in first[:3]] == [[], [], []]
    assert all(one["operator"] in ("random", "gaussian") for one in first[3:])
    for file in files:
        Path(file).unlink()
    assert main(["resume", "s", "--generations", "2"]) == 0  # makes the same decisions on the first generation again
    assert main(["replay", "s", "g000-002"]) == 0


def test_a_dry_run_says_the_same_and_writes_nothing(
    simulated: Any, capsys: pytest.CaptureFixture[str], plain: Plain
) -> None:
    assert main(["search", "--dry-run", *SHAPE, "--warm-start", write("a.yaml", plain)]) == 0
    said = capsys.readouterr().out
    assert "warm start g000-001: a.yaml: " in said
    assert "random ones; 1 warm start among them)" in said
    assert not Path("runs").exists()


def test_a_search_that_was_stopped_before_its_first_generation_still_has_them(house: House) -> None:
    task, recipe = house.task(), house.recipe()
    known = task.space.genome({**task.space.defaults(), MOMENTUM: 0.7})

    def stopped(_search_id: str) -> Any:
        raise KeyboardInterrupt

    whole = search.run(task, house.path / "whole", recipe=recipe, seed=5, warm_starts=[known])
    cut = house.path / "cut"
    with pytest.raises(KeyboardInterrupt):
        search.run(task, cut, recipe=recipe, seed=5, warm_starts=[known], means=search.Means(make_executor=stopped))
    state = search.resume(task, cut)
    assert (state.individuals["g000-001"].operator, state.individuals["g000-001"].genome) == ("warm_start", known)
    assert house.essence(state) == house.essence(whole)


def test_a_gene_that_this_space_fixes_is_said(simulated: Any, capsys: pytest.CaptureFixture[str], plain: Plain) -> None:
    file = write("a.yaml", plain, optimizer__momentum=0.7)
    words = ["--set", f"{MOMENTUM}=0.9", "--warm-start", file]
    assert main(["search", "--out", "s", *SHAPE, *words]) == 0
    assert f"; here with {MOMENTUM} 0.9 instead of 0.7\n" in capsys.readouterr().out
    genome = individuals("s", capsys)[1]["genome"]
    assert genome == {gene: value for gene, value in plain["genome"].items() if gene != MOMENTUM}


@pytest.mark.parametrize(
    ("line", "value", "remark"),
    [
        # loss.label_smoothing was 0 in all trials of the file's search
        ({"scale": "linear", "low": 0.0, "high": 0.1, "default": 0.05}, 0.0, "loss.label_smoothing 0"),
        (
            {"scale": "log", "low": 0.01, "high": 0.1, "default": 0.05},
            0.05,
            "loss.label_smoothing 0.05 (the default, as expected 0.01 to 0.1, got 0.0)",
        ),
    ],
)
def test_a_gene_that_the_file_lacks_is_said(
    line: Plain, value: float, remark: str, simulated: Any, capsys: pytest.CaptureFixture[str], plain: Plain
) -> None:
    space = write_space("space.yaml", loss__label_smoothing=line)
    words = ["--space", space, "--warm-start", write("a.yaml", plain)]
    assert main(["search", "--out", "s", *SHAPE, *words]) == 0
    assert f"; genes that were not searched for it: {remark}\n" in capsys.readouterr().out
    assert individuals("s", capsys)[1]["genome"] == {**plain["genome"], "loss.label_smoothing": value}


@pytest.mark.parametrize("more", [["--dry-run"], []])
def test_a_value_outside_its_range_is_refused(
    more: list[str], simulated: Any, capsys: pytest.CaptureFixture[str], plain: Plain
) -> None:
    file = write("a.yaml", plain, optimizer__momentum=0.995)
    assert main(["search", "--out", "s", *SHAPE, "--warm-start", file, *more]) == 2
    said = capsys.readouterr().err
    assert said == f"evolve: warm start a.yaml: gene '{MOMENTUM}': expected 0.6 to 0.98, got 0.995\n"
    assert not Path("s").exists()


def test_equal_sets_are_said_and_trained_once(simulated: Any, capsys: pytest.CaptureFixture[str], plain: Plain) -> None:
    defaults = {name: line["default"] for name, line in SPACE["genes"].items()}  # type: ignore[attr-defined]
    write("same.yaml", {**plain, "genome": defaults, "config": {**plain["config"], **defaults}})
    shutil.copy(write("a.yaml", plain), "b.yaml")
    words = ["--warm-start", "a.yaml", "b.yaml", "--warm-start", "same.yaml", "a.yaml"]
    assert main(["search", "--out", "s", *SHAPE, *words]) == 0
    said = capsys.readouterr().out
    assert "warm start b.yaml: has the same set as a.yaml, which is trained once\n" in said
    assert "warm start a.yaml: has the same set as a.yaml, which is trained once\n" in said
    assert "warm start same.yaml: has the same set as the defaults, which is trained once\n" in said
    assert [one["operator"] for one in individuals("s", capsys)].count("warm_start") == 1


def test_more_sets_than_the_population_has_room_for_are_refused(
    simulated: Any, capsys: pytest.CaptureFixture[str], plain: Plain
) -> None:
    files = [write(f"{index}.yaml", plain, optimizer__momentum=0.7 + index / 100) for index in range(6)]
    assert main(["search", "--out", "full", *SHAPE, "--warm-start", *files[:5]]) == 0
    assert [one["operator"] for one in individuals("full", capsys)[:6]] == ["defaults", *["warm_start"] * 5]
    capsys.readouterr()
    assert main(["search", "--out", "s", *SHAPE, "--warm-start", *files]) == 2
    said = capsys.readouterr().err
    assert said == ("evolve: warm starts: expected at most 5 beside the defaults in a population of 6, got 6\n")
    assert not Path("s").exists()


def test_a_file_that_cannot_be_read_is_refused_before_the_data_set_is_read(
    simulated: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "prepare", lambda *_arguments, **_more: pytest.fail("the data set was read"))
    Path("list.yaml").write_text("[1, 2]\n")
    assert main(["search", "--out", "s", *SHAPE, "--warm-start", "list.yaml"]) == 2
    assert "list.yaml: expected a winner file of format 1, got '[1, 2]'" in capsys.readouterr().err
    assert main(["search", "--out", "s", *SHAPE, "--warm-start", "none.yaml"]) == 2
    assert "none.yaml: expected a winner file, found no such file" in capsys.readouterr().err
    assert not Path("s").exists()


def test_wrong_sets_from_python_are_refused_before_anything_is_written(house: House) -> None:
    task = house.task()
    defaults = dict(task.space.defaults())
    wrong: list[tuple[list[Any], str]] = [
        ([defaults], "warm_starts: expected genomes"),
        (
            [Genome({**defaults, MOMENTUM: 2.0})],
            r"warm start g000-001: gene 'optimizer.momentum': expected 0.6 to 0.98",
        ),
        ([Genome({MOMENTUM: 0.7})], "warm start g000-001: gene 'augment.mosaic_prob': expected a value, got none"),
        ([Genome({**defaults, "x": 1})], "warm start g000-001: gene 'x': expected one of the space: augment.mosaic"),
        ([Genome(defaults)], "warm start g000-001: expected a set that differs from all others, got that of g000-000"),
        (
            [Genome({**defaults, MOMENTUM: 0.7})] * 2,
            "warm start g000-002: expected a set that differs from all others, got that of g000-001",
        ),
    ]
    for warm_starts, complaint in wrong:
        with pytest.raises(InputError, match=complaint):
            search.run(task, house.path / "s", recipe=house.recipe(), seed=0, warm_starts=warm_starts)
    assert not (house.path / "s").exists()
