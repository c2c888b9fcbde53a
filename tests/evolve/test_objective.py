"""The real objective: a trial's result depends on its spec alone, and a warm worker traces nothing."""

from dataclasses import replace

import numpy as np
import pytest

from data.digits import synthetic
from evolve import objective, starting_weights, task
from evolve.trial import Measurement, Progress, TrialDiverged, TrialSpec, measurements
from evolve.trial_config import TrialConfig
from model import checkpoint
from model.config import YOLOV4_TINY, DetectorConfig

pytestmark = pytest.mark.medium

SMALL = {
    "detector.width": 0.0625,
    "detector.depth": 0.1,
    "train.steps": 6,
    "train.batch": 4,
    "train.size": 32,
    "train.sizes": [32, 64],
    "train.size_period": 2,
    "train.statistics_pictures": 8,
    "input.max_boxes": 24,
    # Every technique that has state or draws random numbers is on: what holds with them also holds without.
    "detector.neck_activation": "mish",
    "detector.sam": True,
    "detector.shortcut": "per_channel",
    "detector.dropblock_place": "both",
    "detector.dropblock_size": 3,
    "train.subdivisions": 2,
    "train.mini_batches_at_once": 2,
    "regularization.cmbn": True,
    "regularization.dropblock_rate": 0.1,
    "regularization.sat_prob": 0.5,
    "optimizer.ema_decay": 0.9,
    "augment.cutmix_prob": 0.3,
    "loss.label_smoothing": 0.05,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("digits") / "set"
    synthetic.write(root, seed=3, size=64, images={"train": 12, "val": 6, "test": 6}, digits="target")
    return root, objective.describe_data(root, size=32, fit="stretch")


@pytest.fixture
def make(data):
    root, described = data
    return lambda: objective.detection_objective(
        data=str(root),
        class_names=described["class_names"],
        anchors=described["anchors"],
        fingerprint=described["fingerprint"],
    )


@pytest.fixture(scope="module")
def warm(data):
    root, described = data
    return objective.detection_objective(
        data=str(root),
        class_names=described["class_names"],
        anchors=described["anchors"],
        fingerprint=described["fingerprint"],
    )


def _spec(uid="g000-000", *, seed=5, stop=6, start=0, state_dir=None, splits=("val",), **genes):
    config = TrialConfig.from_settings({**SMALL, **{k.replace("__", "."): v for k, v in genes.items()}}).settings()
    return TrialSpec(uid, config, seed, stop, start, splits, state_dir)


def _weights(made, spec):
    """All weights and velocities after the spec, from the objective's own trainer."""
    measured = list(measurements(made(spec)))
    return measured, made._trainer.state()


def test_a_result_depends_on_the_spec_alone(make, warm):
    spec = _spec(optimizer__learning_rate=0.02)
    fresh_measured, fresh = _weights(make(), spec)
    with pytest.raises(TrialDiverged, match="not finite at step"):
        list(warm(_spec("g000-001", optimizer__learning_rate=1e30)))
    list(warm(_spec("g000-002", seed=9, augment__mosaic_prob=1.0, optimizer__ema_decay=0.0)))
    used_measured, used = _weights(warm, spec)
    assert used_measured[-1].scores == fresh_measured[-1].scores
    assert [m.losses for m in used_measured] == [m.losses for m in fresh_measured]
    for name, value in fresh.items():
        np.testing.assert_array_equal(used[name], value, err_msg=name)


def test_other_genes_trace_nothing_new(warm):
    list(warm(_spec(seed=11, regularization__sat_prob=1.0)))  # with the same training shapes
    genes = {
        "optimizer__learning_rate": 0.003,
        "optimizer__momentum": 0.8,
        "optimizer__weight_decay": 0.001,
        "optimizer__norm_momentum": 0.9,
        "optimizer__burn_in_share": 0.3,
        "loss__box_weight": 2.0,
        "loss__iou_threshold": 0.4,
        "loss__ignore_threshold": 0.5,
        "loss__label_smoothing": 0.05,
        "loss__objectness_gamma": 1.0,
        "detector__scale_xy_8": 1.5,
        "augment__mosaic_prob": 1.0,
        "augment__jitter": 0.1,
        "augment__cutmix_prob": 0.0,
        "loss__box": "giou",
        "optimizer__ema_decay": 0.0,
        "optimizer__cycles": 2,
        "optimizer__freeze_share": 0.4,
        "regularization__cmbn": False,
        "regularization__dropblock_rate": 0.2,
        "regularization__sat_prob": 0.9,
        "regularization__sat_strength": 0.02,
        "regularization__sat_norm": "l2",
    }
    measured = list(measurements(warm(_spec("g000-003", seed=11, **genes))))
    assert sum(m.traces for m in measured) == 0
    assert sum(m.seconds.get("compile", 0.0) for m in measured) == 0.0


def test_pieces_between_rungs_equal_one_training(warm, tmp_path):
    spec = _spec(seed=21)
    _, whole = _weights(warm, spec)
    list(warm(replace(spec, stop_step=2, state_dir=tmp_path / "trials" / "g000-000")))
    list(warm(_spec("g000-004", seed=1)))  # another trial in between
    list(warm(replace(spec, start_step=2, stop_step=4, state_dir=tmp_path / "trials" / "g000-000")))
    _, pieced = _weights(warm, replace(spec, start_step=4, stop_step=6, state_dir=tmp_path / "trials" / "g000-000"))
    for name, value in whole.items():
        np.testing.assert_array_equal(pieced[name], value, err_msg=name)


def test_a_broken_state_costs_steps_and_not_the_trial(warm, tmp_path):
    spec = _spec(seed=22)
    _, whole = _weights(warm, spec)
    states = tmp_path / "trials"
    list(warm(replace(spec, stop_step=2, state_dir=states)))
    for torn in (b"torn", b""):
        (states / "state-2.npz").write_bytes(torn)
        _, repaired = _weights(warm, replace(spec, start_step=2, state_dir=states))
        for name, value in whole.items():
            np.testing.assert_array_equal(repaired[name], value, err_msg=name)
    _, missing = _weights(warm, replace(spec, start_step=2, state_dir=tmp_path / "none"))
    for name, value in whole.items():
        np.testing.assert_array_equal(missing[name], value, err_msg=name)


def test_a_broken_state_costs_only_the_steps_after_the_one_before(warm, tmp_path):
    spec = _spec(seed=23)
    _, whole = _weights(warm, spec)
    states = tmp_path / "trials"
    list(warm(replace(spec, stop_step=2, state_dir=states)))
    list(warm(replace(spec, start_step=2, stop_step=4, state_dir=states)))
    (states / "state-4.npz").write_bytes(b"torn")
    reports = list(warm(replace(spec, start_step=4, state_dir=states)))
    assert reports[0].step == 3
    for name, value in whole.items():
        np.testing.assert_array_equal(warm._trainer.state()[name], value, err_msg=name)


def test_scores_and_detectors_between_pieces_change_no_bit(warm, tmp_path):
    spec = replace(_spec(seed=24), checkpoint=tmp_path / "one_go.keras")
    [*_, measured], whole = _weights(warm, spec)
    at_2, end = tmp_path / "at-2.keras", tmp_path / "end.keras"
    stops = {1: ((), None), 2: (("val",), at_2), 4: ((), None), 6: (("val",), end)}
    start = 0
    for stop, (splits, detector) in stops.items():
        piece = replace(spec, start_step=start, stop_step=stop, evaluate_splits=splits, checkpoint=detector)
        last = list(measurements(warm(replace(piece, state_dir=tmp_path / "states"))))[-1]
        assert set(last.scores) == {f"{split}/{name}" for split in splits for name in objective.SCORES}
        start = stop
    assert last.scores == measured.scores
    for name, value in whole.items():
        np.testing.assert_array_equal(warm._trainer.state()[name], value, err_msg=name)
    one_go = checkpoint.read_weights(tmp_path / "one_go.keras")
    in_pieces, before = checkpoint.read_weights(end), checkpoint.read_weights(at_2)
    for name, value in one_go.items():
        np.testing.assert_array_equal(in_pieces[name], value, err_msg=name)
    assert any(not np.array_equal(before[name], value) for name, value in one_go.items())


def test_an_update_that_breaks_the_weights_at_the_very_end_is_seen(warm):
    huge = {"optimizer__learning_rate": 3e38, "optimizer__burn_in_share": 0.0, "optimizer__max_gradient_norm": 1e9}
    with pytest.raises(TrialDiverged, match="weight is not finite after step 1"):
        list(warm(_spec(stop=1, **huge)))


def test_output_maps_are_taken_over_for_the_same_classes_alone(warm, tmp_path):
    written = tmp_path / "detector.keras"
    list(warm(replace(_spec(seed=31, optimizer__ema_decay=0.0, train__statistics_pictures=0), checkpoint=written)))
    trained = warm.weights()
    same = starting_weights.base_weights(written, warm.class_names, warm.anchors)
    other = starting_weights.base_weights(written, list(reversed(warm.class_names)), warm.anchors)
    assert same.keys() == other.keys() == trained.keys()
    for name, value in trained.items():
        np.testing.assert_array_equal(same[name], value, err_msg=name)
        if "_output/" not in name:
            np.testing.assert_array_equal(other[name], value, err_msg=name)
            continue
        # by anchor: four numbers of the box and the objectness are kept, the classes are to start fresh
        kept, new = (part.reshape((-1, 3, 5 + len(warm.class_names))) for part in (value, other[name]))
        np.testing.assert_array_equal(new[..., :5], kept[..., :5])
        assert np.isnan(new[..., 5:]).all()


def test_other_classes_start_fresh_by_the_seed(warm, tmp_path):
    written = tmp_path / "detector.keras"
    list(warm(replace(_spec(seed=31, optimizer__ema_decay=0.0, train__statistics_pictures=0), checkpoint=written)))
    trainer = warm._trainer
    other = starting_weights.base_weights(written, list(reversed(warm.class_names)), warm.anchors)
    starts = []
    for seed in (1, 2, 1):
        assert trainer.reset(seed, other) == ()
        starts.append(trainer.weights()["head8_output/kernel"].reshape((-1, 3, 5 + len(warm.class_names))))
    np.testing.assert_array_equal(starts[0], starts[2])
    np.testing.assert_array_equal(starts[0][..., :5], starts[1][..., :5])
    assert not np.isnan(starts[0]).any()
    assert (starts[0][..., 5:] != starts[1][..., 5:]).mean() > 0.99


def test_taken_over_output_maps_show_the_same_boxes_with_other_anchors(warm, tmp_path):
    written = tmp_path / "detector.keras"
    list(warm(replace(_spec(seed=31, optimizer__ema_decay=0.0, train__statistics_pictures=0), checkpoint=written)))
    trainer = warm._trainer
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    before = trainer.forward(images, (1.2, 1.1, 1.05)).boxes
    old = trainer.anchors
    trainer.reset(
        0, starting_weights.base_weights(written, warm.class_names, [(w * 1.5, h * 0.8) for w, h in warm.anchors])
    )
    trainer.anchors = old * np.asarray([1.5, 0.8], np.float32)
    try:
        from model.network import decode

        maps = trainer.model(images.astype(np.float32) / 255.0, training=False)
        after = np.asarray(decode.boxes(maps, trainer.anchors, np.float32([1.2, 1.1, 1.05]), trainer.maps)[0])
    finally:
        trainer.anchors = old
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-2)


