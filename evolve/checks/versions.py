"""The versions that a search runs with: a resume with another framework version would give other numbers."""

import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

PROJECT = "yolov4-evolve"
# Packages that compute a trial: a resume needs the same versions.
FRAMEWORKS = ("tensorflow", "keras", "numpy", "opencv-python")
NAMED = (PROJECT, *FRAMEWORKS, "ray", "mlflow", "faster-coco-eval")


def installed() -> dict[str, str]:
    """Versions by package name, without importing any package; also "python", and "code" (the commit, if known)."""
    versions = {"python": platform.python_version()}
    for name in NAMED:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    commit = _commit()
    return {**versions, "code": commit} if commit else versions


def changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """A sentence for each framework whose version differs; empty if the search can be resumed."""
    return [
        f"{name}: expected version {then[name]} as at the beginning of the search, got {now.get(name, 'none')}"
        for name in FRAMEWORKS
        if name in then and then[name] != now.get(name)
    ]


def _commit() -> str | None:
    """The commit of the checkout that this code belongs to, with "-dirty" if files were changed; None outside one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 (fixed words)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
