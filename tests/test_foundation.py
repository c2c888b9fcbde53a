"""The ground that everything stands on: make's targets, the installation, the arrows, light commands."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

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
    *"sys.base_prefix"*) echo "${FAKE_VERSION:-3.11} ${FAKE_PREFIX:-/usr}" ;;
    *"sys.version_info"*) echo "${FAKE_VERSION:-3.11}" ;;
    *"import ensurepip"*) exit "${FAKE_NO_VENV:-0}" ;;
    *"import pip"*) ;;
    --version) echo "Python $FAKE_VERSION" ;;
    -) echo "${FAKE_MISSING:-}" ;;
    *"-m venv --clear .venv")
        mkdir -p .venv && find .venv/ -mindepth 1 -delete
        mkdir .venv/bin && cp "$0" .venv/bin/python
        ;;
    *"-m pip install"*)
        [ -z "${FAKE_OFFLINE:-}" ] || exit 1
        echo "$*" >>pip.log
        touch .venv/bin/evolve && chmod +x .venv/bin/evolve
        ;;
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


def test_a_changed_project_alone_keeps_the_environment(checkout: Path) -> None:
    install(checkout)
    (checkout / ".venv" / "kept").touch()
    (checkout / "pyproject.toml").write_text("one more dependency", encoding="utf-8")
    install(checkout)
    assert len(pip_calls(checkout)) == 4
    assert (checkout / ".venv" / "kept").exists()


@pytest.mark.parametrize("how", ["mv", "cp -r"])
def test_a_checkout_at_another_place_gets_an_environment_of_its_own(checkout: Path, tmp_path: Path, how: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    for name in ("locks", "bin", "pyproject.toml"):
        (checkout / name).rename(first / name)
    install(first)
    (first / ".venv" / "of the first").touch()
    assert run(*how.split(), str(first), str(second)).returncode == 0
    assert install(second).returncode == 0
    assert len(pip_calls(second)) == 4
    assert not (second / ".venv" / "of the first").exists()
    assert install(second).stdout == ""
    if how == "cp -r":
        assert install(first).stdout == ""
        assert (first / ".venv" / "of the first").exists()


def test_the_same_checkout_by_another_path_is_no_other_place(checkout: Path, tmp_path_factory: Any) -> None:
    install(checkout)
    link = tmp_path_factory.mktemp("elsewhere") / "link"
    link.symlink_to(checkout)
    assert (install(link, PWD=str(link)).stdout, len(pip_calls(checkout))) == ("", 2)


def test_a_link_to_the_environment_of_another_checkout_leaves_that_one_alone(
    checkout: Path, tmp_path_factory: Any
) -> None:
    other = tmp_path_factory.mktemp("other") / ".venv"
    other.mkdir()
    (other / "pyvenv.cfg").touch()
    (checkout / ".venv").symlink_to(other)
    assert install(checkout).returncode == 0
    assert [path.name for path in other.iterdir()] == ["pyvenv.cfg"]
    assert not (checkout / ".venv").is_symlink()


@pytest.mark.parametrize("changed", [{"FAKE_VERSION": "3.12"}, {"FAKE_PREFIX": "/opt/python"}])
def test_another_interpreter_behind_the_environment_makes_it_anew(checkout: Path, changed: dict[str, str]) -> None:
    install(checkout)
    (checkout / ".venv" / "of the old one").touch()
    assert install(checkout, **changed).returncode == 0
    assert not (checkout / ".venv" / "of the old one").exists()
    assert install(checkout, **changed).stdout == ""


def test_the_interpreter_that_was_named_is_kept_until_another_is_named(checkout: Path) -> None:
    for name in ("3.12", "3.13"):
        write_program(checkout / "bin" / name, f"#!/bin/bash\nFAKE_VERSION={name}\n{FAKE_PYTHON}")
    install(checkout, PYTHON="3.12")
    assert install(checkout, PYTHON="").stdout == ""
    assert "Python 3.13" in install(checkout, PYTHON="3.13").stdout
    assert install(checkout, PYTHON="").stdout == ""


def test_the_lock_that_was_named_is_kept_and_told_until_another_is_named(checkout: Path) -> None:
    write_program(checkout / "bin" / "nvidia-smi", '#!/bin/sh\necho "GPU 0: NVIDIA H100 (UUID: GPU-1)"\n')
    install(checkout, LOCK="locks/cpu.txt")
    again = install(checkout)
    assert (again.stdout, len(pip_calls(checkout))) == ("", 2)
    assert again.stderr.startswith("Using locks/cpu.txt (chosen with LOCK=")
    (checkout / "pyproject.toml").write_text("one more dependency", encoding="utf-8")
    install(checkout)
    assert "-r locks/cpu.txt" in pip_calls(checkout)[2]
    install(checkout, FAKE_VERSION="3.12")  # which makes the environment anew
    assert "-r locks/cpu.txt" in pip_calls(checkout)[4]
    install(checkout, LOCK="locks/cuda.txt")
    assert "-r locks/cuda.txt" in pip_calls(checkout)[6]
    assert "Using locks/cuda.txt" in install(checkout).stderr


def test_naming_the_lock_that_is_installed_already_keeps_it_too(checkout: Path) -> None:
    install(checkout)
    install(checkout, LOCK="locks/cpu.txt")
    write_program(checkout / "bin" / "nvidia-smi", '#!/bin/sh\necho "GPU 0: NVIDIA H100 (UUID: GPU-1)"\n')
    assert "Using locks/cpu.txt" in install(checkout).stderr
    assert len(pip_calls(checkout)) == 2


def test_a_setup_that_was_cut_off_is_done_again_even_for_the_lock_of_before(checkout: Path) -> None:
    install(checkout)
    assert install(checkout, LOCK="locks/cuda.txt", FAKE_OFFLINE="1").returncode == 1
    install(checkout, LOCK="locks/cpu.txt")
    assert "-r locks/cpu.txt" in pip_calls(checkout)[2]


def test_an_interpreter_that_will_not_do_costs_nothing_that_was_there(checkout: Path) -> None:
    install(checkout)
    assert install(checkout, PYTHON="no-such-python").returncode == 1
    assert install(checkout, PYTHON="").stdout == ""


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


# --- make train, with an `evolve` that only notes what it is asked to do

FAKE_EVOLVE = """#!/usr/bin/env bash
echo "$*" >>evolve.log
[ "$1" != winner ] || cp runs/latest/winner.yaml winner.yaml
"""
WINNER = (
    "format: 1\nsearch:\n  id: {search}\n  seed: 1\n  uid: {uid}\nverdict: better\ndata:\n  id: of another section\n"
)


@pytest.fixture
def trained(checkout: Path) -> Path:
    """A checkout that is set up and whose latest search has a winner."""
    (checkout / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    write_program(checkout / "locks" / "install.sh", "#!/bin/sh\n")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    write_program(checkout / ".venv" / "bin" / "evolve", FAKE_EVOLVE)
    (checkout / "runs" / "latest").mkdir(parents=True)
    wins(checkout, "new-s1", "g001-004")
    return checkout


def wins(checkout: Path, search: str, uid: str) -> None:
    (checkout / "runs" / "latest" / "winner.yaml").write_text(WINNER.format(search=search, uid=uid), encoding="utf-8")


def make_train(checkout: Path, *settings: str) -> list[str]:
    done = run("make", "train", *settings, cwd=checkout)
    assert done.returncode == 0, done.stderr
    asked = (checkout / "evolve.log").read_text(encoding="utf-8").splitlines()
    assert asked[-1].partition("--out ")[2].split()[0] in done.stdout, "the folder is told"
    return asked


def test_make_train_takes_the_winner_of_the_latest_search_whatever_was_exported_before(trained: Path) -> None:
    (trained / "winner.yaml").write_text(WINNER.format(search="old-s1", uid="g002-000"), encoding="utf-8")
    first = make_train(trained)
    assert first[0] == "winner runs/latest --out winner.yaml"
    assert first[1:] == ["train winner.yaml --out runs/final-new-s1-g001-004"]
    wins(trained, "new-s1", "g002-031")  # the search went on to another winner
    assert make_train(trained)[-1] == "train winner.yaml --out runs/final-new-s1-g002-031"


def test_out_data_and_args_of_make_train_reach_the_training_alone(trained: Path) -> None:
    asked = make_train(trained, "OUT=my own", "DATA=pictures", "ARGS=--steps 9")
    assert asked == ["winner runs/latest --out winner.yaml", "train winner.yaml --data pictures --out my own --steps 9"]


def test_make_train_takes_a_winner_file_where_no_search_was_run(trained: Path) -> None:
    (trained / "runs" / "latest" / "winner.yaml").rename(trained / "winner.yaml")
    (trained / "runs" / "latest").rmdir()
    assert make_train(trained) == ["train winner.yaml --out runs/final-new-s1-g001-004"]


def test_make_train_and_export_leave_a_winner_file_that_evolve_does_not_replace(trained: Path) -> None:
    refusing = FAKE_EVOLVE + '[ "$1" != winner ] || { echo "winner.yaml: this file is another" >&2; exit 2; }\n'
    write_program(trained / ".venv" / "bin" / "evolve", refusing.replace("|| cp", "|| true"))
    (trained / "winner.yaml").write_text("changed by hand\n", encoding="utf-8")
    for target in ("train", "export"):
        done = run("make", target, cwd=trained)
        assert done.returncode != 0
        assert "this file is another" in done.stderr
    assert "train" not in (trained / "evolve.log").read_text(encoding="utf-8")
    assert (trained / "winner.yaml").read_text(encoding="utf-8") == "changed by hand\n"


def test_make_train_without_any_winner_is_answered_by_evolve_winner(trained: Path) -> None:
    (trained / "runs" / "latest" / "winner.yaml").unlink()
    (trained / "runs" / "latest").rmdir()
    assert run("make", "train", cwd=trained).returncode != 0
    assert (trained / "evolve.log").read_text(encoding="utf-8") == "winner runs/latest --out winner.yaml\n"
