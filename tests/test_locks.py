"""A lock decides alone what is installed: each requirement of each locked package is met by a pin of the same lock.

Installation resolves nothing (`pip install --no-deps`), so a hole in a lock would be a package that is missing.
What a package requires is read from its installed metadata, or, where it is not installed (CUDA, another Python,
another system), from locks/requires.json, which `locks/renew.py` writes.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

LOCKS = Path(__file__).resolve().parents[1] / "locks"
EXTRAS = {"cpu": {"dev"}, "cuda": {"dev", "cuda"}}
SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"},
    "linux-arm": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    "mac": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64", "os_name": "nt"},
}
PYTHONS = {"3.11": "3.11.2", "3.12": "3.12.3", "3.13": "3.13.5"}
Environment = Mapping[str, str]


def environment(python: str, system: str) -> Environment:
    fixed = {"implementation_name": "cpython", "platform_python_implementation": "CPython", "os_name": "posix"}
    return fixed | SYSTEMS[system] | {"python_version": python, "python_full_version": PYTHONS[python]}


def project() -> tuple[str, list[str]]:
    """Our own name, and our requirements as package metadata has them: those of an extra marked with it."""
    table = tomllib.loads((LOCKS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = table["optional-dependencies"].items()
    return table["name"], [
        *table["dependencies"],
        *(f'{line} ; extra == "{of}"' for of, lines in optional for line in lines),
    ]


def all_pins(lock: str) -> list[tuple[str, str, str]]:
    """(package, version, marker or "") of each line."""
    text = (LOCKS / f"{lock}.txt").read_text(encoding="utf-8")
    lines = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)(?: ; ([^\\\n]+))?", text, re.MULTILINE)
    return [(canonicalize_name(name), version, marker.strip()) for name, version, marker in lines]


def pins(lock: str, env: Environment) -> dict[str, str]:
    """What is installed from a lock in an environment."""
    return {name: of for name, of, marker in all_pins(lock) if not marker or Marker(marker).evaluate(dict(env))}


@cache
def requires() -> dict[str, list[str]]:
    """What each pinned package requires, "name==version" -> requirements: installed metadata before the written one."""
    written: dict[str, list[str]] = json.loads((LOCKS / "requires.json").read_text(encoding="utf-8"))
    return written | {pin: metadata.requires(pin.split("==")[0]) or [] for pin in written if is_installed(pin)}


def is_installed(pin: str) -> bool:
    name, version = pin.split("==")
    try:
        return metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False


def holes(lock: str, env: Environment, pinned: Mapping[str, str]) -> Iterator[str]:
    """Walk from our own requirements; yield each requirement that no pin meets."""
    name, ours = project()
    known = requires() | {f"{name}==0": ours}
    todo, done = [(name, extra) for extra in ("", *sorted(EXTRAS[lock]))], set[tuple[str, str]]()
    while todo:
        package, extra = todo.pop()
        if (package, extra) in done:
            continue
        done.add((package, extra))
        for line in known.get(
            f"{package}=={(dict(pinned) | {name: '0'})[package]}", ()
        ):  # none: a version that no wheel has
            wanted = parsed(line)
            target = canonicalize_name(wanted.name)
            if wanted.marker and not wanted.marker.evaluate({**env, "extra": extra}):
                continue
            if target != name and not is_met(wanted, pinned.get(target)):
                yield f"{package} requires {line}; pinned: {pinned.get(target)}"
            elif target == name or target in pinned:
                todo += [(target, asked) for asked in ("", *wanted.extras)]


@cache
def parsed(line: str) -> Requirement:
    return Requirement(line)


def is_met(wanted: Requirement, version: str | None) -> bool:
    return version is not None and not wanted.url and wanted.specifier.contains(Version(version), prereleases=True)


EVERYWHERE = [(lock, python, system) for lock in EXTRAS for python in PYTHONS for system in SYSTEMS]


@pytest.mark.parametrize(("lock", "python", "system"), EVERYWHERE)
def test_every_requirement_is_met_by_a_pin(lock: str, python: str, system: str) -> None:
    env = environment(python, system)
    assert not list(holes(lock, env, pins(lock, env)))


@pytest.mark.parametrize("lock", EXTRAS)
def test_a_pin_that_is_removed_is_missed(lock: str) -> None:
    env = environment("3.11", "linux")
    pinned = pins(lock, env)
    assert len(pinned) > 140
    for gone in pinned:
        rest = {name: version for name, version in pinned.items() if name != gone}
        assert any(f"; pinned: {None}" in hole for hole in holes(lock, env, rest)), gone


def test_a_pin_that_is_too_old_or_too_new_is_seen() -> None:
    env = environment("3.11", "linux")
    pinned = pins("cpu", env)
    assert any("requires tensorflow>=2.21,<2.22" in hole for hole in holes("cpu", env, pinned | {"tensorflow": "2.20"}))
    assert list(holes("cpu", env, pinned | {"numpy": "1.26.4"}))


def test_the_written_requirements_are_those_of_the_pins_and_of_what_is_installed() -> None:
    written = json.loads((LOCKS / "requires.json").read_text(encoding="utf-8"))
    assert written.keys() == {f"{name}=={version}" for lock in EXTRAS for name, version, _marker in all_pins(lock)}
    installed = [pin for pin in written if is_installed(pin)]
    assert len(installed) > 140
    for pin in installed:
        of_metadata = {str(Requirement(line)) for line in metadata.requires(pin.split("==")[0]) or []}
        assert {str(Requirement(line)) for line in written[pin]} <= of_metadata, pin


@pytest.mark.parametrize("lock", EXTRAS)
def test_a_lock_holds_exact_versions_with_hashes_and_no_address(lock: str) -> None:
    text = (LOCKS / f"{lock}.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links|--trusted-host|@ ", text)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.lstrip().startswith("#")]
    assert len(lines) == len(all_pins(lock)) > 100
    for line in lines:
        assert re.match(r"[A-Za-z0-9_.-]+==\S+ ", line), line
        assert "--hash=sha256:" in line, line


def test_cuda_is_in_the_lock_for_gpus_alone() -> None:
    names = {lock: {name for name, _version, _marker in all_pins(lock)} for lock in EXTRAS}
    assert names["cpu"] < names["cuda"]
    assert all(name.startswith("nvidia-") for name in names["cuda"] - names["cpu"])
