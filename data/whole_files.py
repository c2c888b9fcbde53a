"""Write files and folders whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A place to write the file or folder `path` to, which becomes `path` when the block ends without an error.

    It has the same name, in a private folder beside `path`, so that two processes do not meet. A file that is there
    already is replaced; a folder must be new or empty. Missing folders above are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=path.parent) as private:
        unfinished = Path(private) / path.name
        yield unfinished
        unfinished.replace(path)
