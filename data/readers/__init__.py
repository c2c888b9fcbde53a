"""Readers: turn a folder on disk into a Dataset. Each format has a reader: coco.py, voc.py and yolo.py."""
