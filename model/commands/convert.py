"""`python -m model convert SRC DST`: converts between Darknet's .weights and checkpoints (.keras)."""

import argparse
from pathlib import Path
from typing import Any

from data.command_line import print_json, say
from model.commands.shared import add_darknet, add_size, darknet_options, finish, load_keras, print_note
from model.darknet import convert, importer, neighbours

FORMS = "a .weights and a .keras file, in either order"


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its options."""
    command = subparsers.add_parser(
        "convert",
        help="convert between Darknet's .weights and a checkpoint (.keras)",
        description="Reads the .cfg beside a .weights file, if any; writes a .cfg and a .names file beside a new one.",
    )
    command.add_argument("source", type=Path, metavar="SRC", help="NAME.weights, also partial, or NAME.keras")
    command.add_argument("target", type=Path, metavar="DST", help="NAME.keras or NAME.weights")
    darknet_group = command.add_argument_group("if SRC is a .weights file")
    add_darknet(
        darknet_group,
        "class names, one per line (default: those beside it); if their number differs, output maps start fresh",
    )
    add_size(darknet_group, "the cfg's, or 416")
    darknet_group.add_argument("--seed", type=int, default=0, help="seed of the layers that the file lacks (default 0)")
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
    """.keras or .weights, by the name; Darknet's partial files (yolov4.conv.137) count as .weights."""
    return ".weights" if neighbours.is_darknet(path) else path.suffix


def _from_darknet(options: argparse.Namespace) -> dict[str, Any]:
    detector = importer.read(options.source, darknet_options(options, options.size), other_classes=True)
    names = detector.class_names
    if not names:
        raise ValueError(
            f"{options.source}: it ends before the first output map, so it has no classes; "
            "--names FILE gives those of the detector"
        )
    print_note(detector.note, detector.open_options)
    load_keras()
    from model import checkpoint
    from model.network import architecture
    from model.network.initialize import initialize

    info = checkpoint.DetectorInfo(
        class_names=names,
        anchors=detector.anchors,
        size=detector.width if detector.height == detector.width else (detector.height, detector.width),
        fit=detector.fit,
        detector=detector.config,
        notes={"source": options.source.name, "darknet_seen": str(detector.loaded.seen)},
    )
    model = architecture.build(detector.config, len(names))
    initialize(model, len(names), options.seed, detector.loaded.weights)
    checkpoint.save_detector(options.target, model, info)
    return {
        "files": [str(options.target)],
        "classes": len(names),
        "layers": detector.loaded.layers,
        "fresh": list(convert.layer_lines(detector.loaded.missing, detector.sections)),
    }


def _to_darknet(options: argparse.Namespace) -> dict[str, Any]:
    from model import checkpoint
    from model.darknet import exporter, topology

    for name in ("cfg", "variant", "classes", "names", "size"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name}: expected only if SRC is a .weights file, got {options.source}")
    info = checkpoint.read_info(options.source)
    files = exporter.write(
        options.target,
        info,
        checkpoint.read_weights(options.source),
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
    """Length by Darknet's rule and size of a training, for the cfg: a checkpoint stores neither."""
    return {"train.steps": max(2000 * num_classes, 6000), "train.size": size, "train.sizes": (size,)}
