"""Pascal VOC: Annotations, JPEGImages, ImageSets/Main, and CVAT's labelmap.txt, which holds the classes' order."""

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from data.dataset import Dataset, Example
from data.writers import files


def write(dataset: Dataset, folder: Path) -> None:
    """Write the data set into this empty folder. Coordinates are the box's edges in pixels, with their fractions.

    Ignored boxes are written as difficult objects; data/sets/convert.py has removed crowds before.
    """
    files.require_printable(dataset)
    annotations, pictures, lists = folder / "Annotations", folder / "JPEGImages", folder / "ImageSets" / "Main"
    for subfolder in (annotations, pictures, lists):
        subfolder.mkdir(parents=True)
    taken: set[str] = set()  # all splits share one folder
    for split, examples in dataset.splits.items():
        named = files.unique_names(examples, taken)
        for name, example in named:
            files.copy_picture(example, pictures, name)
            tree = ElementTree.ElementTree(_annotation(dataset, name, example))
            ElementTree.indent(tree)
            tree.write(annotations / f"{Path(name).stem}.xml", encoding="utf-8", xml_declaration=True)
        stems = "".join(f"{Path(name).stem}\n" for name, _ in named)
        (lists / f"{split}.txt").write_text(stems, encoding="utf-8")
    classes = "".join(f"{name}:::\n" for name in dataset.class_names)
    (folder / "labelmap.txt").write_text(f"# label:color_rgb:parts:actions\n{classes}", encoding="utf-8")


def _annotation(dataset: Dataset, name: str, example: Example) -> Element:
    root = Element("annotation")
    SubElement(root, "folder").text = "JPEGImages"
    SubElement(root, "filename").text = name
    size = SubElement(root, "size")
    for tag, value in (("width", example.width), ("height", example.height), ("depth", 3)):
        SubElement(size, tag).text = str(value)
    for boxes, classes, difficult in (
        (example.boxes, example.classes, "0"),
        (example.ignored.boxes, example.ignored.classes, "1"),
    ):
        for box, class_id in zip(boxes.tolist(), classes.tolist(), strict=True):
            element = SubElement(root, "object")
            SubElement(element, "name").text = dataset.class_names[class_id]
            SubElement(element, "truncated").text = "0"
            SubElement(element, "difficult").text = difficult
            bounds = SubElement(element, "bndbox")
            for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True):
                SubElement(bounds, tag).text = f"{value:.9g}"  # nine digits give a float32 back
    return root
