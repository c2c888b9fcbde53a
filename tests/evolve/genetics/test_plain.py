"""YAML read safely, numbers as people write them."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.genetics import plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 0.0001),  # YAML 1.1 would read a string here
        ("1E5", 100000.0),
        ("-2.5e3", -2500.0),
        (".5e1", 5.0),
        ("1.0e-3", 0.001),
        ("3", 3),
        ("true", True),
        ("mish", "mish"),
        ("1/9", "1/9"),
        ("'1e-4'", "1e-4"),  # quoted: a word, as in any YAML
        ("e-4", "e-4"),
        ("[64, 96]", [64, 96]),
    ],
)
def test_values_as_people_write_them(text: str, value: object) -> None:
    read = plain.read_value(text)
    assert read == value
    assert type(read) is type(value)


def test_a_key_given_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("a: 1\nb: 2\na: 3\n")
    with pytest.raises(ValueError, match=r"x\.yaml: line 3: expected each key once, got 'a' twice"):
        plain.read_file(file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: 1\nb: 2: 3", r"x\.yaml: line 2: expected YAML, got an error: "),
        (
            b"a: !!python/object/apply:os.getcwd []",
            r"x\.yaml: line 1: expected plain values, got a value with the tag !!py",
        ),
        (b"a: " + b"1" * 2**20, r"x\.yaml: expected YAML of at most 1,048,576 bytes, got more"),
        (b"a: \xff\xfe", r"x\.yaml: expected UTF-8 text"),
        (b"a: \x00", r"x\.yaml: expected YAML, got"),
    ],
)
def test_what_is_no_safe_yaml_is_one_sentence_with_the_file(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=says) as caught:
        plain.read_file(file)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ValueError, match=f"{path.name}: expected a readable YAML file"):
            plain.read_file(path)


def test_places_nest() -> None:
    with (
        pytest.raises(ValueError, match=r"^file: gene 'x': expected more$"),
        plain.error_prefix("file"),
        plain.error_prefix("gene 'x'"),
    ):
        raise ValueError("expected more")


def test_an_unknown_key_is_refused_with_the_right_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown key 'hgih', expected one of scale, low, high"):
        plain.check_keys(["low", "hgih"], ["scale", "low", "high"])
    with pytest.raises(ValueError, match=r"expected the key 'high', got low"):
        plain.check_keys(["low"], ["scale", "low", "high"], required=["high"])


@pytest.mark.parametrize("value", [True, "1", None, float("nan"), float("inf"), [1]])
def test_what_is_no_finite_number(value: object) -> None:
    with pytest.raises(ValueError, match="expected low to be a finite number, got"):
        plain.finite_number(value, "low")


def test_whole_numbers() -> None:
    assert plain.whole_number(1e3, "n") == 1000
    assert type(plain.whole_number(1e3, "n")) is int
    for value in (1.5, True, "3", float("nan"), float("inf")):
        with pytest.raises(ValueError, match="expected n to be a whole number"):
            plain.whole_number(value, "n")


def test_fractions_are_exact() -> None:
    assert plain.fraction("1/9", "keep") == Fraction(1, 9)
    assert plain.fraction(0.1, "keep") == Fraction(1, 10)  # as written, not the nearest binary number
    assert plain.fraction(1, "keep") == 1
    for value in ("1/0", "a third", True, None):
        with pytest.raises(ValueError, match="expected keep to be a fraction such as '1/9'"):
            plain.fraction(value, "keep")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_rounding_survives_its_text_and_is_stable(value: float) -> None:
    once = plain.rounded(value)
    assert plain.rounded(once) == once
    assert float(repr(once)) == once
    assert str(plain.rounded(-0.0)) == "0.0"
