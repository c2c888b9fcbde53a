"""Disk space for the states of trials: their largest number at once, by hand; the size of one, from a real state."""

from fractions import Fraction
from pathlib import Path

import pytest

from evolve import objective, space_checks, task
from evolve.checks import disk
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.genetics.recipe import Recipe
from evolve.trial_config import TrialConfig
from model.config import RELEASED

FAST = recipes.load("fast")
THIRDS = (Fraction(1, 9), Fraction(1, 3), Fraction(1))


@pytest.mark.parametrize(
    ("recipe", "steps", "schedule", "states"),
    [
        (FAST, 900, 900, 100),  # all at rung 1; then 37 with two states each, 74; then 16 with two each, 32
        (FAST, 90, 900, 100),  # 16 with two states each, and one per worker at the end of the budget: 36
        (recipes.load("seed"), 900, 900, 0),  # one rung, and no state is stored at the end of the schedule
        (recipes.load("seed"), 90, 900, 4),  # one a worker
        (Recipe("all", 10, 2, 3, 1, rungs=THIRDS), 90, 90, 20),  # keep is 1: ten with two states each
        (Recipe("late", 4, 2, 10, 1, rungs=THIRDS, keep=Fraction(1, 3)), 90, 90, 20),  # 2 x 10 children
        (Recipe("none", 4, 2, 10, 0, rungs=THIRDS, keep=Fraction(1, 3)), 90, 90, 4),  # no child generation
        (FAST, 3, 3, 100),  # rungs at 1, 1 and 3 are two: 100, then 37 with one
        # 10 of the 50 below the cut are controls: 60 with two states each
        (Recipe("controls", 100, 10, 1, 1, rungs=THIRDS, keep=Fraction(1, 2), controls=10), 90, 90, 120),
        (FAST, 1, 1, 0),
    ],
)
def test_so_many_states_lie_there_at_once(recipe: Recipe, steps: int, schedule: int, states: int) -> None:
    assert disk.states_at_once(recipe, steps, schedule, workers=4) == states


def test_sizes_in_words() -> None:
    sizes = (51_400_000_000, 526_000_000, 8_300_000, 99_000_000, 1_000_000_000, 3_200_000_000_000, 0)
    assert [disk.bytes_in_words(size) for size in sizes] == [
        "51 GB",
        "0.53 GB",
        "8.3 MB",
        "99.0 MB",
        "1 GB",
        "3.2 TB",
        "0.0 MB",
    ]


def test_the_released_networks_states() -> None:
    """yolov4.weights has 257,717,640 bytes, a header of 20 and a float each: 64,429,405 numbers, of COCO's 80 classes.

    Its cfg has 107 layers with batch normalization, whose means and variances no velocity belongs to: 33,152 channels.
    """
    total, channels, norms = (257_717_640 - 20) // 4, 33_152, 31  # and the gradient norms of the last steps
    released = TrialConfig(detector=RELEASED["yolov4"])
    assert objective.state_bytes(released, 80) == 4 * (total + total - 2 * channels + norms)
    averaged = TrialConfig.from_settings({"optimizer.ema_decay": 0.999})
    assert objective.state_bytes(averaged, 80) == 4 * (total + 2 * (total - 2 * channels) + norms)
    # a hundred states: the need of a first rung with the full model
    assert 51e9 < 100 * objective.state_bytes(released, 80) < 52e9


def test_the_page_says_what_the_full_model_needs() -> None:
    need = disk.bytes_in_words(100 * space_checks.largest_state(spaces.load(task.FULL_SPACE), 10))
    page = Path(__file__).parents[3] / "docs" / "search-spaces.md"
    words = " ".join(page.read_text(encoding="utf-8").split())
    assert f"wait together at the first rung of `fast`: {need} in the search directory" in words


def test_the_largest_state_of_a_space_counts_what_its_genes_can_be() -> None:
    base = spaces.load(task.EMBEDDED_SPACE)
    fixed = {name: value for name, value in base.trial.items() if name not in ("detector.width", "detector.sam")}
    width = {"scale": "linear", "low": 0.1, "high": 0.25, "default": 0.125}
    sam = {"scale": "choice", "values": [False, True], "default": False}
    decay = {"scale": "linear", "low": 0.0, "high": 0.99, "default": 0.0}
    plain = {**base.to_plain(), "trial": {**fixed, "train.sizes": [64]}, "known": {}}
    genes = {"detector.width": width, "detector.sam": sam, "optimizer.ema_decay": decay}
    space = spaces.parse({**plain, "genes": genes}, "s")
    largest = {**space.trial, "detector.width": 0.25, "detector.sam": True, "optimizer.ema_decay": 0.9}
    assert space_checks.largest_state(space, 10) == objective.state_bytes(TrialConfig.from_settings(largest), 10)
