"""Finds out from the length of a .weights file which layers it holds, and for how many classes.

Such a file has no layer names or shapes, so only its number of floats tells.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from model.darknet.sections import Section, StoredArray


@dataclass(frozen=True)
class CoveredLayers:
    """sections: those that the floats fill, from the first on. num_classes: None if they end before the output maps."""

    sections: tuple[Section, ...]
    num_classes: int | None


def count_floats(sections: Iterable[Section]) -> int:
    """Number of floats in a .weights file of these sections."""
    return sum(section.count for section in sections)


def is_output(section: Section) -> bool:
    """Whether it is an output convolution, the only kind whose stored arrays depend on the number of classes."""
    return section.kind == "convolutional" and not section.option("batch_normalize")


def with_classes(sections: Sequence[Section], num_classes: int) -> tuple[Section, ...]:
    """The same sections for another number of classes."""
    if num_classes < 1:
        raise ValueError(f"num_classes: expected at least 1, got {num_classes!r}")
    following_sections = (*sections[1:], sections[-1])
    pairs = zip(sections, following_sections, strict=True)
    return tuple(_section_with_classes(section, following, num_classes) for section, following in pairs)


def _section_with_classes(section: Section, following: Section, num_classes: int) -> Section:
    """The section for num_classes; an output convolution takes its number of anchors from the [yolo] after it."""
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


def layers_of_length(count: int, sections: Sequence[Section], num_classes: int | None = None) -> CoveredLayers | str:
    """The layers that a file of `count` floats covers; if none fit, a sentence that says why.

    Without num_classes a whole network may have any class count; first layers alone must end before the output maps.
    """
    if num_classes is not None:
        sections = with_classes(sections, num_classes)
        covered = _first_sections(count, sections)
        if covered is None:
            return _mismatch_of_classes(count, sections, num_classes)
        known = num_classes if any(is_output(section) for section in covered) else None
        return CoveredLayers(covered, known)
    fixed, per_class = _fixed_and_per_class(sections)
    classes, rest = divmod(count - fixed, per_class)
    if classes >= 1 and rest == 0:
        return CoveredLayers(with_classes(sections, classes), classes)
    first_output = next(index for index, section in enumerate(sections) if is_output(section))
    covered = _first_sections(count, sections[:first_output])
    if covered is None:
        return _mismatch_of_length(count, sections[:first_output], fixed, per_class)
    return CoveredLayers(covered, None)


def _fixed_and_per_class(sections: Sequence[Section]) -> tuple[int, int]:
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
        return f"{expected}, got {count:,}: it ends inside or after the first output map; say how many classes it has"
    return f"{expected}, got {count:,}: {_inside(count, before_outputs)}"


def _inside(count: int, sections: Sequence[Section]) -> str:
    """A phrase that names the layer within which that many floats end."""
    total = 0
    for index, section in enumerate(sections):
        if total + section.count > count:
            return f"it ends inside layer {index} ({section.name}), after {count - total:,} of its {section.count:,}"
        total += section.count
    return "it ends at the last layer"
