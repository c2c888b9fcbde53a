"""The confirm stage: is the winner really better than the defaults, or was it luck?

The best of hundreds of noisy scores is too high on average. So winner and defaults are trained again at
full budget with fresh seeds, the same ones for both, and scored on the test split, which the search never saw.
Confirmations are runs of the same individuals, outside fitness and selection. The winner's first one also tunes
NMS, on validation, for whoever uses the winner; all scores here have the same fixed NMS nevertheless.
"""

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from evolve import interval
from evolve.execution import storage
from evolve.execution.attempt import measurement_to_plain
from evolve.execution.dispatch import dispatch, is_result, may_retry, next_attempt
from evolve.execution.executor import Ended, Executor, Lease, Measured
from evolve.genetics.genome import Genome
from evolve.records.journal import Entry
from evolve.records.recorder import Recorder
from evolve.records.state import Confirmation, SearchState
from evolve.task import Task
from evolve.trial import Failure, Measurement, TrialSpec

DEFAULTS = "g000-000"
METRIC = "map50_95"
_CONFIRM_STREAM = 0xC0F1  # first part of the key, where trials have their generation; two parts, where they have three


def seeds(search_seed: int, count: int, taken: frozenset[int]) -> list[int]:
    """Fresh seeds, 0 to 2**31 - 1: keyed by the search's seed, none of them a trial's."""
    chosen: list[int] = []
    place = 0
    while len(chosen) < count:
        sequence = np.random.SeedSequence(search_seed, spawn_key=(_CONFIRM_STREAM, place))
        seed = int(sequence.generate_state(1, np.uint32)[0]) >> 1
        if seed not in taken and seed not in chosen:
            chosen.append(seed)
        place += 1
    return chosen


def split_of(data: dict[str, object]) -> str:
    """The split that the verdict is on: "test", or "val" where the data set has no test pictures."""
    images = data.get("images")
    return "test" if isinstance(images, dict) and images.get("test") else "val"


def uid_of(individual: str, place: int) -> str:
    """The name of a confirmation."""
    return f"{individual}/test-seed-{place}"


class Plan:
    """The confirmations of a search's winner and its defaults: which are still to run, and running them."""

    def __init__(self, task: Task, directory: Path, recorder: Recorder) -> None:
        self._task, self._directory, self._recorder = task, directory, recorder

    def leases(self, winner: str) -> list[Lease]:
        """Those that the journal has no result of, the winner's and the defaults' in turn."""
        state = self._recorder.state
        count = int(str(state.recipe["confirm_seeds"]))
        taken = frozenset(record.seed for record in state.individuals.values())
        return [
            Lease(self._spec(winner, individual, place, seed), attempt=1 + self._lost(uid_of(individual, place)))
            for place, seed in enumerate(seeds(state.seed, count, taken))
            for individual in dict.fromkeys((winner, DEFAULTS))
            if uid_of(individual, place) not in state.confirmations
        ]

    def run(self, winner: str, executor: Executor, tick: Callable[[], None]) -> None:
        """Run those that are left in parallel, and journal each result or failure."""
        waiting = deque(self.leases(winner))
        for event in dispatch(executor, waiting):
            if isinstance(event, Measured) and is_result(event):
                self._record(winner, event.lease.spec, event.measurement)
            elif isinstance(event, Ended) and not self._known(event.lease.spec.uid):
                failure = event.failure or Failure("crashed", "ended without its last measurement")
                uid = event.lease.spec.uid
                if may_retry(failure, self._lost(uid)):
                    attempt, step = event.lease.attempt, event.lease.spec.stop_step
                    self._recorder.append("attempt_lost", uid, attempt=attempt, stop_step=step, reason=failure.reason)
                    waiting.appendleft(next_attempt(event.lease))
                else:
                    self._record(winner, event.lease.spec, failure)
            tick()

    def _lost(self, uid: str) -> int:
        return self._recorder.state.lost.get((uid, self._task.steps), 0)

    def _known(self, uid: str) -> bool:
        return uid in self._recorder.state.confirmations

    def _spec(self, winner: str, individual: str, place: int, seed: int) -> TrialSpec:
        """One confirmation; the winner's first also tunes NMS, on the candidates of its own validation pictures."""
        record = self._recorder.state.individuals[individual]
        uid = uid_of(individual, place)
        split = split_of(self._recorder.state.data)
        return TrialSpec(
            uid=uid,
            config=self._task.config_of(Genome(record.genome)),
            seed=seed,
            stop_step=self._task.steps,
            evaluate_splits=("val",) if split == "val" else ("val", split),
            state_dir=storage.state_dir(self._directory, uid),
            tune_post=self._task.space.fitness if individual == winner and place == 0 else {},
        )

    def _record(self, winner: str, spec: TrialSpec, result: Measurement | Failure) -> None:
        individual = spec.uid.partition("/")[0]
        role = "winner" if individual == winner else "defaults"
        payload: dict[str, object] = {"role": role, "individual": individual, "seed": spec.seed}
        if isinstance(result, Failure):
            payload |= {"scores": {}, "seconds": {}, "reason": result.reason, "traceback": result.traceback}
        else:
            plain = measurement_to_plain(result)
            payload |= {"scores": plain["scores"], "seconds": plain["seconds"], "reason": None}
            payload |= {} if result.post is None else {"post": result.post}
        self._recorder.ensure(Entry("confirm_measured", spec.uid, payload))
        storage.drop(self._directory, spec.uid)


