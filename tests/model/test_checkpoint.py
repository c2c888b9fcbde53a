"""One file holds a detector: it is read back as written, and a wrong file is refused in a sentence."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from model import checkpoint
from model.checkpoint import CheckpointError, DetectorInfo
from model.commands import find_weights
from model.config import DetectorConfig, PostConfig
from model.network import architecture

INFO = DetectorInfo(
    class_names=("ring", "häkchen", "dot 3"),
    anchors=tuple((float(k), float(2 * k)) for k in range(1, 10)),
    size=64,
    fit="letterbox",
    detector=DetectorConfig(width=0.05, depth=0.1, scale_xy_8=1.3),
    notes={"uid": "g001-042", "search": "a search"},
)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    made = architecture.build(INFO.detector, 3)
    rng = np.random.default_rng(7)
    for variable in made.weights:
        variable.assign(rng.normal(0, 0.1, variable.shape))
    return made


@pytest.fixture(scope="module")
def saved(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "detector.keras"
    checkpoint.save_detector(path, model, INFO)
    return path


def test_what_goes_in_comes_out(model: keras.Model, saved: Path) -> None:
    loaded, info = checkpoint.load_detector(saved)
    assert info == INFO
    assert checkpoint.read_info(saved) == INFO
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    weights = checkpoint.read_weights(saved)
    assert len(weights) == len(model.weights)
    np.testing.assert_array_equal(weights["head8_output/bias"], np.asarray(model.get_layer("head8_output").bias))
    assert [p.name for p in saved.parent.iterdir()] == ["detector.keras"]  # nothing half-written is left


def test_keras_reads_the_file_too(model: keras.Model, saved: Path) -> None:
    theirs = keras.models.load_model(saved)
    for ours, other in zip(model.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(other))


def test_every_technique_in_the_network_comes_back(tmp_path: Path) -> None:
    config = DetectorConfig(
        width=0.05,
        depth=0.1,
        neck_activation="mish",
        sam=True,
        shortcut="per_channel",
        shortcut_normalization="softmax",
        shortcut_gain=1.5,
        dropblock_place="both",
        dropblock_size=5,
    )
    made, info, path = architecture.build(config, 3), replace(INFO, detector=config), tmp_path / "complete.keras"
    rng = np.random.default_rng(8)
    for variable in made.weights:
        variable.assign(rng.uniform(0.2, 0.5, variable.shape))
    checkpoint.save_detector(path, made, info, dtype="float16")
    loaded, found = checkpoint.load_detector(path)
    assert found == info
    for ours, theirs in zip(made.weights, loaded.weights, strict=True):
        rounded = np.asarray(ours).astype(np.float16) if ours.name == "kernel" else np.asarray(ours)
        np.testing.assert_array_equal(rounded, np.asarray(theirs))
    by_keras = keras.models.load_model(path)
    shortcut = by_keras.get_layer("backbone_stage5_unit1_shortcut")
    assert (shortcut.kind, shortcut.normalization, shortcut.gain) == ("per_channel", "softmax", 1.5)
    assert by_keras.get_layer("neck_up32_dropblock").size == 5


def test_files_from_before_a_setting_existed_have_its_default(saved: Path, tmp_path: Path) -> None:
    old = {"width": 0.05, "depth": 0.1, "backbone_activation": "mish", "neck_activation": "leaky", "scale_xy_8": 1.3}
    loaded, info = checkpoint.load_detector(rewritten(saved, tmp_path / "old.keras", detector=old))
    assert info == INFO
    assert not [layer.name for layer in loaded.layers if "_sam_" in layer.name or "dropblock" in layer.name]


def test_tuned_nms_comes_back_and_files_from_before_have_none(model: keras.Model, saved: Path, tmp_path: Path) -> None:
    tuned = PostConfig(nms="plain", nms_iou=0.6)
    checkpoint.save_detector(tmp_path / "tuned.keras", model, replace(INFO, post=tuned))
    assert checkpoint.read_info(tmp_path / "tuned.keras").post == tuned
    assert find_weights.find(tmp_path / "tuned.keras").tuned == tuned
    old = rewritten(saved, tmp_path / "old.keras", post=None)
    assert checkpoint.load_detector(old)[1] == INFO
    assert (find_weights.find(old).tuned, find_weights.find(old).nms) == (None, "diou")
    damaged = rewritten(saved, tmp_path / "damaged.keras", post={"nms_iou": 7})
    with pytest.raises(CheckpointError, match=r"detector.json is damaged: .*nms_iou"):
        checkpoint.read_info(damaged)


def test_transfer_between_plain_and_complete_networks_goes_by_name(saved: Path) -> None:
    techniques = {"sam": True, "shortcut": "per_feature", "dropblock_place": "both"}
    other = architecture.build(replace(INFO.detector, **techniques), 3)
    weights = checkpoint.read_weights(saved)
    done = checkpoint.transfer(other, weights)
    assert set(done.loaded) == set(weights)
    assert all("_sam_" in name or name.endswith("shortcut_weights") for name in done.unmatched)


def test_half_precision_halves_the_file_and_rounds_kernels_only(
    model: keras.Model, saved: Path, tmp_path: Path
) -> None:
    path = tmp_path / "half.keras"
    checkpoint.save_detector(path, model, INFO, dtype="float16")
    full, half = checkpoint.read_weights(saved), checkpoint.read_weights(path)
    for name, values in full.items():
        expected = values.astype(np.float16).astype(np.float32) if values.ndim == 4 else values
        np.testing.assert_array_equal(half[name], expected)
    kernels = sum(values.size for values in full.values() if values.ndim == 4)
    assert saved.stat().st_size - path.stat().st_size >= 1.9 * kernels
    theirs = keras.models.load_model(path)
    np.testing.assert_array_equal(
        np.asarray(theirs.get_layer("spp_after1_conv").kernel), half["spp_after1_conv/kernel"]
    )


def test_transfer_leaves_output_maps_of_another_class_count(saved: Path) -> None:
    other = architecture.build(INFO.detector, 5)
    done = checkpoint.transfer(other, checkpoint.read_weights(saved))
    outputs = [f"head{s}_output/{w}" for s in (8, 16, 32) for w in ("kernel", "bias")]
    assert sorted(done.unmatched) == sorted(outputs)
    assert len(done.loaded) + len(done.unmatched) == len(other.weights)


def rewritten(saved: Path, path: Path, **changes: object) -> Path:
    """A copy of the file with other values in detector.json; a value of None removes the key."""
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for member in source.infolist():
            content = source.read(member)
            if member.filename == checkpoint.INFO_MEMBER:
                plain = {**json.loads(content), **changes}
                content = json.dumps({k: v for k, v in plain.items() if v is not None}).encode()
            target.writestr(member.filename, content)
    return path


def test_wrong_files_are_told_in_a_sentence(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    cases: dict[str, tuple[bytes | None, str]] = {
        "missing.keras": (None, "nothing there"),
        "empty.keras": (b"", "damaged or of another kind"),
        "text.keras": (b"hello", "damaged or of another kind"),
        "truncated.keras": (whole[: len(whole) // 2], "damaged or of another kind"),
    }
    for name, (content, words) in cases.items():
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        for read in (checkpoint.read_info, checkpoint.read_weights, checkpoint.load_detector):
            with pytest.raises(CheckpointError, match=words) as raised:
                read(path)
            assert str(path) in str(raised.value)
    with pytest.raises(CheckpointError, match="got a folder"):
        checkpoint.read_info(tmp_path)


def test_a_flipped_byte_inside_does_not_go_unnoticed(saved: Path, tmp_path: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / "flipped.keras"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load_detector(path)


def test_an_archive_of_keras_alone_is_not_ours(model: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / "plain.keras"
    model.save(path)
    with pytest.raises(CheckpointError, match=r"without detector\.json"):
        checkpoint.load_detector(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "expected checkpoint format 1, got 2"),
        ({"anchors": [[1, 2]]}, "anchors: expected 9 pairs"),
        ({"class_names": None}, "class_names"),
        ({"class_names": ["one"]}, "do not fit, such as head"),
        ({"detector": {"width": 0.05, "depth": 0.1, "wings": 2}}, "wings"),
        ({"detector": {"width": 0.1, "depth": 0.1}}, "do not fit"),
        ({"fit": "squeeze"}, "expected 'stretch' or 'letterbox'"),
        ({"weights": {}}, "expected 0 weights"),
    ],
)
def test_damaged_information_is_told(saved: Path, tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        checkpoint.load_detector(rewritten(saved, tmp_path / "changed.keras", **changes))


def test_a_size_without_bytes_behind_it_is_refused(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for member in source.infolist():
            content = source.read(member)
            if member.filename == checkpoint.WEIGHTS_MEMBER:
                file = io.BytesIO(content)
                with h5py.File(file, "r+") as stored:
                    kernel = next(group["vars"] for group in stored["layers"].values() if "0" in group["vars"])
                    del kernel["0"]
                    kernel.create_dataset("0", shape=(1 << 40,), dtype="f4")  # 4 TiB, of which nothing is stored
                content = file.getvalue()
            target.writestr(member.filename, content)
    with pytest.raises(CheckpointError, match=r"model\.weights\.h5 is damaged: .*a size larger than the file"):
        checkpoint.read_weights(path)


def test_a_reader_of_the_old_file_is_not_disturbed(model: keras.Model, tmp_path: Path) -> None:
    path = tmp_path / "detector.keras"
    path.write_bytes(b"the old one")
    with path.open("rb") as reader:
        checkpoint.save_detector(path, model, INFO)
        assert reader.read() == b"the old one"
    assert checkpoint.read_info(path) == INFO


def test_a_failed_save_leaves_the_old_file(model: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "detector.keras"
    path.write_bytes(b"the old one")

    def fail(*_: object) -> bytes:
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint, "_halved", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save_detector(path, model, INFO, dtype="float16")
    assert path.read_bytes() == b"the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["detector.keras"]
    with pytest.raises(CheckpointError, match=r"ends in \.keras"):
        checkpoint.save_detector(tmp_path / "detector.h5", model, INFO)
