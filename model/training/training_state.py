"""The state of a training on disk: written whole or not at all, read with a clear word when it is broken."""

import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray


def save(path: Path, state: Mapping[str, NDArray[np.float32]]) -> None:
    """Write arrays to an .npz file, whole and on disk, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.{os.getpid()}.partial.npz")
    with partial.open("wb") as file:
        np.savez(file, **state)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def load(path: Path, variables: Mapping[str, Sequence[keras.Variable]]) -> None:
    """Give variables the values of a file of save(), where the k-th of a kind is named KIND_k.

    ValueError when the file is broken or belongs to another network; FileNotFoundError when there is none.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            expected = sum(map(len, variables.values()))
            if len(stored.files) != expected:
                raise ValueError(f"{path}: expected {expected} arrays of this network, got {len(stored.files)}")
            for kind, those in variables.items():
                for k, variable in enumerate(those):
                    variable.assign(stored[f"{kind}_{k}"])
    except FileNotFoundError:
        raise
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path}: expected the state of a trial, got {type(error).__name__}: {error}") from error