def runs_of(state: SearchState, individual: str) -> list[Confirmation]:
    """The individual's confirmations, by seed's place."""
    found = [one for one in state.confirmations.values() if one.individual == individual]
    return sorted(found, key=lambda one: one.uid)


def conclude(state: SearchState, winner: str) -> dict[str, object]:
    """What the confirmations say: the payload of winner_chosen."""
    split = split_of(state.data)
    ours, others = _scores(state, winner, split), _scores(state, DEFAULTS, split)
    confirmed, defaults = interval.summarize(ours), interval.summarize(others)
    gain = None if winner == DEFAULTS else interval.compare(ours, others)
    return {
        "split": split,
        "confirmed": None if confirmed is None else confirmed.to_plain(),
        "defaults": None if defaults is None else defaults.to_plain(),
        "gain": None if gain is None else gain.to_plain(),
        "verdict": verdict(winner, gain, split, list(state.confirmations.values())),
    }


def verdict(winner: str, gain: interval.Gain | None, split: str, confirmations: Iterable[Confirmation]) -> str:
    """One plain sentence on winner and defaults, and on the runs of theirs that failed."""
    runs = [one for one in confirmations if one.individual in (winner, DEFAULTS)]
    ended = [one for one in runs if _metric(split) in one.scores]
    failed = [one for one in runs if one not in ended]
    failing = ""
    if failed:
        reason = failed[0].reason or f"it has no score {_metric(split)}"
        failing = f"; {len(failed)} of {len(runs)} runs failed: {failed[0].uid}: {reason}"
    if winner == DEFAULTS:
        none = "no other set of hyperparameters scored higher"
        return f"the winner is the defaults themselves ({DEFAULTS}): {none}{failing}"
    if gain is None:
        return f"not confirmed: fewer than two runs of winner or defaults came to an end{failing}"
    where = "on the test split" if split == "test" else "on the validation split only (the data set has no test split)"
    low, high = gain.interval
    ours = sum(one.individual == winner for one in ended)
    others = len(ended) - ours
    seeds = f"{ours} seeds" if ours == others else f"{ours} seeds of the winner and {others} of the defaults"
    numbers = f"{gain.mean:+.3f} AP50:95, 95 % interval {low:+.3f} to {high:+.3f}"
    known = f"probability of a gain {gain.probability:.3f}, {seeds}, {where}{failing}"
    if high < 0:
        return f"worse than the defaults: {numbers}, {known}"
    if low <= 0:
        return f"no better than the defaults within the noise: {numbers}, {known}"
    if any(one.individual == winner for one in failed):  # the runs that ended are no fair sample of it
        return f"not confirmed: {numbers} against the defaults where the winner came to an end, {known}"
    return f"beats the defaults by {numbers}, {known}"


def _scores(state: SearchState, individual: str, split: str) -> list[float]:
    name = _metric(split)
    return [one.scores[name] for one in runs_of(state, individual) if name in one.scores]


def _metric(split: str) -> str:
    return f"{split}/{METRIC}"
