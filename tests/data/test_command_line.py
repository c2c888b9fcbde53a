"""What the commands of data and model share: exit codes, one sentence for an error, output that a closed pipe stops."""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from data import command_line
from data.dataset import Dataset, Problem


def run(body: Callable[[argparse.Namespace], int], *words: str) -> int:
    parser = argparse.ArgumentParser()
    command_line.add_flags(parser, body)
    return command_line.run(parser, words)


def failing(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def body(_: argparse.Namespace) -> int:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("--size: expected 1, got 2"), 2, "--size: expected 1, got 2\n"),
        (FileNotFoundError(2, "No such file or directory", "x"), 2, "FileNotFoundError: [Errno 2] No such"),
        (PermissionError(13, "Permission denied", "x"), 2, "PermissionError: [Errno 13]"),
        (OSError(28, "No space left on device"), 1, "OSError: [Errno 28]"),
        (KeyError("a"), 1, "KeyError: 'a'\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_exit_codes(error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(failing(error)) == code
    out, err = capsys.readouterr()
    assert (out, err[: len(said)], err.count("\n")) == ("", said, bool(said))


def test_debug_raises(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="here"):
        run(failing(ValueError("here")), "--debug")
    assert run(lambda _: 0) == 0


@pytest.mark.parametrize("module", ["data", "model"])
def test_a_reader_that_closes_the_pipe_gets_no_traceback(module: str) -> None:
    program = (
        "import sys\n"
        f"from {module} import __main__ as main\n"
        "from data import command_line\n"
        "def body(_):\n"
        "    for _ in range(100_000):\n"
        "        command_line.say('a line')\n"
        "    return 0\n"
        "parser = command_line.argparse.ArgumentParser()\n"
        "command_line.add_flags(parser, body)\n"
        "main._parser = lambda: parser\n"
        "sys.exit(main.main([]))\n"
    )
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" | head -n1; exit ${PIPESTATUS[0]}', sys.executable, program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "a line\n", "")


def test_problems_are_counted_by_kind(capsys: pytest.CaptureFixture[str]) -> None:
    problems = tuple(Problem(kind, "a", "") for kind in ("clipped_box", "link_loop", "clipped_box"))
    command_line.report_problems(Dataset(Path("here"), "yolo", (), {}, problems, ""))
    command_line.report_problems(Dataset(Path("here"), "yolo", (), {}, (), ""))
    expected = "here: 2 clipped_box, 1 link_loop (`python -m data check` lists them)\n"
    assert capsys.readouterr() == ("", expected)
