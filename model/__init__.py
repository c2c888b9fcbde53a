"""The model room: what learns. YOLOv4 in Keras 3."""
