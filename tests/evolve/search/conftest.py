"""Fixtures for a whole search in milliseconds: a simulated task, a small recipe, objectives that record pieces."""

import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from evolve import search, task
from evolve.commands import final_report, machine
from evolve.execution.local_executor import LocalExecutor
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.genetics.recipe import Recipe
from evolve.records.state import SearchState
from evolve.simulated import SPACE, simulated_objective
from evolve.task import Task
from evolve.trial import Measurement, Objective, ObjectiveFactory, TrialSpec

FAILURES = 0.3  # share of genomes that fail at some step
TARGET = "evolve.simulated:simulated_objective"


def make_task(**arguments: object) -> Task:
    """A task on made-up learning curves; the arguments are those of simulated_objective."""
    description = {
        "path": "nowhere",
        "fingerprint": "simulated",
        "class_names": ["thing"],
        "anchors": [[8.0, 8.0]],
        "images": {"train": 8, "val": 4, "test": 4},
        "embedded": False,
        "weights": None,
    }
    return Task(spaces.parse(SPACE, "simulated"), ObjectiveFactory(TARGET, arguments), description, 90, ())


def make_recipe(name: str = "fast", **overrides: object) -> Recipe:
    """8 + 1 x 6 individuals, rungs at 10, 30 and 90 steps."""
    return recipes.load(name, {"population": 8, "elites": 2, "children": 3, "generations": 1, **overrides})


@dataclass
class Watched:
    """Makes an objective that records each piece it starts to train, as (uid, start, stop)."""

    inner: Objective = field(default_factory=simulated_objective)
    before: Callable[[TrialSpec], None] = lambda _spec: None  # called at the start of each piece; may raise
    started: list[tuple[str, int, int]] = field(default_factory=list)

    def make(self) -> "Watched":
        return self

    def __call__(self, spec: TrialSpec) -> Iterator[Measurement]:
        self.started.append((spec.uid, spec.start_step, spec.stop_step))
        self.before(spec)
        yield from self.inner(spec)

    def means(self, **others: object) -> search.Means:
        return search.Means(make_executor=lambda _search_id: LocalExecutor(self), **others)  # type: ignore[arg-type]


def essence(state: SearchState) -> Mapping[str, object]:
    """The part of the state that must be equal for equal searches, whatever happened on the way."""
    outcome = state.outcome
    return {
        "individuals": {
            uid: (one.genome, one.parents, one.operator, one.seed, one.rungs, one.fitness, one.status, one.reason)
            for uid, one in state.individuals.items()
        },
        "elites": state.closed,
        "confirmations": {uid: (one.seed, one.scores, one.reason) for uid, one in state.confirmations.items()},
        "outcome": None if outcome is None else (outcome.uid, outcome.confirmed, outcome.gain, outcome.verdict),
        "phase": state.phase,
    }


@dataclass
class House:
    """Everything that a test of the search needs, in one fixture."""

    path: Path
    task = staticmethod(make_task)
    recipe = staticmethod(make_recipe)
    watched = Watched
    failing = staticmethod(lambda: simulated_objective(failures=FAILURES))
    essence = staticmethod(essence)

    def run(self, name: str = "search", **means: object) -> SearchState:
        """An undisturbed small search with a failure here and there."""
        task = make_task()
        watched = Watched(simulated_objective(failures=FAILURES))
        return search.run(task, self.path / name, recipe=make_recipe(), seed=5, means=watched.means(**means))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """Makes the commands use simulated trials, in an empty working directory."""
    spec = spec_from_file_location("simulated_command", Path(__file__).with_name("simulated_command.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "simulated_command", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(task, "prepare", module.prepare)
    monkeypatch.setattr(machine.Machine, "executor", module.local)
    monkeypatch.setattr(final_report, "evaluate", module.evaluate)
    monkeypatch.setenv("SIMULATED_FAILURES", "0.2")
    monkeypatch.chdir(tmp_path)
    return module


@dataclass
class Undisturbed:
    """An undisturbed search to compare with."""

    house: House
    state: SearchState
    journal: Path


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    house = House(tmp_path_factory.mktemp("undisturbed"))
    return Undisturbed(house, house.run(), house.path / "search" / "journal.db")


class Screen:
    """A terminal of the width and height, as far as rich uses one: what it shows after these bytes.

    Lines that have scrolled off its top stay, and cannot be reached by the cursor. ValueError for an unknown code.
    """

    CODES = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")

    def __init__(self, text: str, width: int = 80, height: int = 24) -> None:
        self.lines: list[str] = [""]
        self.row = self.column = 0
        self.width, self.height = width, height
        while text:
            code = self.CODES.match(text)
            self._obey(*code.groups()) if code else self._write(text[0])
            text = text[code.end() if code else 1 :]

    def _obey(self, private: str, number: str, letter: str) -> None:
        if letter == "A":
            top = max(0, len(self.lines) - self.height)
            self.row = max(top, self.row - int(number or 1))
        elif (letter, number) == ("K", "2"):
            self.lines[self.row] = ""
        elif letter != "m" and (private, number) != ("?", "25"):
            raise ValueError(f"unknown code {private}{number}{letter}")

    def _write(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self._go_down()
        else:
            if self.column == self.width:
                self.column = 0
                self._go_down()
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1

    def _go_down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")


@dataclass
class AtATerminal:
    """A command whose stdout and stderr are one terminal."""

    process: subprocess.Popen[bytes]
    ours: int
    encoding: str
    raw: str = ""  # everything that was shown so far

    def read_until(self, pattern: str) -> None:
        """Read until the pattern was shown; AssertionError if the command ends before."""
        while not re.search(pattern, self.raw):
            assert self._read(), self.raw

    def read_to_the_end(self) -> int:
        """Read until the command ends; its exit code."""
        while self._read():
            pass
        return self.process.wait(60)

    def screen(self, width: int = 80, height: int = 24) -> list[str]:
        """The lines shown so far, without spaces at their ends and empty lines at the end."""
        return "\n".join(line.rstrip() for line in Screen(self.raw, width, height).lines).rstrip("\n").split("\n")

    def _read(self) -> bool:
        try:
            piece = os.read(self.ours, 65536)
        except OSError:  # Linux reports the end of a terminal this way
            return False
        self.raw += piece.decode(self.encoding)
        return bool(piece)


@pytest.fixture
def at_a_terminal(tmp_path: Path) -> Iterator[Callable[..., AtATerminal]]:
    """Starts the command on simulated trials, or Python, at a terminal of its own; it does not outlive the test."""
    opened: list[AtATerminal] = []
    program = str(Path(__file__).with_name("simulated_command.py"))

    def start(*words: str, script: bool = True, **environment: str) -> AtATerminal:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        command = [sys.executable, *([program] if script else []), *words]
        inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**inherited, "TERM": "xterm-256color", "SIMULATED_FAILURES": "0.2", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        opened.append(AtATerminal(process, ours, environment.get("PYTHONIOENCODING", "utf-8").partition(":")[0]))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.ours)
