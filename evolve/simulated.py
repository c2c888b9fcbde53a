"""A simulated objective with made-up learning curves: the whole loop in milliseconds, for tests and benchmarks.

Nothing is trained. A score is a smooth function of the genes in [0, 1] times a curve that saturates with the
steps; noise is keyed by the spec's seed, failures by its genome. As with the real objective, a measurement
depends on the spec alone, and a trial in pieces gives the same as one in one go.
"""

import hashlib
import math
import time
from collections.abc import Iterator, Mapping

from evolve.genetics.genome import random_generator
from evolve.genetics.space import SearchSpace, parse
from evolve.trial import Measurement, Objective, TrialDiverged, TrialSpec, Value

# A space for simulated searches; its addresses exist in TrialConfig, so it passes every check of a space.
SPACE: Mapping[str, object] = {
    "name": "simulated",
    "genes": {
        "optimizer.learning_rate": {"scale": "log", "low": 1e-4, "high": 1e-1, "default": 1.3e-3},
        "optimizer.momentum": {"scale": "linear", "low": 0.6, "high": 0.98, "default": 0.949},
        "optimizer.weight_decay": {"scale": "log", "low": 1e-5, "high": 1e-2, "default": 5e-4},
        "loss.box_weight": {"scale": "log", "low": 0.5, "high": 20.0, "default": 4.0},
        "augment.mosaic_prob": {"scale": "linear", "low": 0.0, "high": 1.0, "default": 0.5},
    },
    "trial": {"train.steps": 90},
}

BEST = 0.9  # AP50:95 at every gene's optimum after the last step
WIDTH = 0.5  # distance of a gene from its optimum, in [0, 1], at which it costs much
METRICS = {"map50_95": 1.0, "map50": 0.6, "map75": 1.1}  # metric -> power of the quality: AP50 is above AP75
SCORES = tuple(METRICS)  # the metrics reported for each split


class SimulatedObjective:
    """Yields the measurements of a spec when called; keeps nothing between trials."""

    def __init__(self, space: SearchSpace, noise: float, failures: float, sleep_seconds: float) -> None:
        if noise < 0 or not 0 <= failures <= 1 or sleep_seconds < 0:
            raise ValueError(
                "expected noise >= 0, failures in 0 to 1 and sleep_seconds >= 0, "
                f"got noise={noise}, failures={failures}, sleep_seconds={sleep_seconds}"
            )
        self._space, self._noise, self._failures, self._sleep_seconds = space, noise, failures, sleep_seconds

    def __call__(self, spec: TrialSpec) -> Iterator[Measurement]:
        """Yield losses halfway through the piece, then losses and scores at its end."""
        genes = self._genes(spec)
        steps = spec.config["train.steps"]
        if not isinstance(steps, int) or not 0 <= spec.start_step < spec.stop_step <= steps:
            raise ValueError(
                f"{spec.uid}: expected 0 <= start_step < stop_step <= train.steps, "
                f"got {spec.start_step}, {spec.stop_step}, {steps!r}"
            )
        fails_at = self._failing_step(genes, steps)
        halfway = (spec.start_step + spec.stop_step) // 2
        previous = spec.start_step
        for step in (halfway, spec.stop_step) if halfway > spec.start_step else (spec.stop_step,):
            began = time.perf_counter()
            if self._sleep_seconds:
                time.sleep(self._sleep_seconds)
            if fails_at is not None and previous < fails_at <= step:
                _fail(genes, fails_at)
            quality = self._quality(genes, step / steps)
            scores = self._scores(spec, step, quality) if step == spec.stop_step else {}
            yield Measurement(step, _losses(quality), scores, {"train": time.perf_counter() - began})
            previous = step

    def _genes(self, spec: TrialSpec) -> dict[str, Value]:
        genes: dict[str, Value] = {}
        for address in self._space.genes:
            value = spec.config.get(address)
            if value is None or isinstance(value, tuple):
                raise ValueError(f"{spec.uid}: expected a value of gene {address!r}, got {value!r}")
            genes[address] = value
        return genes

    def _quality(self, genes: Mapping[str, Value], share: float) -> float:
        """0 to BEST: a bell around each gene's optimum, times 1 - exp(-speed x share), scaled to 1 at share 1.

        Genes also determine the speed, so that curves cross and an early rung can be misleading.
        """
        distances, slow = 0.0, 0.0  # sums over the genes of the squared distances to the best quality and speed
        for address, value in genes.items():
            unit = self._space.genes[address].to_unit(value)
            distances += ((unit - (0.2 + 0.6 * _keyed_unit("optimum", address))) / WIDTH) ** 2
            slow += (unit - _keyed_unit("speed", address)) ** 2
        count = max(len(genes), 1)
        speed = 2.0 + 4.0 * math.exp(-4.0 * slow / count)
        return BEST * math.exp(-distances / count) * (-math.expm1(-speed * share)) / (-math.expm1(-speed))

    def _scores(self, spec: TrialSpec, step: int, quality: float) -> dict[str, float]:
        scores = {}
        for index, split in enumerate(spec.evaluate_splits):
            noise = self._noise * float(random_generator(spec.seed, step, index).standard_normal())
            noisy = min(max(quality + noise, 0.0), 1.0)
            scores.update({f"{split}/{metric}": noisy**power for metric, power in METRICS.items()})
        return scores

    def _failing_step(self, genes: Mapping[str, Value], steps: int) -> int | None:
        """The step at which this genome fails, 1 to `steps`; None if it does not fail."""
        if _keyed_unit("fails", repr(genes)) >= self._failures:
            return None
        return 1 + int(_keyed_unit("when", repr(genes)) * steps)


def simulated_objective(
    *,
    space_plain: Mapping[str, object] | None = None,
    noise: float = 0.01,
    failures: float = 0.0,
    sleep_seconds: float = 0.0,
) -> Objective:
    """An objective without training.

    `space_plain`: the space of the genes that the score depends on, from SearchSpace.to_plain(); None: SPACE.
    `noise`: standard deviation of a score between seeds. `failures`: share of genomes that fail at some step,
    half of them by diverging, half by a crash. `sleep_seconds`: how long each measurement takes.
    """
    space = parse(SPACE if space_plain is None else space_plain, "simulated space")
    return SimulatedObjective(space, noise, failures, sleep_seconds)


def _losses(quality: float) -> dict[str, float]:
    """Made-up losses that fall as the quality rises."""
    losses = {"box": 2.0 * (1.0 - quality), "objectness": 4.0 * (1.0 - quality), "class": 1.0 - quality}
    return {**losses, "total": math.fsum(losses.values())}


def _fail(genes: Mapping[str, Value], step: int) -> None:
    if _keyed_unit("how", repr(genes)) < 0.5:
        raise TrialDiverged(f"the box loss is nan at step {step}")
    raise RuntimeError(f"simulated crash at step {step}")


def _keyed_unit(purpose: str, key: str) -> float:
    """A number in [0, 1) that depends on purpose and key alone; the same in every process."""
    digest = hashlib.blake2b(f"{purpose}:{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
