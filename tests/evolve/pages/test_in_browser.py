"""Both pages in a real browser: no complaint, no request, clicks and keys that work, also with 3,000 individuals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evolve.pages.write import write
from evolve.records.state import SearchState, fold

pytestmark = pytest.mark.slow
STANDS = "document.readyState === 'complete' && document.querySelector('#panel h2')"
DRAWN = "document.documentElement?.dataset.drawn"
POLICY = '<meta http-equiv="Content-Security-Policy"'


@pytest.fixture
def browser(start_browser: Callable[..., Any]) -> Any:
    return start_browser()


def without_policy(page: Path) -> None:
    """Take out the policy that forbids requests, so that one which is tried is seen."""
    text = page.read_text(encoding="utf-8")
    assert POLICY in text
    page.write_text(text.replace(POLICY, "<meta name='no-policy'"), encoding="utf-8")


def panel(browser: Any) -> str:
    text: str = browser.value("document.getElementById('panel').innerText")
    return text


def test_a_click_and_keys_show_genome_changes_curve_and_reason(browser: Any, ended: Path) -> None:
    tree = json.loads((ended / "lineage.json").read_text(encoding="utf-8"))
    individuals = {one["uid"]: one for one in tree["individuals"]}
    child = next(one for one in individuals.values() if one["parents"] and one["fitness"] is not None)
    failed = next(one for one in individuals.values() if one["reason"])
    parent = individuals[child["parents"][0]]
    browser.open((ended / "lineage.html").as_uri(), STANDS)
    assert tree["winner"]["uid"] in panel(browser), "at first the winner's story"
    browser.click(f"[data-uid='{child['uid']}']")
    shown = panel(browser)
    assert shown.startswith(child["uid"]) or child["uid"] in shown.splitlines()[:2]
    changed = [gene for gene, value in child["genome"].items() if parent["genome"][gene] != value]
    assert f"Changed genes ({len(changed)} of {len(child['genome'])})" in shown
    assert all(gene in shown for gene in child["genome"])
    assert f"{child['fitness']:.4f}" in shown
    assert browser.value("document.querySelectorAll('#panel .curve path').length") == 3, "axes, parent, child"
    browser.press("ArrowLeft")
    assert browser.value("location.hash") == f"#{parent['uid']}"
    browser.press("Escape")
    assert "came about" in panel(browser)
    browser.press("ArrowDown")
    browser.press("ArrowUp")
    browser.press("Enter")
    assert browser.value("location.hash") == f"#{parent['uid']}"
    browser.click(f"[data-uid='{failed['uid']}']")
    assert failed["reason"] in panel(browser)
    assert browser.complaints == []


def test_everybody_can_be_reached_with_the_keyboard_alone(browser: Any, ended: Path) -> None:
    browser.open((ended / "lineage.html").as_uri(), STANDS)
    for _ in range(30):
        browser.press("Tab")
        if browser.value("document.activeElement.classList.contains('node')"):
            break
    of_each: dict[str, list[str]] = browser.value(
        "Object.fromEntries([...document.querySelectorAll('.node')].map(one => [one.dataset.uid, 1]))"
    )
    seen = set()
    for move in ("ArrowLeft", "ArrowLeft", "ArrowLeft"):  # to the first generation
        browser.press(move)
    for _ in range(3):
        for key in ("ArrowUp", "ArrowDown"):
            for _ in range(20):
                seen.add(browser.value("document.activeElement.dataset.uid"))
                browser.press(key)
        browser.press("ArrowUp")
        for _ in range(20):
            browser.press("ArrowUp")
        browser.press("ArrowRight")
    assert seen <= set(of_each)
    first = {uid for uid in of_each if uid.startswith("g000")}
    assert first <= seen


@pytest.mark.parametrize("dark", [False, True])
def test_the_report_draws_every_figure_without_a_complaint(browser: Any, ended: Path, dark: bool) -> None:
    browser.be_dark(dark)
    browser.open((ended / "report.html").as_uri(), DRAWN)
    figures = browser.value("document.querySelectorAll('.figure').length")
    assert figures == 8
    assert browser.value("document.querySelectorAll('.figure .cartesianlayer .subplot').length") >= figures
    ink = browser.value("getComputedStyle(document.querySelector('.figure .xtick text')).fill")
    assert ink == ("rgb(232, 235, 238)" if dark else "rgb(27, 31, 36)")
    browser.be_dark(not dark)
    browser.wait(f"getComputedStyle(document.querySelector('.figure .xtick text')).fill !== '{ink}'")
    assert browser.complaints == []


def test_no_page_asks_for_anything_even_without_its_policy(browser: Any, ended: Path, tmp_path: Path) -> None:
    from evolve.records.journal import events

    written = write(tmp_path, fold(events(ended / "journal.db")), held=False)
    for page, ready in ((written.lineage, STANDS), (written.report, DRAWN)):
        without_policy(page)
        browser.requested.clear()
        browser.open(page.as_uri(), ready)
        asked = [address for address in browser.requested if not address.startswith(("data:", "blob:"))]
        assert asked == [page.as_uri()]
    assert browser.complaints == []


@pytest.mark.parametrize(("generations", "of_each", "share"), [(3, 100, 0.12), (30, 100, 0.12), (3, 1000, 0.9)])
def test_hundreds_and_thousands_stay_usable(
    browser: Any, made_up: Callable[..., SearchState], tmp_path: Path, generations: int, of_each: int, share: float
) -> None:
    state = made_up(generations, of_each, share_finished=share)
    written = write(tmp_path, state, held=False)
    browser.open(written.lineage.as_uri(), STANDS)
    assert browser.value("document.querySelectorAll('.node').length") == generations * of_each
    for uid in (f"g{generations - 1:03d}-{of_each - 1:03d}", "g000-007"):
        browser.click(f"[data-uid='{uid}']")
        assert browser.value("location.hash") == f"#{uid}"
        value = next(iter(state.individuals[uid].genome.values()))
        assert isinstance(value, float)
        cells = browser.value("[...document.querySelectorAll('#panel td')].map(cell => Number(cell.innerText))")
        assert any(cell == pytest.approx(value, rel=1e-3) for cell in cells if cell is not None)
    browser.click("#fit")
    assert browser.value("document.getElementById('tree').getBoundingClientRect().width") <= browser.value(
        "document.getElementById('view').clientWidth + 1"
    )
    browser.open(written.report.as_uri(), DRAWN)
    assert browser.complaints == []
