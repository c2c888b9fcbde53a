"""Search spaces: reading, checking, fixing a gene."""

import json
from pathlib import Path

import pytest
import yaml

from evolve.genetics import space as spaces
from evolve.genetics.space import Choice, Integer, Linear, Log, SearchSpace

TEXT = """
name: small
genes:
  optimizer.learning_rate: {scale: log, low: 1e-4, high: 1.0e-2, default: 1.3e-3}
  loss.box_weight: {scale: linear, low: 1, high: 8, default: 4}
  train.size_period: {scale: integer, low: 1, high: 20, default: 10}
  detector.neck_activation: {scale: choice, values: [mish, leaky], default: leaky}
trial:
  train.sizes: [64, 96]
  train.steps: 90
  detector.width: 0.25
recipe: {name: fast, population: 20}
"""


def parse(text: str) -> SearchSpace:
    return spaces.parse(yaml.safe_load(text), "search_spaces/x.yaml")


def test_a_space_file(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(TEXT)
    space = spaces.load(file)
    assert space.genes == {
        "detector.neck_activation": Choice(("mish", "leaky"), "leaky"),
        "loss.box_weight": Linear(1.0, 8.0, 4.0),
        "optimizer.learning_rate": Log(0.0001, 0.01, 0.0013),
        "train.size_period": Integer(1, 20, 10),
    }
    assert list(space.genes) == sorted(space.genes)
    assert space.trial == {"train.sizes": (64, 96), "train.steps": 90, "detector.width": 0.25}
    assert space.recipe == {"name": "fast", "population": 20}
    assert space.fitness == {"val/map50_95": 1.0}
    assert space.defaults() == {
        "detector.neck_activation": "leaky",
        "loss.box_weight": 4.0,
        "optimizer.learning_rate": 0.0013,
        "train.size_period": 10,
    }
    assert space.size() is None
    for through in (json, yaml):
        dump = json.dumps if through is json else yaml.safe_dump
        read = json.loads if through is json else yaml.safe_load
        assert spaces.parse(read(dump(space.to_plain())), "journal") == space  # type: ignore[operator]


def test_the_order_of_lines_decides_nothing() -> None:
    plain = yaml.safe_load(TEXT.replace("1e-4", "1.0e-4"))
    plain["genes"] = dict(reversed(plain["genes"].items()))
    assert list(spaces.parse(plain, "x").genes) == list(parse(TEXT.replace("1e-4", "1.0e-4")).genes)


def test_recipe_and_fitness_have_defaults_and_a_recipe_may_be_a_name() -> None:
    assert parse("{name: x, genes: {}}").recipe == {"name": "fast"}
    assert parse("{name: x, genes: {}, recipe: seed}").recipe == {"name": "seed"}
    assert parse("{name: x, genes: {}, recipe: {elites: 3}}").recipe == {"name": "fast", "elites": 3}
    assert parse("{name: x, genes: {}, fitness: {val/map50: 2}}").fitness == {"val/map50": 2.0}


def test_size_counts_the_genomes() -> None:
    genes = "a: {scale: integer, low: 1, high: 5, default: 1}, b: {scale: choice, values: [x, y, z], default: x}"
    assert parse(f"{{name: x, genes: {{{genes}}}}}").size() == 15  # 5 * 3
    assert parse("{name: x, genes: {}}").size() == 1


@pytest.mark.parametrize(
    ("genes", "says"),
    [
        (
            "loss.box_weight: {scale: linear, low: 5.0, high: 0.5, default: 1}",
            "search_spaces/x.yaml: gene 'loss.box_weight': expected low < high, got low=5.0, high=0.5",
        ),
        (
            "a: {scale: lin, low: 1, high: 2, default: 1}",
            "search_spaces/x.yaml: gene 'a': expected a scale out of linear, log, integer, choice, ordinal, got 'lin'",
        ),
        (
            "a: {scale: linear, low: 1, hgih: 2, default: 1}",
            "search_spaces/x.yaml: gene 'a': unknown key 'hgih', expected one of scale, low, high, default",
        ),
        (
            "a: {scale: linear, low: 1, high: 2}",
            "search_spaces/x.yaml: gene 'a': expected the key 'default', got high, low, scale",
        ),
        (
            "a: {scale: choice, values: mish, default: mish}",
            "search_spaces/x.yaml: gene 'a': expected a list of values, got 'mish'",
        ),
        ("a: 3", "search_spaces/x.yaml: gene 'a': expected a domain such as"),
        ("3: {}", "search_spaces/x.yaml: expected words as keys of genes by their address, got 3"),
    ],
)
def test_a_wrong_gene_is_named_with_its_file(genes: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"x\.yaml") as caught:
        parse(f"{{name: x, genes: {{{genes}}}}}")
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{name: x, genes: {}, trail: {}}", "unknown key 'trail', expected one of name, genes, trial, recipe, fitness"),
        ("{genes: {}}", "expected the key 'name', got genes"),
        ("{name: [x], genes: {}}", "expected name to be a word"),
        (
            "[1, 2]",
            "expected a search space with the keys name, genes, trial, recipe, fitness, known, final_steps, got [1, 2]",
        ),
        ("{name: x, genes: {}, trial: {a: {b: 1}}}", "trial 'a': expected a number, a word, true/false or a list"),
        ("{name: x, genes: {}, trial: {a: [1, b]}}", "trial 'a': expected each item of a list to be a whole number"),
        ("{name: x, genes: {}, recipe: 3}", "recipe: expected a recipe's name, or a mapping"),
        ("{name: x, genes: {}, fitness: {val/map50: much}}", "fitness: expected the weight of 'val/map50'"),
        ("{name: x, genes: {}, fitness: {test/map50: 1}}", "fitness: expected validation scores such as"),
        ("{name: x, genes: {}, fitness: {}}", "fitness: expected a weight other than 0"),
        (
            "{name: x, genes: {a: {scale: linear, low: 0, high: 1, default: 0}}, trial: {a: 1}}",
            "gene 'a': expected under genes or under trial, got it in both",
        ),
    ],
)
def test_a_wrong_space_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"search_spaces/x\.yaml") as caught:
        parse(text)
    assert str(caught.value).startswith(f"search_spaces/x.yaml: {says}")


