"""docs/yolov4.md says what the code, the search spaces, the presets and the tests say."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve import techniques
from evolve.genetics import space as spaces
from evolve.trial_config import ADDRESSES, ROOMS, TrialConfig
from model import presets
from model.commands.pretrain import PretrainConfig

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "yolov4.md").read_text(encoding="utf-8")
SPACES = {name: spaces.load(ROOT / "search_spaces" / f"{name}.yaml") for name in ("embedded", "yolov4_small", "yolov4")}
# In the list of the paper, but no setting: the program itself.
NO_SETTING = "optimal hyperparameters"
# What a trial's settings cannot tell of a preset: the sizes stay with the space.
OF_THE_SPACE = "random training shapes"


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table(*first: str) -> dict[str, list[str]]:
    """The page's table whose header begins with these cells: first cell -> the others, without back quotes there."""
    lines = PAGE.splitlines()
    starts = [k for k, line in enumerate(lines) if line.startswith("|") and cells_of(line)[: len(first)] == list(first)]
    assert len(starts) == 1, f"expected one table headed {first}, got {len(starts)}"
    found: dict[str, list[str]] = {}
    for line in lines[starts[0] + 2 :]:
        if not line.startswith("|"):
            break
        name, *others = cells_of(line)
        assert name not in found, f"{name} stands twice under {first}"
        found[name.strip("`")] = others
    return found


def quoted(text: str) -> list[str]:
    """What stands in back quotes, code blocks apart."""
    return re.findall(r"`([^`\n]+)`", text)


def addresses_in(text: str) -> set[str]:
    """Words in back quotes that have the form of a setting's address."""
    rooms = "|".join(ROOMS)
    return {word for word in quoted(text) if re.fullmatch(rf"({rooms})\.[a-z0-9_]+", word)}


def effective(name: str) -> dict[str, Any]:
    """The whole configuration of a space's defaults."""
    space = SPACES[name]
    return TrialConfig.from_settings({**space.trial, **dict(space.defaults())}).settings()


