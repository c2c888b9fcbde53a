"""Known sets of a space: read, checked, and what becomes of them when a gene is fixed."""

import json
from typing import Any

import pytest

from evolve.genetics import space as spaces
from evolve.genetics.space import SearchSpace

GENES: dict[str, Any] = {
    "loss.box_weight": {"scale": "log", "low": 0.5, "high": 20.0, "default": 4.0},
    "train.size_period": {"scale": "integer", "low": 1, "high": 20, "default": 10},
    "detector.neck_activation": {"scale": "choice", "values": ["mish", "leaky"], "default": "leaky"},
}


def parse(known: object) -> SearchSpace:
    return spaces.parse({"name": "x", "genes": GENES, "known": known}, "x.yaml")


def test_genes_that_a_set_does_not_name_have_their_default() -> None:
    space = parse(
        {"hand-tuned": {"loss.box_weight": 3, "detector.neck_activation": "mish"}, "b": {"loss.box_weight": 2}}
    )
    assert space.known_genome("hand-tuned") == {
        "detector.neck_activation": "mish",
        "loss.box_weight": 3.0,
        "train.size_period": 10,
    }
    assert space.known_genome("b")["detector.neck_activation"] == "leaky"
    assert type(space.known["hand-tuned"]["loss.box_weight"]) is float  # as a child's value has it
    assert spaces.parse(json.loads(json.dumps(space.to_plain())), "journal") == space


def test_a_space_without_known_sets_is_written_as_before() -> None:
    for space in (parse({}), parse(None), spaces.parse({"name": "x", "genes": GENES}, "x")):
        assert list(space.to_plain()) == ["name", "genes", "trial", "recipe", "fitness"]


@pytest.mark.parametrize(
    ("known", "says"),
    [
        ({"a": {"loss.box_weight": 21}}, "known set 'a': gene 'loss.box_weight': expected 0.5 to 20.0, got 21.0"),
        (
            {"a": {"loss.box_weight": "much"}},
            "known set 'a': gene 'loss.box_weight': expected the value to be a finite number, got 'much'",
        ),
        (
            {"a": {"train.size_period": 2.5}},
            "known set 'a': gene 'train.size_period': expected the value to be a whole number, got 2.5",
        ),
        (
            {"a": {"detector.neck_activation": "relu"}},
            "known set 'a': gene 'detector.neck_activation': expected a value out of 'mish', 'leaky', got 'relu'",
        ),
        (
            {"a": {"detector.neck_activation": ["mish"]}},
            "known set 'a': gene 'detector.neck_activation': expected a value out",
        ),
        (
            {"a": {"loss.class_weight": 1.0}},
            "known set 'a': expected only genes of the space (detector.neck_activation, loss.box_weight, "
            "train.size_period), got 'loss.class_weight'",
        ),
        ({"a": {}}, "known set 'a': expected the value of at least one gene, got none"),
        ({"a": 3}, "known set 'a': expected values by the address of their gene, got 3"),
        (["a"], "expected known sets by their name, got ['a']"),
        ({"g001-002": {"loss.box_weight": 1}}, "known set 'g001-002': expected a name of 1 to 40 letters"),
        ({"Defaults": {"loss.box_weight": 1}}, "known set 'Defaults': expected a name of 1 to 40 letters"),
        ({"a/b": {"loss.box_weight": 1}}, "known set 'a/b': expected a name of 1 to 40 letters"),
        ({"../a": {"loss.box_weight": 1}}, "known set '../a': expected a name"),
        ({"": {"loss.box_weight": 1}}, "known set '': expected a name"),
        (
            {"a": {"loss.box_weight": 1}, "A": {"loss.box_weight": 2}},
            "known set 'a': expected names that differ in more",
        ),
    ],
)
def test_a_wrong_set_is_refused_by_its_name_gene_range_and_value(known: object, says: str) -> None:
    with pytest.raises(ValueError, match=r"^x\.yaml: ") as caught:
        parse(known)
    assert str(caught.value).startswith(f"x.yaml: {says}")


def test_a_fixed_gene_has_its_value_in_known_sets_too() -> None:
    space = parse({"a": {"loss.box_weight": 3, "train.size_period": 5}, "b": {"loss.box_weight": 2}})
    fixed = space.with_gene_fixed("loss.box_weight", "30")
    assert fixed.known == {"a": {"train.size_period": 5}}  # nothing is left of b: it would be the defaults
    assert fixed.known_genome("a") == {"detector.neck_activation": "leaky", "train.size_period": 5}
    assert space.with_gene_fixed("loss.class_weight", 2.0).known == space.known
