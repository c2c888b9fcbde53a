"""The ground that everything stands on: make's targets, the locks, the installation, the arrows, light commands."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"tensorflow", "keras", "ray", "mlflow", "pandas", "scipy", "sklearn", "cv2"}


def run(*command: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with this environment and these variables in it."""
    import os

    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


def test_make_alone_lists_every_target_with_a_word_on_it() -> None:
    listed = dict(re.findall(r"^  make (\S+) +(\S.*)$", run("make").stdout, re.MULTILINE))
    assert set(listed) == make_targets()
    assert {"evolve", "test", "test-slow", "dashboard", "export", "train", "setup", "check", "smoke", "help"} <= set(
        listed
    )


@pytest.mark.parametrize("lock", ["cpu.txt", "cuda.txt"])
def test_a_lock_holds_exact_versions_with_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / "locks" / lock).read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links|--trusted-host|@ ", text)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.lstrip().startswith("#")]
    assert len(lines) > 100
    for line in lines:
        assert re.match(r"[A-Za-z0-9_.-]+(\[[a-z,-]+\])?==\S+ ", line), line
        assert "--hash=sha256:" in line, line


@pytest.mark.parametrize(("lock", "extras"), [("cpu.txt", ["dev"]), ("cuda.txt", ["dev", "cuda"])])
def test_a_lock_has_everything_that_pyproject_asks_for(lock: str, extras: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    locked = {
        name.lower() for name in re.findall(r"^([A-Za-z0-9_.-]+)", (ROOT / "locks" / lock).read_text(), re.MULTILINE)
    }
    wanted = {re.split(r"[\[<>=!~ ]", one)[0].lower() for one in asked}
    assert wanted <= locked
    assert ("nvidia-cudnn-cu12" in locked) == ("cuda" in extras)


def test_the_arrows_between_the_rooms_hold() -> None:
    checked = run(str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert re.search(r"Contracts: [1-9]\d* kept, 0 broken", checked.stdout)


@pytest.mark.parametrize("module", ["evolve.__main__", "data.__main__", "model.__main__"])
def test_help_loads_nothing_heavy(module: str) -> None:
    program = (
        "import sys, importlib\n"
        f"main = importlib.import_module({module!r}).main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('LOADED', *sorted(name for name in sys.modules if '.' not in name))\n"
    )
    shown = run(sys.executable, "-c", program)
    assert shown.returncode == 0, shown.stderr
    loaded = shown.stdout.rpartition("LOADED")[2].split()
    allowed = set() if module.startswith("evolve") else {"cv2", "pandas"}  # only `evolve` promises an instant answer
    assert not HEAVY & set(loaded) - allowed


def commands_in(text: str) -> set[tuple[str, str]]:
    """("make", "evolve"), ("evolve", "resume"), ("python -m", "model"): what code in a text tells people to type."""
    code = "\n".join(re.findall(r"^(?: {4}|\t)(\S.*)$", text, re.MULTILINE))
    code += "\n" + "\n".join(re.findall(r"```\w*\n(.*?)```", text, re.DOTALL))
    code += "\n" + "\n".join(re.findall(r"`([^`\n]+)`", text))
    starts = re.findall(r"^(?:\$ )?(make|evolve|python -m) ([a-z][a-z.-]*)\b", code, re.MULTILINE)
    return {(program, word) for program, word in starts}


PAGES = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_that_a_page_names_exist(page: str) -> None:
    named = commands_in((ROOT / page).read_text(encoding="utf-8"))
    assert named or page not in ("README.md", "docs/contributing.md"), "a page without commands"
    help_text = run(sys.executable, "-m", "evolve", "--help").stdout
    for program, word in sorted(named):
        if program == "make":
            assert word in make_targets()
        elif program == "evolve":
            assert re.search(rf"\b{word}\b", help_text), f"evolve {word}"
        elif word.split(".")[0] in ("data", "model", "evolve"):
            module = ROOT / word.replace(".", "/")
            assert (module / "__main__.py").is_file() or module.with_suffix(".py").is_file(), f"python -m {word}"


# --- locks/install.sh, with an interpreter that only notes what it is asked to do

FAKE_PYTHON = """#!/usr/bin/env bash
case "$*" in
    *"sys.version_info"*) echo "${FAKE_VERSION:-3.11}" ;;
    *"import ensurepip"*) exit "${FAKE_NO_VENV:-0}" ;;
    *"import pip"*) ;;
    --version) echo "Python $FAKE_VERSION" ;;
    -) echo "${FAKE_MISSING:-}" ;;
    *"-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *"-m pip install"*) echo "$*" >>pip.log; touch .venv/bin/evolve; chmod +x .venv/bin/evolve ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the installer, two locks and a made-up interpreter."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "locks" / "install.sh").write_bytes((ROOT / "locks" / "install.sh").read_bytes())
    for name in ("locks/cpu.txt", "locks/cuda.txt", "pyproject.toml"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    write_program(tmp_path / "bin" / "python", FAKE_PYTHON)
    write_program(tmp_path / "bin" / "nvidia-smi", "#!/bin/sh\nexit 9\n")  # as with a driver and no GPU
    return tmp_path


def write_program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def install(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout / 'bin'}:/usr/bin:/bin"
    return run(
        "bash", "locks/install.sh", cwd=checkout, **{"PATH": path, "PYTHON": "python", "LOCK": "", **environment}
    )


def pip_calls(checkout: Path) -> list[str]:
    return (checkout / "pip.log").read_text(encoding="utf-8").splitlines()


def test_the_lock_is_installed_by_hash_and_then_the_project(checkout: Path) -> None:
    assert install(checkout).returncode == 0
    packages, project = pip_calls(checkout)
    assert "--require-hashes" in packages
    assert "-r locks/cpu.txt" in packages
    assert "--no-deps" in project
    assert "--editable ." in project


def test_nothing_is_installed_twice_unless_lock_or_project_changed(checkout: Path) -> None:
    install(checkout)
    again = install(checkout)
    assert (again.returncode, again.stdout, len(pip_calls(checkout))) == (0, "", 2)
    (checkout / "locks" / "cpu.txt").write_text("another version", encoding="utf-8")
    install(checkout)
    assert len(pip_calls(checkout)) == 4


def test_a_gpu_in_sight_chooses_the_other_lock_and_the_user_has_the_last_word(checkout: Path) -> None:
    write_program(checkout / "bin" / "nvidia-smi", '#!/bin/sh\necho "GPU 0: NVIDIA H100 (UUID: GPU-1)"\n')
    install(checkout)
    assert "-r locks/cuda.txt" in pip_calls(checkout)[0]
    install(checkout, LOCK="locks/cpu.txt")
    assert "-r locks/cpu.txt" in pip_calls(checkout)[2]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"FAKE_VERSION": "3.9"}, "Python 3.11, 3.12 or 3.13 is needed; tried python (python3 is 3.9)"),
        ({"FAKE_VERSION": "3.12", "FAKE_NO_VENV": "1"}, "sudo apt-get install -y python3.12-venv"),
        (
            {"FAKE_MISSING": "libGL.so.1"},
            "OpenCV needs libGL.so.1, which this machine does not have. Install it with: sudo",
        ),
        ({"LOCK": "locks/tpu.txt"}, "LOCK=locks/tpu.txt: expected a lock file"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence_before_anything_is_installed(
    checkout: Path, environment: dict[str, str], said: str
) -> None:
    tried = install(checkout, **environment)
    assert tried.returncode == 1
    assert said in tried.stderr
    assert len(tried.stderr.splitlines()) == 1
    assert not (checkout / ".venv").exists()
