"""The choice of the winner: who competes, who wins, what is trained for it, and what a kill in the middle costs."""

import json
import math
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from evolve import search
from evolve.commands import outcome, status, tracking
from evolve.data_description import DataDescription
from evolve.execution.local_executor import LocalExecutor
from evolve.genetics.genome import DEFAULTS, Genome
from evolve.genetics.recipe import Recipe
from evolve.genetics.space import SearchSpace
from evolve.records import forecast, lineage, progress
from evolve.records.events import CANDIDATE_ROLE, Confirmation
from evolve.records.journal import Journal, NewEvent, events
from evolve.records.projection import Projection
from evolve.records.run_updates import SEARCH_KEY
from evolve.records.search_request import SearchRequest
from evolve.records.state import IndividualRecord, SearchState, fold
from evolve.simulated import simulated_objective
from evolve.verdict import confirm, leaders, verdict
from evolve.verdict.leaders import choose_winner

House = Undisturbed = Any

FITNESS = {"g000-000": 0.9, "g000-001": 0.4, "g000-002": 0.5, "g001-000": 0.45}  # the defaults lead


def state_of(wanted: int, runs: dict[str, list[float | None]], fitness: dict[str, float] = FITNESS) -> SearchState:
    """A search that is over, and its confirmations for the choice: uid -> scores by seed, None for a failed one."""
    recipe = Recipe("fast", candidates=wanted, generations=2, confirm_seeds=3)
    state = SearchState(
        "s",
        0,
        90,
        recipe,
        SearchSpace("s", {}),
        DataDescription({}),
        SearchRequest(),
        threads=1,
        versions={},
        workers=1,
    )
    for uid, value in fitness.items():
        state.individuals[uid] = IndividualRecord(uid, 0, 0, (), "random", Genome({}), 0, fitness=value)
    for individual, scores in runs.items():
        for index, score in enumerate(scores):
            uid = f"{individual}/choice-seed-{index}"
            measured = {} if score is None else {"val/map50_95": score}
            failed = "the box loss is nan" if score is None else None
            state.confirmations[uid] = Confirmation(
                uid=uid,
                role=CANDIDATE_ROLE,
                individual=individual,
                seed=index,
                scores=measured,
                reason=failed,
                seconds={},
            )
    return state


def test_candidates_are_the_best_by_fitness_without_the_defaults() -> None:
    assert leaders.candidates(state_of(2, {})) == ["g000-002", "g001-000"]
    assert leaders.candidates(state_of(9, {})) == ["g000-002", "g001-000", "g000-001"]
    assert leaders.candidates(state_of(2, {}, {"g000-000": 0.9})) == ["g000-000"]
    tied = {"g000-003": 0.5, "g000-001": 0.5, "g000-002": 0.5}
    assert leaders.candidates(state_of(2, {}, tied)) == ["g000-001", "g000-002"]


def test_one_candidate_needs_no_choice() -> None:
    assert choose_winner(state_of(1, {})) is None
    assert leaders.winning_uid(state_of(1, {})) == "g000-002"
    assert leaders.winning_uid(state_of(3, {}, {"g000-000": 0.1})) == "g000-000"


def test_the_best_mean_of_fresh_runs_wins_whatever_the_fitness_was() -> None:
    # means 0.2 and 0.4: the second by fitness wins; the fitness of 0.5 would have turned it round
    state = state_of(2, {"g000-002": [0.1, 0.2, 0.3], "g001-000": [0.3, 0.4, 0.5]})
    choice = choose_winner(state)
    assert choice is not None
    assert choice.uid == leaders.winning_uid(state) == "g001-000"
    assert [standing.uid for standing in choice.candidates] == ["g001-000", "g000-002"]
    assert [standing.mean for standing in choice.candidates] == pytest.approx([0.4, 0.2])
    # within 0.01, between 3 x 0.02 = 0.06, true (0.06 - 0.01)/3 = 1/60, share (1/60)/(1/60 + 1/300) = 5/6
    assert [standing.shrunk for standing in choice.candidates] == pytest.approx([0.3 + 0.1 * 5 / 6, 0.3 - 0.1 * 5 / 6])
    assert (choice.noise, choice.spread) == pytest.approx((0.1, math.sqrt(1 / 60)))


