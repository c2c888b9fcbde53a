"""Where the state of trials that can still go on is kept, and when it goes: after the journal says they cannot."""

import shutil
from collections.abc import Iterable
from pathlib import Path

FOLDER = "trials"


def state_dir(directory: Path, uid: str) -> Path:
    """The folder of a trial's or a confirmation's state in a search directory."""
    return directory / FOLDER / uid.replace("/", ".")


def drop(directory: Path, uid: str) -> None:
    """Take the state of a trial away that is over."""
    shutil.rmtree(state_dir(directory, uid), ignore_errors=True)


def keep_only(directory: Path, uids: Iterable[str], confirmed: Iterable[str]) -> None:
    """Take away the state of every individual but these; a kill may have come between journal and `drop`.

    Of confirmations (their folder's name has a dot) only those that are over, the `confirmed`, are taken away.
    """
    kept = {state_dir(directory, uid).name for uid in uids}
    over = {state_dir(directory, uid).name for uid in confirmed}
    folder = directory / FOLDER
    for found in sorted(folder.iterdir()) if folder.is_dir() else []:
        if found.name in over or (found.name not in kept and "." not in found.name):
            shutil.rmtree(found, ignore_errors=True)
