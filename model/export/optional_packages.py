"""Packages that only some files need: imported when they do, with a word on how to get them."""

import importlib
import importlib.util
from typing import Any

from model.export.card import ExportError


def look(package: str, why: str) -> None:
    """ExportError that names the extra where the package is not installed; nothing is imported."""
    if importlib.util.find_spec(package) is None:
        raise ExportError(
            f"{why} needs the package {package}, which is not installed: pip install 'yolov4-evolve[export]'"
        )


def load(module: str, why: str) -> Any:
    """The module, of a package that `look` finds."""
    look(module.split(".", 1)[0], why)
    return importlib.import_module(module)
