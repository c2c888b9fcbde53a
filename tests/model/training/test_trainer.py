"""The compiled step: each technique's switch changes what it should and nothing else, and traces nothing new."""

from dataclasses import replace

import numpy as np
import pytest

from evolve.trial_config import TrialConfig
from model.training import train
from model.training.batch_pass import REPORTED, TERMS
from model.training.trainer import Trainer

pytestmark = pytest.mark.medium

SIZE, BATCH = 64, 4
SETTINGS = {
    "detector.width": 0.03,
    "detector.depth": 0.1,
    "detector.neck_activation": "mish",
    "detector.sam": True,
    "detector.shortcut": "per_feature",
    "detector.dropblock_place": "both",
    "detector.dropblock_size": 3,
    "train.batch": BATCH,
    "train.size": SIZE,
    "train.sizes": (SIZE,),
    "train.steps": 100,
    "train.subdivisions": 2,
    "train.mini_batches_at_once": 2,
    "optimizer.learning_rate": 1e-3,
    "optimizer.burn_in_share": 0.0,
}
ANCHORS = [(4 + 6 * k, 4 + 6 * k) for k in range(9)]
CLASSES = ("a", "b", "c")


class Pictures:
    """Four pictures of noise, two boxes in each."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.images = rng.integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
        self.boxes = np.zeros((BATCH, 5, 4), np.float32)
        self.boxes[:, :2] = [[4, 4, 30, 40], [20, 24, 60, 50]]
        self.classes = np.full((BATCH, 5), -1, np.int32)
        self.classes[:, :2] = [0, 2]


def config(**changes: object) -> TrialConfig:
    return TrialConfig.from_settings({**SETTINGS, **{name.replace("__", "."): v for name, v in changes.items()}})


def trainer_of(its: TrialConfig) -> Trainer:
    return Trainer(its.detector, CLASSES, ANCHORS, train=its.train)


@pytest.fixture(scope="module")
def warm() -> Trainer:
    """A trainer whose step is traced."""
    trainer = trainer_of(config())
    trainer.reset(0)
    trainer.step(Pictures(), train.settings_vector(1, config()))
    return trainer


def one_step(trainer: Trainer, its: TrialConfig, *, step: int = 50, attacked: bool = False, steps: int = 1):
    """Losses of the last of some steps from seed 3, and the weights after it."""
    trainer.reset(3)
    for _ in range(steps):
        losses = trainer.step(Pictures(), train.settings_vector(step, its), chance=(5, 7), attacked=attacked)
    return dict(zip(REPORTED, losses, strict=True)), trainer.weights()


def moved(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> set[str]:
    """Prefixes of the names of layers whose weights differ."""
    return {name.split("_")[0] for name in first if not np.array_equal(first[name], second[name])}


def test_the_same_settings_give_the_same_step_bit_for_bit(warm: Trainer) -> None:
    first, second = one_step(warm, config()), one_step(warm, config())
    assert first[0] == second[0]
    assert moved(first[1], second[1]) == set()


def test_no_technique_that_shapes_nothing_traces_anew(warm: Trainer) -> None:
    before = warm.traces
    for its in (
        config(regularization__cmbn=True),
        config(regularization__dropblock_rate=0.2),
        config(regularization__sat_strength=0.02, regularization__sat_norm="l2"),
        config(optimizer__ema_decay=0.9, optimizer__freeze_share=0.9),
        config(loss__box="mse", loss__label_smoothing=0.1, detector__scale_xy_8=1.5),
    ):
        one_step(warm, its)
    assert warm.traces == before


def test_cmbn_changes_what_later_mini_batches_see(warm: Trainer) -> None:
    off, on = one_step(warm, config()), one_step(warm, config(regularization__cmbn=True))
    assert off[0]["total"] != on[0]["total"]
    # the stem's statistics are of the same convolution of the same pictures: the whole batch's in both
    for name in ("moving_mean", "moving_variance"):
        np.testing.assert_array_equal(off[1][f"backbone_stem_norm/{name}"], on[1][f"backbone_stem_norm/{name}"])


@pytest.mark.parametrize("reduction", [pytest.param("picture", marks=pytest.mark.slow), "positive"])
def test_mini_batches_one_by_one_are_mini_batches_together(warm: Trainer, reduction: str) -> None:
    """Mini-batches together or in turn: gradients add up, statistics are passed on.

    The network itself turns the rounding of a weight's last digit into a thousandth of a gradient.
    """
    its = config(regularization__cmbn=True, train__mini_batches_at_once=1, loss__reduction=reduction)
    apart = trainer_of(its)
    one, several = one_step(apart, its), one_step(warm, replace(its, train=config().train))
    for name in TERMS:
        assert one[0][name] == pytest.approx(several[0][name], rel=1e-5), name
    apart.reset(3)
    for name, before in apart.weights().items():
        change, expected = one[1][name] - before, several[1][name] - before
        rounding = 1e-6 * np.linalg.norm(before)  # of the last digits of the weights themselves
        assert np.linalg.norm(change - expected) <= 0.02 * np.linalg.norm(expected) + rounding, name


def test_dropblock_acts_on_the_loss_and_is_gone_at_rate_0(warm: Trainer) -> None:
    off = one_step(warm, config())[0]
    dropped = config(regularization__dropblock_rate=0.2)
    late, early = one_step(warm, dropped, step=90)[0], one_step(warm, replace(dropped), step=45)[0]
    assert late["total"] != off["total"]
    assert late["total"] != early["total"]  # half as strong: the same blocks and fewer
    first = train.settings_vector(1, config(regularization__dropblock_rate=0.0))
    assert "dropblock_rate" in train.SETTINGS
    assert first[train.SETTINGS.index("dropblock_rate")] == 0


def test_sat_trains_on_other_pictures_and_the_true_boxes(warm: Trainer) -> None:
    off, on = one_step(warm, config()), one_step(warm, config(), attacked=True)
    none = one_step(warm, config(regularization__sat_strength=0.0), attacked=True)
    assert off[0]["total"] != on[0]["total"]
    assert none[0] == off[0]
    assert moved(none[1], off[1]) == set()


def test_the_attack_touches_no_weight_and_no_statistic(warm: Trainer) -> None:
    warm.reset(3)
    before = warm.state()
    batch, settings = Pictures(), train.settings_vector(50, config())
    images = batch.images.astype(np.float32) / 255
    changed = np.asarray(warm.attack(images, batch.boxes, batch.classes, settings))
    after = warm.state()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert changed.min() >= 0
    assert changed.max() <= 1
    # the sign form moves a channel by its strength, or by less where it meets black or white
    assert 0 < np.abs(changed - images).max() <= 0.008 + 1e-6


def test_a_frozen_backbone_keeps_its_weights_and_the_rest_learns(warm: Trainer) -> None:
    its = config(optimizer__freeze_share=0.5)
    warm.reset(3)
    fresh = {name: value for name, value in warm.weights().items() if "moving" not in name}
    after = one_step(warm, its, step=50)[1]
    assert moved(fresh, {name: after[name] for name in fresh}) == {"spp", "neck", "head8", "head16", "head32"}
    later = one_step(warm, its, step=51)[1]
    assert "backbone" in moved(fresh, {name: later[name] for name in fresh})


def test_the_average_of_the_weights_is_what_is_evaluated(warm: Trainer) -> None:
    pictures = Pictures().images
    plain = one_step(warm, config(), steps=3)
    averaged = one_step(warm, config(optimizer__ema_decay=0.9), steps=3)
    assert moved(plain[1], averaged[1]) == set()  # training itself is the same
    raw = warm.forward(pictures, (1.0, 1.0, 1.0))
    warm.averaging = True
    try:
        with warm.as_scored():
            smooth = warm.forward(pictures, (1.0, 1.0, 1.0))
        state = warm.state()
    finally:
        warm.averaging = False
    assert not np.array_equal(raw.objectness, smooth.objectness)
    np.testing.assert_array_equal(warm.forward(pictures, (1.0, 1.0, 1.0)).objectness, raw.objectness)
    assert any(name.startswith("average") for name in state)


def test_a_state_with_averages_goes_on_where_it_stood(warm: Trainer, tmp_path) -> None:
    its = config(optimizer__ema_decay=0.9)
    warm.averaging = True
    try:
        one_step(warm, its, steps=2)
        warm.save_state(tmp_path / "state.npz")
        warm.step(Pictures(1), train.settings_vector(51, its))
        expected = warm.state()
        warm.reset(8)
        warm.load_state(tmp_path / "state.npz")
        warm.step(Pictures(1), train.settings_vector(51, its))
        got = warm.state()
    finally:
        warm.averaging = False
    assert all(np.array_equal(got[name], expected[name]) for name in expected)
    with np.load(tmp_path / "state.npz") as stored:
        np.savez(tmp_path / "older.npz", **{name: stored[name] for name in stored.files if name != "norms_0"})
    warm.averaging = True
    try:
        warm.load_state(tmp_path / "older.npz")  # of a version without the norms of the last steps
        assert np.array_equal(warm.state()["weight_0"], np.load(tmp_path / "state.npz")["weight_0"])
        assert not warm.state()["norms_0"].any()
    finally:
        warm.averaging = False
    with pytest.raises(ValueError, match=r"expected \d+ arrays of this network"):
        warm.load_state(tmp_path / "state.npz")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_as_the_full_one_does(warm: Trainer, precision: str) -> None:
    its = config(train__precision=precision, optimizer__max_gradient_norm=1000.0)
    plain = replace(its, train=config().train)
    half = trainer_of(its)
    assert {str(v.dtype) for v in half.model.weights} == {"float32"}
    assert {layer.compute_dtype for layer in half.model.layers if layer.name.endswith("_conv")} == {precision}
    first, full_first = one_step(half, its)[0], one_step(warm, plain)[0]
    for name in TERMS:
        assert first[name] == pytest.approx(full_first[name], rel=0.05), name
    last, full_last = one_step(half, its, steps=36)[0]["total"], one_step(warm, plain, steps=36)[0]["total"]
    assert full_last < 0.7 * full_first["total"]
    assert last < 0.7 * first["total"]
    if precision == "float16":
        _overflow_halves_the_scale(half, its)


def _overflow_halves_the_scale(half: Trainer, its: TrialConfig) -> None:
    """A scale so large that gradients overflow float16 leaves every weight as it was, and is halved."""
    half.reset(3)
    before = half.weights()
    half.loss_scale.assign([2.0**40, 0.0])
    half.step(Pictures(), train.settings_vector(50, its))
    trained = {name for name in before if "moving" not in name}
    assert all(np.array_equal(before[name], half.weights()[name]) for name in trained)
    assert np.asarray(half.loss_scale.value).tolist() == [2.0**39, 0.0]
    half.optimizer.variables[0].assign(np.full(half.optimizer.variables[0].shape, np.nan))
    half.loss_scale.assign([2.0**-21, 0.0])
    step = half.step(Pictures(), train.settings_vector(50, its))
    assert np.isnan(step[REPORTED.index("gradient_norm")])  # no scale would help


def test_which_steps_are_adversarial_is_drawn_by_seed_and_step() -> None:
    its = config(regularization__sat_prob=0.3, optimizer__burn_in_share=0.1, train__steps=1000)
    drawn = [train.is_adversarial(0, step, its) for step in range(1, 1001)]
    assert not any(drawn[:100])  # burn-in
    assert 0.25 < np.mean(drawn[100:]) < 0.35  # 900 draws at 0.3: 3.3 standard deviations
    assert drawn == [train.is_adversarial(0, step, its) for step in range(1, 1001)]
    assert drawn != [train.is_adversarial(1, step, its) for step in range(1, 1001)]
    assert not any(train.is_adversarial(0, step, config()) for step in range(1, 100))


def test_yolov4_tiny_learns_by_the_same_step():
    its = config(
        detector__variant="yolov4-tiny",
        detector__width=0.125,
        detector__depth=1.0,
        detector__sam=False,
        detector__shortcut="add",
        detector__dropblock_place="none",
        regularization__cmbn=True,
    )
    trainer = Trainer(its.detector, CLASSES, [(1, 1), *ANCHORS[1:6]], train=its.train)
    trainer.reset(3)
    losses = [trainer.step(Pictures(), train.settings_vector(step, its))[0] for step in range(1, 81)]
    assert losses[-1] < losses[0] / 3
    assert trainer.traces == 1
    assert trainer.forward(Pictures().images, its.detector.scale_xy).boxes.shape == (BATCH, 3 * (4 * 4 + 2 * 2), 4)
    trainer.reset(3)
    before = trainer.weights()
    frozen = train.settings_vector(1, config(optimizer__freeze_share=1.0, optimizer__learning_rate=0.1))
    trainer.step(Pictures(), frozen, attacked=True)
    # running statistics move all the same
    names = {name for name in moved_weights(before, trainer.weights()) if "moving" not in name}
    assert names
    assert all(name.startswith(("neck_", "head")) for name in names)


def test_anchors_of_the_other_variant_are_refused():
    with pytest.raises(ValueError, match=r"anchors: expected 9 pairs for yolov4, got shape \(6, 2\)"):
        Trainer(config().detector, CLASSES, ANCHORS[:6], train=config().train)


def moved_weights(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> set[str]:
    """Names of the weights that differ."""
    return {name for name in first if not np.array_equal(first[name], second[name])}
