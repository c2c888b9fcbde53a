"""Saves the state of a training whole or not at all, and loads it; a clear error if the file is damaged."""

import os
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from data.whole_files import written_whole


def save(path: Path, state: Mapping[str, NDArray[np.float32]]) -> None:
    """Write arrays to an .npz file, whole and on disk, or not at all."""
    with written_whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **state)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())


def load(path: Path, variables: Mapping[str, Sequence[keras.Variable]], optional: Collection[str] = ()) -> None:
    """Set variables from a file of save(), where the k-th of a kind is named KIND_k.

    optional: kinds that states of earlier versions lack; their variables become 0.

    ValueError if the file is damaged or belongs to another network; FileNotFoundError if there is none.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            missing = [kind for kind in optional if f"{kind}_0" not in stored.files]
            expected = sum(len(of_kind) for kind, of_kind in variables.items() if kind not in missing)
            if len(stored.files) != expected:
                raise ValueError(f"{path}: expected {expected} arrays of this network, got {len(stored.files)}")
            for kind, of_kind in variables.items():
                for k, variable in enumerate(of_kind):
                    known = kind not in missing
                    variable.assign(stored[f"{kind}_{k}"] if known else np.zeros(variable.shape, np.float32))
    except FileNotFoundError:
        raise
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: expected the state of a trial, got {type(error).__name__}: {error}") from error
