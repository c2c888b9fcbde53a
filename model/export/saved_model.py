"""TensorFlow's SavedModel: a folder with the graph, its weights, and detector.json in assets.extra."""

from pathlib import Path
from typing import Any

from data.whole_files import written_whole
from model.export import card as cards
from model.export.card import Card, ExportError
from model.export.exported import RunFile

GRAPH = "saved_model.pb"
EXTRA = "assets.extra"  # TensorFlow's name for users' files beside a graph
SIGNATURE = "serving_default"


def write(path: Path, model: Any, card: Card) -> None:
    """Write the detector to the folder `path`, whole or not at all; an existing folder is not overwritten."""
    import tensorflow as tf

    from model.export import graph

    if path.exists():
        raise ExportError(f"{path}: expected no file or folder there, as a SavedModel is a new folder, got one")
    spec = tf.TensorSpec((1, card.height, card.width, 3), tf.float32, name=cards.INPUT)
    module = tf.Module()
    module.held = [variable.value for variable in model.variables]  # only variables that the module holds are saved
    module.run = tf.function(graph.function(model, card), input_signature=[spec])
    with written_whole(path) as unfinished:
        tf.saved_model.save(module, str(unfinished), signatures={SIGNATURE: module.run})
        (unfinished / EXTRA).mkdir()
        (unfinished / EXTRA / cards.MEMBER).write_text(cards.to_json(card), encoding="utf-8")


def read_card(path: Path) -> Card:
    """Read the folder's card, without loading its graph."""
    if not (path / GRAPH).is_file():
        raise ExportError(f"{path}: expected a SavedModel, got a folder without {GRAPH}")
    card_file = path / EXTRA / cards.MEMBER
    if not card_file.is_file():
        raise ExportError(f"{path}: expected a SavedModel of this project, got one without {EXTRA}/{cards.MEMBER}")
    return cards.from_json(card_file.read_bytes()[: cards.LARGEST], str(path))


def open_file(path: Path) -> tuple[Card, RunFile]:
    """The folder's card, and the function that runs it; ExportError if it is not one of ours."""
    card = read_card(path)
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
        signature = loaded.signatures[SIGNATURE]
    except Exception as error:  # TensorFlow raises many kinds for a damaged folder
        raise ExportError(f"{path}: expected a SavedModel, got one that is damaged: {_first_line(error)}") from error
    outputs = {name: tuple(shape) for name, shape in signature.output_shapes.items()}
    cards.check_outputs(card, outputs, str(path))

    def run(images: Any) -> dict[str, Any]:
        # `loaded` holds the variables: the signature alone does not keep them alive
        return {name: value.numpy() for name, value in loaded.signatures[SIGNATURE](tf.constant(images)).items()}

    return card, run


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
