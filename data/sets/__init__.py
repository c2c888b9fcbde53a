"""Work on a whole data set: read, split and check it, find duplicates and anchors, convert it to another format."""
