"""evolve report: writes both pages from the journal alone, says where, opens them; and the pages at a search's end."""

import json
import shutil
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

import pytest

from evolve.__main__ import main
from evolve.pages import write as pages
from evolve.records.feed import Feed
from evolve.records.journal import Event, Journal, NewEvent
from evolve.records.progress import Display

PAGES = ("report.html", "lineage.html")


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were opened in a browser; there is a screen."""
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    monkeypatch.setenv("DISPLAY", ":0")
    return addresses


@pytest.fixture
def copied(ended: Path, tmp_path: Path) -> Path:
    """A copy of the search, without its pages."""
    directory = tmp_path / "it's a search"
    shutil.copytree(ended, directory)
    for name in PAGES:
        (directory / name).unlink()
    return directory


def test_it_writes_what_the_search_wrote_at_its_end_and_nothing_else(
    ended: Path, copied: Path, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in copied.iterdir() if path.is_file()}
    assert main(["report", str(copied)]) == 0
    for name in PAGES:
        assert (copied / name).read_bytes() == (ended / name).read_bytes(), name
    after = {path.name: path.read_bytes() for path in copied.iterdir() if path.name not in PAGES and path.is_file()}
    assert {name: after[name] for name in before if "-shm" not in name} == {
        name: content for name, content in before.items() if "-shm" not in name
    }
    assert capsys.readouterr().out == f"report: {copied}/report.html\nlineage: {copied}/lineage.html\n"
    assert opened == [(copied / "lineage.html").as_uri(), (copied / "report.html").as_uri()]


@pytest.mark.parametrize("flag", ["--no-open", "--json", ""])
def test_it_opens_nothing_if_it_should_not_or_cannot(
    copied: Path, opened: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    if not flag:
        monkeypatch.delenv("DISPLAY")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.setattr(sys, "platform", "linux")
    assert main(["report", str(copied), *filter(None, [flag])]) == 0
    assert opened == []
    said = capsys.readouterr().out
    if flag == "--json":
        paths = json.loads(said)
        assert paths == {"report": str(copied / "report.html"), "lineage": str(copied / "lineage.html")}
        assert all(Path(path).is_file() for path in paths.values())


def test_a_search_of_an_earlier_version_that_was_cut_off_has_pages_too(
    stored_events: list[Event], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "runs" / "old"
    with Journal(directory) as journal:
        journal.append([NewEvent(event.kind, event.uid, event.payload) for event in stored_events[:60]])
    (tmp_path / "runs" / "latest").symlink_to("old")
    monkeypatch.chdir(tmp_path)
    assert main(["report", "--no-open"]) == 0, "without a directory it is the latest search"
    page = (directory / "report.html").read_text(encoding="utf-8")
    assert "No verdict yet: the search was interrupted and can go on (generation " in page


def test_what_is_wrong_is_one_sentence(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], opened: list[str]
) -> None:
    assert main(["report", str(tmp_path / "none")]) == 2
    assert (
        capsys.readouterr().err
        == f"evolve: {tmp_path}/none: expected the directory of a search, found no such directory\n"
    )
    assert main(["report", str(copied), "--out", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"evolve: --out {tmp_path}/none: expected a folder that exists, found none\n"
    (copied / "report.html").mkdir()
    assert main(["report", str(copied)]) == 1
    assert "expected to write the pages there, got: Is a directory" in capsys.readouterr().err
    assert opened == []


def test_pages_can_be_written_beside_a_search_that_must_not_be_touched(ended: Path, tmp_path: Path) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in ended.iterdir() if "-" not in path.name)
    assert main(["report", str(ended), "--out", str(tmp_path), "--no-open"]) == 0
    assert sorted((path.name, path.stat().st_mtime_ns) for path in ended.iterdir() if "-" not in path.name) == before
    assert {path.name for path in tmp_path.iterdir()} == set(PAGES)


def test_it_loads_nothing_that_trains_schedules_or_tracks(ended: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from evolve.__main__ import main; "
        f"main(['report', {str(ended)!r}, '--out', {str(tmp_path)!r}, '--json']); "
        "print(sorted({'tensorflow', 'keras', 'ray', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["[]"]


class Notes(Display):
    """Keeps the sentences."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_an_error_in_the_pages_undoes_nothing_of_a_search_that_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search_in: Any
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(pages, "write", fails)
    display = Notes()
    assert search_in(tmp_path / "s", display=display).phase == "finished"
    [note] = [note for note in display.notes if "pages" in note]
    assert note.startswith("the pages were not written (KeyError: 'a bug'); to write them: evolve report ")
    assert (tmp_path / "s" / "winner.yaml").is_file()


class Store:
    """Keeps the names of the files that it is sent."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def sent(self) -> int:
        return 0

    def remember(self, event: int) -> None:
        pass

    def write(self, update: object) -> None:
        return None

    def add_file(self, key: str, path: Path) -> None:
        self.files.append(path.name)

    def show_views(self, state: object) -> None:
        return None

    def register_winner(self, state: object) -> None:
        pass


def test_a_tracking_store_gets_both_pages(ended: Path) -> None:
    store = Store()
    feed = Feed(ended / "journal.db", lambda _id: store, lambda error: pytest.fail(str(error)))
    feed.send(last=True)
    feed.send_artifacts()
    assert set(PAGES) <= set(store.files)
