"""The shipped spaces train every trial with every technique on; presets and variants have the published settings."""

from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args, get_origin

import numpy as np
import pytest

from evolve import starting_weights, task, techniques
from evolve.genetics import plain, seeding
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.genetics.domains import Choice
from evolve.genetics.operators import mutate
from evolve.trial_config import ADDRESSES, TrialConfig, check_space
from model.config import YOLOV4_TINY, DetectorConfig

SPACES = sorted(task.SPACES.glob("*.yaml"))


def settings_of(space: spaces.SearchSpace, genome: object) -> dict:
    return TrialConfig.from_settings({**space.trial, **dict(genome)}).settings()


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_every_individual_of_a_shipped_space_has_every_technique_on(path: Path) -> None:
    """The first generation, and children of it whose every gene moved by as much as its range."""
    space = spaces.load(path)
    first = seeding.first_generation(space, recipes.load("fast", {"population": 40}), seed=0)
    rng = np.random.default_rng(0)
    children = [mutate(individual.genome, space, rng, rate=1.0, strength=1.0) for individual in first]
    for genome in [*(individual.genome for individual in first), *children]:
        assert techniques.switched_off(settings_of(space, genome)) == ()


def test_each_switch_is_seen() -> None:
    space = spaces.load(task.EMBEDDED_SPACE)
    on = settings_of(space, space.defaults())
    off_values = {
        "Mish in the backbone": {"detector.backbone_activation": "leaky"},
        "Mish in neck and heads": {"detector.neck_activation": "leaky"},
        "MiWRC": {"detector.shortcut": "add"},
        "SAM": {"detector.sam": False},
        "CIoU": {"loss.box": "giou"},
        "CmBN": {"train.subdivisions": 1},
        "DropBlock": {"regularization.dropblock_rate": 0.0},
        "Mosaic": {"augment.mosaic_prob": 0.0},
        "CutMix": {"augment.cutmix_prob": 0.0},
        "SAT": {"regularization.sat_prob": 0.0},
        "class label smoothing": {"loss.label_smoothing": 0.0},
        "grid sensitivity": {"detector.scale_xy_16": 1.0},
        "several anchors per truth": {"loss.iou_threshold": 1.0},
        "cosine annealing": {"optimizer.policy": "steps"},
        "random training shapes": {"train.sizes": (64,)},
    }
    assert set(off_values) == set(techniques.TECHNIQUES)
    for name, values in off_values.items():
        assert techniques.switched_off({**on, **values}) == (name,)


def test_the_released_network_is_the_variant() -> None:
    released = task.variant_settings("yolov4")
    assert released["detector.neck_activation"] == "leaky"
    assert released["detector.sam"] is False
    assert released["detector.shortcut"] == "add"
    assert (released["detector.width"], released["detector.depth"]) == (1.0, 1.0)
    with pytest.raises(task.InputError, match="--variant: expected one of yolov4, yolov4-tiny, got 'v9'"):
        task.variant_settings("v9")


@pytest.mark.parametrize("name", ["darknet", "paper"])
def test_a_preset_gives_genes_their_defaults_or_is_fixed(name: str) -> None:
    values = task.preset_settings(name)
    space = task._with_values(spaces.load(task.FULL_SPACE), values)
    check_space(space.name, space.trial, {gene: [domain.default] for gene, domain in space.genes.items()})
    effective = settings_of(space, space.defaults())
    assert {address: effective[address] for address in values} == values
    assert "optimizer.learning_rate" in space.genes
    if name == "paper":
        assert techniques.switched_off(effective) == ()
    else:  # the cfg has no smoothing, which is outside the gene's range: it is fixed, not searched
        assert "loss.label_smoothing" in space.trial


def test_every_word_that_a_setting_may_have_is_the_same_word_when_it_is_typed() -> None:
    """YAML reads some words as other values: true, no, null, on."""
    words = {address: get_args(kind) for address, kind in ADDRESSES.items() if get_origin(kind) is Literal}
    assert "loss.box_gradient" in words
    for address, choices in words.items():
        assert [plain.read_value(choice) for choice in choices] == list(choices), address


def test_an_unknown_preset_is_refused_by_name() -> None:
    with pytest.raises(task.InputError, match="--preset: expected one of darknet, paper, got 'best'"):
        task.preset_settings("best")
    assert set(task.preset_settings("paper")) <= set(ADDRESSES)


def test_weights_of_another_network_are_seen_setting_by_setting() -> None:
    space = spaces.load(task.EMBEDDED_SPACE)
    detector = TrialConfig.from_settings(settings_of(space, space.defaults())).detector
    assert task.differing_settings(task.EMBEDDED_BASE, detector) == ()
    other = replace(detector, sam=False, width=0.5)
    assert task.differing_settings(task.EMBEDDED_BASE, other) == ("detector.width", "detector.sam")


