"""The strategy as a searcher of Ray Tune, for people who train their own function in a tune.Tuner.

It proposes what a search of this project would: a first generation, then the children of the elites. What differs:

- Tune's scheduler, such as ASHA, stops trials by its own rule, in the order in which results arrive. So a search with
  such a scheduler is not repeatable. A trial that was stopped counts as stopped there: it has no fitness and is no
  elite, but the model that screens offspring learns from its scores. The recipe's `keep` and `controls` have no effect.
- Children need the elites of a closed generation: nothing is proposed until the last trial of a generation has ended.
- Nothing is trained again at the end: there is no choice among the best by fresh seeds, and no verdict.
- Tune's own snapshots replace the journal: a trial that ended after the last one is trained again.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from fractions import Fraction
from numbers import Real
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from evolve import tune_space
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.genetics.genome import Genome, Individual
from evolve.genetics.recipe import Recipe
from evolve.genetics.space import SearchSpace
from evolve.genetics.strategy import Assigned, GenerationOpened, SearchEnded, Strategy
from evolve.process.files import write_durably

LOG = logging.getLogger(__name__)
UID, SEED = "uid", "seed"  # keys of a trial's config beside its genes


class EvolutionSearcher(Searcher):  # type: ignore[misc]  # Ray is not typed
    """Proposes configurations to a tune.Tuner: a dict of gene -> value, and the individual's `uid` and `seed`.

    space: a SearchSpace, or a dict as evolve/tune_space.py reads it; its genes may have any names.
    recipe: its rungs are the shares of `steps` at which scores are compared with those of other trials.
    steps: the full budget, in units of `time_attr`, which is a key of the reported results.
    metric, mode: the key of the reported score, and whether "max" or "min" is better. TuneConfig needs them as well.
    warm_starts: genomes that the first generation has beside the defaults.

    Use it with `num_samples=-1`: it ends by itself, and `best` and `reason` say how. ValueError for wrong arguments.
    """

    def __init__(
        self,
        space: SearchSpace | Mapping[str, object],
        recipe: Recipe,
        *,
        steps: int,
        metric: str,
        mode: str,
        time_attr: str = "training_iteration",
        seed: int = 0,
        warm_starts: Sequence[Genome] = (),
    ) -> None:
        if mode not in ("max", "min"):
            raise ValueError(f"mode: expected max or min, got {mode!r}")
        super().__init__(metric=metric, mode=mode)
        self._time_attr = time_attr
        known = space if isinstance(space, SearchSpace) else tune_space.parse(space, "space")[0]
        self._begin(known, replace(recipe, keep=Fraction(1)), seed, steps, warm_starts, {})

    def _begin(
        self,
        space: SearchSpace,
        recipe: Recipe,
        seed: int,
        steps: int,
        warm_starts: Sequence[Genome],
        opened: Mapping[str, Individual],
    ) -> None:
        self._strategy = Strategy(space, recipe, seed, steps, warm_starts=warm_starts, opened=opened)
        self._space, self._recipe, self._seed, self._steps = space, recipe, seed, steps
        self._warm_starts, self._rungs = tuple(warm_starts), recipe.rung_steps(steps)
        self._uids: dict[str, str] = {}  # Tune's trial id -> uid
        self._scores: dict[str, dict[int, float]] = {}  # uid -> rung -> score; NaN: reported as no finite number
        self._over: set[str] = set()  # uids whose trials have ended
        self._to_suggest: list[str] = []
        self._assigned: dict[str, int] = {}  # uid -> the rung whose score the strategy waits for
        self.reason = ""  # why the search ended; empty: it has not
        self._take(self._strategy.ask())

    @property
    def individuals(self) -> Mapping[str, Individual]:
        """All individuals so far, by uid."""
        return self._strategy.individuals

    @property
    def best(self) -> tuple[Individual, float] | None:
        """The best individual that reached the full budget, and its score; None if there is none yet."""
        fitness = self._strategy.fitness
        uid = min(fitness, key=lambda known: (-fitness[known], known), default=None)
        return None if uid is None else (self._strategy.individuals[uid], self._signed(fitness[uid]))

    def suggest(self, trial_id: str) -> Any:
        """The next individual's configuration; None while a generation is not closed, FINISHED at the end."""
        if self._strategy.ended:
            return self.FINISHED
        if not self._to_suggest:
            return None
        uid = self._to_suggest.pop(0)
        self._uids[trial_id] = uid
        individual = self._strategy.individuals[uid]
        return {**self._space.trial, **individual.genome, UID: uid, SEED: individual.seed}

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Take in a report: the first one at a rung, or after it, has the score of that rung."""
        uid = self._uid_of(trial_id)
        if uid is not None:
            self._report(uid, result)
            self._advance()

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:
        """Take in the last report of a trial that has ended, was stopped, or failed."""
        uid = self._uid_of(trial_id)
        if uid is not None:
            if result and not error:
                self._report(uid, result)
            self._over.add(uid)
            self._advance()

    def _uid_of(self, trial_id: str) -> str | None:
        if trial_id not in self._uids:
            LOG.warning("trial %s: expected one that was proposed here; its results are not used", trial_id)
        return self._uids.get(trial_id)

    def _report(self, uid: str, result: Mapping[str, Any]) -> None:
        if self._time_attr not in result:
            raise ValueError(f"time_attr: expected a key of the results ({', '.join(result)}), got {self._time_attr!r}")
        if self._metric not in result:
            return  # a report may lack it: the next one counts
        value, known = result[self._metric], self._scores.setdefault(uid, {})
        for rung in self._rungs:
            if result[self._time_attr] >= rung and rung not in known:
                known[rung] = self._signed(float(value)) if isinstance(value, Real) else math.nan

    def _signed(self, value: float) -> float:
        """The score as higher is better, and back."""
        return value if self._mode == "max" else -value

    def _advance(self) -> None:
        """Tell the strategy all results that it waits for, and take in what it decides, as long as there are any."""
        while (ready := next(filter(self._is_ready, self._assigned), None)) is not None:
            rung = self._assigned.pop(ready)
            score = self._scores.get(ready, {}).get(rung, math.nan)
            self._strategy.tell(ready, rung, score if math.isfinite(score) else None)
            self._take(self._strategy.ask())

    def _is_ready(self, uid: str) -> bool:
        return uid in self._over or self._assigned[uid] in self._scores.get(uid, {})

    def _take(self, decisions: Sequence[object]) -> None:
        for decision in decisions:
            if isinstance(decision, GenerationOpened):
                self._to_suggest += [individual.uid for individual in decision.individuals]
            elif isinstance(decision, Assigned):
                self._assigned[decision.uid] = decision.stop_step
            elif isinstance(decision, SearchEnded):
                self.reason = decision.reason
                level = logging.WARNING if decision.winner is None else logging.INFO
                LOG.log(level, "the search has ended: %s; best: %s", decision.reason, decision.winner)

    def get_state(self) -> dict[str, Any]:
        """Everything as plain values, which JSON can hold."""
        return {
            "metric": self._metric,
            "mode": self._mode,
            "time_attr": self._time_attr,
            "space": self._space.to_plain(),
            "recipe": self._recipe.to_plain(),
            "seed": self._seed,
            "steps": self._steps,
            "warm_starts": [dict(genome) for genome in self._warm_starts],
            "individuals": [
                {field.name: getattr(one, field.name) for field in fields(Individual)} | {"genome": dict(one.genome)}
                for one in self._strategy.individuals.values()
            ],
            "uids": self._uids,
            "scores": self._scores,
            "over": sorted(self._over),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `get_state` gave: a fresh strategy is told the results again."""
        self._metric, self._mode, self._time_attr = state["metric"], state["mode"], state["time_attr"]
        known = [
            Individual(**{**plain, "genome": Genome(plain["genome"]), "parents": tuple(plain["parents"])})
            for plain in state["individuals"]
        ]
        self._begin(
            spaces.parse(state["space"], "searcher's state"),
            recipes.parse(state["recipe"]),
            state["seed"],
            state["steps"],
            [Genome(plain) for plain in state["warm_starts"]],
            {individual.uid: individual for individual in known},
        )
        self._uids = dict(state["uids"])
        self._scores = {
            uid: {int(rung): score for rung, score in scores.items()} for uid, scores in state["scores"].items()
        }
        self._over = set(state["over"])
        self._advance()
        proposed = set(self._uids.values())
        self._to_suggest = [uid for uid in self._to_suggest if uid not in proposed]

    def save(self, checkpoint_path: str) -> None:
        """Write the state to a JSON file."""
        write_durably(Path(checkpoint_path), json.dumps(self.get_state()))

    def restore(self, checkpoint_path: str) -> None:
        """Go on from a file that `save` wrote; its space, recipe, seed and steps replace those given here."""
        self.set_state(json.loads(Path(checkpoint_path).read_text(encoding="utf-8")))

    def __getstate__(self) -> dict[str, Any]:
        return self.get_state()

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.set_state(state)
