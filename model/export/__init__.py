"""Writes detectors as ONNX, SavedModel and TFLite files, and runs such files.

card: the description stored in every file; graph: the exported function (raw maps, decoded candidates, or detections
after NMS); onnx, saved_model, tflite: one format each, `write` and `open_file`; exported: runs any of these files.
"""