def with_settings(**wanted: object) -> spaces.SearchSpace:
    request = task.TaskRequest(**wanted)  # type: ignore[arg-type]
    return task._with_settings(spaces.load(task.EMBEDDED_SPACE), request)


def test_yolov4_tiny_is_a_network_of_the_same_spaces() -> None:
    space = with_settings(variant="yolov4-tiny", settings={"detector.width": "0.25"})
    detector = TrialConfig.from_settings(settings_of(space, space.defaults())).detector
    assert detector == replace(YOLOV4_TINY, width=0.25)
    assert not {"regularization.dropblock_rate", "detector.scale_xy_8"} & set(space.genes)
    assert "augment.mosaic_prob" in space.genes  # genes outside the network are searched as before
    assert with_settings(variant="yolov4-tiny", preset="darknet").trial["detector.backbone_activation"] == "leaky"
    own = spaces.load(task.EMBEDDED_SPACE)
    choices = {"detector.sam": Choice((True, False), False), "detector.dropblock_size": Choice((3, 7), 7)}
    genes = {**own.genes, **choices}
    trial = {address: value for address, value in own.trial.items() if address not in choices}
    fixed = task._with_settings(replace(own, genes=genes, trial=trial), task.TaskRequest(variant="yolov4-tiny"))
    assert not set(choices) & set(fixed.genes)
    assert fixed.trial["detector.sam"] is False
    with pytest.raises(ValueError, match=r"gene 'detector\.variant': the network, .* is no gene"):
        check_space("mine", {}, {"detector.variant": ["yolov4", "yolov4-tiny"]})
    with pytest.raises(ValueError, match=r"gene 'detector\.masks': how anchors are dealt out .* is no gene"):
        check_space("mine", {"detector.variant": "yolov4-tiny"}, {"detector.masks": ["released", "0,1,2/3,4,5"]})
    with pytest.raises(task.InputError, match="--preset: expected darknet, as yolov4-tiny has no other, got 'paper'"):
        with_settings(variant="yolov4-tiny", preset="paper")


def test_no_gene_is_searched_whose_technique_is_off() -> None:
    plain = with_settings()
    assert "regularization.dropblock_rate" in plain.genes
    assert "regularization.dropblock_rate" not in with_settings(variant="yolov4").genes
    darknet = with_settings(preset="darknet")
    for address in ("regularization.sat_strength", "optimizer.final_learning_rate_share"):
        assert address in plain.genes
        assert address not in darknet.genes


def test_a_preset_leaves_what_the_space_fixes_of_its_task() -> None:
    """What the embedded space fixes stays: digits are not mirrored, and the batch is 16, whatever was published."""
    paper = with_settings(preset="paper")
    assert paper.trial["augment.flip_prob"] == 0.0
    assert (paper.trial["train.batch"], paper.trial["train.subdivisions"]) == (16, 4)
    assert paper.trial["detector.dropblock_size"] == 7
    assert paper.genes["optimizer.learning_rate"].default == 0.00261
    # How a gradient is shortened goes with the loss, which the preset brings.
    effective = settings_of(paper, paper.defaults())
    assert (effective["loss.reduction"], effective["optimizer.spike_factor"]) == ("picture", 0.0)


@pytest.mark.parametrize(("batch", "subdivisions"), [(16, 4), (6, 2), (10, 2), (3, 1), (8, 4)])
def test_another_batch_has_subdivisions_that_divide_it(batch: int, subdivisions: int) -> None:
    space = with_settings(batch=batch)
    config = TrialConfig.from_settings({**space.trial, **dict(space.defaults())})
    assert (config.train.batch, config.train.subdivisions) == (batch, subdivisions)
    assert config.train.mini_batches_at_once == subdivisions


def test_weights_of_plain_sums_get_the_gain_that_keeps_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "plain.keras"
    file.touch()
    for detector, expected in ((DetectorConfig(), 2.0), (DetectorConfig(shortcut="per_feature"), 1.0)):
        start = starting_weights.WeightsFile(detector, ("a",), ())
        monkeypatch.setattr(task, "inspect_weights", lambda *_, start=start: start)
        space = with_settings(weights=str(file))
        config = TrialConfig.from_settings({**space.trial, **dict(space.defaults())})
        assert config.detector.shortcut_gain == expected
    monkeypatch.setattr(task, "inspect_weights", lambda *_: starting_weights.WeightsFile(DetectorConfig(), ("a",), ()))
    said = with_settings(weights=str(file), settings={"detector.shortcut_gain": "1.5"})
    assert said.trial["detector.shortcut_gain"] == 1.5
