"""Which versions a search runs with: a resume with another framework would not give the same numbers."""

import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

PROJECT = "yolov4-evolve"
# What computes a trial: these must be equal when a search goes on.
FRAMEWORKS = ("tensorflow", "keras", "numpy", "opencv-python")
NAMED = (PROJECT, *FRAMEWORKS, "ray", "mlflow", "faster-coco-eval")


def installed() -> dict[str, str]:
    """Versions by package name, without importing any; "python" and "code" (the commit, if known) beside them."""
    found = {"python": platform.python_version()}
    for name in NAMED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    commit = _commit()
    return {**found, "code": commit} if commit else found


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Sentences on the frameworks that differ; empty when a search can go on."""
    return [
        f"{name}: expected version {then[name]} as at the beginning of the search, got {now.get(name, 'none')}"
        for name in FRAMEWORKS
        if name in then and then[name] != now.get(name)
    ]


def _commit() -> str | None:
    """The commit of the checkout that this code lies in; None outside one. A changed work tree is marked."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 (fixed words)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
