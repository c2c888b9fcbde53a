"""The folder of a training: who writes it, what was asked for, and whether the same is asked for again.

In its sub-folder `unfinished` are the request, the states at the ends of the last two pieces and the results of all
pieces that are done (evolve/execution/attempt.py). All of them are written whole or not at all, so a kill at any moment
leaves a training that can go on.
"""

import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evolve.checks import resumable
from evolve.file_names import LOCK_FILE, TRAINING_FILE, UNFINISHED
from evolve.process import files
from evolve.process.terminal import InputError

REQUEST_FILE = "request.json"
RESULTS = "result-*.json"  # as evolve/execution/attempt.py names them
UNWRITTEN = ".unfinished-*"  # folders of files that were being written at a kill (data/whole_files.py)
LOCK_PATIENCE_SECONDS = 0.5


@dataclass(frozen=True)
class Request:
    """What a training was asked for. Values are plain, as JSON holds them."""

    id: str  # of the training, unique
    began: float  # seconds since 1970
    asked: Mapping[str, object]  # what the result depends on; to go on, it must be the same
    surroundings: Mapping[str, object]  # versions, threads, device: with others, the last digits may differ


def check(out: Path) -> None:
    """InputError if the folder is a file, or holds a finished training."""
    if (out / TRAINING_FILE).is_file():
        shutil.rmtree(out / UNFINISHED, ignore_errors=True)  # left by a kill at the very end
        raise InputError(f"--out {out}: holds a finished training already ({TRAINING_FILE}); expected another folder")
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out}: expected a folder or nothing there, found a file")


@contextmanager
def held(out: Path) -> Iterator[Path]:
    """Create the folder if it is missing, and keep other processes out of it; yields the path of `unfinished`.

    InputError if another process trains there.
    """
    folder = out / UNFINISHED
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("a+", encoding="utf-8") as handle:
        if not files.lock(handle, LOCK_PATIENCE_SECONDS):
            handle.seek(0)
            holder = handle.read().strip() or "a process that has not named itself yet"
            raise InputError(f"--out {out}: expected a folder in which no process trains, but one does: {holder}")
        check(out)  # again, now that no other process can finish it
        handle.truncate(0)
        handle.write(f"host {platform.node()}, pid {os.getpid()}")
        handle.flush()
        yield folder


def begin(out: Path, folder: Path, request: Request) -> Request:
    """The request of the training in the folder: the stored one if it is the same, else this one, which is stored.

    InputError, naming the first difference, if another training has results in the folder.
    """
    stored = _stored(folder)
    if stored is not None:
        differing = resumable.difference(stored.asked, request.asked)
        if not differing:
            for path in (*folder.glob(UNWRITTEN), *out.glob(UNWRITTEN)):
                shutil.rmtree(path, ignore_errors=True)
            return stored
        if any(folder.glob(RESULTS)):
            raise InputError(
                f"--out {out}: holds an unfinished training of another request: {differing}; "
                "expected the same request to go on with it, or another folder"
            )
    for path in folder.iterdir():  # of a training that has done nothing yet
        if path.name != LOCK_FILE:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    files.write_durably(folder / REQUEST_FILE, json.dumps(vars(request), indent=1))
    return request


def changed_surroundings(then: Request, now: Request) -> str | None:
    """A sentence if the training went on with other versions, threads or device than it began with; else None."""
    differing = resumable.difference(then.surroundings, now.surroundings)
    if not differing:
        return None
    return f"{differing}: the result may differ in its last digits from that of an undisturbed training"


def finish(out: Path, record: Mapping[str, object]) -> None:
    """Write the record of a finished training, then remove what is needed only to go on with it."""
    files.write_durably(out / TRAINING_FILE, json.dumps(record, indent=1))
    shutil.rmtree(out / UNFINISHED, ignore_errors=True)


def _stored(folder: Path) -> Request | None:
    path = folder / REQUEST_FILE
    if not path.is_file():
        return None
    try:
        return Request(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path}: expected the request of a training, got: {error}; remove the folder {folder} to begin again"
        ) from error
