"""The data package: what the detector learns from."""
