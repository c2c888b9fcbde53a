"""The data room: what the detector learns from."""
