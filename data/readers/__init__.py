"""Readers: a folder on disk becomes a Dataset, one file per format."""
