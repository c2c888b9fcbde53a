"""Imports packages that only some formats need; the error for a missing one says how to install it."""

import importlib
import importlib.util
from typing import Any

from model.export.card import ExportError


def require(package: str, why: str) -> None:
    """Raise ExportError, which names the extra to install, if the package is missing; imports nothing."""
    if importlib.util.find_spec(package) is None:
        raise ExportError(
            f"{why} needs the package {package}, which is not installed: pip install 'yolov4-evolve[export]'"
        )


def load(module: str, why: str) -> Any:
    """Import and return the module; ExportError if its package is missing."""
    require(module.split(".", 1)[0], why)
    return importlib.import_module(module)
