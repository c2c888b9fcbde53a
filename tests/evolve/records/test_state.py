"""The state folded from a journal that was written by hand."""

import pytest

from evolve.records import forecast, progress, state
from evolve.records.journal import Event, JournalError
from evolve.trial import TrialStatus

CREATED = {
    "search_id": "s",
    "seed": 1,
    "steps": 90,
    "recipe_name": "fast",
    "recipe": {
        "name": "fast",
        "population": 3,
        "elites": 1,
        "children": 2,
        "generations": 1,
        "rungs": ["1/3", "1"],
        "keep": "1/3",
    },
    "space": {"name": "s", "genes": {}},
    "data": {"images": {"test": 1}},
    "objective": {},
    "request": {},
    "threads": 1,
    "versions": {},
    "workers": 2,
}


def proposed(slot: int) -> tuple[str, str, dict[str, object]]:
    payload = {"generation": 0, "slot": slot, "parents": [], "operator": "random", "genome": {"x": slot}, "seed": slot}
    return "trial_proposed", f"g000-00{slot}", payload


def measured(
    uid: str, step: int, seconds: dict[str, float], scores: dict[str, float]
) -> tuple[str, str, dict[str, object]]:
    return (
        "measured",
        uid,
        {"attempt": 1, "step": step, "losses": {}, "scores": scores, "seconds": seconds, "traces": 0},
    )


def fold(*lines: tuple[float, str, str | None, dict[str, object]]) -> state.SearchState:
    events = [Event(1, 100.0, "search_created", None, CREATED)]
    events += [Event(place, *line) for place, line in enumerate(lines, start=2)]
    return state.fold(events)


def test_a_generation_by_hand() -> None:
    started = {"attempt": 1, "start_step": 0, "stop_step": 30, "worker": "slot-0", "node": "n"}
    folded = fold(
        (100.0, "generation_opened", None, {"generation": 0, "population": 3}),
        *[(100.0, *proposed(slot)) for slot in range(3)],
        (101.0, "attempt_started", "g000-000", started),
        (103.0, *measured("g000-000", 30, {"train": 2.0, "evaluate": 0.5}, {"val/map50_95": 0.2})),
        (103.0, "rung_reached", "g000-000", {"step": 30, "score": 0.2, "share": 1 / 3}),
        (103.0, "attempt_started", "g000-001", started),
        (104.0, "trial_failed", "g000-001", {"kind": "crashed", "reason": "oh", "traceback": "", "seconds": 1.0}),
        (104.0, "attempt_started", "g000-002", started),
        (106.0, *measured("g000-002", 30, {"train": 1.5}, {"val/map50_95": 0.1})),
        (106.0, "rung_reached", "g000-002", {"step": 30, "score": 0.1, "share": 1 / 3}),
        (106.0, "trial_stopped", "g000-002", {"step": 30}),
        (107.0, *measured("g000-000", 90, {"train": 4.0}, {"val/map50_95": 0.4})),
        (107.0, "rung_reached", "g000-000", {"step": 90, "score": 0.4, "share": 1.0}),
        (107.0, "trial_finished", "g000-000", {"fitness": 0.4, "seconds": 6.5}),
        (108.0, "generation_closed", None, {"generation": 0, "elites": ["g000-000"]}),
    )
    assert folded.counts == {"proposed": 0, "running": 0, "finished": 1, "stopped_early": 1, "failed": 1}
    assert folded.individuals["g000-000"].rungs == {30: 0.2, 90: 0.4}
    assert folded.individuals["g000-000"].seconds == 6.5
    assert folded.individuals["g000-001"].reason == "oh"
    assert folded.best is folded.individuals["g000-000"]
    assert folded.closed == {0: ("g000-000",)}
    assert folded.elapsed_seconds() == 8.0
    # 2 workers x 8 s = 16 s; 2 + 1.5 + 4 s training, 0.5 s evaluating, 1 s failed: 7 s are left
    assert folded.worker_seconds() == {"train": 7.5, "evaluate": 0.5, "failed": 1.0, "idle": 7.0}


def test_a_piece_measured_twice_counts_once() -> None:
    line = measured("g000-000", 30, {"train": 2.0}, {"val/map50_95": 0.2})
    folded = fold((100.0, *proposed(0)), (101.0, *line), (102.0, *line))
    assert folded.individuals["g000-000"].seconds == 2.0