def test_a_candidate_that_does_not_always_end_comes_after_those_that_do() -> None:
    choice = choose_winner(
        state_of(3, {"g000-002": [0.9, None, 0.9], "g001-000": [0.2, 0.3, 0.1], "g000-001": [None] * 3})
    )
    assert choice is not None
    assert [(standing.uid, standing.seeds, standing.failed) for standing in choice.candidates] == [
        ("g001-000", 3, 0),
        ("g000-002", 2, 1),
        ("g000-001", 0, 3),
    ]
    assert choice.candidates[2].mean is choice.candidates[2].shrunk is None
    nobody = choose_winner(state_of(2, {"g000-002": [None] * 3, "g001-000": [None] * 3}))
    assert nobody is not None
    assert nobody.uid == "g000-002"  # the better one in the search


def test_candidates_that_differ_less_than_their_noise_go_by_their_means() -> None:
    choice = choose_winner(state_of(2, {"g000-002": [0.1, 0.3, 0.5], "g001-000": [0.2, 0.4, 0.6]}))
    assert choice is not None
    assert choice.uid == "g001-000"
    assert [standing.shrunk for standing in choice.candidates] == pytest.approx([0.35, 0.35])


def test_the_spaces_own_fitness_chooses_and_a_run_without_its_scores_has_failed() -> None:
    state = state_of(2, {"g000-002": [0.1, 0.1, 0.1], "g001-000": [0.3, 0.3, 0.3]})
    state.space = replace(state.space, fitness={"val/map75": 1.0})
    assert [standing.failed for standing in (choose_winner(state) or pytest.fail("no choice")).candidates] == [3, 3]
    for confirmation in state.confirmations.values():
        confirmation.scores["val/map75"] = 0.5 - confirmation.scores["val/map50_95"]
    assert leaders.winning_uid(state) == "g000-002"


@given(st.lists(st.lists(st.none() | st.floats(0, 1), min_size=3, max_size=3), min_size=3, max_size=3), st.randoms())
def test_the_order_in_which_runs_end_chooses_nothing(scores: list[list[float | None]], chance: Any) -> None:
    state = state_of(3, dict(zip(("g000-001", "g000-002", "g001-000"), scores, strict=True)))
    choice = choose_winner(state)
    mixed = list(state.confirmations.items())
    chance.shuffle(mixed)
    assert choose_winner(replace(state, confirmations=dict(mixed))) == choice


def test_only_the_winner_and_the_defaults_see_the_test_split(house: House) -> None:
    specs: list[Any] = []
    watched = house.watched(before=specs.append)
    recipe = house.recipe(candidates=3)
    state = search.run(house.task(), house.path / "s", recipe=recipe, seed=5, means=watched.means())
    choosing = [spec for spec in specs if "/choice-seed-" in spec.uid]
    assert state.outcome is not None
    assert state.choice is not None
    tested = {spec.uid.partition("/")[0] for spec in specs if "test" in spec.evaluate_splits}
    assert tested == {state.outcome.uid, "g000-000"}
    assert {spec.evaluate_splits for spec in choosing} == {("val",)}
    assert not any(spec.tune_post for spec in choosing)
    seeds = Counter(spec.seed for spec in choosing)
    assert sorted(seeds.values()) == [3, 3, 3]  # each of three seeds for each of three candidates
    assert not set(seeds) & {spec.seed for spec in specs if spec not in choosing}
    whose = {spec.uid.partition("/")[0] for spec in choosing}
    assert whose == {record.uid for record in [other for other in state.ranking if other.uid != "g000-000"][:3]}
    names = [spec.uid for spec in specs]
    assert max(names.index(spec.uid) for spec in choosing) < min(
        index for index, name in enumerate(names) if "/test-seed-" in name
    )


