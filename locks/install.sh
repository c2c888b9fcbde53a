#!/usr/bin/env bash
# Makes .venv and installs exactly what a lock names, then the project itself (editable).
# Does nothing when that has been done already (--say: says so). Overridable, and remembered until overridden again:
# LOCK=locks/cpu.txt, PYTHON=/path/to/python3.12
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
here=$(pwd -P)

venv=.venv
stamp=$venv/.installed # a hash over all that the installation follows from; absent while one is under way
made=$venv/.made       # the interpreter and the folder that the environment was made with
chosen=$venv/.lock     # the lock that LOCK= named

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

identity_of() { # "3.11 /usr": the version and the installation behind an interpreter; empty when it does not run
    "$1" -I -c 'import sys; print("%d.%d %s" % (*sys.version_info[:2], sys.base_prefix))' 2>/dev/null || true
}

is_usable() { # whether the environment was made in this folder with the interpreter that it has now and that PYTHON names
    local now
    now=$(identity_of "$venv/bin/python")
    [ -n "$now" ] && [ "$(cat "$made" 2>/dev/null)" = "$now in $here" ] || return 1
    [ -z "${PYTHON:-}" ] || [ "$(identity_of "$PYTHON")" = "$now" ]
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

wanted() { # what the stamp must hold
    { cat "$lock" pyproject.toml; identity_of "$venv/bin/python"; echo "$here"; } | sha256sum | cut -d' ' -f1
}

is_installed() {
    [ -x "$venv/bin/evolve" ] && is_usable && [ "$(cat "$stamp" 2>/dev/null)" = "$(wanted)" ]
}

make_environment() { # anew: its scripts hold the folder's absolute path, its packages fit one version of Python
    if [ -L "$venv" ] && [ -e "$venv/pyvenv.cfg" ]; then
        rm "$venv" # a link to the environment of another checkout, which may be in use
    fi
    "$1" -m venv --clear "$venv"
    printf '%s in %s\n' "$(identity_of "$venv/bin/python")" "$here" >"$made"
}

install() {
    local python=$venv/bin/python quiet=()
    if ! is_usable || ! "$python" -c 'import pip' >/dev/null 2>&1; then
        python=$(find_python)
    fi
    check_libraries "$python"
    say "Setting up $venv with $("$python" --version) and $lock ($because): a few minutes, only this once."
    rm -f "$stamp"
    [ "$python" = "$venv/bin/python" ] || make_environment "$python"
    remember # before the long part: a setup that was cut off goes on with the same lock
    [ -t 1 ] || quiet=(--quiet --progress-bar off)
    # --no-deps: the lock alone decides. pip before 24 resolves a requirement with an extra (coverage[toml]) past its pin,
    # and fails as soon as a newer release is published; tests/test_locks.py proves that each lock is complete.
    # --compile: bytecode is written now even where PYTHONDONTWRITEBYTECODE is set (import tensorflow: 7 s, not 18 s)
    "$venv/bin/python" -m pip install "${quiet[@]}" --disable-pip-version-check --require-hashes --no-deps --compile -r "$lock"
    # setuptools warns at every editable installation that a folder here shadows the package: that is what we want
    PYTHONWARNINGS=ignore "$venv/bin/python" -m pip install "${quiet[@]}" --disable-pip-version-check --no-deps --no-build-isolation --editable .
    wanted >"$stamp"
    say "Ready."
}

remember() { # the lock that the user named, so that the next make without LOCK= keeps to it
    [ -z "$named" ] || printf '%s\n' "$named" >"$chosen"
}

# one setup at a time, whoever asks for it (two make in two terminals)
if command -v flock >/dev/null 2>&1; then
    exec 9<locks/install.sh
    flock 9
fi

named=${LOCK:-$(cat "$chosen" 2>/dev/null || true)}
if [ -z "$named" ]; then
    lock=$(choose_lock) because="the lock for this machine"
elif [ -f "$named" ]; then
    lock=$named because="chosen with LOCK=, until LOCK= names another"
else
    stop "LOCK=$named: expected a lock file, such as locks/cpu.txt or locks/cuda.txt; there is no such file"
fi

if ! is_installed; then
    install
elif [ "${1:-}" = --say ]; then
    remember
    say "$venv has $("$venv/bin/python" --version) and $lock ($because)."
elif [ -n "$named" ]; then
    remember
    say "Using $lock ($because)." >&2
fi
