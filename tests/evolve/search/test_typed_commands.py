"""Every command that the program prints can be copied into a shell, whatever the folders are called."""

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from evolve import __main__ as evolve_main
from evolve.__main__ import main
from evolve.commands import search_folders
from evolve.process.terminal import command
from evolve.records import progress
from evolve.records.journal import Journal
from evolve.verdict import winner_cfg
from model import __main__ as model_main

ROOT = Path(__file__).resolve().parents[3]
SHAPE = ["--population", "6", "--elites", "2", "--children", "2", "--generations", "1", "--tracking-uri", "none"]
ODD = [
    "it's my run",
    'say "hi"',
    "two  spaces",
    "$HOME & `id`; #1",
    "(a)*[b]?",
    "-dash",
    "~home",
    "back\\slash",
    "über",
]
STARTS = re.compile(r"(?:evolve|\S+ -m (?:evolve|model)|darknet) (?:[a-z]+) ")


def commands_in(said: str) -> list[list[str]]:
    """The words of each command in the lines of an output: from its program's name to the end of the line."""
    found = [line[match.start() :] for line in said.splitlines() if (match := STARTS.search(line))]
    return [shlex.split(one) for one in found]


def parsed(words: list[str]) -> dict[str, Any]:
    """The arguments that our own parsers read from a command; of Darknet's command its words."""
    if words[0] == "darknet":
        return {"words": words}
    if "-m" in words:
        words = words[words.index("-m") + 1 :]
    parser = model_main._parser() if words[0] == "model" else evolve_main.parser()
    return vars(parser.parse_args(words[1:]))


def paths_in(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments, default=str, ensure_ascii=False)


@pytest.mark.parametrize("name", ODD)
def test_commands_with_an_odd_folder(
    name: str, simulated: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = Path(name)
    out = ["--out", f"./{name}"]
    simulated.DESCRIPTION = {**simulated.DESCRIPTION, "embedded": False, "path": f"/data/{name}", "format": "coco"}
    assert main(["search", *out, *SHAPE]) == 0
    said = capsys.readouterr().out  # final training
    assert main(["search", *out, *SHAPE]) == 2  # holds a search already
    assert main(["winner", f"./{name}", "--out", f"./{name}/w w.yaml"]) == 0
    quiet = ("--cpu", "--tracking-uri", "none")
    assert main(["train", f"./{name}/w w.yaml", "--out", f"./{name}/final one", *quiet]) == 0  # evaluate, predict
    assert main(["train", f"./{name}/nothing", "--out", "o"]) == 2  # evolve winner ...
    with pytest.raises(ValueError, match="expected no search there") as caught:
        simulated_run(folder)
    said += str(caught.value) + "\n" + progress.how_to_resume(folder) + "\n"
    captured = capsys.readouterr()
    commands = commands_in(said + captured.out + captured.err)
    assert len(commands) == 9
    for words in commands:
        written = paths_in(parsed(words))
        assert json.dumps(name, ensure_ascii=False)[1:-1] in written, words
    resumes = [parsed(words)["directory"] for words in commands if "resume" in words]
    assert len(resumes) == 3
    assert {path.resolve() for path in resumes} == {(tmp_path / name).resolve()}
    trained = next(
        parsed(words) for words in commands if "train" in words and parsed(words)["winner"].name == "winner.yaml"
    )
    assert trained["winner"].resolve() == (tmp_path / name / "winner.yaml").resolve()
    assert trained["out"].resolve() == (tmp_path / name / "final").resolve()
    data = [one["data"] for one in map(parsed, commands) if one.get("data")]
    assert data == [Path("/data", name), Path("DIR"), Path("/data", name)]  # train, what winner says, evaluate


def simulated_run(folder: Path) -> None:
    from simulated_command import prepare  # type: ignore[import-not-found]

    from evolve import search
    from evolve.genetics import recipe as recipes
    from evolve.task import TaskRequest

    search.run(prepare(TaskRequest()), folder, recipe=recipes.load("fast"), seed=0)


@pytest.mark.parametrize("name", ODD)
def test_an_interrupted_search_says_how_to_go_on(
    name: str, undisturbed: Any, simulated: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    directory = tmp_path / "runs" / name
    directory.mkdir(parents=True)
    events = Journal(undisturbed.journal.parent).events()
    with Journal(directory) as journal:
        journal._connection.executemany(
            "INSERT INTO events (time, kind, uid, payload) VALUES (?, ?, ?, ?)",
            [(event.time, event.kind, event.uid, json.dumps(event.payload)) for event in events[:20]],
        )
    (tmp_path / "runs" / "latest").symlink_to(directory)
    assert main(["status", str(directory)]) == 0
    said = capsys.readouterr().out + (search_folders.note_on_latest() or "")
    commands = commands_in(said)
    assert [words[:2] for words in commands] == [["evolve", "resume"]] * 2
    assert {parsed(words)["directory"].resolve() for words in commands} == {directory}


def test_darknets_command_too(
    undisturbed: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(winner_cfg, "render", lambda _winner: "[net]\n")
    assert main(["winner", str(undisturbed.journal.parent), "--format", "darknet", "--out", "my net.cfg"]) == 0
    assert commands_in(capsys.readouterr().out) == [["darknet", "detector", "train", "obj.data", "my net.cfg"]]


def test_a_path_with_a_dash_is_no_flag_and_a_flag_stays_one() -> None:
    assert command("evolve", "train", Path("-w.yaml"), "--out", Path("-o")) == "evolve train ./-w.yaml --out ./-o"
    assert command("evolve", "resume", Path("/a/-b")) == "evolve resume /a/-b"


def test_a_python_in_an_odd_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/my tools/python")
    assert shlex.split(command("model", "predict", "IMAGE")) == ["/my tools/python", "-m", "model", "predict", "IMAGE"]


def test_no_sentence_puts_a_path_into_a_command_by_hand() -> None:
    """In our source, no text such as `evolve resume ` is followed by a value that is not quoted for a shell."""
    by_hand = re.compile(
        r"(^| )(resume|replay|lineage|predict|(evolve|make|-m \w+|darknet|chmod) [a-z+-]+)( --?[a-z-]+)* $"
    )
    wrong = []
    for path in (file for room in ("data", "evolve", "model") for file in sorted((ROOT / room).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for before, value in zip(*[iter(parts(node))] * 2, strict=False):
                if by_hand.search(before) and value:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {before}")  # type: ignore[attr-defined]
    assert wrong == []


def parts(node: ast.AST) -> list[str]:
    """The texts of an f-string that a value follows, each with "value" after it; empty for other nodes."""
    if not isinstance(node, ast.JoinedStr):
        return []
    found = []
    for one, after in zip(node.values, [*node.values[1:], None], strict=True):
        if isinstance(one, ast.Constant) and isinstance(after, ast.FormattedValue):
            found += [str(one.value), "value"]
    return found