def test_weights_that_hold_no_number_are_refused(warm, tmp_path, monkeypatch):
    from model import checkpoint

    monkeypatch.setattr(checkpoint, "read_weights", lambda _: {"head8_conv/kernel": np.asarray([np.nan])})
    with pytest.raises(ValueError, match="head8_conv/kernel: expected finite numbers"):
        starting_weights.base_weights(tmp_path / "x.keras", warm.class_names, warm.anchors)


def test_a_pretrained_backbone_gives_nothing_else(warm, tmp_path):
    written = tmp_path / "detector.keras"
    notes = warm.notes
    warm.notes = {**notes, "role": "backbone"}
    try:
        list(warm(replace(_spec(seed=31, optimizer__ema_decay=0.0, train__statistics_pictures=0), checkpoint=written)))
    finally:
        warm.notes = notes
    taken = starting_weights.base_weights(written, warm.class_names, warm.anchors)
    assert taken
    assert all(name.startswith("backbone_") for name in taken)


def test_the_shipped_base_gives_all_but_the_classes():
    base = starting_weights.base_weights(task.EMBEDDED_BASE, [str(digit) for digit in range(10)], [(8.0, 8.0)] * 9)
    fresh = {name: np.isnan(value).mean() for name, value in base.items() if np.isnan(value).any()}
    assert set(fresh) == {f"head{stride}_output/{name}" for stride in (8, 16, 32) for name in ("kernel", "bias")}
    assert set(fresh.values()) == {10 / 15}
    assert any(name.startswith("backbone_") for name in base)
    assert any(name.startswith("neck_") for name in base)
    assert task.EMBEDDED_BASE.stat().st_size < 8_000_000
    described = starting_weights.describe_weights(task.EMBEDDED_BASE, DetectorConfig(width=0.125, depth=0.34), ["0"])
    assert described["taken_over"] == "all but the classes in the output maps"
    with pytest.raises(ValueError, match=r"detector\.width 1.0, got 0\.125"):
        starting_weights.describe_weights(task.EMBEDDED_BASE, DetectorConfig(), ["0"])


