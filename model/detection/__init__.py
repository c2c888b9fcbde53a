"""A detector in use: decoded maps -> detections, NMS, evaluation, drawings."""