def test_a_lucky_best_does_not_win(house: House) -> None:
    """With much noise the winner is often not the best by fitness, but always the best by its choice confirmations."""
    overturned, recipe = 0, house.recipe("seed", generations=0)
    for seed in range(6):
        watched = house.watched(simulated_objective(noise=0.1))
        path = house.path / str(seed)
        state = search.run(house.task(), path, recipe=recipe, seed=seed, means=watched.means())
        chosen = [confirmation for confirmation in state.confirmations.values() if confirmation.role == CANDIDATE_ROLE]
        means = {
            uid: math.fsum(
                confirmation.scores["val/map50_95"] for confirmation in chosen if confirmation.individual == uid
            )
            / 3
            for uid in {confirmation.individual for confirmation in chosen}
        }
        assert state.outcome is not None
        assert len(means) == 5
        assert state.outcome.uid == max(means, key=means.__getitem__)
        overturned += state.outcome.uid != state.best.uid
    assert overturned >= 2


def test_with_one_candidate_only_the_verdicts_runs_are_made(house: House) -> None:
    recipe = house.recipe(candidates=1)
    state = search.run(house.task(), house.path / "s", recipe=recipe, seed=5, means=house.watched().means())
    assert len(state.confirmations) == 6
    assert state.choice is None
    assert "candidate_chosen" not in {event.kind for event in events(house.path / "s" / "journal.db")}
    assert state.outcome is not None
    assert state.outcome.uid == next(record.uid for record in state.ranking if record.uid != "g000-000")


def test_a_journal_that_says_nothing_of_candidates_has_one(house: House, tmp_path: Path) -> None:
    """Searches of earlier versions, without candidates, can be resumed and have no choice."""
    recipe = house.recipe(candidates=1)
    whole = search.run(house.task(), house.path / "s", recipe=recipe, seed=5, means=house.watched().means())
    old = events(house.path / "s" / "journal.db")
    last = max(index for index, one in enumerate(old) if one.kind == "confirm_measured")
    created = old[0].payload
    kept = {name: value for name, value in created["recipe"].items() if name != "candidates"}
    with Journal(tmp_path / "o") as writer:
        writer.append([NewEvent("search_created", None, {**created, "recipe": kept})])
        writer.append([NewEvent(event.kind, event.uid, event.payload) for event in old[1:last]])
    watched = house.watched()
    state = search.resume(house.task(), tmp_path / "o", means=watched.means())
    assert [uid for uid, _, _ in watched.started] == [str(old[last].uid)]
    assert house.essence(state) == house.essence(whole)


