"""winner.yaml never contradicts itself or the journal, and an edited one is never overwritten."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve import training_specs
from evolve.__main__ import main
from evolve.genetics import space as spaces
from evolve.simulated import SPACE
from evolve.task import Task
from evolve.trial import ObjectiveFactory
from evolve.trial_config import TrialConfig
from evolve.verdict import winner

Undisturbed = Any
Plain = dict[str, Any]

SHAPE = ["--population", "6", "--elites", "2", "--children", "2", "--generations", "1", "--tracking-uri", "none"]
GENE = "optimizer.momentum"


@pytest.fixture
def plain(undisturbed: Undisturbed) -> Plain:
    content: Plain = yaml.safe_load((undisturbed.journal.parent / "winner.yaml").read_text())
    return content


def moved(plain: Plain, part: str, address: str, value: object) -> None:
    plain[part][address] = value


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda plain: moved(plain, "genome", GENE, 0.7),
            r"genome: optimizer.momentum: expected 0\.\d+, as under config, got 0.7; config is what is trained",
        ),
        (
            lambda plain: moved(plain, "config", GENE, 0.7),
            r"genome: optimizer.momentum: expected 0.7, as under config, got 0\.\d+",
        ),
        (
            lambda plain: moved(plain, "genome", "train.batch", 8),
            r"genome: train.batch: expected 64, as under config, got 8",
        ),
        (lambda plain: moved(plain, "genome", "loss.boxes", 8), r"genome: 'loss.boxes' is no setting of a trial"),
        (
            lambda plain: moved(plain, "genome", GENE, "high"),
            r"genome: optimizer.momentum: expected a number, got 'high'",
        ),
        (lambda plain: plain.pop("genome"), r"expected a section 'genome', got None"),
        (
            lambda plain: plain["config"].pop("loss.box_weight"),
            r"config: expected \d+ lines, as it was written with, got \d+: none for loss.box_weight",
        ),
        (
            lambda plain: [plain["config"].pop(name) for name in ("train.size", "augment.hue")],
            r"config: .*: none for train.size, augment.hue",
        ),
        (lambda plain: plain.update(steps=91), r"steps: expected at most train.steps under config, 90, got 91"),
        (lambda plain: plain.update(steps="x"), r"steps: expected a whole number of at least 1, got 'x'"),
    ],
)
def test_what_differs_or_lacks_is_refused_by_its_line(
    change: Callable[[Plain], object], complaint: str, plain: Plain, tmp_path: Path
) -> None:
    change(plain)
    winner.write(tmp_path / "w.yaml", plain)
    with pytest.raises(ValueError, match=complaint) as caught:
        winner.read(tmp_path / "w.yaml")
    assert str(caught.value).startswith(str(tmp_path / "w.yaml"))
    assert main(["train", str(tmp_path / "w.yaml"), "--out", str(tmp_path / "o")]) == 2
    assert not (tmp_path / "o").exists()


def test_a_value_that_was_changed_in_both_places_is_trained(plain: Plain, tmp_path: Path) -> None:
    for part in ("genome", "config"):
        moved(plain, part, GENE, 0.7)
    winner.write(tmp_path / "w.yaml", plain)
    assert winner.read(tmp_path / "w.yaml").config[GENE] == 0.7


def test_every_line_that_is_taken_out_is_missed(plain: Plain, tmp_path: Path) -> None:
    for address in plain["config"]:
        less = {name: value for name, value in plain["config"].items() if name != address}
        winner.write(tmp_path / "w.yaml", {**plain, "config": less})
        with pytest.raises(ValueError, match=f"none for {re.escape(address)}$"):
            winner.read(tmp_path / "w.yaml")


def test_a_file_of_an_earlier_version_loads_and_says_what_it_has_no_line_for(plain: Plain, tmp_path: Path) -> None:
    """A file of an earlier version, which had fewer settings and did not count them."""
    later = ("optimizer.ema_decay", "regularization.sat_prob")
    config = {name: value for name, value in plain["config"].items() if name not in later}
    old = {name: value for name, value in plain.items() if name != "config_lines"}
    winner.write(tmp_path / "w.yaml", {**old, "config": config})
    winner_read = winner.read(tmp_path / "w.yaml")
    assert set(winner_read.defaulted) == {*later}
    assert winner_read.config == {**config, **{name: TrialConfig().settings()[name] for name in later}} | {
        name: tuple(value) for name, value in config.items() if isinstance(value, list)
    }
    winner.write(tmp_path / "w.yaml", plain)
    assert winner.read(tmp_path / "w.yaml").defaulted == ()
    del config[GENE]  # every version has written a line for each gene
    winner.write(tmp_path / "w.yaml", {**old, "config": config})
    with pytest.raises(ValueError, match=r"config: expected a line for the gene optimizer\.momentum, got none"):
        winner.read(tmp_path / "w.yaml")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        *(
            (lambda data, name=name: data.pop(name), f"data: expected a line for {name}")
            for name in training_specs.REQUIRED_DATA_KEYS
        ),
        *(
            (lambda data, wrong=wrong: data.update(anchors=wrong), "data: anchors: expected 1 pairs of numbers above 0")
            for wrong in ("8", None, [8, 8], [[8]], [[8, -1]], [[8, True]], [[8, float("inf")]], [[8, 8], [9, 9]], [])
        ),
    ],
)
def test_what_is_trained_on_is_not_made_up_where_its_line_lacks(
    change: Callable[[Plain], object], complaint: str, plain: Plain, tmp_path: Path
) -> None:
    task = Task(spaces.parse(SPACE, "simulated"), ObjectiveFactory("none:none", {"anchors": [[5.0, 5.0]]}), {}, 90, ())
    winner.write(tmp_path / "w.yaml", plain)
    used = training_specs.with_winners_anchors(task, winner.read(tmp_path / "w.yaml"))
    assert used.factory.arguments["anchors"] == [[8.0, 8.0]]
    change(plain["data"])
    winner.write(tmp_path / "w.yaml", plain)
    with pytest.raises(winner.WinnerError, match=complaint):
        training_specs.with_winners_anchors(task, winner.read(tmp_path / "w.yaml"))


def test_the_file_says_what_fitness_was(plain: Plain, tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    winner.write(path, plain)
    assert winner.read(path).fitness == {"val/map50_95": 1.0}  # of a space that names no other
    del plain["scores"]["fitness"]["weights"]
    winner.write(path, plain)
    assert winner.read(path).fitness == {}  # a file of an earlier version
    plain["scores"]["fitness"]["weights"] = {"val/map50": "much"}
    winner.write(path, plain)
    with pytest.raises(ValueError, match=r"weights: expected a number for each score, got .*much"):
        winner.read(path)


def test_training_says_what_took_its_default(simulated: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--out", "runs/s", *SHAPE]) == 0
    file = yaml.safe_load(Path("runs/s/winner.yaml").read_text())
    del file["config_lines"], file["config"]["optimizer.ema_decay"]
    winner.write(Path("old.yaml"), file)
    capsys.readouterr()
    assert main(["train", "old.yaml", "--out", "o", "--cpu", "--tracking-uri", "none"]) == 0
    assert "no line in it and take their defaults: optimizer.ema_decay" in capsys.readouterr().out


# --- evolve winner


@pytest.fixture
def two_searches(simulated: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """runs/one and runs/two, and runs/latest that points to the second."""
    anchors = [[8.0 * k, 8.0 * k] for k in range(1, 10)]
    monkeypatch.setattr(simulated, "DESCRIPTION", {**simulated.DESCRIPTION, "anchors": anchors})
    for seed, name in enumerate(("one", "two")):
        assert main(["search", "--out", f"runs/{name}", "--seed", str(seed), *SHAPE]) == 0
    assert Path("runs/one/winner.yaml").read_bytes() != Path("runs/two/winner.yaml").read_bytes()
    capsys.readouterr()


@pytest.mark.parametrize("format", ["yaml", "darknet"])
def test_a_file_that_was_changed_is_not_overwritten(
    format: str, two_searches: None, capsys: pytest.CaptureFixture[str]
) -> None:
    out, export = Path("w"), ["winner", "runs/latest", "--out", "w", "--format", format]
    assert main(["winner", "runs/one", *export[2:]]) == 0
    first = out.read_bytes()
    assert main(export) == 0  # an unchanged winner of another search, which still has it
    second = out.read_bytes()
    assert main(export) == 0  # the same once more
    assert first != second == out.read_bytes()
    changed = second + b"# mine\n"
    out.write_bytes(changed)
    capsys.readouterr()
    assert main(export) == 2
    said = capsys.readouterr().err
    assert "--out w: expected nothing there, or the winner of a search as it was written; this file is another" in said
    assert ("to train it: evolve train w --out DIR" in said) is (format == "yaml")
    assert len(said.strip().splitlines()) == 1
    assert out.read_bytes() == changed
    out.rename("mine")
    assert main(export) == 0


def test_the_only_copy_of_a_winner_is_not_overwritten(two_searches: None) -> None:
    assert main(["winner", "runs/one", "--out", "w.yaml"]) == 0
    for path in Path("runs/one").iterdir():
        if path.is_file():
            path.unlink()
    before = Path("w.yaml").read_bytes()
    assert main(["winner", "runs/latest", "--out", "w.yaml"]) == 2
    assert Path("w.yaml").read_bytes() == before


def test_searches_elsewhere_are_known_by_their_neighbours(
    simulated: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk = tmp_path_factory.mktemp("disk")
    for seed in (0, 1):
        assert main(["search", "--out", str(disk / str(seed)), "--seed", str(seed), *SHAPE]) == 0
        assert main(["winner", "runs/latest", "--out", "w.yaml"]) == 0


@pytest.mark.parametrize("part", ["config", "both"])
def test_a_search_hands_out_the_winner_that_its_journal_has(
    part: str, two_searches: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("runs/one/winner.yaml")
    file = yaml.safe_load(path.read_text())
    if part == "both":
        moved(file, "genome", GENE, 0.7)
        moved(file, "config", GENE, 0.7)
    else:
        moved(file, "config", "train.batch", 8)
    winner.write(path, file)
    assert main(["winner", "runs/one"]) == 2
    address = GENE if part == "both" else "train.batch"
    assert f"config: {address}: expected" in capsys.readouterr().err
    path.write_bytes(Path("runs/two/winner.yaml").read_bytes())
    assert main(["winner", "runs/one", "--out", "w.yaml"]) == 2
    assert "expected the winner of search" in capsys.readouterr().err
    assert not Path("w.yaml").exists()
