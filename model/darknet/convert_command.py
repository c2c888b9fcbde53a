"""`python -m model convert SRC DST`: between Darknet's .weights and checkpoints (.keras)."""

import argparse
from pathlib import Path
from typing import Any

from model.commands.shared import add_size, finish, load_keras, print_json, say
from model.commands.weights import read_names

FORMS = "a .weights file and a .keras file, either way round"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's options."""
    command = subparsers.add_parser(
        "convert",
        help="between Darknet's .weights and a checkpoint (.keras)",
        description="Reads the .cfg beside a .weights file where there is one; writes one, with the class names, too.",
    )
    command.add_argument("source", type=Path, metavar="SRC", help="NAME.weights, also partial, or NAME.keras")
    command.add_argument("target", type=Path, metavar="DST", help="NAME.keras or NAME.weights")
    of_weights = command.add_argument_group("where SRC is a .weights file")
    of_weights.add_argument("--cfg", type=Path, metavar="FILE", help="its cfg (default: the one beside it, if any)")
    of_weights.add_argument("--classes", type=int, metavar="N", help="classes it has (default: by its length)")
    of_weights.add_argument(
        "--names", type=Path, metavar="FILE", help="class names, one a line; of another number: fresh output maps"
    )
    add_size(of_weights, "the cfg's, or 416")
    of_weights.add_argument("--seed", type=int, default=0, help="of layers that the file does not give (default 0)")
    finish(command, run)


def run(options: argparse.Namespace) -> int:
    """Convert one file."""
    forms = (_form(options.source), _form(options.target))
    if forms == (".weights", ".keras"):
        document = _from_darknet(options)
    elif forms == (".keras", ".weights"):
        document = _to_darknet(options)
    else:
        raise ValueError(f"convert: expected {FORMS}, got {options.source} and {options.target}")
    if options.json:
        print_json(document)
        return 0
    say(f"{options.source} -> {', '.join(document['files'])}: {document['classes']} classes")
    for line in document["fresh"]:
        say(f"  fresh from the seed: {line}")
    return 0


def _form(path: Path) -> str:
    """.keras or .weights; Darknet's partial files are called yolov4.conv.137."""
    return ".weights" if path.suffix == ".weights" or ".conv." in path.name else path.suffix


def _from_darknet(options: argparse.Namespace) -> dict[str, Any]:
    from model.commands.darknet_weights import COCO_NAMES
    from model.darknet import convert, source

    if options.classes is not None and options.classes < 1:
        raise ValueError(f"--classes: expected at least 1, got {options.classes}")
    cfg_path = options.cfg or source.cfg_beside(options.source)
    found = source.read(
        options.source,
        cfg_path=cfg_path,
        num_classes=options.classes,
        class_names=read_names(options.names) if options.names else None,
        size=options.size,
    )
    names = found.class_names
    if options.names is None and cfg_path is None and len(names) == len(COCO_NAMES):
        names = COCO_NAMES  # as predict and evaluate take it
    load_keras()
    from model import checkpoint, detector
    from model.initialize import initialize

    info = checkpoint.DetectorInfo(
        class_names=names,
        anchors=found.anchors,
        size=found.width if found.height == found.width else (found.height, found.width),
        fit=found.fit,
        detector=found.config,
        notes={"source": options.source.name, "darknet_seen": str(found.loaded.seen)},
    )
    model = detector.build(found.config, len(found.class_names))
    initialize(model, options.seed, found.loaded.weights)
    checkpoint.save_detector(options.target, model, info)
    return {
        "files": [str(options.target)],
        "classes": len(found.class_names),
        "layers": found.loaded.layers,
        "fresh": list(convert.layer_lines(found.loaded.left, found.sections)),
    }


def _to_darknet(options: argparse.Namespace) -> dict[str, Any]:
    from model import checkpoint
    from model.darknet import target, topology

    for name in ("cfg", "classes", "names", "size"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name}: expected with a .weights file as SRC alone, got {options.source}")
    info = checkpoint.read_info(options.source)
    files = target.write(
        options.target,
        info.detector,
        checkpoint.read_weights(options.source),
        info.class_names,
        info.anchors,
        height=info.shape[0],
        width=info.shape[1],
        fit=info.fit,
        settings=_length(len(info.class_names), max(info.shape)),
    )
    sections = topology.sections(info.detector, len(info.class_names))
    return {
        "files": [str(path) for path in files],
        "classes": len(info.class_names),
        "layers": len(sections),
        "fresh": [],
    }


def _length(num_classes: int, size: int) -> dict[str, Any]:
    """A training's length by Darknet's rule, at the detector's size: a checkpoint tells of neither."""
    return {"train.steps": max(2000 * num_classes, 6000), "train.size": size, "train.sizes": (size,)}
