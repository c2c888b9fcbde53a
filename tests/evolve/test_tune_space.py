"""Search spaces in Python with the domains of ray.tune."""

import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray import tune

from data import safe_yaml
from evolve import task, tune_space
from evolve.__main__ import main
from evolve.genetics import space as spaces
from evolve.genetics.domains import Choice, Domain, Integer, Linear, Log, Ordinal
from evolve.trial_config import TrialConfig

pytestmark = pytest.mark.medium  # ray.tune takes seconds to import
OWN = TrialConfig().settings()
MODULE = """
from ray import tune

SPACE = {
    "name": "mine",
    "optimizer.learning_rate": tune.loguniform(1e-4, 1e-2),
    "optimizer": {"momentum": tune.quniform(0.6, 0.95, 0.05)},
    "train.size_period": tune.randint(1, 21),
    "defaults": {"optimizer.momentum": 0.9},
    "trial": {"train.steps": 90},
    "recipe": {"name": "fast", "mutation_strength": 0.1},
}
LIST = [1, 2]
"""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A module with a space in the working directory, which an installed command does not have in its path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    path = tmp_path / "my_space.py"
    path.write_text(MODULE)
    yield path
    sys.modules.pop("my_space", None)


@pytest.mark.parametrize(
    ("given_domain", "default", "expected"),
    [
        (tune.uniform(0, 1), 0.5, Linear(0.0, 1.0, 0.5)),
        (tune.loguniform(1e-4, 1e-2), 1e-3, Log(1e-4, 1e-2, 1e-3)),
        (tune.randint(1, 5), 2, Integer(1, 4, 2)),  # Tune leaves out the upper end
        (tune.choice(["mish", "leaky"]), "leaky", Choice(("mish", "leaky"), "leaky")),
        (tune.choice(np.array([16, 32])), 32, Choice((16, 32), 32)),
        (["mish", "leaky"], "leaky", Choice(("mish", "leaky"), "leaky")),
        ((True, False), False, Choice((True, False), False)),
        (tune.quniform(0.1, 0.5, 0.1), 0.3, Ordinal((0.1, 0.2, 0.3, 0.4, 0.5), 0.3)),
        (tune.qrandint(8, 32, 8), 16, Ordinal((8, 16, 24, 32), 16)),  # here Tune takes in the upper end
        (tune.qrandint(1, 4, 1), 3, Ordinal((1, 2, 3), 3)),  # but not with a step of 1
        ({"scale": "log", "low": 1, "high": 8}, 2, Log(1.0, 8.0, 2.0)),
    ],
)
def test_each_domain_has_its_scale(given_domain: object, default: Any, expected: Domain) -> None:
    space, notes = tune_space.parse({"a": given_domain, "defaults": {"a": default}}, "s")
    assert space.genes == {"a": expected}
    assert notes == ()
    plain = json.loads(json.dumps(space.to_plain()))
    assert spaces.parse(plain, "journal") == space  # the journal needs no ray.tune


@given(st.integers(-20, 20), st.integers(1, 30), st.sampled_from([1, 2, 3, 7]))
def test_whole_steps_have_the_values_that_tune_draws(low: int, width: int, step: int) -> None:
    domain = tune.qrandint(low * step, (low + width) * step, step)
    drawn = {domain.sample(random_state=np.random.RandomState(seed)) for seed in range(40)}
    values = tune_space._of_domain(domain)["values"]
    assert isinstance(values, list)
    assert drawn <= set(values)
    assert len(values) == width + (step > 1)
    assert all(value % step == 0 for value in values)


def test_a_whole_space() -> None:
    plain = {
        "name": "mine",
        "optimizer.learning_rate": tune.loguniform(1e-4, 1e-2),
        "loss": {"box": ["ciou", "diou"], "box_weight": tune.uniform(1, 8)},
        "train.sizes": [64, 96],  # the setting is a list, so this is no choice
        "detector.width": 0.25,
        "defaults": {"optimizer": {"learning_rate": np.float64(2e-3)}},
        "trial": {"train.steps": 90},
        "recipe": {"name": "fast", "population": 20},
        "fitness": {"val/map50": 1.0},
    }
    space, notes = tune_space.parse(plain, "s", OWN)
    assert space == spaces.parse(
        {
            "name": "mine",
            "genes": {
                "optimizer.learning_rate": {"scale": "log", "low": 1e-4, "high": 1e-2, "default": 2e-3},
                "loss.box": {"scale": "choice", "values": ["ciou", "diou"], "default": "ciou"},
                "loss.box_weight": {"scale": "linear", "low": 1, "high": 8, "default": 4.0},
            },
            "trial": {"train.sizes": [64, 96], "detector.width": 0.25, "train.steps": 90},
            "recipe": {"name": "fast", "population": 20},
            "fitness": {"val/map50": 1.0},
        },
        "s",
    )
    assert notes == (
        "space: defaults that s does not name are those of the settings: loss.box ciou, loss.box_weight 4.0",
    )


