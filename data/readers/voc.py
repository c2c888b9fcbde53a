"""Pascal VOC: Annotations/*.xml, JPEGImages, and ImageSets/Main/{train,val,test}.txt, or no lists at all.

Coordinates are taken as they stand: xmin, ymin, xmax, ymax as the box's edges in pixels, without the "+1" or "-1" of
VOC's own development kit, since the tools that write this format today mean edges. The picture's real size decides,
not the size tag. Objects marked difficult are objects like the others.
XML comes from strangers: defusedxml refuses entity expansion and external entities.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from data.example import SPLITS, Dataset, DatasetError, Example, Problem
from data.pictures import pictures_in
from data.readers import assemble
from data.readers.assemble import Box

ANNOTATIONS, PICTURES, LISTS = "Annotations", "JPEGImages", "ImageSets/Main"

Objects = Sequence[tuple[str, Box]]


def read(root: Path) -> Dataset:
    """The data set in this folder; DatasetError when nothing of it can be used."""
    for folder in (root / ANNOTATIONS, root / PICTURES):
        if not folder.is_dir():
            raise DatasetError(f"{root}: expected the folder {folder.name} of a Pascal VOC data set, found none")
    problems: list[Problem] = []
    pictures = _pictures(root, problems)
    listed = _lists(root, problems)
    splits = listed or {"train": sorted(pictures.keys() | {file.stem for file in _annotation_files(root)})}
    found = {split: _read_split(root, stems, pictures, problems) for split, stems in splits.items()}
    if listed:
        known = {stem for stems in listed.values() for stem in stems}
        for stem in sorted(pictures.keys() - known):
            name = assemble.relative(pictures[stem], root)
            problems.append(Problem("unlisted_picture", name, f"in no list of {LISTS}; not used"))
    class_names = sorted({name for examples in found.values() for _, _, objects in examples for name, _ in objects})
    numbers = {name: number for number, name in enumerate(class_names)}
    return assemble.finish(
        root, "voc", class_names, {split: _examples(examples, numbers) for split, examples in found.items()}, problems
    )


def _pictures(root: Path, problems: list[Problem]) -> dict[str, Path]:
    """Stem -> picture. An annotation goes by the stem, so of two pictures with one stem the first by name is it."""
    pictures: dict[str, Path] = {}
    for picture in pictures_in(root / PICTURES):
        first = pictures.setdefault(picture.stem, picture)
        if first != picture:
            name = assemble.relative(picture, root)
            problems.append(Problem("duplicate_stem", name, f"{first.name} has the same annotation; not used"))
    if not pictures:
        raise DatasetError(f"{root / PICTURES}: expected pictures (.jpg, .png ...), found none")
    return pictures


def _annotation_files(root: Path) -> list[Path]:
    return sorted((root / ANNOTATIONS).glob("*.xml"))


def _lists(root: Path, problems: list[Problem]) -> dict[str, list[str]]:
    """Split -> stems, as the lists say; trainval, less val, stands in for a missing train."""
    found: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    for split in reversed(SPLITS):  # a name in two lists stays in the one that is scored
        file = root / LISTS / f"{split}.txt"
        stands_in = split == "train" and not file.is_file()
        if stands_in:
            file = root / LISTS / "trainval.txt"
        if not file.is_file():
            continue
        found[split] = []
        for stem in _stems(file):
            if stem not in owner:
                owner[stem] = split
                found[split].append(stem)
            elif not stands_in:
                name = assemble.relative(file, root)
                problems.append(Problem("listed_twice", name, f"'{stem}' is in {owner[stem]} too, and left there"))
    return {split: found[split] for split in SPLITS if split in found}


def _stems(file: Path) -> list[str]:
    """The names in a list file, each once."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: expected a list of names, cannot read it: {error}") from error
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _read_split(
    root: Path, stems: Sequence[str], pictures: Mapping[str, Path], problems: list[Problem]
) -> list[tuple[Path, tuple[int, int], Objects]]:
    """(picture, its size, its objects) of every stem that is usable."""
    usable = []
    for stem in stems:
        file = root / ANNOTATIONS / f"{stem}.xml"
        name = assemble.relative(file, root)
        if stem not in pictures:
            problems.append(Problem("missing_picture", name, f"no picture '{stem}' in {PICTURES}; skipped"))
            continue
        if not file.is_file():
            picture_name = assemble.relative(pictures[stem], root)
            problems.append(Problem("missing_annotation", picture_name, f"no {name}; skipped"))
            continue
        size = assemble.size_of(pictures[stem], root, problems)
        objects = _read_objects(file, name, size, problems) if size else None
        if size and objects is not None:
            usable.append((pictures[stem], size, objects))
    return usable


def _read_objects(file: Path, name: str, size: tuple[int, int], problems: list[Problem]) -> Objects | None:
    """(class name, box) of every usable object, or None and a problem when the file is broken."""
    try:
        annotation: Element = ElementTree.fromstring(file.read_bytes())
        parsed = [_object(element, number) for number, element in enumerate(annotation.iter("object"), start=1)]
    except (ParseError, LookupError) as error:  # LookupError: an encoding that Python does not know
        problems.append(Problem("broken_annotation", name, f"expected XML, cannot read it: {error}"))
    except DefusedXmlException as error:
        problems.append(Problem("broken_annotation", name, f"expected XML without entities, refused: {error!r}"))
    except (ValueError, OSError) as error:
        problems.append(Problem("broken_annotation", name, str(error)))
    else:
        objects = []
        for number, (class_name, box) in enumerate(parsed, start=1):
            where = Problem("", name, f"object {number} ({class_name})")
            usable = assemble.usable_box(box, *size, where, problems)
            if usable:
                objects.append((class_name, usable))
        return objects
    return None


def _object(element: Element, number: int) -> tuple[str, Box]:
    """(class name, box as it stands); ValueError names what is missing."""
    class_name = (element.findtext("name") or "").strip()
    if not class_name:
        raise ValueError(f"object {number}: expected a class in <name>, got none")
    box = element.find("bndbox")
    edges = []
    for tag in ("xmin", "ymin", "xmax", "ymax"):
        text = (box.findtext(tag) if box is not None else None) or ""
        try:
            edges.append(float(text))
        except ValueError:
            raise ValueError(
                f"object {number} ({class_name}): expected a number in <{tag}>, got '{text[:80]}'"
            ) from None
    left, top, right, bottom = edges
    return class_name, (left, top, right, bottom)


def _examples(found: Sequence[tuple[Path, tuple[int, int], Objects]], numbers: Mapping[str, int]) -> list[Example]:
    return [
        assemble.make_example(picture, size, [box for _, box in objects], [numbers[name] for name, _ in objects])
        for picture, size, objects in found
    ]
