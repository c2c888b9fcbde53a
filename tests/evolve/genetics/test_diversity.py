"""Diversity: Gower's mean distance, by hand and by SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from evolve.genetics import space as spaces
from evolve.genetics.diversity import diversity
from evolve.genetics.genome import Genome

RATE = {"scale": "linear", "low": 0.0, "high": 0.8, "default": 0.4}
KIND = {"scale": "choice", "values": ["ciou", "diou", "mse"], "default": "ciou"}
MIXED = spaces.parse({"name": "mixed", "genes": {"augment.mosaic_prob": RATE, "loss.box": KIND}}, "mixed")
NUMBERS = spaces.parse({"name": "numbers", "genes": {"augment.mosaic_prob": RATE, "augment.mixup_prob": RATE}}, "n")


def genome(rate: float, kind: str) -> Genome:
    return Genome({"augment.mosaic_prob": rate, "loss.box": kind})


def test_by_hand() -> None:
    # rates 0, 0.4, 0.8 are 0, 1/2, 1 of the range: distances 1/2, 1, 1/2, mean 2/3
    # kinds: the first two are equal, the others differ by 1, however far apart they are listed: mean 2/3
    three = [genome(0.0, "ciou"), genome(0.4, "ciou"), genome(0.8, "mse")]
    assert diversity(MIXED, three) == pytest.approx(2 / 3)
    assert diversity(MIXED, [genome(0.4, "diou")] * 5) == 0.0
    assert diversity(MIXED, [genome(0.0, "ciou"), genome(0.8, "diou")]) == 1.0


def test_there_is_none_without_a_pair_or_a_gene() -> None:
    assert diversity(MIXED, [genome(0.4, "ciou")]) is None
    assert diversity(MIXED, []) is None
    assert diversity(spaces.parse({"name": "tiny", "genes": {}}, "tiny"), [Genome({}), Genome({})]) is None


@given(st.lists(st.tuples(st.floats(0, 0.8), st.floats(0, 0.8)), min_size=2, max_size=12))
def test_on_numbers_it_is_the_mean_city_block_distance(rows: list[tuple[float, float]]) -> None:
    genomes = [Genome({"augment.mosaic_prob": one, "augment.mixup_prob": other}) for one, other in rows]
    expected = pdist(np.array(rows) / 0.8, "cityblock").mean() / 2
    assert diversity(NUMBERS, genomes) == pytest.approx(expected, abs=1e-9)