def test_the_pages_example_is_the_space_in_yaml_above_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "search-spaces.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  # our own page
    text = page.split("## The file\n")[1].split("\n| key")[0]
    assert tune_space.parse(names["SPACE"], "s", OWN)[0] == spaces.parse(safe_yaml.load(textwrap.dedent(text)), "s")


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("tune.randn", tune.randn(0, 1)),
        ("tune.qrandn", tune.qrandn(0, 1, 0.1)),
        ("tune.qloguniform", tune.qloguniform(1, 100, 1)),
        ("tune.lograndint", tune.lograndint(1, 100)),
        ("tune.qlograndint", tune.qlograndint(10, 100, 10)),
        ("tune.sample_from", tune.sample_from(lambda: 1)),
        ("tune.grid_search", tune.grid_search([1, 2])),
        ("None", None),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(name: str, domain: object) -> None:
    with pytest.raises(ValueError, match=rf"^s: gene 'loss.box_weight': expected tune\.uniform, .*, got {name}$"):
        tune_space.parse({"loss.box_weight": domain}, "s", OWN)


@pytest.mark.parametrize(
    ("plain", "complaint"),
    [
        ([1], r"^s: expected a dict with addresses of genes as keys and domains of ray.tune as values, got \[1\]$"),
        ({1: 2}, "^s: expected words as keys"),
        ({"x": tune.uniform(0, 1)}, "^s: gene 'x': expected its default under 'defaults', as there is no setting of"),
        (
            {"loss.box_weight": tune.uniform(5, 8)},
            "^s: gene 'loss.box_weight': expected 5.0 to 8.0, got 4.0, the setting's own default: expected another",
        ),
        (
            {"loss.box_weight": tune.uniform(5, 8), "defaults": {"loss.box_weight": 9}},
            "^s: gene 'loss.box_weight': expected a default from low=5.0 to high=8.0, got default=9.0",
        ),
        ({"loss.box_weight": tune.uniform(8, 5)}, "^s: gene 'loss.box_weight': expected low < high, got low=8.0"),
        (
            {"loss.box_weight": tune.uniform(1, 8), "defaults": {"loss.box": 4}},
            "^s: defaults: 'loss.box': expected one of the genes: loss.box_weight",
        ),
        (
            {"loss.box_weight": tune.quniform(1, 8, 0.001)},
            "^s: gene 'loss.box_weight': expected at most 1000 multiples of 0.001, got 7001; use tune.uniform",
        ),
        ({"loss.box_weight": tune.qrandint(1, 8, 0)}, "^s: gene 'loss.box_weight': expected a step above 0, got 0"),
        ({"loss.box_weight": []}, "^s: gene 'loss.box_weight': expected at least one of the values, got none"),
        ({"loss.box_weight": {"scale": "lin"}}, "^s: gene 'loss.box_weight': expected a scale out of linear, log"),
        ({"loss.box": ["ciou"], "trial": {"loss.box": "ciou"}}, "^s: gene 'loss.box': expected under genes or under"),
    ],
)
def test_a_wrong_space_is_refused_by_its_entry(plain: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        tune_space.parse(plain, "s", OWN)


def test_the_task_says_which_defaults_it_takes(module: Path) -> None:
    space, notes = task.load_space(Path("my_space:SPACE"))
    assert (space.name, space.recipe["mutation_strength"]) == ("mine", 0.1)
    assert notes == (
        "space: defaults that my_space:SPACE does not name are those of the settings: "
        "optimizer.learning_rate 0.0013, train.size_period 10",
    )


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        (
            "no_space:SPACE",
            "no_space:SPACE: expected a module that can be imported, got: ModuleNotFoundError: No module",
        ),
        ("broken:SPACE", "broken:SPACE: expected a module that can be imported, got: NameError: name 'tun' is not def"),
        ("leaving:SPACE", "leaving:SPACE: expected a module that can be imported, got: SystemExit: 3"),
        ("my_space:SPACES", "my_space.py, got 'SPACES'; its dicts are: SPACE"),
        ("my_space:LIST", "my_space:LIST: expected a dict with addresses of genes as keys"),
        ("my_space.py:SPACE", "my_space.py:SPACE: expected a YAML file that exists, or module:NAME such as my_space:"),
        ("folder/my_space:SPACE", "expected a YAML file that exists, or module:NAME"),
        ("my_space:", "expected a YAML file that exists, or module:NAME"),
        (":SPACE", "expected a YAML file that exists, or module:NAME"),
    ],
)
def test_what_is_no_space_in_a_module_is_one_sentence(
    target: str, complaint: str, module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("broken.py").write_text("SPACE = {'x': tun.uniform(0, 1)}\n")
    Path("leaving.py").write_text("raise SystemExit(3)\n")
    assert main(["search", "--space", target, "--cpu", "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert len(said.strip().splitlines()) == 1


def test_a_file_with_a_colon_in_its_name_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "my:space.yaml"
    path.write_text("{name: x, genes: {}}")
    assert task.load_space(path)[0].name == "x"
