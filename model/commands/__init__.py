"""The commands of `python -m model`, one per file with `add_parser` and `run`; light to import."""