def test_killed_after_any_event_of_the_confirm_stage_it_comes_to_the_same_end(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    house, whole = undisturbed.house, events(undisturbed.journal)
    begun = max(index for index, one in enumerate(whole) if one.kind == "generation_closed")
    kinds = Counter(event.kind for event in whole[begun:])
    assert kinds["confirm_measured"] >= 12
    assert kinds["candidate_chosen"] == 1
    for count in range(begun, len(whole) + 1):
        directory = tmp_path / str(count)
        with Journal(directory) as writer:
            writer.append([NewEvent(event.kind, event.uid, event.payload) for event in whole[:count]])
        watched = house.watched(house.failing())
        state = search.resume(house.task(), directory, means=watched.means())
        assert house.essence(state) == house.essence(undisturbed.state)
        assert state.choice == undisturbed.state.choice
        done = {event.uid for event in whole[:count] if event.kind == "confirm_measured"}
        trained = [uid for uid, _, _ in watched.started if "/" in uid]
        assert len(trained) == len({*trained}) == kinds["confirm_measured"] - len(done)
        assert not done & {*trained}
        after = Counter(event.kind for event in events(directory / "journal.db"))
        assert (after["candidate_chosen"], after["winner_chosen"]) == (1, 1)


def test_a_search_that_goes_on_chooses_again_and_trains_no_confirmation_twice(house: House) -> None:
    first = house.run("s")
    watched = house.watched(house.failing())
    longer = search.resume(house.task(), house.path / "s", generations=3, means=watched.means())
    whole = events(house.path / "s" / "journal.db")
    resumed = next(index for index, one in enumerate(whole) if one.kind == "search_resumed")
    assert forecast.expected_confirmations(fold(whole[: resumed + 1])) == len(first.confirmations) + 7 * 3  # at most
    again = {uid for uid, _, _ in watched.started if "/" in uid}
    assert not again & {*first.confirmations}
    assert again | {*first.confirmations} == {*longer.confirmations}
    assert longer.choice is not None
    assert [event.kind for event in events(house.path / "s" / "journal.db")].count("candidate_chosen") == 2
    stood = {standing.uid for standing in longer.choice.candidates}
    assert stood == {record.uid for record in [other for other in longer.ranking if other.uid != "g000-000"][:5]}
    again_from_start = search.run(
        house.task(),
        house.path / "t",
        recipe=house.recipe(generations=3),
        seed=5,
        means=house.watched(house.failing()).means(),
    )
    assert longer.choice == again_from_start.choice
    assert longer.outcome is not None
    assert (longer.outcome.looks, again_from_start.outcome.looks) == (2, 1)  # the second verdict's interval is wider
    assert verdict.conclude(replace(longer, verdicts=0), longer.outcome.uid) == again_from_start.outcome


class Backwards(LocalExecutor):
    """Four slots; the last lease ends first."""

    def __init__(self, factory: Any) -> None:
        super().__init__(factory)
        self.waiting: list[Any] = []

    @property
    def slots(self) -> int:
        return 4

    def submit(self, lease: Any) -> None:
        self.waiting.append(lease)

    def poll(self, timeout_seconds: float) -> list[Any]:
        if self._lease is None and self.waiting:
            super().submit(self.waiting.pop())
        return list(super().poll(timeout_seconds))


def test_the_order_of_arrival_decides_nothing(undisturbed: Undisturbed, tmp_path: Path) -> None:
    house = undisturbed.house
    watched = house.watched(house.failing())
    means = search.Means(make_executor=lambda _id: Backwards(watched))
    state = search.run(house.task(), tmp_path / "s", recipe=house.recipe(), seed=5, means=means)
    confirmed = [uid for uid, _, _ in watched.started if "/" in uid]
    assert confirmed != list(undisturbed.state.confirmations)
    assert house.essence(state) == house.essence(undisturbed.state)
    assert state.choice == undisturbed.state.choice


def test_the_forecast_counts_the_confirm_stage(undisturbed: Undisturbed) -> None:
    whole = events(undisturbed.journal)
    begun = max(index for index, one in enumerate(whole) if one.kind == "generation_closed")
    state = fold(whole[: begun + 1])
    num_candidates = min(5, sum(record.uid != "g000-000" for record in state.ranking))
    assert forecast.expected_confirmations(state) == (num_candidates + 2) * 3
    assert forecast.remaining_steps(state) == (num_candidates + 2) * 3 * 90
    assert (
        forecast.expected_confirmations(undisturbed.state)
        == len(undisturbed.state.confirmations)
        == (num_candidates + 2) * 3
    )
    assert forecast.remaining_steps(undisturbed.state) == 0
    assert forecast.expected_confirmations(fold(whole[:5])) == 21
    more = replace(state, recipe=replace(state.recipe, candidates=1))
    assert forecast.expected_confirmations(more) == 6


def test_the_forecast_counts_whom_the_verdict_is_on() -> None:
    state = state_of(5, {}, {"g000-000": 0.9})  # nothing else finished: the defaults are the winner
    state.closed = dict.fromkeys(range(state.generations + 1), ("g000-000",))
    assert (
        len(confirm.planned_for_choice(state)) + len(confirm.planned_for_verdict(state, leaders.winning_uid(state)))
        == 3
    )
    assert forecast.expected_confirmations(state) == 3
    nobody = replace(state, individuals={})
    assert forecast.expected_confirmations(nobody) == 0
    failed = replace(state_of(5, {}, {}), phase="failed")
    assert forecast.expected_confirmations(failed) == 0
    assert forecast.expected_confirmations(replace(state, phase="interrupted")) == 3


def test_it_is_seen_from_outside(undisturbed: Undisturbed, capsys: pytest.CaptureFixture[str]) -> None:
    state, directory = undisturbed.state, undisturbed.journal.parent
    choice = state.choice
    plain = asdict(lineage.status(state, held=False, now=0.0))
    assert plain["winner"] == state.outcome.uid == choice.uid
    assert plain["confirmations"] == {
        "planned": len(state.confirmations),
        "done": len(state.confirmations),
        "failed": 0,
    }
    shown = json.loads((directory / "lineage.json").read_text())["winner"]
    assert shown["candidates"] == [asdict(standing) for standing in choice.candidates]
    assert set(shown["validation"]) == {"winner", "defaults"}
    file = yaml.safe_load((directory / "winner.yaml").read_text())["scores"]
    assert [standing["uid"] for standing in file["candidates"]] == [standing.uid for standing in choice.candidates]
    for one in file["candidates"]:
        mean = math.fsum(run["scores"]["val/map50_95"] for run in one["runs"]) / 3
        assert one["mean"] == pytest.approx(mean)
        assert not any("test/map50_95" in run["scores"] for run in one["runs"])
    assert len(file["winner"]["runs"]) == len(file["defaults"]["runs"]) == 3
    assert all("test/map50_95" in run["scores"] for run in file["winner"]["runs"])

    assert outcome.say_outcome(state, directory, tracking.SearchTracking(None)) == 0  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert "candidate" in said
    assert "with fresh seeds" in said
    assert "val AP50:95, the same confirmations" in said
    assert status.status(type("Options", (), {"directory": directory, "json": False})) == 0  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert f"winner: {state.outcome.uid}" in said
    assert f"confirmations: {len(state.confirmations)} done, 0 failed" in said


def test_a_winner_below_the_defaults_is_called_what_it_is(
    undisturbed: Undisturbed, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = undisturbed.journal.parent
    for mean, words in (
        (0.01, ""),
        (0.0, ""),
        (-0.01, " (the best that was found; the defaults have the better mean)"),
    ):
        gain = replace(undisturbed.state.outcome.gain, mean=mean)
        state = replace(undisturbed.state, outcome=replace(undisturbed.state.outcome, gain=gain))
        assert outcome.say_outcome(state, directory, tracking.SearchTracking(None)) == 0  # type: ignore[arg-type]
        assert f"winner: {directory / 'winner.yaml'}{words}\n" in capsys.readouterr().out


def test_progress_says_who_was_chosen_of_whom(house: House) -> None:
    lines: list[str] = []
    state = house.run(display=progress.PlainDisplay(lines.append))
    count = len(state.choice.candidates)
    [line] = [line for line in lines if " chosen of " in line]
    said = (
        f"{state.outcome.uid} chosen of {count} candidates; validation means with fresh seeds: {state.outcome.uid} 0."
    )
    assert said in line
    assert len([line for line in lines if "(candidate)" in line]) == 3 * count
    begun = next(line for line in lines if "(candidate)" in line)
    assert "val/map50_95" in begun
    assert "test/map50_95" not in begun


def test_mlflow_is_told(undisturbed: Undisturbed) -> None:
    projection = Projection()
    for event in events(undisturbed.journal):
        projection.apply(event)
    runs = {update.key: update for update in projection.updates.pending}
    run, state = runs[SEARCH_KEY], undisturbed.state
    numbers = {key: {number.name: number.value for number in update.metrics} for key, update in runs.items()}
    for standing in state.choice.candidates:
        for index in range(3):
            uid = f"{standing.uid}/choice-seed-{index}"
            confirmed = numbers[f"confirmation/{uid}"]
            assert confirmed["val/map50_95"] == state.confirmations[uid].scores["val/map50_95"]
            assert "test/map50_95" not in confirmed
        assert numbers[f"trial/{standing.uid}"]["confirm/mean"] == standing.mean
    of_verdict = [f"confirmation/{uid}/test-seed-{i}" for uid in (state.outcome.uid, DEFAULTS) for i in range(3)]
    assert all("test/map50_95" in numbers[key] for key in of_verdict)
    assert run.tags["evolve.candidates"].split(",")[0] == run.tags["evolve.winner"]


def test_confirmations_can_be_replayed(undisturbed: Undisturbed) -> None:
    from evolve import replay

    house, state = undisturbed.house, undisturbed.state
    specs: list[Any] = []
    for uid, one in state.confirmations.items():
        executor = LocalExecutor(house.watched(house.failing(), before=specs.append))
        replayed = replay.replay(house.task(), state, uid, executor)
        assert (replayed.equal, replayed.step, replayed.journalled) == (True, 90, one.scores["val/map50_95"])
        assert specs[-1].evaluate_splits == ("val",)  # the test split is not read again
    assert replay.last_step(state, f"{state.outcome.uid}/test-seed-0") == 90
