"""Output and imports of the commands work without a terminal, a stdout or a temporary folder."""

import sys
import tempfile
from types import ModuleType

import pytest

from data import command_line
from model import __main__ as commands
from model.commands import shared


@pytest.fixture(autouse=True)
def _light_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", ModuleType("keras"))


def test_keras_is_loaded_without_a_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise FileNotFoundError("No usable temporary directory found")

    shared.load_keras()
    monkeypatch.setattr(tempfile, "TemporaryFile", none)
    shared.load_keras()


def test_closed_streams_stop_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    shared.load_keras()
    command_line.say("a line")
    command_line.complain("a line")
    monkeypatch.setattr(commands.summary, "run", lambda _options: 0)
    assert commands.main(["summary", "--variant", "yolov4"]) == 0
