"""Readers: turn a folder on disk into a Dataset. Each format has a reader: coco.py, voc.py and yolo.py.

pairing.py: which label file belongs to which picture; ownership.py: which split a picture belongs to.
"""
