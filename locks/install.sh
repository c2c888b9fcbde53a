#!/usr/bin/env bash
# Makes .venv and installs exactly what a lock names, then the project itself (editable).
# Does nothing when that has been done already. Overridable: LOCK=locks/cpu.txt, PYTHON=/path/to/python3.12
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv
stamp=$venv/.installed

say() { printf '%s\n' "$*"; }
stop() { printf '%s\n' "$*" >&2; exit 1; }

choose_lock() {
    # the CUDA packages are some 3 GB: only where a GPU can be seen
    if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q '^GPU '; then
        say locks/cuda.txt
    else
        say locks/cpu.txt
    fi
}

version_of() { # "3.11" when the command runs and is a Python; pyenv's shims exist and fail
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

find_python() {
    local candidate version without_venv=""
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        version=$(version_of "$candidate")
        case $version in
            3.11 | 3.12 | 3.13)
                if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
                    command -v "$candidate"
                    return
                fi
                without_venv=${without_venv:-$version}
                ;;
        esac
    done
    if [ -n "$without_venv" ]; then
        stop "Python $without_venv is here, but its module venv is not. Install it with: sudo apt-get install -y python$without_venv-venv"
    fi
    stop "Python 3.11, 3.12 or 3.13 is needed; tried ${PYTHON:-python3.11 python3.12 python3.13 python3} (python3 is ${version:-missing}). Install it with: sudo apt-get install -y python3 python3-venv"
}

check_libraries() { # opencv-python links to these and does not bring them
    local missing
    missing=$("$1" - <<'PYTHON'
import ctypes
import sys

missing = []
for library in ("libGL.so.1", "libgthread-2.0.so.0") if sys.platform == "linux" else ():
    try:
        ctypes.CDLL(library)
    except OSError:
        missing.append(library)
print(" and ".join(missing))
PYTHON
    )
    if [ -n "$missing" ]; then
        stop "OpenCV needs $missing, which this machine does not have. Install it with: sudo apt-get install -y libgl1 libglib2.0-0"
    fi
}

install() {
    local python quiet=()
    python=$(find_python)
    check_libraries "$python"
    say "Setting up $venv with $("$python" --version) and $lock: a few minutes, only this once."
    rm -f "$stamp"
    if ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
        "$python" -m venv --clear "$venv"
    fi
    [ -t 1 ] || quiet=(--quiet --progress-bar off)
    # --compile: bytecode is written now even where PYTHONDONTWRITEBYTECODE is set (import tensorflow: 7 s, not 18 s)
    "$venv/bin/python" -m pip install "${quiet[@]}" --disable-pip-version-check --require-hashes --compile -r "$lock"
    # setuptools warns at every editable installation that a folder here shadows the package: that is what we want
    PYTHONWARNINGS=ignore "$venv/bin/python" -m pip install "${quiet[@]}" --disable-pip-version-check --no-deps --no-build-isolation --editable .
    say "$wanted" >"$stamp"
    say "Ready."
}

# one setup at a time, whoever asks for it (two make in two terminals)
if command -v flock >/dev/null 2>&1; then
    exec 9<locks/install.sh
    flock 9
fi

lock=${LOCK:-$(choose_lock)}
[ -f "$lock" ] || stop "LOCK=$lock: expected a lock file, such as locks/cpu.txt or locks/cuda.txt; there is no such file"
# the folder is part of it: scripts in a virtual environment hold its absolute path
wanted=$({ cat "$lock" pyproject.toml; pwd; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ] || ! [ -x "$venv/bin/evolve" ]; then
    install
fi
