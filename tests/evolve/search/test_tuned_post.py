"""NMS tuned on validation in a confirmation of the winner: done once, journalled, resumed, written to every file."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from evolve import search, training_specs
from evolve.commands import outcome, tracking
from evolve.commands import winner as winners
from evolve.execution.local_executor import LocalExecutor
from evolve.records import lineage
from evolve.records.journal import events
from evolve.records.projection import Projection
from evolve.records.run_updates import SEARCH_KEY
from evolve.records.state import fold
from evolve.simulated import simulated_objective
from evolve.trial import Measurement, Objective, TrialSpec, TunedPost
from evolve.trial_config import post_config
from evolve.verdict import winner

House = Undisturbed = Any

POST = TunedPost(
    settings={"nms": "diou", "nms_iou": 0.55, "nms_beta": 0.8},
    fixed={"fitness": 0.25, "val/map50_95": 0.25},
    tuned={"fitness": 0.26, "val/map50_95": 0.26},
)


@dataclass
class Tuning:
    """Simulated curves; a spec that asks for tuned NMS gets POST."""

    inner: Objective = field(default_factory=simulated_objective)
    specs: list[TrialSpec] = field(default_factory=list)
    killed_at: str = ""  # the uid at which the process is "killed"

    def make(self) -> "Tuning":
        return self

    def __call__(self, spec: TrialSpec) -> Iterator[Measurement]:
        if spec.uid == self.killed_at:
            raise KeyboardInterrupt
        self.specs.append(spec)
        for measurement in self.inner(spec):
            last = measurement.step == spec.stop_step
            yield replace(measurement, post=POST) if last and spec.tune_post else measurement

    def means(self) -> search.Means:
        return search.Means(make_executor=lambda _search_id: LocalExecutor(self))


@pytest.fixture
def searched(house: House) -> tuple[Any, Tuning, Path]:
    tuning = Tuning()
    state = search.run(house.task(), house.path / "s", recipe=house.recipe(), seed=5, means=tuning.means())
    return state, tuning, house.path / "s"


def test_the_winners_first_confirmation_alone_is_asked_by_the_metric_of_fitness(searched: Any, house: House) -> None:
    state, tuning, _ = searched
    asked = {spec.uid: spec.tune_post for spec in tuning.specs if spec.tune_post}
    assert asked == {f"{state.outcome.uid}/test-seed-0": house.task().space.fitness}
    assert state.nms_confirmation(state.outcome.uid).post == POST
    assert [uid for uid, one in state.confirmations.items() if one.post] == [*asked]
    assert state.nms_confirmation("g000-000") is None or state.outcome.uid == "g000-000"


def test_scores_and_verdict_are_those_of_a_search_without_it(searched: Any, house: House) -> None:
    without = search.run(house.task(), house.path / "w", recipe=house.recipe(), seed=5, means=house.watched().means())
    assert house.essence(searched[0]) == house.essence(without)
    assert not any(confirmation.post for confirmation in without.confirmations.values())


def test_it_is_in_the_journal_and_a_killed_search_comes_to_the_same(searched: Any, house: House) -> None:
    state, _, directory = searched
    journalled = events(directory / "journal.db")
    assert fold(journalled).confirmations == state.confirmations
    [payload] = [event.payload for event in journalled if event.kind == "confirm_measured" and "post" in event.payload]
    assert payload["post"] == asdict(POST)
    for index, killed_at in enumerate((f"{state.outcome.uid}/test-seed-0", f"{state.outcome.uid}/test-seed-1")):
        cut = Tuning(killed_at=killed_at)
        with pytest.raises(KeyboardInterrupt):
            search.run(house.task(), house.path / f"k{index}", recipe=house.recipe(), seed=5, means=cut.means())
        again = Tuning()
        resumed = search.resume(house.task(), house.path / f"k{index}", means=again.means())
        assert house.essence(resumed) == house.essence(state)
        assert resumed.nms_confirmation(state.outcome.uid).post == POST
        assert len([spec for spec in again.specs if spec.tune_post]) == (
            killed_at == f"{state.outcome.uid}/test-seed-0"
        )


def test_it_is_in_the_winners_file_and_goes_into_the_final_training(searched: Any, house: House) -> None:
    state, _, directory = searched
    plain = yaml.safe_load((directory / "winner.yaml").read_text())
    seed = state.confirmations[f"{state.outcome.uid}/test-seed-0"].seed
    scores = {"fixed": POST.fixed, "tuned": POST.tuned}
    assert plain["post"] == {**POST.settings, "validation": {"seed": seed, **scores}}
    winner_read = winner.read(directory / "winner.yaml")
    assert winner_read.post == POST.settings
    spec = training_specs.winner_spec(winner_read, house.path / "final")
    assert spec.post == POST.settings
    assert not spec.tune_post
    chosen = post_config(spec.post)
    assert (chosen.nms, chosen.nms_iou, chosen.nms_beta, chosen.score) == ("diou", 0.55, 0.8, 0.005)


def test_files_without_it_load_and_wrong_ones_are_refused(undisturbed: Undisturbed, tmp_path: Path) -> None:
    path = undisturbed.journal.parent / "winner.yaml"  # of a simulated search, which has no NMS to tune
    plain = yaml.safe_load(path.read_text())
    assert "post" not in plain
    assert winner.read(path).post == {}
    for wrong, complaint in (
        ([0.5], "post: expected NMS settings by name, got [0.5]"),
        ({"nms_iou": 0}, "post.nms_iou: expected above 0"),
        ({"nms_iou": "high"}, "post.nms_iou: expected a number, got 'high'"),
        ({"nms": "soft"}, "post.nms"),
        ({"score": 0.1}, "'score' is no tuned setting of NMS; expected one of nms, nms_iou, nms_beta"),
    ):
        winner.write(tmp_path / "w.yaml", {**plain, "post": wrong})
        with pytest.raises(ValueError, match=re.escape(complaint)):
            winner.read(tmp_path / "w.yaml")


def test_it_is_said_in_one_line_and_shown_outside(
    searched: Any, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    state, _, directory = searched
    line = "NMS: diou at 0.55, beta 0.8, tuned on validation: 0.2600 there instead of 0.2500"
    assert outcome.say_outcome(state, directory, tracking.SearchTracking(None)) == 0  # type: ignore[arg-type]
    assert len([one for one in capsys.readouterr().out.splitlines() if one.startswith(line)]) == 1
    options = type("Options", (), {"directory": directory, "out": house.path / "w.yaml", "format": "yaml"})
    assert winners.winner(options) == 0  # type: ignore[arg-type]
    assert line in capsys.readouterr().out
    kept = TunedPost({"nms": "plain", "nms_iou": 0.5}, fixed=POST.fixed, tuned=POST.fixed)
    assert winner.nms_line(kept) == "plain at 0.5, as in the search: no other setting scored higher on validation"
    shown = lineage.family_tree(state)["winner"]
    assert isinstance(shown, dict)
    assert shown["post"] == asdict(POST)


def test_mlflow_is_told(searched: Any) -> None:
    projection = Projection()
    for event in events(searched[2] / "journal.db"):
        projection.apply(event)
    run = next(update for update in projection.updates.pending if update.key == SEARCH_KEY)
    numbers = {number.name: number.value for number in run.metrics}
    assert (numbers["post/fixed/fitness"], numbers["post/tuned/val/map50_95"]) == (0.25, 0.26)
    assert run.tags["evolve.post"] == '{"nms": "diou", "nms_iou": 0.55, "nms_beta": 0.8}'
