"""Each check of `evolve doctor` on a machine where it passes and on one where it fails."""

import importlib
import importlib.metadata
import json
import socket
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from evolve.commands import doctor
from evolve.commands.doctor import Check


@pytest.fixture(autouse=True)
def _plain_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No GPU, no Ray settings, an empty home and working directory, so that only the test decides a check's result."""
    monkeypatch.setattr(doctor.resources, "gpus_in_sight", lambda: [])
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "PYTHONDONTWRITEBYTECODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def test_the_packages_of_this_environment_are_in_their_ranges() -> None:
    check = doctor._packages()
    assert check.ok, check.detail


def test_a_package_outside_its_range_and_a_missing_one_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        importlib.metadata, "requires", lambda _: ["keras<3.16,>=3.15", "ray[tune]>=2.60", 'pytest>=99; extra == "dev"']
    )

    def version(name: str) -> str:
        if name == "ray":
            raise importlib.metadata.PackageNotFoundError(name)
        return "3.16.1"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert doctor._packages() == Check(
        "packages", False, "keras is 3.16.1, expected <3.16,>=3.15; ray is missing, expected >=2.60", "make setup"
    )


def test_a_missing_system_library_of_opencv_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: str) -> None:
        raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(importlib, "import_module", failing)
    check = doctor._opencv()
    assert not check.ok
    assert "apt-get install -y libgl1" in check.mend


def test_packages_without_bytecode_matter_only_where_none_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_has_bytecode", lambda package: package != "tensorflow")
    assert doctor._bytecode().ok
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    check = doctor._bytecode()
    assert not check.ok
    assert "tensorflow not compiled" in check.detail
    assert "compileall" in check.mend


@pytest.mark.parametrize(("seen", "ok"), [(2, True), (1, False), (0, False), (-1, False)])
def test_a_gpu_that_tensorflow_cannot_use_is_amiss(monkeypatch: pytest.MonkeyPatch, seen: int, ok: bool) -> None:
    monkeypatch.setattr(doctor.resources, "gpus_in_sight", lambda: ["NVIDIA H100", "NVIDIA H100"])
    monkeypatch.setattr(doctor, "_tensorflow_gpus", lambda: seen)
    check = doctor._gpus()
    assert check.ok is ok
    assert check.detail.startswith("2 in sight (NVIDIA H100)")
    assert ("--cpu" in check.mend) is not ok


def test_without_a_gpu_tensorflow_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_to_be_called() -> int:
        raise AssertionError("TensorFlow takes seconds to load")

    monkeypatch.setattr(doctor, "_tensorflow_gpus", not_to_be_called)
    assert doctor._gpus().ok


def test_the_ray_address_of_the_environment_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not set" in doctor._ray_address().detail
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server.getsockname()[1]}")
        assert doctor._ray_address().ok
    check = doctor._ray_address()
    assert not check.ok
    assert "nothing answers there" in check.detail
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert doctor._ray_address().ok


def test_the_ways_of_ray_to_authenticate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert doctor._ray_authentication().detail.startswith("RAY_AUTH_MODE is not set, no token: fine on this machine")
    monkeypatch.setenv("RAY_AUTH_MODE", "on")
    assert "token or disabled" in doctor._ray_authentication().mend
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert doctor._ray_authentication().ok  # Ray makes one for a cluster of this machine
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert "RAY_AUTH_TOKEN" in doctor._ray_authentication().mend
    (tmp_path / "token").write_text("secret")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    check = doctor._ray_authentication()
    assert check.ok
    assert "secret" not in check.detail


def test_without_a_home_folder_there_is_no_token_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    assert doctor._ray_authentication().detail.startswith("RAY_AUTH_MODE is not set, no token")


def test_a_look_that_cannot_be_taken_is_not_well_and_the_others_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise PermissionError("Permission denied: 'runs'")

    monkeypatch.setattr(doctor, "nearest", fails)
    checks_by_name = {check.name: check for check in doctor.checks()}
    assert len(checks_by_name) == 11
    assert not checks_by_name["disk"].ok
    assert checks_by_name["disk"].detail == "cannot be checked: PermissionError: Permission denied: 'runs'"
    assert checks_by_name["disk"].mend
    assert checks_by_name["python"].ok


def test_too_little_memory_names_the_number_of_workers_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.resources, "cpu_count", lambda: 8)
    monkeypatch.setattr(doctor, "_available_bytes", lambda: 6 * 2**30)
    # 1.5 GiB for Ray and the controller leave 4.5 GiB: three workers of 1.5 GiB
    assert doctor._memory().mend == "free some, or search with --workers 3"
    monkeypatch.setattr(doctor, "_available_bytes", lambda: 14 * 2**30)
    assert doctor._memory().ok


def test_a_full_disk_is_amiss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**30))
    assert not doctor._disk().ok


def test_a_tracking_store_that_cannot_be_written_is_amiss(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._tracking().ok
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert not doctor._tracking().ok


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_one_json_document_and_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ok: bool, code: int
) -> None:
    results = [Check("python", True, "3.11"), Check("disk", ok, "1 GiB", "" if ok else "free some")]
    monkeypatch.setattr(doctor, "checks", lambda: results)
    assert doctor.run(True) == code
    document = json.loads(capsys.readouterr().out)
    assert document == {"ok": ok, "checks": [vars(check) for check in results]}


def test_the_table_shows_each_check_and_its_mend(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    look: Callable[[], list[Check]] = lambda: [Check("disk [full]", False, "1 GiB", "free some")]  # noqa: E731
    monkeypatch.setattr(doctor, "checks", look)
    assert doctor.run(False) == 1
    printed = capsys.readouterr().out
    for word in ("NO", "disk [full]", "1 GiB", "-> free some"):
        assert word in printed


def test_every_check_answers_on_this_machine() -> None:
    names = [check.name for check in doctor.checks()]
    assert len(set(names)) == len(names) == 11