def test_sessions_add_up_without_the_time_between() -> None:
    folded = fold(
        (100.0, *proposed(0)),
        (101.0, "attempt_started", "g000-000", {}),
        (110.0, "search_interrupted", None, {"reason": "Ctrl-C"}),
        (500.0, "search_resumed", None, {"workers": 1, "generations": 1}),
        (505.0, "generation_opened", None, {"generation": 0, "population": 1}),
    )
    assert folded.phase == "running"
    assert folded.individuals["g000-000"].status is TrialStatus.PROPOSED
    assert folded.elapsed_seconds() == 15.0
    assert folded.worker_seconds()["idle"] == 2 * 10.0 + 1 * 5.0


def test_more_generations_take_the_end_back() -> None:
    chosen = {"split": "test", "confirmed": None, "defaults": None, "gain": None, "verdict": "v"}
    end = [
        (100.0, *proposed(0)),
        (101.0, "winner_chosen", "g000-000", chosen),
        (102.0, "search_finished", None, {"verdict": "v"}),
    ]
    assert fold(*end).phase == "finished"
    more = fold(*end, (103.0, "search_resumed", None, {"workers": 2, "generations": 4}))
    assert (more.phase, more.generations, more.outcome) == ("running", 4, None)


def test_the_forecast_by_hand() -> None:
    # generation 0: 3 x 30 steps, then 1 x 60; generation 1: 2 x 30, then 1 x 60; 2 x 3 confirmations of 90 steps
    assert forecast.remaining_steps(fold()) == (90 + 60) + (60 + 60) + 6 * 90
    folded = fold((100.0, *proposed(0)), (101.0, *measured("g000-000", 30, {"train": 6.0}, {"val/map50_95": 0.2})))
    assert forecast.remaining_steps(folded) == 120 + 120 + 540
    assert forecast.eta_seconds(folded) == pytest.approx(780 * 6.0 / 30 / 2)  # 0.2 s a step on 2 workers
    assert forecast.eta_seconds(fold()) is None


def test_an_event_about_an_individual_that_was_never_proposed_is_named() -> None:
    line = measured("g000-007", 30, {}, {})
    with pytest.raises(
        JournalError, match=r"^journal: event 2 \(measured\): expected a proposed individual, got g000-007$"
    ):
        fold((101.0, *line))


def test_a_journal_that_does_not_begin_with_a_search() -> None:
    with pytest.raises(JournalError, match="got no event"):
        state.fold([])
    with pytest.raises(JournalError, match="search_created"):
        state.fold([Event(1, 0.0, "generation_opened", None, {})])


def with_losses(uid: str, step: int, losses: dict[str, float]) -> tuple[float, str, str | None, dict[str, object]]:
    kind, uid, payload = measured(uid, step, {"train": 1.0}, {})
    return 101.0, kind, uid, {**payload, "losses": losses}


def test_the_share_of_shortened_steps_is_over_all_steps_that_report_it() -> None:
    opened = [
        (100.0, "generation_opened", None, {"generation": 0, "population": 3}),
        *[(100.0, *proposed(slot)) for slot in range(3)],
    ]
    assert fold(*opened, with_losses("g000-000", 30, {"box": 1.0})).shortened_share is None  # of an earlier version
    folded = fold(
        *opened,
        with_losses("g000-000", 10, {"clipped": 0.5, "positives": 60.0}),
        with_losses("g000-000", 30, {"clipped": 0.1, "positives": 30.0}),
        with_losses("g000-001", 10, {"clipped": 0.0}),
        with_losses("g000-002", 10, {"box": 1.0}),
    )
    # 5 of 10 steps, 2 of 20, 0 of 10
    assert folded.shortened_share == pytest.approx(7 / 40)
    assert folded.individuals["g000-000"].mean_loss("positives") == (pytest.approx(40.0), 30)
    assert folded.individuals["g000-002"].mean_loss("positives") == (0.0, 0)


def test_many_shortened_steps_are_a_warning() -> None:
    assert progress.shortened(0.04) == "shortened in 4.0% of the steps"
    assert "expected at most 20%" in progress.shortened(0.21)
