"""Detectors as ONNX, SavedModel and TFLite files, out and in.

card: what travels with every file; graph: what is exported (raw maps, decoded candidates, or detections after NMS);
onnx, saved_model, tflite: one format each, `write` and `open_file`; network: any such file, ready for pictures.
"""
