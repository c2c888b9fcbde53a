"""Makes both locks and requires.json from pyproject.toml. Needs the network, and uv and a new pip beside its Python.

    python3 -m venv ENV && ENV/bin/pip install --upgrade pip uv packaging
    ENV/bin/python locks/renew.py [--upgrade]

An existing pin is kept if it still fits; --upgrade takes the newest versions. requires.json lists what each pinned
package requires, as its own metadata says. tests/test_locks.py reads it for packages that are not installed (those of
CUDA, of another Python, of another system) and proves that every requirement is met by a pin.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = Path(__file__).resolve().parent
ROOT = LOCKS.parent
EXTRAS = {"cpu": ["dev"], "cuda": ["dev", "cuda"]}
PYTHONS = ("3.11", "3.12", "3.13")
# Wheels of these systems are asked for their metadata: what is pinned for Linux, then what only Windows needs.
TAGS = {
    "linux": [
        f"manylinux{tag}_x86_64" for tag in (*(f"_2_{minor}" for minor in range(39, 4, -1)), "2014", "2010", "1")
    ],
    "win32": ["win_amd64"],
}


def pins(lock: Path) -> dict[str, str]:
    """Each pinned requirement of a lock -> its marker, "" if it has none. One package may have two versions."""
    lines = re.findall(r"^([A-Za-z0-9_.-]+==[^\s;]+)(?: ; ([^\\\n]+))?", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {f"{canonicalize_name(pin.split('==')[0])}=={pin.split('==')[1]}": marker.strip() for pin, marker in lines}


def compile_lock(name: str, options: list[str]) -> None:
    """Let uv resolve pyproject.toml for every Python and system at once, with hashes and without addresses."""
    uv = str(Path(sys.executable).with_name("uv"))
    extras = [word for extra in EXTRAS[name] for word in ("--extra", extra)]
    form = ["--universal", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header", "-q"]
    command = [uv, "pip", "compile", "pyproject.toml", *extras, *form, "--python-version", PYTHONS[0], *options]
    subprocess.run([*command, "-o", f"locks/{name}.txt"], cwd=ROOT, check=True)


def metadata(wanted: list[str], python: str, tags: list[str]) -> dict[str, list[str]]:
    """Read what wheels of one Python and system require: pinned package -> requirements. Downloads the wheels."""
    options = [word for tag in tags for word in ("--platform", tag)]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
        command += ["--only-binary", ":all:", "--python-version", python, *options, "--target", folder]
        if subprocess.run([*command, "--report", str(report), *wanted], check=False).returncode:
            raise SystemExit(f"locks/renew.py: pip (above) says which pin has no wheel for Python {python}, {tags[0]}")
        installs = json.loads(report.read_text(encoding="utf-8"))["install"]
    each = [install["metadata"] for install in installs]
    return {f"{canonicalize_name(one['name'])}=={one['version']}": one.get("requires_dist", []) for one in each}


def collect(locked: dict[str, str]) -> dict[str, set[str]]:
    """Collect what every pinned package requires, on each Python and system that it is pinned for."""
    requires: dict[str, set[str]] = defaultdict(set)
    for system, tags in TAGS.items():
        for python in PYTHONS:
            environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system}
            here = [pin for pin, marker in locked.items() if not marker or Marker(marker).evaluate(environment)]
            # Windows is asked only for what nothing else needs
            wanted = [pin for pin in here if system == "linux" or pin not in requires]
            for pin, requirements in (metadata(wanted, python, tags) if wanted else {}).items():
                requires[pin].update(requirements)
    if absent := sorted(locked.keys() - requires.keys()):
        raise SystemExit(f"locks/renew.py: expected a wheel of each pinned package, found none of {', '.join(absent)}")
    return requires


def asked_for(requires: dict[str, set[str]], roots: list[str]) -> dict[str, list[str]]:
    """Leave out what only an extra brings that nobody asks for."""
    extras: dict[str, set[str]] = defaultdict(set)
    kept: dict[str, list[str]] = {}
    lines, before = roots, None
    while before != lines:
        before = lines
        for line in lines:
            requirement = Requirement(line)
            extras[canonicalize_name(requirement.name)] |= requirement.extras
        kept = {
            pin: sorted(line for line in of if may_apply(line, extras[pin.split("==")[0]]))
            for pin, of in requires.items()
        }
        lines = roots + [line for of in kept.values() for line in of]
    return kept


def may_apply(line: str, extras: set[str]) -> bool:
    """Whether a requirement needs no extra, or one of those that are asked for."""
    named = re.findall(r"extra\s*==\s*['\"]([^'\"]+)['\"]", line.partition(";")[2])
    return not named or any(canonicalize_name(extra) in {canonicalize_name(each) for each in extras} for extra in named)


def main() -> None:
    for name in EXTRAS:
        compile_lock(name, sys.argv[1:])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    roots = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    locked = {pin: marker for name in EXTRAS for pin, marker in pins(LOCKS / f"{name}.txt").items()}
    kept = asked_for(collect(locked), roots)
    (LOCKS / "requires.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
