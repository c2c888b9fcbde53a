"""From a journal to a store: what the store refuses is sent again, and a bug of ours costs only one event."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.records import feed as feeds
from evolve.records import projection, views
from evolve.records.feed import Feed
from evolve.records.journal import Journal, NewEvent
from evolve.records.run_updates import SEARCH_KEY, RunUpdate
from evolve.records.state import SearchState

CREATED: dict[str, object] = {
    "search_id": "s1",
    "seed": 7,
    "steps": 90,
    "recipe_name": "fast",
    "recipe": {"name": "fast", "population": 2, "elites": 1, "generations": 0},
    "space": {"name": "tiny", "genes": {}},
    "data": {},
    "objective": {},
    "request": {},
    "threads": 1,
    "workers": 2,
    "versions": {},
}
PLACE = {"parents": [], "operator": "random", "seed": 11, "generation": 0}


def trial(slot: int, fitness: float) -> list[NewEvent]:
    uid = f"g000-{slot:03d}"
    measured = {"losses": {}, "scores": {"val/map50_95": fitness}, "seconds": {"train": 2.0}, "traces": 0}
    return [
        NewEvent("attempt_started", uid, {"attempt": 1, "start_step": 0, "stop_step": 90, "worker": "w", "node": "n"}),
        NewEvent("measured", uid, {"attempt": 1, "step": 90, **measured}),
        NewEvent("rung_reached", uid, {"step": 90, "score": fitness, "share": 1.0}),
        NewEvent("trial_finished", uid, {"fitness": fitness, "seconds": 2.0}),
    ]


ENTRIES = [
    NewEvent("search_created", None, CREATED),
    NewEvent("generation_opened", None, {"generation": 0, "population": 2}),
    NewEvent("trial_proposed", "g000-000", {**PLACE, "slot": 0, "genome": {"a": 1}}),
    NewEvent("trial_proposed", "g000-001", {**PLACE, "slot": 1, "genome": {"a": 2}}),
    *trial(0, 0.3),
    *trial(1, 0.4),
    NewEvent("generation_closed", None, {"generation": 0, "elites": ["g000-001"]}),
    NewEvent("search_failed", None, {"reason": "for a test"}),
]


class Memory:
    """A store in memory. refuses: called with a run's key before each write; returns a text to refuse it."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.number = 0
        self.writes = 0
        self.views: list[list[str]] = []
        self.refuses: Callable[[str], str | None] = lambda _key: None

    def sent(self) -> int:
        return self.number if SEARCH_KEY in self.runs else 0

    def remember(self, event: int) -> None:
        self.number = event

    def write(self, update: RunUpdate) -> str | None:
        self.writes += 1
        said = self.refuses(update.key)
        if said is None and update.parent is not None and update.parent not in self.runs:
            said = "its parent is not there"
        if said is not None:
            return said
        run = self.runs.setdefault(update.key, {"tags": dict(update.identity), "params": {}, "numbers": set()})
        run["tags"] |= update.tags
        run["params"] |= update.params
        run["numbers"] |= set(update.metrics)
        if update.status is not None:
            run["status"], run["ended"] = update.status, update.ended
        return None

    def add_file(self, key: str, path: Path) -> None:
        self.runs[key].setdefault("files", set()).add(path.name)

    def show_views(self, state: SearchState) -> str | None:
        self.views.append(views.line(state))
        return self.refuses("views")

    def register_winner(self, state: SearchState) -> None:
        if self.refuses("registry"):
            raise PermissionError("no registry")


def append(directory: Path, entries: list[NewEvent]) -> Path:
    """Events at the times of their ids."""
    with Journal(directory) as journal:
        count = itertools.count(len(journal.events()) + 1)
        journal._clock = lambda: float(next(count))
        for entry in entries:
            journal.append([entry])
    return directory / "journal.db"


def feed(path: Path, store: Memory, clock: Callable[[], float] = lambda: 0.0) -> tuple[Feed, list[Exception]]:
    reported: list[Exception] = []
    return Feed(path, lambda _search_id: store, reported.append, clock), reported


@pytest.fixture
def whole(tmp_path: Path) -> Memory:
    """The content of a store that accepts everything at once."""
    store = Memory()
    feed(append(tmp_path / "undisturbed", ENTRIES), store)[0].send()
    assert store.number == len(ENTRIES)
    assert len(store.runs) == 4
    return store


