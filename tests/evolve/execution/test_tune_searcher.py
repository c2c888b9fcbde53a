"""The strategy as a searcher of Ray Tune, driven as Tune drives it; Ray does not run."""

import hashlib
import json
import logging
import math
import os
import pickle
import random
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.execution.tune_searcher import EvolutionSearcher
from evolve.genetics.genome import Genome
from evolve.genetics.recipe import Recipe
from evolve.genetics.space import Linear, Log, SearchSpace
from evolve.genetics.strategy import Assigned, Strategy

pytestmark = pytest.mark.medium  # ray.tune takes seconds to import
SPACE = SearchSpace("s", {"a": Linear(0, 10, 3), "b": Log(1e-4, 1, 1e-3)})
STEPS = 9
RUNGS = (Fraction(1, 9), Fraction(1, 3), Fraction(1))
RECIPE = Recipe("r", population=6, elites=2, children=2, generations=2, rungs=RUNGS, keep=Fraction(1, 3))


def made(**more: Any) -> EvolutionSearcher:
    return EvolutionSearcher(
        **{"space": SPACE, "recipe": RECIPE, "steps": STEPS, "metric": "score", "mode": "max", **more}
    )


def score(config: dict[str, Any], step: int) -> float:
    digest = hashlib.blake2b(f"{config['a']} {config['b']} {step}".encode(), digest_size=8).digest()
    return digest[0] / 256


class Tune:
    """Trains what the searcher proposes as a Tuner does, always going on with a random one of the running trials.

    stop: a scheduler's share of trials that it stops at a rung.
    """

    def __init__(self, searcher: EvolutionSearcher, order: random.Random, stop: float = 0.0, at_once: int = 3) -> None:
        self.searcher, self.order, self.stop, self.at_once = searcher, order, stop, at_once
        self.running: dict[str, tuple[dict[str, Any], int]] = {}
        self.trained: dict[str, dict[str, Any]] = {}  # uid -> its last report and config
        self.count = 0
        self.finished = False

    def step(self) -> None:
        while not self.finished and len(self.running) < self.at_once:
            trial_id = f"trial{self.count}"
            config = self.searcher.suggest(trial_id)
            if config == EvolutionSearcher.FINISHED:
                self.finished = True
            elif config is None:
                assert self.running, "nothing is proposed and nothing runs: Tune would wait for ever"
                break
            else:
                self.count += 1
                self.running[trial_id] = (config, 0)
        if self.running:
            self.go_on(self.order.choice(sorted(self.running)))

    def go_on(self, trial_id: str) -> None:
        config, before = self.running[trial_id]
        step = before + 1
        result = {"training_iteration": step, "score": score(config, step)}
        over = step == STEPS or (step in (1, 3) and self.order.random() < self.stop)
        self.running[trial_id] = (config, step)
        if over:
            del self.running[trial_id]
            self.trained[config["uid"]] = {**result, "config": config}
            self.searcher.on_trial_complete(trial_id, result)
        else:
            self.searcher.on_trial_result(trial_id, result)

    def run(self) -> "Tune":
        while not self.finished:
            self.step()
        return self


def same(one: EvolutionSearcher, other: EvolutionSearcher) -> bool:
    return dict(one.individuals) == dict(other.individuals) and (one.best, one.reason) == (other.best, other.reason)


@settings(max_examples=20)
@given(st.integers(0, 100), st.randoms(use_true_random=False))
def test_without_stops_it_is_the_search_of_the_strategy(seed: int, order: random.Random) -> None:
    tune = Tune(made(seed=seed), order).run()
    strategy = Strategy(SPACE, replace(RECIPE, keep=Fraction(1)), seed, STEPS)
    while decisions := strategy.ask():
        for piece in decisions:
            if isinstance(piece, Assigned):
                genome = strategy.individuals[piece.uid].genome
                strategy.tell(piece.uid, piece.stop_step, score(dict(genome), piece.stop_step))
    assert dict(tune.searcher.individuals) == dict(strategy.individuals)
    assert tune.trained.keys() == strategy.individuals.keys()
    for uid, individual in strategy.individuals.items():
        assert tune.trained[uid]["config"] == {**individual.genome, "uid": uid, "seed": individual.seed}
    best = min(strategy.fitness, key=lambda uid: (-strategy.fitness[uid], uid))
    assert tune.searcher.best == (strategy.individuals[best], strategy.fitness[best])
    assert tune.searcher.reason == "all generations are done"
    assert tune.searcher.suggest("one more") == EvolutionSearcher.FINISHED


