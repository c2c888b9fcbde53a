"""How far a journal has been sent to a tracking store: a small file beside the journal, per store."""

import hashlib
import json
from pathlib import Path

CURSOR_FILE = "mlflow-cursor.json"


class Cursor:
    """The id of the last event that a tracking store has."""

    def __init__(self, directory: Path, uri: str) -> None:
        self._path = directory / CURSOR_FILE
        self._store = hashlib.sha256(uri.encode()).hexdigest()[:16]  # tells stores apart without a password in a file

    def read(self) -> int:
        """0 when this store has nothing, or when nobody knows: sending everything again does no harm."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            return int(kept["event"]) if kept["store"] == self._store else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def write(self, event: int) -> None:
        """Remember; a reader never sees half a file."""
        draft = self._path.with_suffix(".tmp")
        draft.write_text(json.dumps({"store": self._store, "event": event}), encoding="utf-8")
        draft.replace(self._path)
