"""Shell completion: what a shell answers to a press of the Tab key."""

import shutil
import subprocess

import pytest

from evolve import __main__ as evolve_main
from evolve.__main__ import main
from evolve.commands import completion

bash = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")


def completed(*words: str) -> list[str]:
    """What bash offers for the last of the words that were typed after evolve."""
    code = (
        'eval "$1"; shift; COMP_WORDS=(evolve "$@"); COMP_CWORD=$#; '
        '_evolve evolve "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    script = completion.script(evolve_main.parser(), "bash")
    done = subprocess.run(["bash", "-uc", code, "bash", script, *words], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@bash
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["st"], ["stop", "status"]),
        (["lineage", "--t"], ["--trial"]),
        (["search", "--see"], ["--seeding", "--seed"]),
        (["search", "--seeding", ""], ["mixed", "random", "defaults"]),
        (["winner", "runs/x", "--format", "d"], ["darknet"]),
        (["completion", ""], ["bash", "zsh"]),
        (["stop", "--"], ["--help", "--debug", "--now"]),
        (["search", "--data", "da"], []),  # a file, by the shell's own completion
        (["stop", ""], []),
        (["nonsense", "--"], []),
    ],
    ids=" ".join,
)
def test_what_bash_offers(words: list[str], expected: list[str]) -> None:
    assert sorted(completed(*words)) == sorted(expected)


@bash
def test_every_command_and_flag_is_offered(capsys: pytest.CaptureFixture[str]) -> None:
    """As the help has them."""
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert completed("")
    for command in completed(""):
        assert f"\n    {command}" in said
        with pytest.raises(SystemExit):
            main([command, "--help"])
        usage = capsys.readouterr().out
        flags = completed(command, "-")
        assert {"-h", "--help", "--debug"} < set(flags) or command in ("watch", "completion")
        for flag in flags:
            assert flag in usage
        assert {word.strip(",[]") for word in usage.split() if word.lstrip("[").startswith("--")} <= {*flags, "--help"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_command_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert said.endswith("complete -o bashdefault -o default -F _evolve evolve\n")
    assert ("bashcompinit" in said) == (shell == "zsh")
