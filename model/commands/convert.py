"""`python -m model convert SRC DST`: between Darknet's .weights and checkpoints (.keras)."""

import argparse
from pathlib import Path
from typing import Any

from model.commands.shared import (
    add_darknet,
    add_size,
    darknet_options,
    finish,
    load_keras,
    print_json,
    say,
    tell,
)
from model.darknet import convert, importer, neighbours

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
    add_darknet(of_weights, "class names, one a line (default: those beside it); of another number: fresh output maps")
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
    return ".weights" if neighbours.is_darknet(path) else path.suffix


def _from_darknet(options: argparse.Namespace) -> dict[str, Any]:
    found = importer.read(options.source, darknet_options(options, options.size), other_classes=True)
    names = found.class_names
    if not names:
        raise ValueError(
            f"{options.source}: it ends before the first output map, so it has no classes; "
            "--names FILE gives those of the detector"
        )
    tell(found.note, found.open_options)
    load_keras()
    from model import checkpoint
    from model.network import architecture
    from model.network.initialize import initialize

    info = checkpoint.DetectorInfo(
        class_names=names,
        anchors=found.anchors,
        size=found.width if found.height == found.width else (found.height, found.width),
        fit=found.fit,
        detector=found.config,
        notes={"source": options.source.name, "darknet_seen": str(found.loaded.seen)},
    )
    model = architecture.build(found.config, len(names))
    initialize(model, len(names), options.seed, found.loaded.weights)
    checkpoint.save_detector(options.target, model, info)
    return {
        "files": [str(options.target)],
        "classes": len(names),
        "layers": found.loaded.layers,
        "fresh": list(convert.layer_lines(found.loaded.missing, found.sections)),
    }


def _to_darknet(options: argparse.Namespace) -> dict[str, Any]:
    from model import checkpoint
    from model.darknet import exporter, topology

    for name in ("cfg", "variant", "classes", "names", "size"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name}: expected with a .weights file as SRC alone, got {options.source}")
    info = checkpoint.read_info(options.source)
    files = exporter.write(
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
