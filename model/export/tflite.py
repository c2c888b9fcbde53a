"""TFLite files, with float32 or float16 weights; the card and class names are in a ZIP archive after the model.

TensorFlow's own metadata puts associated files there too: readers of the model ignore it, and `unzip FILE` shows it.
"""

import contextlib
import warnings
import zipfile
from pathlib import Path
from typing import Any, Literal

from data.whole_files import written_whole
from model.export import card as cards
from model.export.card import Card, ExportError
from model.export.exported import RunFile

MARK = b"TFL3"  # bytes 4 to 8 of every TFLite file
LABELS = "labels.txt"


def write(path: Path, model: Any, card: Card, *, dtype: Literal["float32", "float16"] = "float32") -> None:
    """Write the detector to `path`, whole or not at all. float16 halves the weights; it still computes in float32."""
    import tensorflow as tf

    from model.export import graph

    spec = tf.TensorSpec((1, card.height, card.width, 3), tf.float32, name=cards.INPUT)
    module = tf.Module()
    module.held = [variable.value for variable in model.variables]
    module.run = tf.function(graph.function(model, card), input_signature=[spec])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.run.get_concrete_function()], module)
    # As constants, weights are part of the graph; as variables they would have to be set before the first run.
    converter.experimental_enable_resource_variables = False
    if dtype == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    content = converter.convert()
    with written_whole(path) as unfinished:
        unfinished.write_bytes(content)
        with zipfile.ZipFile(unfinished, "a") as archive:
            archive.writestr(cards.MEMBER, cards.to_json(card))
            archive.writestr(LABELS, "\n".join(card.class_names) + "\n")


def read_card(path: Path) -> Card:
    """Read the file's card, without loading its model."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if start[4:] != MARK:
            raise ExportError(f"{path}: expected a TFLite file, got one of another kind")
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(cards.MEMBER).file_size > cards.LARGEST:
                raise ExportError(f"{path}: expected {cards.MEMBER} of a few KB, got more than {cards.LARGEST} bytes")
            return cards.from_json(archive.read(cards.MEMBER), str(path))
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise ExportError(
            f"{path}: expected a TFLite file of this project, got one without {cards.MEMBER} at its end: "
            "of another origin, or cut short"
        ) from error
    except OSError as error:
        raise ExportError(f"{path}: expected a file that can be read: {error.strerror or error}") from error


def open_file(path: Path) -> tuple[Card, RunFile]:
    """The file's card, and the function that runs it; ExportError if it is not one of our files."""
    card = read_card(path)
    import tensorflow as tf

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorFlow announces its interpreter's move to a package of its own
            interpreter = tf.lite.Interpreter(model_path=str(path))
        (signature,) = interpreter.get_signature_list()
        runner = interpreter.get_signature_runner(signature)
    except (ValueError, RuntimeError) as error:
        raise ExportError(f"{path}: expected a TFLite file, got one that is damaged: {error}") from error
    details = runner.get_output_details()
    cards.check_outputs(card, {name: tuple(d["shape"].tolist()) for name, d in details.items()}, str(path))

    def run(images: Any) -> dict[str, Any]:
        with contextlib.suppress(KeyError):
            return dict(runner(**{cards.INPUT: images}))
        raise ExportError(f"{path}: expected an input named {cards.INPUT}, got none")

    return card, run
