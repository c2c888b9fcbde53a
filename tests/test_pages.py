"""What the pages in docs/ say of names, numbers and code is what the code says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.records.events import KINDS
from evolve.trial_config import STRUCTURAL, TrialConfig

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SPACES = ROOT / "search_spaces"


def rows(page: str, first: str) -> dict[str, list[str]]:
    """The rows of the page's table whose first column is headed so: name -> the other cells, without back quotes."""
    table: dict[str, list[str]] = {}
    inside = False
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
        if not line.startswith("|"):
            inside = False
        elif cells[0].strip() == first:
            inside = True
        elif inside and not cells[0].startswith("---"):
            table[cells[0]] = cells[1:]
    assert table, f"{page}: no table headed {first}"
    return table


def test_every_setting_stands_in_the_page_with_its_default() -> None:
    told = {address: yaml.safe_load(cells[0]) for address, cells in rows("search-spaces.md", "address").items()}
    real = {name: list(v) if isinstance(v, tuple) else v for name, v in TrialConfig().settings().items()}
    assert told == real


def test_the_structural_settings_are_those_named() -> None:
    page = (DOCS / "search-spaces.md").read_text(encoding="utf-8")
    told = page.split("These shape the compiled graph:")[1].split("\n\n")[0]
    assert set(re.findall(r"`([^`]+)`", told)) == STRUCTURAL


def test_the_shipped_spaces_are_as_told() -> None:
    told = {name: cells for name, cells in rows("search-spaces.md", "file").items() if name.endswith(".yaml")}
    assert set(told) == {f"search_spaces/{path.name}" for path in SPACES.glob("*.yaml")}
    for name, cells in told.items():
        space = spaces.load(ROOT / name)
        config = TrialConfig.from_settings(space.trial)
        steps = str(config.train.steps) if "train.steps" in space.trial else "by rule"
        network, train = config.detector, config.train
        numbers = [len(space.genes), network.width, network.depth, train.size, train.batch]
        assert cells[:6] == [*map(str, numbers), steps], name


@pytest.mark.parametrize(("name", "column"), [("fast", 0), ("seed", 1)])
def test_the_recipes_are_as_told(name: str, column: int) -> None:
    recipe = recipes.load(name)
    left_out = {"screening": recipe.screening, "controls": recipe.controls, "verdict": recipe.verdict_seeds[0]}  # often
    real = {**recipe.to_plain(), **left_out}
    del real["name"]
    told = {key: cells[column] for key, cells in rows("search-spaces.md", "number").items()}
    assert told == {key: ", ".join(v) if isinstance(v, list) else str(v) for key, v in real.items()}


def test_every_event_stands_in_the_page() -> None:
    assert set(rows("lineage.md", "kind")) == set(KINDS)


def test_the_python_page_runs_as_it_stands(tmp_path: Path) -> None:
    page = (DOCS / "python-api.md").read_text(encoding="utf-8")
    example, _, objective = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "my_objective.py").write_text(objective, encoding="utf-8")
    own = re.search(r'ObjectiveFactory\("my_objective:.*?\}\)', page)
    assert own is not None
    other = re.sub(r"ObjectiveFactory\(.*?\}\)", own[0], example).replace("runs/simulated", "runs/own")
    for number, text in enumerate((example, other)):
        (tmp_path / f"example{number}.py").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, f"example{number}.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("finished g00")
        assert "48 individuals, winner g00" in done.stdout


@pytest.mark.parametrize("page", sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")))
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, heading = target.partition("#")
        path = (DOCS / page).parent / file if file else DOCS / page
        assert path.is_file(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in headings}, target