def test_another_seed_is_another_training(warm):
    _, one = _weights(warm, _spec(seed=1))
    _, other = _weights(warm, _spec(seed=2))
    assert any(not np.array_equal(one[name], other[name]) for name in one)


def test_scores_come_for_every_split_asked_for_and_at_the_end_alone(warm):
    measured = list(measurements(warm(_spec(splits=("val", "test")))))
    assert set(measured[-1].scores) == {
        f"{split}/{name}" for split in ("val", "test") for name in ("map50", "map50_95", "map75")
    }
    assert all(not m.scores for m in measured[:-1])
    assert [m.step for m in measured][-1] == 6


def test_a_score_is_of_the_weights_whatever_the_running_statistics(warm, tmp_path):
    """Their momentum moves nothing else: no weight, and with statistics of their own no score."""

    def scored(**genes):
        spec = _spec(regularization__sat_prob=0.0, **genes)  # an attack goes through the running ones
        [*_, last] = measurements(warm(replace(spec, checkpoint=tmp_path / "kept.keras")))
        kept = checkpoint.read_weights(tmp_path / "kept.keras")
        return last.scores, kept, warm.weights()

    slow, fast = scored(optimizer__norm_momentum=0.99), scored(optimizer__norm_momentum=0.1)
    assert slow[0] == fast[0]
    for name, value in slow[1].items():
        np.testing.assert_array_equal(
            value, fast[1][name], err_msg=name
        )  # the checkpoint has the weights that were scored
    running = next(name for name in slow[1] if name.endswith("moving_mean"))
    assert np.any(slow[2][running] != fast[2][running])
    without = [
        scored(optimizer__norm_momentum=momentum, train__statistics_pictures=0)[1][running] for momentum in (0.99, 0.1)
    ]
    assert np.any(without[0] != without[1])


