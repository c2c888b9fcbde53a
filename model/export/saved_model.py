"""TensorFlow's SavedModel: a folder with the graph, its weights, and detector.json among its extra assets."""

import os
import shutil
from pathlib import Path
from typing import Any

from model.export import card as cards
from model.export.card import Card, ExportError
from model.export.exported import Run

GRAPH = "saved_model.pb"
EXTRA = "assets.extra"  # TensorFlow's own name for what users put beside a graph
SIGNATURE = "serving_default"


def write(path: Path, model: Any, card: Card) -> None:
    """Write the detector to the folder `path`, whole or not at all; a folder that is there is not overwritten."""
    import tensorflow as tf

    from model.export import graph

    if path.exists():
        raise ExportError(f"{path}: expected nothing there, as a SavedModel is a folder, got something")
    spec = tf.TensorSpec((1, card.height, card.width, 3), tf.float32, name=cards.INPUT)
    module = tf.Module()
    module.held = [variable.value for variable in model.variables]  # what is not held is not saved
    module.run = tf.function(graph.function(model, card), input_signature=[spec])
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        tf.saved_model.save(module, str(partial), signatures={SIGNATURE: module.run})
        (partial / EXTRA).mkdir()
        (partial / EXTRA / cards.MEMBER).write_text(cards.to_json(card), encoding="utf-8")
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_card(path: Path) -> Card:
    """What the folder says of its detector, without loading it."""
    if not (path / GRAPH).is_file():
        raise ExportError(f"{path}: expected a SavedModel, got a folder without {GRAPH}")
    told = path / EXTRA / cards.MEMBER
    if not told.is_file():
        raise ExportError(f"{path}: expected a SavedModel of this project, got one without {EXTRA}/{cards.MEMBER}")
    return cards.from_json(told.read_bytes()[: cards.LARGEST], str(path))


def open_file(path: Path) -> tuple[Card, Run]:
    """The folder's card, and what runs it; ExportError where it is none of ours."""
    card = read_card(path)
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
        signature = loaded.signatures[SIGNATURE]
    except Exception as error:  # whatever TensorFlow makes of a damaged folder
        raise ExportError(f"{path}: expected a SavedModel, got one that is damaged: {_first_line(error)}") from error
    found = {name: tuple(shape) for name, shape in signature.output_shapes.items()}
    cards.check_outputs(card, found, str(path))

    def run(images: Any) -> dict[str, Any]:
        # `loaded` holds the variables: the signature alone does not keep them alive
        return {name: value.numpy() for name, value in loaded.signatures[SIGNATURE](tf.constant(images)).items()}

    return card, run


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