class Noted(dict[str, Any]):
    """Settings that note which of them were looked at."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.seen: set[str] = set()

    def __getitem__(self, address: str) -> Any:
        self.seen.add(address)
        return super().__getitem__(address)


def test_every_technique_stands_in_the_overview() -> None:
    told = set(table("technique", "bag"))
    assert told == {*techniques.TECHNIQUES, *techniques.WITHOUT_SWITCH, NO_SETTING}


@pytest.mark.parametrize("name", techniques.TECHNIQUES)
def test_a_switch_is_what_the_program_looks_at(name: str) -> None:
    settings = Noted(effective("embedded"))
    assert techniques.TECHNIQUES[name](settings)
    assert addresses_in(table("technique", "bag")[name][2]) == settings.seen


def test_the_genes_of_a_technique_are_genes_of_every_space() -> None:
    for name, cells in table("technique", "bag").items():
        genes = addresses_in(cells[3]) - {"detector.width", "detector.depth"}  # said there to be none
        for space in SPACES.values():
            assert genes <= set(space.genes), name


@pytest.mark.parametrize("name", presets.NAMES)
def test_presets_have_on_what_is_told(name: str) -> None:
    off = techniques.switched_off(TrialConfig.from_settings(presets.load(name)).settings())
    assert "train.sizes" not in presets.load(name)
    real = {technique: "off" if technique in off else "on" for technique in techniques.TECHNIQUES}
    real[OF_THE_SPACE] = "as the space"
    column = presets.NAMES.index(name)
    assert {technique: cells[column] for technique, cells in table("technique", "`darknet`").items()} == real


@pytest.mark.parametrize("name", SPACES)
def test_what_a_space_fixes_is_as_told(name: str) -> None:
    settings, column = effective(name), list(SPACES).index(name)
    for address, cells in table("setting", "`embedded`").items():
        assert address not in SPACES[name].genes, address
        value = settings[address]
        assert yaml.safe_load(cells[column]) == (list(value) if isinstance(value, tuple) else value), address


def plain(value: Any) -> str:
    """Numbers without an exponent: YAML would read 1e-05 as a word."""
    return f"{value:.10f}".rstrip("0").rstrip(".") if type(value) in (int, float) else str(value)


def gene_rows(name: str) -> dict[str, list[str]]:
    """What the page should say of each gene: scale, range, default, and the comment behind it in the space file."""
    text = (ROOT / "search_spaces" / f"{name}.yaml").read_text(encoding="utf-8")
    found = {}
    for gene, domain in yaml.safe_load(text)["genes"].items():
        line = next(line for line in text.splitlines() if line.startswith(f"  {gene}:"))
        ends = (plain(domain[end]) for end in ("low", "high") if end in domain)
        span = " to ".join(ends) or ", ".join(map(plain, domain["values"]))
        found[gene] = [domain["scale"], span, plain(domain["default"]), line.partition("#")[2].strip()]
    return found


@pytest.mark.parametrize("name", SPACES)
def test_genes_have_the_ranges_and_defaults_of_the_space(name: str) -> None:
    told, real = table(f"gene of {name}"), gene_rows(name)
    for gene, cells in told.items():
        assert cells[3], f"{gene}: where its default is from"
        if not real.get(gene, ["-"])[-1]:
            real[gene][-1] = cells[3]  # the file says nothing: whatever the page says will do
    wrong = {gene for gene in {*told, *real} if told.get(gene) != real.get(gene)}
    rows = "\n".join(f"| `{gene}` | {' | '.join(cells)} |" for gene, cells in real.items() if gene in wrong)
    assert not wrong, f"docs/yolov4.md, genes of {name}: {', '.join(sorted(wrong))}; expected these rows:\n{rows}"
    assert list(told) == list(real)


def test_every_gene_has_a_word_on_its_range() -> None:
    told = [addresses_in(f"`{name}`") for name in table("genes", "published values that the range is laid around")]
    genes = {gene for space in SPACES.values() for gene in space.genes}
    assert set().union(*told) == genes
    assert sum(map(len, told)) == len(genes), "a gene stands twice"


def test_the_options_of_the_pre_training_have_their_defaults() -> None:
    told = {option.lstrip("-").replace("-", "_"): cells[0] for option, cells in table("option", "default").items()}
    assert told == {name: str(field.default) for name, field in PretrainConfig.__dataclass_fields__.items()}


def test_every_address_is_a_setting() -> None:
    found = addresses_in(PAGE)
    assert len(found) > 40
    assert found <= set(ADDRESSES)


@pytest.mark.parametrize("page", ["yolov4.md", "architecture.md"])
def test_every_file_exists(page: str) -> None:
    words = quoted((ROOT / "docs" / page).read_text(encoding="utf-8"))
    files = {word for word in words if re.fullmatch(r"(data|model|search_spaces|tests)/[\w./-]*", word)}
    assert len(files) > 40
    assert not [file for file in sorted(files) if not (ROOT / file).exists()]


def test_every_test_that_proves_something_is_in_a_file_named_beside_it() -> None:
    found = 0
    for paragraph in PAGE.split("\n\n"):
        words = quoted(paragraph)
        files = [ROOT / word for word in words if word.startswith("tests/")]
        text = "\n".join(file.read_text(encoding="utf-8") for file in files)
        for test in (word for word in words if word.startswith("test_")):
            assert f"def {test}(" in text, (
                f"{test}: expected it in {', '.join(file.name for file in files) or 'a file'}"
            )
            found += 1
    assert found > 80


def sections() -> dict[str, str]:
    """Heading of the third level -> what stands below it."""
    parts = re.split(r"^(#{2,3}) (.*)\n", PAGE, flags=re.MULTILINE)
    return {parts[k + 1]: parts[k + 2] for k in range(1, len(parts), 3) if parts[k] == "###"}


def test_every_technique_has_a_section_and_every_section_a_proof() -> None:
    found = {heading.lower(): text for heading, text in sections().items()}
    headings = {"Mish in the backbone": "mish", "CutMix": "cutmix for detection"}
    for name in table("technique", "bag"):
        assert headings.get(name, name.lower()) in found, name
    for heading, text in found.items():
        assert re.search(r"`tests/[\w/]+\.py`", text), heading
