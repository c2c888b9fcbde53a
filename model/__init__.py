"""The detector, YOLOv4 in Keras 3: its network, training, use and files."""