@settings(max_examples=20)
@given(st.floats(0.1, 0.6), st.randoms(use_true_random=False), st.sampled_from(["max", "min"]))
def test_a_trial_that_was_stopped_is_no_elite(stop: float, order: random.Random, mode: str) -> None:
    tune = Tune(made(mode=mode), order, stop).run()
    whole = {uid: report["score"] for uid, report in tune.trained.items() if report["training_iteration"] == STEPS}
    individuals = tune.searcher.individuals
    assert tune.trained.keys() == individuals.keys()
    sign = 1 if mode == "max" else -1
    for generation in (1, 2):
        born_before = {uid: sign * value for uid, value in whole.items() if individuals[uid].generation < generation}
        elites = sorted(born_before, key=lambda uid: (-born_before[uid], uid))[:2]
        children = [one for one in individuals.values() if one.generation == generation]
        assert [child.parents for child in children] == [(uid,) for uid in elites for _ in range(2) if whole]
    if whole:
        best = min(whole, key=lambda uid: (-sign * whole[uid], uid))
        assert tune.searcher.best == (individuals[best], whole[best])
    else:
        assert (tune.searcher.best, tune.searcher.reason) == (None, "no individual reached its full budget")


def test_nothing_is_proposed_until_a_generation_is_closed() -> None:
    searcher = made()
    configs = {f"t{slot}": searcher.suggest(f"t{slot}") for slot in range(6)}
    assert [config["uid"] for config in configs.values()] == [f"g000-{slot:03d}" for slot in range(6)]
    assert configs["t0"] == {**SPACE.defaults(), "uid": "g000-000", "seed": searcher.individuals["g000-000"].seed}
    for trial_id in configs:
        assert searcher.suggest("waiting") is None
        searcher.on_trial_complete(trial_id, {"training_iteration": STEPS, "score": 0.5})
    assert searcher.suggest("first child")["uid"] == "g001-000"


def test_the_screen_learns_from_the_scores_of_stopped_trials() -> None:
    """Ten trials stop at the first rung; with the other two they are enough for a model (screening.FEWEST_TRIALS)."""
    recipe = replace(RECIPE, population=12, generations=1, screening=5)
    searcher = made(recipe=recipe)
    for slot in range(12):
        config = searcher.suggest(f"t{slot}")
        step = STEPS if slot < 2 else 1
        searcher.on_trial_complete(f"t{slot}", {"training_iteration": step, "score": config["a"] / 10})
    children = [one for one in searcher.individuals.values() if one.generation == 1]
    assert {parent for child in children for parent in child.parents} == {"g000-000", "g000-001"}
    assert all(child.predicted is not None for child in children)


@pytest.mark.parametrize("way", ["file", "pickle"])
def test_a_searcher_that_was_stored_goes_on_as_if_it_had_not_been(way: str, tmp_path: Path) -> None:
    known = Genome({"a": 1.0, "b": 0.5})
    recipe = replace(RECIPE, population=12, screening=5, seeding="mixed")
    for cut in (0, 1, 25, 60, 90, 120, 1000):  # the last one is after the end
        tune = Tune(made(recipe=recipe, warm_starts=[known]), random.Random(cut), stop=0.2)
        for _ in range(cut):
            tune.step()
        if way == "file":
            tune.searcher.save(str(tmp_path / "state.json"))
            other = SearchSpace("other", {"z": Linear(0, 1, 0)})
            stored = made(space=other, steps=2, metric="z", mode="min")  # what was stored replaces all of it
            stored.restore(str(tmp_path / "state.json"))
        else:
            stored = pickle.loads(pickle.dumps(tune.searcher))  # noqa: S301  # as Tune does
        assert same(stored, tune.searcher)
        other = Tune(stored, random.Random(), stop=0.2)
        other.running, other.count, other.finished = dict(tune.running), tune.count, tune.finished
        other.order.setstate(tune.order.getstate())
        assert same(other.run().searcher, tune.run().searcher)
        assert tune.searcher.individuals["g000-001"].genome == known


