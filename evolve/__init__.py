"""The evolve room: what searches. A genetic search for YOLOv4 hyperparameters."""