def test_steps_between_reports_and_batches_of_an_evaluation_are_signs_of_life(warm):
    # 40 steps, 18 reports: one at every second step. Six pictures of val in batches of 4: two batches. At step 4 the
    # piece ends: its report comes as the last measurement, after the evaluation.
    reports = list(warm(_spec(stop=4, train__steps=40)))
    assert [(type(report), report.step) for report in reports] == [
        (Progress, 1),
        (Measurement, 2),
        (Progress, 3),
        (Progress, 4),
        (Progress, 4),
        (Measurement, 4),
    ]


def test_changed_data_is_refused_by_fingerprint(data):
    root, described = data
    with pytest.raises(ValueError, match="changed"):
        objective.detection_objective(
            data=str(root), class_names=described["class_names"], anchors=described["anchors"], fingerprint="other"
        )


def test_a_structural_setting_traces_anew(warm):
    list(warm(_spec()))
    assert sum(m.traces for m in measurements(warm(_spec(train__batch=2)))) > 0


def test_yolov4_tiny_trains_and_is_kept(tmp_path):
    """The same loop with two output maps: pieces equal the whole, techniques without a network of their own are on."""
    root = tmp_path / "set"
    synthetic.write(root, seed=3, size=64, images={"train": 12, "val": 6, "test": 6}, digits="target")
    described = objective.describe_data(root, size=32, fit="stretch", detector=YOLOV4_TINY)
    assert described["anchors"][0] == [1.0, 1.0]
    assert len(described["anchors"]) == 6
    rest = {address: value for address, value in SMALL.items() if not address.startswith("detector.")}
    network = {"detector.variant": "yolov4-tiny", "detector.width": 0.125, "detector.backbone_activation": "leaky"}
    train = objective.detection_objective(
        data=str(root),
        class_names=described["class_names"],
        anchors=described["anchors"],
        fingerprint=described["fingerprint"],
    )
    spec = TrialSpec(
        "tiny", {**rest, **network, "optimizer.ema_decay": 0.0}, seed=5, stop_step=6, checkpoint=tmp_path / "tiny.keras"
    )
    whole = list(train(spec))
    assert set(whole[-1].scores) == {"val/map50_95", "val/map50", "val/map75"}
    weights = train.weights()
    half = replace(spec, stop_step=3, state_dir=tmp_path, checkpoint=None, evaluate_splits=())
    assert len(list(train(half))) > 0
    assert list(train(replace(spec, start_step=3, state_dir=tmp_path)))[-1].scores == whole[-1].scores
    for name, value in train.weights().items():
        np.testing.assert_array_equal(value, weights[name], err_msg=name)
    taken = starting_weights.base_weights(tmp_path / "tiny.keras", described["class_names"], described["anchors"])
    assert taken.keys() == weights.keys()
    for name, value in taken.items():
        if not name.endswith(
            ("moving_mean", "moving_variance")
        ):  # the checkpoint has the statistics of the score, not those of the training
            np.testing.assert_array_equal(value, weights[name], err_msg=name)
    # Anchors of its own and other classes: each map's sizes move by the anchors of its mask (1 to 3, and 3 to 5).
    wider = [[w * (2.0 + k), h] for k, (w, h) in enumerate(described["anchors"])]
    moved = starting_weights.base_weights(tmp_path / "tiny.keras", ["other"], wider)
    for stride, mask in ((16, (1, 2, 3)), (32, (3, 4, 5))):
        bias, old = (found[f"head{stride}_output/bias"].reshape(3, -1) for found in (moved, weights))
        assert bias.shape == (3, 6)
        np.testing.assert_allclose(bias[:, 2] - old[:, 2], [-np.log(2.0 + k) for k in mask], rtol=1e-5)
        np.testing.assert_array_equal(bias[:, [0, 1, 3, 4]], old[:, [0, 1, 3, 4]])
        assert np.isnan(bias[:, 5]).all()
    with pytest.raises(
        ValueError, match=r"expected weights of a network with detector\.variant yolov4, got yolov4-tiny"
    ):
        starting_weights.describe_weights(tmp_path / "tiny.keras", DetectorConfig(width=0.125), ("one",))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer.ema_decay": 0.9},
        {"detector.sam": False, "detector.shortcut": "per_channel"},
        {"detector.variant": "yolov4-tiny", "detector.backbone_activation": "leaky"},
    ],
)
def test_a_states_file_has_that_size(changes, tmp_path):
    from model.network import scales
    from model.training.trainer import Trainer

    network = {"detector.width": 0.125, "detector.depth": 0.34, "detector.sam": True, "detector.shortcut": "add"}
    if "detector.variant" in changes:
        network = {"detector.width": 0.125}
    config = TrialConfig.from_settings({**network, **changes})
    anchors = [(8.0 + k, 8.0) for k in range(scales.number_of_anchors(scales.of_config(config.detector)))]
    trainer = Trainer(config.detector, ["a", "b", "c"], anchors)
    trainer.averaging = config.optimizer.ema_decay > 0
    trainer.save_state(tmp_path / "state.npz")
    expected = objective.state_bytes(config, 3)
    kept = sum(array.nbytes for array in trainer.state().values())
    assert expected == kept
    arrays = len(trainer.state())
    # in the file each array also has a header and two archive entries
    assert expected < (tmp_path / "state.npz").stat().st_size < expected + 600 * arrays
