"""A whole data set: read, split, checked, searched for duplicates, its anchors, other formats of it."""
