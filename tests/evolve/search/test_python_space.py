"""A search whose space is a dict in a module."""

import sys
from pathlib import Path
from typing import Any

import pytest

from evolve.__main__ import main
from evolve.genetics import space as spaces
from evolve.genetics.domains import Integer, Log, Ordinal

SHAPE = ["--population", "6", "--elites", "2", "--children", "2", "--generations", "1", "--candidates", "1"]
SHAPE += ["--tracking-uri", "none"]
MODULE = """
from ray import tune

SPACE = {
    "optimizer.learning_rate": tune.loguniform(1e-4, 1e-2),
    "optimizer.momentum": tune.quniform(0.6, 0.95, 0.05),
    "train.size_period": tune.randint(1, 21),
    "defaults": {"optimizer.momentum": 0.9},
    "trial": {"train.steps": 90},
}
"""


@pytest.mark.medium  # ray.tune takes seconds to import
def test_a_search_takes_a_space_in_python_and_a_resume_needs_no_module(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIMULATED_FAILURES", "0")
    here = str(Path.cwd())
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", here)])
    module = Path("space_of_a_search.py")
    module.write_text(MODULE)
    assert main(["search", "--space", "space_of_a_search:SPACE", "--out", "s", *SHAPE]) == 0
    assert here not in sys.path
    module.unlink()
    del sys.modules["space_of_a_search"]
    assert spaces.load(Path("s/space.yaml")).genes == {
        "optimizer.learning_rate": Log(1e-4, 1e-2, 1.3e-3),
        "optimizer.momentum": Ordinal((0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95), 0.9),
        "train.size_period": Integer(1, 20, 10),
    }
    assert main(["resume", "s", "--generations", "2"]) == 0
