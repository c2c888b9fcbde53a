"""ONNX files: written through tf2onnx, run by onnxruntime; raw maps run in OpenCV's DNN too.

Input "images", float32 [1, height, width, 3], RGB in 0..1, as everywhere in this room.
"""

import os
from pathlib import Path
from typing import Any

from model.export import card as cards
from model.export import optional_packages
from model.export.card import Card, ExportError
from model.export.exported import Run

OPSET = 17
QUIET = 3  # onnxruntime's log level: errors alone


def write(path: Path, model: Any, card: Card) -> None:
    """Write the detector to `path`, whole or not at all."""
    onnx = optional_packages.load("onnx", f"{path}: writing ONNX")
    convert = optional_packages.load("tf2onnx.convert", f"{path}: writing ONNX")
    import tensorflow as tf

    from model.export import graph

    # Spelled out, Mish and upsampling convert without transpositions around them, and OpenCV 4.10 reads them right.
    function = tf.function(graph.function(graph.spelled(model), card))
    spec = tf.TensorSpec((1, card.height, card.width, 3), tf.float32, name=cards.INPUT)
    proto, _ = convert.from_function(function, [spec], opset=OPSET)
    outputs = {output.name: output for output in proto.graph.output}
    ordered = [outputs[name] for name in card.shapes()]  # tf2onnx sorts them by name
    del proto.graph.output[:]
    proto.graph.output.extend(ordered)
    _modernize(onnx, proto)
    onnx.helper.set_model_props(proto, {cards.KEY: cards.to_json(card), "classes": "\n".join(card.class_names)})
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(proto.SerializeToString())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _modernize(onnx: Any, proto: Any) -> None:
    """Resizes to twice the side in words that are not deprecated; both mean pixel i // 2."""
    words = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    for node in proto.graph.node:
        if node.op_type == "Resize":
            kept = [attribute for attribute in node.attribute if attribute.name not in words]
            del node.attribute[:]
            node.attribute.extend([*kept, *(onnx.helper.make_attribute(name, word) for name, word in words.items())])


def open_file(path: Path) -> tuple[Card, Run]:
    """The file's card, and what runs it; ExportError where it is none of ours."""
    runtime = optional_packages.load("onnxruntime", f"{path}: reading ONNX")
    options = runtime.SessionOptions()
    options.log_severity_level = QUIET
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a family of them, none public
        raise ExportError(f"{path}: expected an ONNX file, got one that is damaged or of another kind") from error
    held = session.get_modelmeta().custom_metadata_map
    if cards.KEY not in held:
        raise ExportError(f"{path}: expected an ONNX file of this project (metadata '{cards.KEY}'), got one without")
    card = cards.from_json(held[cards.KEY], str(path))
    cards.check_outputs(card, {output.name: tuple(output.shape) for output in session.get_outputs()}, str(path))
    names = list(card.shapes())

    def run(images: Any) -> dict[str, Any]:
        return dict(zip(names, session.run(names, {cards.INPUT: images}), strict=True))

    return card, run
