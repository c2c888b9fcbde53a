"""A training outside a search, in pieces: what it has done so far, where it goes on, which of its detectors to take."""
