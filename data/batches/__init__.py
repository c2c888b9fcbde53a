"""Examples -> batches: which pictures are shown where in a training picture, then its pixels and boxes."""
