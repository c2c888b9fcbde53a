"""A genetic search for YOLOv4 hyperparameters."""
