"""YAML 1.2's values, the bounds, and text that every reader of YAML reads as it was meant."""

import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from data import safe_yaml

# Ten lines of nine aliases each: 9^10 words, were they ever spelled out.
BILLION = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # YAML 1.2.2, chapter 10.3.2, the table of tag resolution and example 10.9
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("0", 0),
        ("0o7", 7),
        ("0x3A", 58),
        ("-19", -19),
        ("0.", 0.0),
        ("-0.0", -0.0),
        (".5", 0.5),
        ("+12e03", 12000.0),
        ("-2E+05", -200000.0),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("+.INF", math.inf),
        # what YAML 1.1 takes for a truth value, an octal, a number to the base of 60, a date, a number
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("010", 10),
        ("-010", -10),
        ("1:30", "1:30"),
        ("190:20:30.15", "190:20:30.15"),
        ("2001-12-14", "2001-12-14"),
        ("1_000", "1_000"),
        ("0b1010", "0b1010"),
        ("=", "="),
        ("1e-4", 0.0001),
        ("1E5", 100000.0),
        # quoted, a word is a word
        ("'010'", "010"),
        ('"no"', "no"),
        ('""', ""),
        ("[<<, 1]", ["<<", 1]),
        ("{'<<': 1}", {"<<": 1}),
        ("!!str 010", "010"),
        ("!!float 3", 3.0),
        ("! 12", "12"),
    ],
)
def test_words_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    found = safe_yaml.load(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    found = safe_yaml.load(".nan")
    assert isinstance(found, float)
    assert math.isnan(found)


def test_words_as_they_are_written() -> None:
    assert safe_yaml.load("[010, no, 1.10, ~, '0x1']", str) == ["010", "no", "1.10", "~", "0x1"]


def test_an_alias_is_its_anchors_value_and_the_last_anchor_of_a_name_counts() -> None:
    assert safe_yaml.load("a: &x [1, 2]\nb: *x\nc: &x 3\nd: *x\n") == {"a": [1, 2], "b": [1, 2], "c": 3, "d": 3}
    assert safe_yaml.load("&k key: 1\nother: *k\n") == {"key": 1, "other": "key"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BILLION, "line 6: expected at most 100,000 values, each alias counted as all that it stands for, got more"),
        ("[" * 20_000, "line 1: expected at most 32 levels of lists and mappings, got more"),
        ("- " * 20_000, "line 1: expected at most 32 levels of lists and mappings, got more"),
        (
            "- &a0 [1]\n" + "".join(f"- &a{i} [*a{i - 1}]\n" for i in range(1, 100)),
            "line 32: expected at most 32 levels of lists and mappings, got more",  # the outer list and 32 inside
        ),
        ("- x\n" * 100_001, "line 100000: expected at most 100,000 values, each alias counted as all"),
        ("#" * (2**20 + 1), "expected YAML of at most 1,048,576 characters, got 1,048,577"),
        ("a:\n  <<: {b: 1}\n", "line 2: expected keys, got a merge (<<), which is not read: write its keys out"),
        ("a: 1\nb: 2\na: 3\n", "line 3: expected each key once, got 'a' twice"),
        ("{1: a, 1: b}", "line 1: expected each key once, got 1 twice"),
        ("[a]: b", "line 1: expected a word or a number as a key, got a list or mapping"),
        ("a\n---\nb\n", "line 2: expected one YAML document, got a second one"),
        ("- *x", "line 1: expected an anchor &x before the alias *x, but there is none"),
        ("&x [*x]", "line 1: expected an anchor &x before the alias *x, but the alias is inside it"),
        ("- &x 1\n- &x [*x]", "line 2: expected an anchor &x before the alias *x, but the alias is inside it"),
        ("!!python/name:os.system", "line 1: expected plain values, got a value with the tag !!python/name:os.system"),
        ("!!set {a}", "line 1: expected plain values, got a value with the tag !!set"),
        ("!!int 3.5", "line 1: expected plain values, got a value with the tag !!int"),
        ("9" * 101, "line 1: expected a whole number of at most 100 digits, got 101"),
        ("0x" + "f" * 5000, "line 1: expected a whole number of at most 100 digits, got 5002"),
        ("a: b: c", "line 1: expected YAML, got an error: mapping values are not allowed"),
        ("'open", "line 1: expected YAML, got an error: "),
        ("a: \0", "expected YAML, got an error: "),
        ("a: \ud800", "expected YAML, got an error: "),
    ],
)
def test_what_is_refused_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(safe_yaml.UnreadableYaml) as caught:
        safe_yaml.load(text)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_large_and_sane_is_read() -> None:
    """The names of ImageNet-21k as a mapping of number to name."""
    text = "names:\n" + "".join(f"  {i}: a class of some number {i}\n" for i in range(21_843))
    found: Any = safe_yaml.load(text)
    assert len(found["names"]) == 21_843
    assert safe_yaml.load("[" * 32 + "]" * 32) is not None


ODD = "no yes 010 0o17 1e5 1e-4 .5 1:30 0x1F << = ~ null True 1_000 2001-12-14 - ? .inf"
ODD_WORDS = st.sampled_from(ODD.split())


def plain_values(without: str) -> st.SearchStrategy[object]:
    """Nested plain values; without: a category of characters that their text does not have."""
    text = st.text(st.characters(exclude_categories=["Cs", without]), max_size=8) | ODD_WORDS  # type: ignore[list-item]
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=12,
    )


@example({"\x85": None})
@example({"a": "b\u2028c", "d\r": ["\x85"]})
@given(plain_values(without="Cs"))
def test_what_is_written_is_read_back_here_and_by_yaml_1_1(plain: object) -> None:
    text = safe_yaml.dump(plain)
    assert safe_yaml.load(text) == plain
    assert yaml.safe_load(text) == plain


@given(plain_values(without="Cc"))  # control characters are in JSON, not in YAML
def test_json_is_yaml_1_2(plain: object) -> None:
    assert safe_yaml.load(json.dumps(plain, ensure_ascii=False)) == plain


def test_a_value_in_two_places_is_written_twice() -> None:
    shared = [1, 2]
    assert "&" not in safe_yaml.dump({"a": shared, "b": shared})