def test_what_was_refused_for_a_time_arrives_later_and_nothing_waits_for_it(tmp_path: Path, whole: Memory) -> None:
    now = [0.0]
    store = Memory()
    path = append(tmp_path / "s", ENTRIES[:6])
    one, _ = feed(path, store, lambda: now[0])
    one.send()
    store.refuses = lambda key: "must be in the 'active' state" if key.startswith("trial/g000-000") else None
    append(tmp_path / "s", ENTRIES[6:])
    one.send()
    assert one.refused == {"trial/g000-000": "must be in the 'active' state"}
    assert store.runs["trial/g000-001"] == whole.runs["trial/g000-001"], "the others do not wait"
    assert store.number == 6, "the next session would send it again"
    writes = store.writes
    for _ in range(10):
        one.send()
    assert store.writes == writes, "asked again after a pause"
    store.refuses = lambda _key: None
    now[0] += 60.0
    one.send()
    assert one.refused == {}
    assert store.runs == whole.runs
    assert store.number == whole.number


def test_what_was_refused_at_the_end_is_sent_by_the_next_session(tmp_path: Path, whole: Memory) -> None:
    store = Memory()
    store.refuses = lambda key: "no" if key != SEARCH_KEY else None
    path = append(tmp_path / "s", ENTRIES)
    one, _ = feed(path, store)
    one.send(last=True)
    assert len(one.refused) == 3
    store.refuses = lambda _key: None
    again, _ = feed(path, store)
    again.send(last=True)
    assert store.runs == whole.runs
    assert store.number == whole.number


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(1, 4), st.sets(st.sampled_from(range(4)))), max_size=8))
def test_whatever_is_refused_on_the_way_the_end_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, set[int]]]
) -> None:
    keys = [SEARCH_KEY, "generation/000", "trial/g000-000", "trial/g000-001"]
    directory = tmp_path_factory.mktemp("fuzz")
    expected, store, now = Memory(), Memory(), itertools.count(0, 100)
    feed(append(directory / "undisturbed", ENTRIES), expected)[0].send()
    path = append(directory / "s", ENTRIES[:1])
    one, _ = feed(path, store, lambda: float(next(now)))
    done = 1
    for count, refused in steps:
        append(directory / "s", ENTRIES[done : done + count])
        done = min(len(ENTRIES), done + count)
        store.refuses = lambda key, refused=refused: "no" if keys.index(key) in refused else None  # type: ignore[misc]
        one.send()
    append(directory / "s", ENTRIES[done:])
    store.refuses = lambda _key: None
    one.send(last=True)
    assert store.runs == expected.runs
    assert store.number == expected.number


def test_a_store_that_was_emptied_gets_everything_again(tmp_path: Path, whole: Memory) -> None:
    path = append(tmp_path / "s", ENTRIES)
    store = Memory()
    feed(path, store)[0].send()
    writes = store.writes
    feed(path, store)[0].send()
    assert store.writes == writes, "it has everything"
    store.runs.clear()
    feed(path, store)[0].send()
    assert store.runs == whole.runs


def test_a_bug_in_the_projection_costs_one_event(
    tmp_path: Path, whole: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    path = append(tmp_path / "s", ENTRIES)
    store = Memory()
    with monkeypatch.context() as patch:
        patch.setattr(projection, "_add_measurement", broken)
        one, reported = feed(path, store)
        one.send()
    assert one.unshown == "event 6 (measured): KeyError: 'a bug'"
    assert [str(error) for error in reported] == ["'a bug'"] * 2
    assert store.runs["trial/g000-001"]["status"] == "FINISHED", "what comes after it is shown"
    feed(path, store)[0].send()  # by a program without the bug
    assert store.runs == whole.runs


@pytest.mark.parametrize("tries", [0, 1, 5, 6, 7, 1024, 10**6])
def test_the_pause_has_an_end_after_any_number_of_tries(tries: int) -> None:
    assert feeds.pause_seconds(tries) == min(2.0 ** min(tries, 10), 60.0)


def test_views_follow_the_best_and_are_not_written_again_for_nothing(tmp_path: Path) -> None:
    store = Memory()
    one, _ = feed(append(tmp_path / "s", ENTRIES[:4]), store)
    one.send()
    for entry in ENTRIES[4:]:
        append(tmp_path / "s", [entry])
        one.send()
    one.send(last=True)
    assert store.views == [[], ["g000-000"], ["g000-001"]]


def test_a_store_that_takes_neither_views_nor_models_gets_all_runs_and_is_reported(
    tmp_path: Path, whole: Memory
) -> None:
    store = Memory()
    store.refuses = lambda key: "this is another version" if key in ("views", "registry") else None
    one, reported = feed(append(tmp_path / "s", ENTRIES), store)
    one.send(last=True)
    assert store.runs == whole.runs
    assert store.number == whole.number
    assert one.unpresented == "no registered model of the winner: PermissionError: no registry"
    assert [type(error) for error in reported] == [PermissionError]
    store.refuses = lambda key: "this is another version" if key == "views" else None
    one.send(last=True)
    assert one.unpresented == "no ready-made views: this is another version"
    store.refuses = lambda _key: None
    one.send(last=True)
    assert one.unpresented is None
    tries = len(store.views)
    one.send(last=True)
    assert len(store.views) == tries
