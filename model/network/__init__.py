"""The network from the picture to raw maps and boxes: its parts, the whole, and its initial weights."""
