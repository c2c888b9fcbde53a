"""The folders with the state of trials that can still go on. A state is removed after the journal says it is over."""

import shutil
from collections.abc import Iterable
from pathlib import Path

FOLDER = "trials"


def state_dir(directory: Path, uid: str) -> Path:
    """The folder for the state of a trial or a confirmation in a search directory."""
    return directory / FOLDER / uid.replace("/", ".")


def remove_state(directory: Path, uid: str) -> None:
    """Remove the state of a trial or confirmation that is over."""
    shutil.rmtree(state_dir(directory, uid), ignore_errors=True)


def remove_states_before(folder: Path, step: int) -> None:
    """Remove the states of earlier steps from a trial's folder: files that are called state-STEP and a suffix."""
    for path in folder.glob("state-*.*"):
        stored_at = path.stem.partition("-")[2]
        if stored_at.isdecimal() and int(stored_at) < step:
            path.unlink(missing_ok=True)


def remove_states_except(directory: Path, uids: Iterable[str], confirmed: Iterable[str]) -> None:
    """Remove the states of all individuals except `uids`: a kill may have come between the journal and `remove_state`.

    A confirmation's state (its folder's name has a dot) is removed only if it is over: in `confirmed`.
    """
    needed = {state_dir(directory, uid).name for uid in uids}
    over = {state_dir(directory, uid).name for uid in confirmed}
    root = directory / FOLDER
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if folder.name in over or (folder.name not in needed and "." not in folder.name):
            shutil.rmtree(folder, ignore_errors=True)
