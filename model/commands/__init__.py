"""The commands of `python -m model`, one a file: `add_parser` names its options, `run` does it; light to import."""
