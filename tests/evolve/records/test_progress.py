"""What a search shows of a journal written by hand: the log, its summaries, and the live view."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from evolve.records import live_view, progress, state
from evolve.records.journal import Event

NOON = 1_772_712_000.0  # 2026-03-05 12:00:00 UTC, by date -u -d @1772712000
DAY = 24 * 3600.0
CREATED = {
    "search_id": "s",
    "seed": 1,
    "steps": 90,
    "recipe_name": "fast",
    "recipe": {
        "name": "fast",
        "population": 4,
        "elites": 1,
        "children": 2,
        "generations": 1,
        "rungs": ["1/9", "1/3", "1"],
        "keep": "1/2",
    },
    "space": {"name": "s", "genes": {}},
    "data": {"images": {"test": 1}},
    "objective": {},
    "request": {},
    "threads": 1,
    "versions": {},
    "workers": 2,
}
Line = tuple[str, str | None, dict[str, object]]


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


class Search:
    """A journal that is written line by line, and what a display shows of it."""

    def __init__(self) -> None:
        self.now = NOON
        self.lines: list[str] = []
        self.display = progress.PlainDisplay(self.lines.append, clock=lambda: self.now)
        self.state = state.begin(Event(1, NOON, "search_created", None, CREATED))

    def tell(self, *journalled: Line) -> list[str]:
        """Journal the lines; what is shown at that."""
        before = len(self.lines)
        for kind, uid, payload in journalled:
            event = Event(self.state.last_id + 1, self.now, kind, uid, payload)
            self.state.apply(event)
            self.display.show(event, self.state)
        return self.lines[before:]

    def tick(self) -> list[str]:
        before = len(self.lines)
        self.display.tick(self.state)
        return self.lines[before:]


def born(slot: int, generation: int = 0, parents: tuple[str, ...] = (), operator: str = "random") -> Line:
    payload: dict[str, object] = {"generation": generation, "slot": slot, "parents": list(parents), "seed": slot}
    return "trial_proposed", f"g{generation:03d}-{slot:03d}", {**payload, "operator": operator, "genome": {"x": slot}}


def opened(generation: int = 0, population: int = 4) -> Line:
    return "generation_opened", None, {"generation": generation, "population": population}


def started(uid: str) -> Line:
    return "attempt_started", uid, {"attempt": 1}


def measured(uid: str, step: int) -> Line:
    numbers: dict[str, object] = {"losses": {}, "scores": {}, "seconds": {"train": 3.0}, "traces": 0}
    return "measured", uid, {"attempt": 1, "step": step, **numbers}


def reached(uid: str, step: int, score: float) -> list[Line]:
    return [measured(uid, step), ("rung_reached", uid, {"step": step, "score": score})]


def stopped(uid: str, step: int) -> Line:
    return "trial_stopped", uid, {"step": step}


def finished(uid: str, fitness: float) -> list[Line]:
    return [*reached(uid, 90, fitness), ("trial_finished", uid, {"fitness": fitness})]


def failed(uid: str, reason: str) -> Line:
    return "trial_failed", uid, {"kind": "crashed", "reason": reason, "seconds": 1.0}


@pytest.fixture
def search() -> Search:
    search = Search()
    search.tell(opened(), *[born(slot) for slot in range(4)])
    return search


def test_each_line_begins_with_the_time_of_day_and_the_first_of_a_day_has_the_date(search: Search) -> None:
    assert search.lines == ["12:00:00 2026-03-05 generation 0 of 1: 4 individuals"]
    search.now += 61
    assert search.tell(failed("g000-000", "oh")) == ["12:01:01 g000-000 failed: oh"]
    search.now += DAY
    search.display.note("a sentence")
    search.display.note("another")
    assert search.lines[-2:] == ["12:01:01 2026-03-06 a sentence", "12:01:01 another"]


def test_trials_that_a_rung_stops_share_a_line(search: Search) -> None:
    scores = {0: 0.1, 1: 0.3, 2: 0.2}
    for slot, score in scores.items():
        assert search.tell(*reached(f"g000-00{slot}", 10, score)) == []
    search.tell(failed("g000-003", "oh"))
    assert search.tell(stopped("g000-000", 10), stopped("g000-002", 10)) == []
    line = "12:00:00 generation 0, step 10: 1 of 3 go on; best 0.3000 (g000-001)"
    assert search.tell(started("g000-001")) == [line]
    assert search.tick() == []
    assert search.tell(*reached("g000-001", 30, 0.5)) == []


def test_the_line_of_a_rung_does_not_wait_for_another_event(search: Search) -> None:
    search.tell(*reached("g000-000", 10, 0.1), *reached("g000-001", 10, 0.2), stopped("g000-000", 10))
    search.now += 1
    assert search.tick() == ["12:00:00 generation 0, step 10: 1 of 2 go on; best 0.2000 (g000-001)"]


def test_a_finished_trial_has_a_line_and_a_new_best_says_so(search: Search) -> None:
    assert search.tell(*finished("g000-000", 0.2)) == ["12:00:00 g000-000 finished: fitness 0.2000, the best so far"]
    assert search.tell(*finished("g000-001", 0.1)) == ["12:00:00 g000-001 finished: fitness 0.1000"]
    assert search.tell(*finished("g000-002", 0.2)) == ["12:00:00 g000-002 finished: fitness 0.2000"]  # not better


def test_a_summary_comes_every_few_minutes_and_ever_more_rarely(search: Search) -> None:
    """The remaining time is not repeated hundreds of times, however long a search runs."""
    search.tell(*finished("g000-000", 0.2))
    summaries = []
    while search.now < NOON + 3 * DAY:
        summaries += [search.now - NOON] * len(search.tick())
        search.now += 30
    gaps = [later - before for before, later in zip([0.0, *summaries], summaries, strict=False)]
    assert gaps[0] == 300
    assert min(gaps) >= 300
    assert max(gaps) <= 0.05 * 3 * DAY + 30
    assert len(summaries) < 100
    assert sum("left" in line for line in search.lines) == len(summaries)


def test_nothing_but_events_and_sentences_is_written_without_ticks(search: Search) -> None:
    search.now += DAY
    assert search.tell(started("g000-000"), *reached("g000-000", 10, 0.1)) == []


def test_no_event_has_a_line_after_the_one_on_how_to_go_on(search: Search, tmp_path: object) -> None:
    search.tell(*reached("g000-000", 10, 0.1), stopped("g000-000", 10))
    search.display.interrupted(progress.Path("s"))
    search.tell(("search_interrupted", None, {"reason": "Ctrl-C"}))
    assert search.tick() == []
    assert search.lines[-1] == "stopped; nothing that was finished is lost; go on with: evolve resume s"


def test_the_view_by_hand(search: Search) -> None:
    # At step 10: 0 and 1 have scores, 2 has failed, 3 is on its way. 2 x 10 s of workers, 3 x 3 s measured, 1 s failed.
    search.tell(*reached("g000-000", 10, 0.1), *reached("g000-001", 10, 0.2), failed("g000-002", "oh"))
    search.tell(started("g000-003"), measured("g000-003", 5))
    # 10 s for 25 steps. Generation 0 has 4 x 10 + 2 x 20 + 1 x 60 = 140, 1 has 2 x 10 + 20 + 60 = 100, then 6 x 90:
    # 755 are left, 0.4 s each on two workers
    assert live_view.lines(search.state, NOON + 10) == [
        "generation 0 of 1 | rung 1 of 3 (step 10): 3 of 4 trials",
        "trials: 1 running, 2 waiting, 0 finished, 0 stopped early, 1 failed",
        "best: no individual has reached its full budget yet",
        "workers: 2, 50% busy | elapsed 10 s | about 3 min left",
        "g000-003 5/10",
    ]
    assert live_view.lines(search.state, NOON + 10, steps={"g000-003": 7, "g000-001": 12})[4:] == [
        "g000-001 12/30   g000-003 7/10"
    ]
    search.tell(*reached("g000-003", 10, 0.05), stopped("g000-003", 10))
    assert live_view.lines(search.state, NOON)[0].endswith("rung 2 of 3 (step 30): 0 of 2 trials")
    search.tell(*reached("g000-000", 30, 0.1), *reached("g000-001", 30, 0.2), stopped("g000-000", 30))
    assert live_view.lines(search.state, NOON)[0].endswith("rung 3 of 3 (step 90): 0 of 1 trials")
    search.tell(*finished("g000-001", 0.3), ("generation_closed", None, {"generation": 0, "elites": ["g000-001"]}))
    assert live_view.lines(search.state, NOON)[0] == "generation 0 of 1"


def test_the_view_has_the_best_with_its_line_of_descent(search: Search) -> None:
    search.tell(*finished("g000-002", 0.3), opened(1), born(0, 1, ("g000-002",), "gaussian"))
    search.tell(*finished("g001-000", 0.41))
    assert live_view.lines(search.state, NOON)[2] == "best 0.4100: g001-000 from g000-002 (random)"


def test_the_view_of_the_confirmations(search: Search) -> None:
    search.tell(*finished("g000-002", 0.3), ("generation_closed", None, {"generation": 1, "elites": ["g000-002"]}))
    confirmed = {"role": "winner", "individual": "g000-002", "seed": 1, "seconds": {}, "scores": {"val/map50_95": 0.3}}
    search.tell(("confirm_measured", "g000-002/test-seed-0", confirmed))
    shown = live_view.lines(search.state, NOON, steps={"g000-002/test-seed-1": 40})
    assert shown[0] == "generation 0 of 1 | confirming 1 of 6"
    assert shown[1] == "trials: 1 running, 3 waiting, 1 finished, 0 stopped early, 0 failed"
    assert shown[4] == "g000-002/test-seed-1 40/90"


@pytest.mark.parametrize("width", [80, 40, 10, 1])
@pytest.mark.parametrize("height", [24, 8, 5, 1])
def test_the_view_fits_however_much_runs(width: int, height: int, search: Search) -> None:
    line: list[Line] = []
    for generation in range(1, 12):
        parents = (f"g{generation - 1:03d}-000",)
        line += [opened(generation), born(0, generation, parents, "gaussian")]
    search.tell(*line, *finished("g011-000", 0.4))
    steps = {f"g000-{slot:03d}": 123_456 for slot in range(64)}
    shown = live_view.lines(replace(search.state, workers=64), NOON + 5, width=width, height=height, steps=steps)
    assert len(shown) <= height
    assert all(len(text) <= width for text in shown)
    if (width, height) == (80, 24):
        # columns of 18 + 3 characters: 3 a row, 6 rows, the last place for the rest of 64
        assert [len(text.split("   ")) for text in shown[4:]] == [3] * 6
        assert shown[-1].endswith("   and 47 more")
        assert shown[2].endswith("...")
