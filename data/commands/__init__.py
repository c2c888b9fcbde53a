"""Commands of `python -m data`, one file each; the short ones are in `data/__main__.py`."""
