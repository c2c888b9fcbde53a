"""ONNX files: written with tf2onnx, run with onnxruntime; files of raw maps run in OpenCV's DNN too.

Input "images": float32 [1, height, width, 3], RGB in 0..1, as in all exported files.
"""

from pathlib import Path
from typing import Any

from data.whole_files import written_whole
from model.export import card as cards
from model.export import optional_packages
from model.export.card import Card, ExportError
from model.export.exported import RunFile

OPSET = 17
QUIET = 3  # onnxruntime's log level: only errors


def write(path: Path, model: Any, card: Card) -> None:
    """Write the detector to `path`, whole or not at all."""
    onnx = optional_packages.load("onnx", f"{path}: writing ONNX")
    convert = optional_packages.load("tf2onnx.convert", f"{path}: writing ONNX")
    import tensorflow as tf

    from model.export import graph

    # With these layers Mish and upsampling convert without extra transpositions, and OpenCV 4.10 reads them correctly.
    function = tf.function(graph.function(graph.for_converters(model), card))
    spec = tf.TensorSpec((1, card.height, card.width, 3), tf.float32, name=cards.INPUT)
    proto, _ = convert.from_function(function, [spec], opset=OPSET)
    outputs = {output.name: output for output in proto.graph.output}
    ordered = [outputs[name] for name in card.shapes()]  # tf2onnx sorts them by name
    del proto.graph.output[:]
    proto.graph.output.extend(ordered)
    _modernize(onnx, proto)
    onnx.helper.set_model_props(proto, {cards.KEY: cards.to_json(card), "classes": "\n".join(card.class_names)})
    with written_whole(path) as unfinished:
        unfinished.write_bytes(proto.SerializeToString())


def _modernize(onnx: Any, proto: Any) -> None:
    """Replace the deprecated attributes of resizes by new ones; both mean that pixel i shows pixel i // 2."""
    attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    for node in proto.graph.node:
        if node.op_type == "Resize":
            others = [attribute for attribute in node.attribute if attribute.name not in attributes]
            del node.attribute[:]
            node.attribute.extend(
                [*others, *(onnx.helper.make_attribute(name, value) for name, value in attributes.items())]
            )


def open_file(path: Path) -> tuple[Card, RunFile]:
    """The file's card, and the function that runs it; ExportError if it is not one of our files."""
    runtime = optional_packages.load("onnxruntime", f"{path}: reading ONNX")
    options = runtime.SessionOptions()
    options.log_severity_level = QUIET
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exception classes are not public
        raise ExportError(f"{path}: expected an ONNX file, got one that is damaged or of another kind") from error
    metadata = session.get_modelmeta().custom_metadata_map
    if cards.KEY not in metadata:
        raise ExportError(f"{path}: expected an ONNX file of this project (metadata '{cards.KEY}'), got one without")
    card = cards.from_json(metadata[cards.KEY], str(path))
    cards.check_outputs(card, {output.name: tuple(output.shape) for output in session.get_outputs()}, str(path))
    names = list(card.shapes())

    def run(images: Any) -> dict[str, Any]:
        return dict(zip(names, session.run(names, {cards.INPUT: images}), strict=True))

    return card, run
