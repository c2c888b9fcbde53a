"""Read and write YAML, for the whole project: spaces, recipes, presets, winners, data sets, --set.

Values follow YAML 1.2's core schema (yaml.org/spec/1.2.2, chapter 10.3): `no` and `1:30` are words, `010` is ten,
`1e-4` is a number. Tags that make objects, merges (`<<`), a key given twice and a second document are refused.
Length, depth and number of values are bounded, so that no file holds a command up; an alias counts as all the values
it stands for. This module needs PyYAML alone, so that every room may import it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

MAX_CHARACTERS = 1 << 20  # 20,000 class names are 0.4 million
MAX_DEPTH = 32  # levels of lists and mappings; a winner's file has 6
MAX_VALUES = 100_000  # keys count too
MAX_DIGITS = 100  # of a whole number: more digits are slow to convert, and no setting needs them

_TAG = "tag:yaml.org,2002:"
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_WHOLE = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_BREAKS = re.compile("[\r\x85\u2028\u2029]")
_NOT_A_NUMBER = frozenset({".nan", ".NaN", ".NAN"})
_KINDS: dict[str, tuple[type, ...]] = {
    f"{_TAG}null": (type(None),),
    f"{_TAG}bool": (bool,),
    f"{_TAG}int": (int,),
    f"{_TAG}float": (float, int),
}
_Parser: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader  # SafeLoader is twenty times slower


class UnreadableYaml(ValueError):
    """The text cannot be read as YAML; the message is one sentence that does not name the file."""


def load(text: str, scalar: Callable[[str], object] | None = None) -> object:
    """The value of the text: mappings, lists, text, numbers, true, false and null; null for an empty text.

    scalar: turns a plain (unquoted) word into a value; None: by the core schema. `str` leaves words as written.
    UnreadableYaml if the text is no YAML or exceeds one of the bounds. An alias gives the same object as its anchor.
    """
    if len(text) > MAX_CHARACTERS:
        raise UnreadableYaml(f"expected YAML of at most {MAX_CHARACTERS:,} characters, got {len(text):,}")
    return _Builder(core_value if scalar is None else scalar).build(text)


def core_value(word: str) -> object:
    """The value of a plain word in YAML 1.2's core schema; UnreadableYaml for a whole number with too many digits."""
    if word in _NULLS:
        return None
    if word in _TRUTHS:
        return _TRUTHS[word]
    if not (word[0].isdigit() or word[0] in "+-."):
        return word
    for pattern, base in ((_WHOLE, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(word):
            if len(word) > MAX_DIGITS:
                raise UnreadableYaml(f"expected a whole number of at most {MAX_DIGITS} digits, got {len(word)}")
            return int(word, base)
    if _FLOAT.fullmatch(word):
        return float(word)
    if _INFINITE.fullmatch(word):
        return float(word.replace(".", ""))
    return float("nan") if word in _NOT_A_NUMBER else word


def dump(plain: object) -> str:
    """The YAML text of plain values, mappings in their order; `load` and YAML 1.1 readers return the same values."""
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes words that YAML 1.1 or 1.2 would take for numbers, and writes a repeated value again, not as an alias."""

    def ignore_aliases(self, _data: object) -> bool:
        return True

    def represent_str(self, text: str) -> yaml.ScalarNode:
        """Line breaks other than \\n are escaped, since readers make a space or \\n of them."""
        return self.represent_scalar(f"{_TAG}str", text, style='"' if _BREAKS.search(text) else None)


_Dumper.add_representer(str, _Dumper.represent_str)

for _name, _patterns in (("int", (_WHOLE, _OCTAL, _HEXADECIMAL)), ("float", (_FLOAT, _INFINITE))):
    for _pattern in _patterns:
        _whole_word = re.compile(f"^(?:{_pattern.pattern})$")
        _Dumper.add_implicit_resolver(f"{_TAG}{_name}", _whole_word, list("-+.0123456789"))


class _Finished(NamedTuple):
    """A finished value. size: how many values it holds, itself included; height: levels of lists and mappings in it."""

    value: object
    size: int
    height: int


@dataclass
class _Open:
    """A list or mapping that is still being read. key: the mapping's key that waits for its value."""

    value: list[object] | dict[object, object]
    anchor: str | None
    before: int  # how many values were read before it
    height: int = 1
    key: list[object] = field(default_factory=list)  # empty or one

    @property
    def takes_a_key(self) -> bool:
        """Whether the next value is the key of a pair."""
        return isinstance(self.value, dict) and not self.key

    def add(self, value: object) -> None:
        """Add the next item, key, or value of the key."""
        if isinstance(self.value, list):
            self.value.append(value)
        elif self.key:
            self.value[self.key.pop()] = value
        elif isinstance(value, list | dict):
            raise UnreadableYaml("expected a word or a number as a key, got a list or mapping")
        elif value in self.value:
            raise UnreadableYaml(f"expected each key once, got {value!r} twice")
        else:
            self.key.append(value)


class _Builder:
    """Builds values from the parser's events, without recursion."""

    def __init__(self, scalar: Callable[[str], object]) -> None:
        self._scalar = scalar
        self._open: list[_Open] = []
        self._anchored: dict[str, _Finished] = {}
        self._count = 0  # values so far
        self._line = 1
        self._result: list[object] = []

    def build(self, text: str) -> object:
        """The value of the one document."""
        try:
            event: Any
            for event in yaml.parse(
                text, Loader=_Parser
            ):  # one at a time, so that reading ends where a bound is exceeded
                self._line = event.start_mark.line + 1
                self._take(event)
        except UnreadableYaml as error:
            raise UnreadableYaml(f"line {self._line}: {error}") from None
        except yaml.MarkedYAMLError as error:
            line = self._line if error.problem_mark is None else error.problem_mark.line + 1
            raise UnreadableYaml(f"line {line}: expected YAML, got an error: {error.problem}") from None
        except (yaml.YAMLError, UnicodeError) as error:  # characters that YAML does not allow
            raise UnreadableYaml(f"expected YAML, got an error: {' '.join(str(error).split())}") from None
        return self._result[0] if self._result else None

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            if self._result:
                raise UnreadableYaml("expected one YAML document, got a second one")
        elif isinstance(event, yaml.ScalarEvent):
            self._grow(1, 0)
            self._add(_Finished(self._of_scalar(event), 1, 0), event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            made = self._of_alias(str(event.anchor))
            self._grow(made.size, made.height)
            self._add(made, None)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self._open.pop()
            self._add(_Finished(done.value, self._count - done.before, done.height), done.anchor)

    def _begin(self, event: Any) -> None:
        kind = "map" if isinstance(event, yaml.MappingStartEvent) else "seq"
        if event.tag not in (None, "!", f"{_TAG}{kind}"):
            raise UnreadableYaml(_unexpected(event.tag))
        self._anchored.pop(event.anchor, None)  # an alias of this name means this value from here on
        self._open.append(_Open({} if kind == "map" else [], event.anchor, self._count))
        self._grow(1, 0)

    def _grow(self, values: int, height: int) -> None:
        """Count further values, and check the bounds; height: levels of lists and mappings in them."""
        self._count += values
        if self._count > MAX_VALUES:
            raise UnreadableYaml(
                f"expected at most {MAX_VALUES:,} values, each alias counted as all that it stands for, got more"
            )
        if len(self._open) + height > MAX_DEPTH:
            raise UnreadableYaml(f"expected at most {MAX_DEPTH} levels of lists and mappings, got more")

    def _add(self, made: _Finished, anchor: str | None) -> None:
        if anchor is not None:
            self._anchored[anchor] = made
        if not self._open:
            self._result.append(made.value)
            return
        parent = self._open[-1]
        parent.height = max(parent.height, made.height + 1)
        parent.add(made.value)

    def _of_alias(self, name: str) -> _Finished:
        if name not in self._anchored:
            got = "the alias is inside it" if any(parent.anchor == name for parent in self._open) else "there is none"
            raise UnreadableYaml(f"expected an anchor &{name} before the alias *{name}, but {got}")
        return self._anchored[name]

    def _of_scalar(self, event: Any) -> object:
        """The value of a scalar, quoted or plain, with or without one of the core schema's tags."""
        word: str = event.value
        if event.tag in ("!", f"{_TAG}str") or (event.tag is None and not event.implicit[0]):
            return word
        if event.tag is None:
            if word == "<<" and self._open and self._open[-1].takes_a_key:
                raise UnreadableYaml("expected keys, got a merge (<<), which is not read: write its keys out")
            return self._scalar(word)
        value = core_value(word)
        if type(value) not in _KINDS.get(event.tag, ()):
            raise UnreadableYaml(_unexpected(event.tag))
        return float(value) if event.tag == f"{_TAG}float" else value  # type: ignore[arg-type]


def _unexpected(tag: str) -> str:
    return f"expected plain values, got a value with the tag {tag.replace(_TAG, '!!')}"