def test_a_fixed_gene_leaves_the_genes() -> None:
    space = parse(TEXT.replace("1e-4", "1.0e-4"))
    fixed = space.with_gene_fixed("loss.box_weight", 12)  # outside its range: the range only says where to search
    assert fixed.trial["loss.box_weight"] == 12.0
    assert type(fixed.trial["loss.box_weight"]) is float
    assert set(fixed.genes) == set(space.genes) - {"loss.box_weight"}
    assert "loss.box_weight" in space.genes  # the space itself has not changed


def test_text_from_a_command_line_is_read_as_in_a_file() -> None:
    space = parse(TEXT.replace("1e-4", "1.0e-4"))
    assert space.with_gene_fixed("optimizer.learning_rate", "1e-3").trial["optimizer.learning_rate"] == 0.001
    assert space.with_gene_fixed("train.sizes", "[32, 64]").trial["train.sizes"] == (32, 64)
    assert space.with_gene_fixed("detector.neck_activation", "mish").trial["detector.neck_activation"] == "mish"
    with pytest.raises(ValueError, match=r"setting 'loss.box_weight': expected the value to be a finite number"):
        space.with_gene_fixed("loss.box_weight", "much")
    with pytest.raises(ValueError, match=r"setting 'train.size_period': expected the value to be a whole number"):
        space.with_gene_fixed("train.size_period", "2.5")


def test_a_genome_has_the_kinds_of_the_space_and_is_checked(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(TEXT)
    space = spaces.load(tmp_path / "small.yaml")
    values = {**space.defaults(), "loss.box_weight": 2, "train.size_period": 5.0}
    genome = space.genome(values)
    assert genome == values
    assert (type(genome["loss.box_weight"]), type(genome["train.size_period"])) == (float, int)
    for gene, wrong, complaint in (
        ("loss.box_weight", 9, r"gene 'loss.box_weight': expected 1.0 to 8.0, got 9"),
        ("loss.box_weight", True, r"gene 'loss.box_weight': expected the value to be a finite number, got True"),
        ("train.size_period", 2.5, r"gene 'train.size_period': expected the value to be a whole number, got 2.5"),
        ("detector.neck_activation", "relu", r"expected a value out of 'mish', 'leaky', got 'relu'"),
        ("detector.neck", "mish", r"gene 'detector.neck': expected one of the space: detector.neck_activation, loss"),
    ):
        with pytest.raises(ValueError, match=complaint):
            space.genome({**values, gene: wrong})
    with pytest.raises(ValueError, match=r"gene 'train.size_period': expected a value, got none"):
        space.genome({gene: value for gene, value in values.items() if gene != "train.size_period"})
