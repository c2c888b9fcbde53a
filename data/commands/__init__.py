"""A file a command of `python -m data`; the short ones stand in `data/__main__.py`."""
