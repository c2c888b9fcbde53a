"""Which part of a network has a given number of floats: all of it for some class count, or its first layers.

A .weights file names nothing, so the number of its floats has to tell which network it holds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from model.darknet.sections import Section, StoredArray


@dataclass(frozen=True)
class Match:
    """sections: those that the floats fill, from the first on. num_classes: None if they end before the output maps."""

    sections: tuple[Section, ...]
    num_classes: int | None


def count_floats(sections: Iterable[Section]) -> int:
    """Number of floats in a .weights file of these sections."""
    return sum(section.count for section in sections)


def is_output(section: Section) -> bool:
    """Whether it is an output convolution: only their shapes depend on the number of classes."""
    return section.kind == "convolutional" and not section.option("batch_normalize")


def with_classes(sections: Sequence[Section], num_classes: int) -> tuple[Section, ...]:
    """The same sections for another number of classes."""
    if num_classes < 1:
        raise ValueError(f"num_classes: expected at least 1, got {num_classes!r}")
    after = (*sections[1:], sections[-1])
    return tuple(_resized(section, following, num_classes) for section, following in zip(sections, after, strict=True))


def _resized(section: Section, following: Section, num_classes: int) -> Section:
    """The section for another number of classes; an output convolution's anchors are those of the [yolo] after it."""
    options = dict(section.options)
    if section.kind == "yolo":
        options["classes"] = str(num_classes)
    elif not is_output(section):
        return section
    yolo = following if is_output(section) else section
    filters = len(yolo.option("mask").split(",")) * (5 + num_classes)
    if is_output(section):
        options["filters"] = str(filters)
    stored = tuple(StoredArray(part.name, (filters, *part.shape[1:])) for part in section.stored)
    return replace(section, channels=filters, options=tuple(options.items()), stored=stored)


def match(count: int, sections: Sequence[Section], num_classes: int | None = None) -> Match | str:
    """The sections that `count` floats fill, or a sentence that says why none fit.

    Without num_classes a whole network may have any class count; first layers alone must end before the output maps.
    """
    if num_classes is not None:
        sections = with_classes(sections, num_classes)
        covered = _first_sections(count, sections)
        if covered is None:
            return _mismatch_of_classes(count, sections, num_classes)
        known = num_classes if any(is_output(section) for section in covered) else None
        return Match(covered, known)
    fixed, per_class = _class_counts(sections)
    classes, rest = divmod(count - fixed, per_class)
    if classes >= 1 and rest == 0:
        return Match(with_classes(sections, classes), classes)
    first_output = next(index for index, section in enumerate(sections) if is_output(section))
    covered = _first_sections(count, sections[:first_output])
    if covered is None:
        return _mismatch_of_length(count, sections[:first_output], fixed, per_class)
    return Match(covered, None)


def _class_counts(sections: Sequence[Section]) -> tuple[int, int]:
    """The number of floats without any class, and how many each class adds."""
    with_one, with_two = (count_floats(with_classes(sections, classes)) for classes in (1, 2))
    return 2 * with_one - with_two, with_two - with_one


def _first_sections(count: int, sections: Sequence[Section]) -> tuple[Section, ...] | None:
    """The first sections with exactly `count` floats in all, or None; all sections if the rest store nothing."""
    total = 0
    for index, section in enumerate(sections):
        total += section.count
        if total == count and count:
            rest = count_floats(sections[index + 1 :])
            return tuple(sections[: index + 1] if rest else sections)
    return None


def _mismatch_of_classes(count: int, sections: Sequence[Section], num_classes: int) -> str:
    whole = count_floats(sections)
    expected = f"expected {whole:,} floats for {num_classes} classes"
    if count > whole:
        return f"{expected}, got {count:,}: {count - whole:,} are left over"
    return f"{expected}, got {count:,}: {whole - count:,} are missing, and {_inside(count, sections)}"


def _mismatch_of_length(count: int, before_outputs: Sequence[Section], fixed: int, per_class: int) -> str:
    expected = f"expected {fixed:,} floats plus {per_class:,} per class, or all floats of the first layers"
    if count > fixed + per_class:
        classes, rest = divmod(count - fixed, per_class)
        return f"{expected}, got {count:,}: {rest:,} are left over after {classes} classes"
    if count > count_floats(before_outputs):
        return f"{expected}, got {count:,}: it ends after the first output map; say how many classes it has"
    return f"{expected}, got {count:,}: {_inside(count, before_outputs)}"


def _inside(count: int, sections: Sequence[Section]) -> str:
    """A phrase that names the layer within which that many floats end."""
    total = 0
    for index, section in enumerate(sections):
        if total + section.count > count:
            return f"it ends inside layer {index} ({section.name}), after {count - total:,} of its {section.count:,}"
        total += section.count
    return "it ends at the last layer"
