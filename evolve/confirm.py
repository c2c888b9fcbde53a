"""The confirm stage: is the winner really better than the defaults, or was it luck?

The best of hundreds of noisy scores is too high on average. So winner and defaults are trained again at
full budget with fresh seeds, the same ones for both, and scored on the test split, which the search never saw.
Confirmations are runs of the same individuals, outside fitness and selection.
"""

from collections import deque
from collections.abc import Callable
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
            Lease(self._spec(individual, place, seed), attempt=1)
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
                if may_retry(failure, event.lease.attempt - 1):
                    waiting.appendleft(next_attempt(event.lease))
                else:
                    self._record(winner, event.lease.spec, failure)
            tick()

    def _known(self, uid: str) -> bool:
        return uid in self._recorder.state.confirmations

    def _spec(self, individual: str, place: int, seed: int) -> TrialSpec:
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
    failed = [one for one in (*runs_of(state, winner), *runs_of(state, DEFAULTS)) if one.reason is not None]
    return {
        "split": split,
        "confirmed": None if confirmed is None else confirmed.to_plain(),
        "defaults": None if defaults is None else defaults.to_plain(),
        "gain": None if gain is None else gain.to_plain(),
        "verdict": verdict(winner, gain, min(len(ours), len(others)), split, failed),
    }


def verdict(winner: str, gain: interval.Gain | None, count: int, split: str, failed: list[Confirmation]) -> str:
    """One plain sentence on winner and defaults."""
    where = "on the test split" if split == "test" else "on the validation split only (the data set has no test split)"
    if winner == DEFAULTS:
        return f"the winner is the defaults themselves ({DEFAULTS}): no other set of hyperparameters scored higher"
    if gain is None:
        reason = f"; {failed[0].uid} failed: {failed[0].reason}" if failed else ""
        return f"not confirmed: fewer than two runs of winner or defaults came to an end{reason}"
    low, high = gain.interval
    numbers = f"{gain.mean:+.3f} AP50:95, 95 % interval {low:+.3f} to {high:+.3f}"
    known = f"probability of a gain {gain.probability:.3f}, {count} seeds, {where}"
    if low > 0:
        return f"beats the defaults by {numbers}, {known}"
    if high < 0:
        return f"worse than the defaults: {numbers}, {known}"
    return f"no better than the defaults within the noise: {numbers}, {known}"


def _scores(state: SearchState, individual: str, split: str) -> list[float]:
    name = f"{split}/{METRIC}"
    return [one.scores[name] for one in runs_of(state, individual) if name in one.scores]
