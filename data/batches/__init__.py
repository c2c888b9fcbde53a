"""Examples -> batches: what goes where in a training picture, then the pixels."""
