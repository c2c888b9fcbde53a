"""A detector in use: decoded maps to detections, NMS, evaluation and drawing."""
