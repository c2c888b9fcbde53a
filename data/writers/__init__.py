"""Writers, one file per format: write a Dataset into a folder, which the readers can read."""
