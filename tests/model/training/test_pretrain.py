"""The backbone as a classifier: smoothing by hand, a falling loss, and a checkpoint that a detector starts from."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from model import checkpoint
from model.commands import pretrain as pretrain_command
from model.config import DetectorConfig
from model.network import architecture, initialize
from model.network.dropblock import DropBlock
from model.training import pretrain

SMALL = DetectorConfig(width=0.125, depth=0.1)
COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220)}


def test_smoothing_by_hand():
    # eps 0.1, 3 classes: 0.9 for the class, 0.05 for each other; half and half: (0.9 + 0.05) / 2 for both, 0.05
    labels = tf.constant([[1.0, 0.0, 0.0], [0.5, 0.0, 0.5]])
    found = pretrain.smoothed(labels, 0.1).numpy()
    np.testing.assert_allclose(found, [[0.9, 0.05, 0.05], [0.475, 0.05, 0.475]], atol=1e-6)
    np.testing.assert_array_equal(pretrain.smoothed(labels, 0.0), labels)


def _batch(step, side=32, batch=12):
    """Noisy pictures of one of three colours, by step."""
    rng = np.random.default_rng(step)
    classes = rng.integers(3, size=batch)
    images = rng.integers(0, 60, (batch, side, side, 3))
    images[np.arange(batch), :, :, classes] += 60
    return images.astype(np.uint8), np.eye(3, dtype=np.float32)[classes]


def test_the_loss_falls_and_the_classes_are_told():
    stage = pretrain.Pretraining(SMALL, 3, 0, dropblock_rate=0.1)
    before = {name: value.copy() for name, value in stage.weights().items()}
    losses = [terms for _, terms in stage.run(_batch, steps=30, learning_rate=0.003, smoothing=0.1)]
    first, last = np.mean(losses[:5], axis=0), np.mean(losses[-5:], axis=0)
    assert np.all(last < 0.8 * first)
    images, labels = _batch(1000, batch=30)
    shares, count = stage.accuracy([(images, labels.argmax(axis=1))])
    assert count == 30
    assert max(shares) > 0.9
    after = stage.weights()
    assert all(name.startswith("backbone_") for name in after)
    moved = [not np.array_equal(before[name], after[name]) for name in after]
    assert np.mean(moved) > 0.9
    drops = [layer for layer in stage.model.layers if isinstance(layer, DropBlock)]
    assert drops
    assert all(layer.rate == 0 and layer.seed is None for layer in drops)
    # every weight has its place in a detector that is built without DropBlock
    names = {f"{layer.name}/{v.name}" for layer in architecture.build(SMALL, 5).layers for v in layer.weights}
    assert set(after) == {name for name in names if name.startswith("backbone_")}


@pytest.mark.slow
def test_a_training_repeats_and_its_seed_counts():
    def weights(seed):
        stage = pretrain.Pretraining(SMALL, 3, seed, dropblock_rate=0.3)
        list(stage.run(_batch, steps=2, learning_rate=0.003))
        return stage.weights()["backbone_stem_conv/kernel"]

    first = weights(1)
    np.testing.assert_allclose(first, weights(1), atol=1e-6)
    assert np.abs(first - weights(2)).max() > 0.01


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        pretrain.Pretraining(SMALL, 1, 0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (root / name).mkdir()
        for number in range(8):
            picture = np.clip(rng.normal(colour, 20, (40, 48, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(root / name / f"{number}.png"), picture[..., ::-1])
    return root


def _options(data, out, *words):
    import argparse

    parser = argparse.ArgumentParser()
    pretrain_command.add_parser(parser.add_subparsers(required=True))
    small = ["--width", "0.125", "--depth", "0.1", "--size", "32", "--batch", "12", "--steps", "20", "--json"]
    return parser.parse_args(["pretrain", "--data", str(data), "--out", str(out), *small, *words])


def test_the_command_writes_what_a_detector_starts_from(folders, tmp_path, capsys):
    out = tmp_path / "deep" / "base.keras"
    options = _options(folders, out, "--seed", "3", "--shortcut", "per_feature")
    assert options.run(options) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["classes"] == ["blue", "green", "red"]
    assert found["held_out"] == 3
    assert set(found["accuracy"]) == {"8", "16", "32"}
    assert "21 pictures of 3 classes to train on, 3 held out" in said.err
    assert "step 20 of 20: cross entropy" in said.err
    model, info = checkpoint.load_detector(out)
    assert info.notes["role"] == "backbone"
    assert info.class_names == ("blue", "green", "red")
    assert info.detector.shortcut == "per_feature"
    assert info.detector.dropblock_place == "none"
    # the backbone is the trained one; what follows is what a fresh detector of this seed has
    fresh = architecture.build(info.detector, 3)
    initialize.initialize(fresh, 3, 3)
    for layer, other in zip(model.layers, fresh.layers, strict=True):
        for given, new in zip(layer.weights, other.weights, strict=True):
            same = np.array_equal(np.asarray(given.value), np.asarray(new.value))
            if not layer.name.startswith("backbone_"):
                assert same, layer.name
            elif given.name == "kernel":
                assert not same, layer.name


def test_crops_of_a_detection_set_are_learned_from(tmp_path, capsys):
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "data.yaml").write_text("train: train/images\nval: val/images\nnc: 2\nnames: [red, blue]\n")
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (tmp_path / "data" / split / kind).mkdir(parents=True)
        for number in range(3):
            picture = rng.integers(0, 60, (64, 64, 3)).astype(np.uint8)
            picture[8:24, 8:24] = COLOURS["red"]
            picture[32:56, 32:56] = COLOURS["blue"]
            place = tmp_path / "data" / split
            cv2.imwrite(str(place / "images" / f"{split}{number}.png"), picture[..., ::-1])
            (place / "labels" / f"{split}{number}.txt").write_text("0 .25 .25 .25 .25\n1 .6875 .6875 .375 .375\n")
    out = tmp_path / "base.keras"
    options = _options(tmp_path / "data", out, "--cutmix", "0", "--mosaic", "0", "--dropblock", "0", "--steps", "5")
    assert options.run(options) == 0
    assert json.loads(capsys.readouterr().out)["held_out"] == 6
    assert checkpoint.read_info(out).class_names == ("red", "blue")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", "0"], "--steps: expected at least 1, got 0"),
        (["--batch", "1"], "--batch: expected at least 2"),
        (["--size", "50"], "--size: expected a multiple of 32"),
        (["--cutmix", "1.5"], "--cutmix: expected 0 to 1"),
        (["--smoothing", "1"], "--smoothing: expected 0 or more, below 1"),
        (["--width", "0"], "detector.width"),
        (["--seed", "-1"], "--seed: expected 0 or more"),
        (["--out", "x.h5"], "--out x.h5: expected a name that ends in .keras"),
        (["--data", "nowhere"], "nowhere: expected"),
    ],
)
def test_wrong_input_is_told_before_anything_is_trained(folders, tmp_path, words, message):
    options = _options(folders, tmp_path / "base.keras", *words)
    with pytest.raises(ValueError, match=message):
        options.run(options)
    assert not Path(tmp_path / "base.keras").exists()