def test_a_report_after_a_rung_has_its_score_and_a_repeated_one_changes_nothing() -> None:
    recipe = replace(RECIPE, population=2, elites=1, children=1, generations=0)
    searcher = made(recipe=recipe)
    for trial_id in ("t0", "t1"):
        searcher.suggest(trial_id)
    for step, value in ((2, 0.2), (4, 0.4), (1, 0.9), (12, 0.7), (12, 0.9)):  # as of a trial that Tune began again
        searcher.on_trial_result("t0", {"training_iteration": step, "score": value})
    searcher.on_trial_complete("t0", {"training_iteration": 12, "score": 0.9})
    assert searcher.get_state()["scores"]["g000-000"] == {1: 0.2, 3: 0.4, 9: 0.7}
    searcher.on_trial_complete("t1", error=True)
    assert searcher.best == (searcher.individuals["g000-000"], 0.7)


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "high"])
def test_a_score_that_is_no_number_costs_its_trial_alone(value: object) -> None:
    searcher = made(recipe=replace(RECIPE, generations=0))
    for slot in range(6):
        searcher.suggest(f"t{slot}")
    for slot in range(6):
        searcher.on_trial_result(f"t{slot}", {"training_iteration": 1, "score": value if slot == 0 else 0.5})
        searcher.on_trial_complete(f"t{slot}", {"training_iteration": STEPS, "score": 0.5 if slot else 0.9})
    assert searcher.best == (searcher.individuals["g000-001"], 0.5)


def test_what_is_wrong_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="mode: expected max or min, got 'best'"):
        made(mode="best")
    with pytest.raises(ValueError, match="gene 'a': expected its default under 'defaults'"):
        made(space={"a": [1, 2]})
    searcher = made(recipe=replace(RECIPE, generations=0))
    searcher.suggest("t0")
    with pytest.raises(ValueError, match=r"time_attr: expected a key of the results \(step, score\), got 'training_it"):
        searcher.on_trial_result("t0", {"step": 1, "score": 0.5})
    with caplog.at_level(logging.INFO):
        searcher.on_trial_complete("t9", {"training_iteration": 1, "score": 0.5})
        assert "trial t9: expected one that was proposed here; its results are not used" in caplog.text
        searcher.on_trial_complete("t0", None)
        for slot in range(1, 6):
            searcher.suggest(f"t{slot}")
            searcher.on_trial_complete(f"t{slot}", {"training_iteration": 5, "score": 0.5})
        assert "the search has ended: no individual reached its full budget; best: None" in caplog.text
    assert searcher.suggest("t10") == EvolutionSearcher.FINISHED


@pytest.mark.slow  # a local Ray and nine trials, each a process of its own: a minute or so
def test_the_pages_example_runs_in_a_tuner_with_asha(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "python-api.md").read_text(encoding="utf-8")
    [example] = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "EvolutionSearcher" in code]
    own_ray = """
import contextlib
from evolve.execution import ray_cluster
ray_of_its_own = contextlib.ExitStack()  # Tune would join any cluster that it finds, or hang at one that is gone
ray_of_its_own.enter_context(ray_cluster.initialised(None, workers=2, threads=1, gpus_per_trial=0))
"""
    report = """
import json
own = searcher.individuals
print("ANSWER" + json.dumps({
    "individuals": {uid: [one.generation, list(one.parents)] for uid, one in own.items()},
    "genomes_equal": all({k: r.config[k] for k in "xy"} == dict(own[r.config["uid"]].genome) for r in results),
    "steps": {r.config["uid"]: r.metrics["step"] for r in results},
    "scores": {r.config["uid"]: r.metrics["score"] for r in results},
    "best": [searcher.best[0].uid, searcher.best[1]],
    "reason": searcher.reason,
}))
ray_of_its_own.close()
"""
    (tmp_path / "example.py").write_text(own_ray + example + report, encoding="utf-8")
    environment = {**os.environ, "HOME": str(tmp_path)}  # Tune writes its results there
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("ANSWER")]
    answer = json.loads(line.removeprefix("ANSWER"))
    steps, scores, individuals = answer["steps"], answer["scores"], answer["individuals"]
    assert steps.keys() == individuals.keys()
    assert answer["genomes_equal"]
    assert set(steps.values()) <= {1, 3, 9}  # whoever did not get to the end was stopped at a rung
    whole = sorted((uid for uid in steps if steps[uid] == 9), key=lambda uid: (-scores[uid], uid))
    assert answer["best"] == [whole[0], scores[whole[0]]]
    first = [uid for uid in whole if uid.startswith("g000")][:2]
    children = [parents for generation, parents in individuals.values() if generation == 1]
    assert children == [[uid] for uid in first for _ in range(2)]
    assert answer["reason"] == "all generations are done"
