"""LCBench as a task to search on: learning curves of small neural networks, predicted by a published surrogate.

The data are not part of the project (see SOURCE.md beside them): ../shared/benchmarks/lcbench of the checkout.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from evolve.genetics import operators, seeding
from evolve.genetics.genome import Genome
from evolve.genetics.recipe import Recipe
from evolve.genetics.space import Integer, Linear, Log, SearchSpace

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "benchmarks" / "lcbench"
EPOCHS = 52
SAMPLE = 10_000  # random genomes that give a task's deviation, its mean duration and a start for its best score
CLIMBS = 40  # rounds of 20 mutants of the best 20, with steps that shrink, to find the best score
# In the order of the surrogate's inputs. Two whole numbers are on a log scale: they are rounded before they go in.
SPACE = SearchSpace(
    "lcbench",
    {
        "batch_size": Log(16, 512, 91),
        "learning_rate": Log(1e-4, 1e-1, 3.1622777e-3),
        "momentum": Linear(0.1, 0.99, 0.545),
        "weight_decay": Linear(1e-5, 0.1, 0.050005),
        "num_layers": Integer(1, 5, 3),
        "max_units": Log(64, 1024, 256),
        "max_dropout": Linear(0.0, 1.0, 0.5),
    },
)
INPUTS = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
ROUNDED = ("batch_size", "max_units")
PARTS = {"developing": 0, "reporting": 1}  # even and odd positions in config_space.json


class MissingDataError(Exception):
    """The surrogate's files are not there."""


def load(part: str, count: int | None = None) -> list["Task"]:
    """The first `count` tasks for developing or for reporting."""
    try:
        space = json.loads((FOLDER / "config_space.json").read_text(encoding="utf-8"))
        codes = json.loads((FOLDER / "encoding.json").read_text(encoding="utf-8"))["OpenML_task_id"]
    except OSError as error:
        raise MissingDataError(f"{FOLDER}: expected the LCBench surrogate, got: {error.strerror}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(FOLDER / "model.onnx"), options, providers=["CPUExecutionProvider"])
    [ids] = [line["choices"] for line in space["hyperparameters"] if line["name"] == "OpenML_task_id"]
    return [Task(name, codes[name], session) for name in ids[PARTS[part] :: 2][:count]]


class Task:
    """The curves of one data set of LCBench."""

    def __init__(self, name: str, code: int, session: onnxruntime.InferenceSession) -> None:
        self.name, self._code, self._session = name, code, session

    def at(self, genomes: Sequence[Genome], epoch: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Seconds up to the epoch, and validation accuracy (%) after it, of each genome."""
        inputs = np.array([[epoch, *(self._input(genome, name) for name in INPUTS)] for genome in genomes], np.float32)
        codes = np.full((len(genomes), 1), self._code, np.int32)
        output = self._session.run(None, {"x_cat": codes, "x_cont": inputs})[0].astype(np.float64)
        return output[:, 0], output[:, 1]

    @staticmethod
    def _input(genome: Genome, name: str) -> float:
        value = float(genome[name])
        return round(value) if name in ROUNDED else value

    @cached_property
    def _sample(self) -> tuple[list[Genome], NDArray[np.float64], NDArray[np.float64]]:
        recipe = Recipe("sample", population=SAMPLE + 1)
        genomes = [individual.genome for individual in seeding.first_generation(SPACE, recipe, 0)]
        return genomes, *self.at(genomes, EPOCHS)

    @property
    def mean_seconds(self) -> float:
        """The mean duration of a whole training of random genomes."""
        return float(np.mean(self._sample[1]))

    @property
    def deviation(self) -> float:
        """The standard deviation of the final score of random genomes: the unit of noise."""
        return float(np.std(self._sample[2]))

    @property
    def median(self) -> float:
        """The median final score of random genomes; from there to the best is the unit of regret."""
        return float(np.median(self._sample[2]))

    @cached_property
    def best(self) -> float:
        """The best final score that is known: of the sample, improved by climbing."""
        genomes, _, scores = self._sample
        pool = [(float(scores[index]), genomes[index]) for index in np.argsort(-scores)[:20]]
        rng = np.random.default_rng(0)
        for climb in range(CLIMBS):
            strength = 0.1 * 0.9**climb + 0.002
            children = [
                operators.mutate(genome, SPACE, rng, rate=0.5, strength=strength)
                for _, genome in pool
                for _ in range(20)
            ]
            pool += zip(self.at(children, EPOCHS)[1].tolist(), children, strict=True)
            pool = sorted(pool, key=lambda pair: -pair[0])[:20]
        return pool[0][0]
