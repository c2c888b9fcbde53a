"""Weights by name, to and from files: whole, partial, of another class count; nothing left over, nothing missing."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import DetectorConfig
from model.darknet import convert, topology, weights_length
from model.darknet.sections import Section
from model.darknet.weights import WeightsError

SMALL = DetectorConfig(width=0.05, depth=0.1)
ALL_ON = DetectorConfig(width=0.05, depth=0.1, sam=True, shortcut="per_channel", dropblock_place="both")
CLASSES = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests here."""
    return tmp_path_factory.mktemp("convert")


def network(config: DetectorConfig = SMALL, classes: int = CLASSES) -> tuple[Section, ...]:
    return topology.sections(config, classes)


def drawn(sections: Sequence[Section]) -> dict[str, np.ndarray]:
    """Weights from the golden files' generator, whose module the fixture `golden` makes importable."""
    from seeded import weights

    found: dict[str, np.ndarray] = weights(sections, 5)
    return found


def written(path: Path, sections: Sequence[Section]) -> dict[str, np.ndarray]:
    given = drawn(sections)
    convert.write(path, sections, given)
    return given


def cut(source: Path, target: Path, floats: int) -> Path:
    """The first floats of a file, with its header: as Darknet's `partial` writes them."""
    target.write_bytes(source.read_bytes()[: 20 + 4 * floats])
    return target


@pytest.mark.parametrize("config", [SMALL, ALL_ON])
def test_what_goes_in_comes_out(folder: Path, config: DetectorConfig) -> None:
    sections = network(config)
    given = written(folder / "whole.weights", sections)
    loaded = convert.read(folder / "whole.weights", network(config, 1))
    assert (loaded.num_classes, loaded.layers, loaded.missing) == (CLASSES, len(sections), ())
    assert loaded.weights.keys() == given.keys()
    for name, values in given.items():
        np.testing.assert_array_equal(loaded.weights[name], values)
    convert.write(folder / "again.weights", sections, loaded.weights, seen=7)
    first, second = ((folder / name).read_bytes() for name in ("whole.weights", "again.weights"))
    assert first[20:] == second[20:]
    assert convert.read(folder / "again.weights", sections).seen == 7


def test_the_order_in_the_file_is_darknets(folder: Path) -> None:
    sections = network()
    given = written(folder / "order.weights", sections)
    floats = np.frombuffer((folder / "order.weights").read_bytes()[20:], "<f4")
    # layer 0: four filters (32 x 0.05, to a multiple of 4) of 3x3 on three channels, norms before the kernel
    parts = ("norm/beta", "norm/gamma", "norm/moving_mean", "norm/moving_variance")
    for place, part in enumerate(parts):
        np.testing.assert_array_equal(floats[4 * place : 4 * place + 4], given[f"backbone_stem_{part}"])
    kernel = given["backbone_stem_conv/kernel"]  # [3, 3, 3, 4]
    # the first filter's first channel, row by row, then its second channel
    np.testing.assert_array_equal(floats[16:25], kernel[:, :, 0, 0].reshape(-1))
    np.testing.assert_array_equal(floats[25:34], kernel[:, :, 1, 0].reshape(-1))
    # the file ends with the kernel of stride 32's output, one row a filter
    last = given["head32_output/kernel"]
    np.testing.assert_array_equal(floats[-last.size :], last[0, 0].T.reshape(-1))


def test_a_partial_file_says_what_it_leaves(folder: Path) -> None:
    sections = network()
    given = written(folder / "whole.weights", sections)
    first = next(place for place, section in enumerate(sections) if section.name == "head8")
    path = cut(folder / "whole.weights", folder / "part.conv", weights_length.count_floats(sections[:first]))
    loaded = convert.read(path, network(classes=1))
    assert loaded.num_classes is None
    assert loaded.layers == first
    left = [section.name for section in loaded.missing]
    assert left[:2] == ["head8", "head8_output"]
    assert left[-2:] == ["head32", "head32_output"]
    assert set(left) == {section.name for section in sections[first:] if section.stored}
    assert all(np.array_equal(loaded.weights[name], given[name]) for name in loaded.weights)
    lines = list(convert.layer_lines(loaded.missing, sections))
    assert lines[0] == f"layer {first:>3}  head8 ({sections[first].count:,} floats)"


def test_a_partial_file_may_end_behind_an_output_map_of_known_classes(folder: Path) -> None:
    sections = network()
    written(folder / "whole.weights", sections)
    after = next(place for place, section in enumerate(sections) if section.name == "neck_up16_lower")
    path = cut(folder / "whole.weights", folder / "part.conv", weights_length.count_floats(sections[: after + 1]))
    with pytest.raises(WeightsError, match="it ends inside or after the first output map; say how many classes it has"):
        convert.read(path, sections)
    loaded = convert.read(path, sections, num_classes=CLASSES)
    assert (loaded.num_classes, loaded.layers) == (CLASSES, after + 1)


def test_another_class_count_gives_all_but_the_output_maps(folder: Path) -> None:
    given = written(folder / "eighty.weights", network(classes=80))
    loaded = convert.read(folder / "eighty.weights", network())
    assert loaded.num_classes == 80
    usable = convert.for_classes(loaded, network(), CLASSES)
    outputs = {f"head{stride}_output/{part}" for stride in (8, 16, 32) for part in ("kernel", "bias")}
    assert usable.weights.keys() == given.keys() - outputs
    assert [section.name for section in usable.missing] == ["head8_output", "head16_output", "head32_output"]
    assert convert.for_classes(loaded, network(classes=80), 80) is loaded


def test_released_weights_start_a_network_with_every_technique(folder: Path) -> None:
    given = written(folder / "plain.weights", network())
    loaded = convert.read(folder / "plain.weights", network(ALL_ON), network(topology.released_layers(ALL_ON)))
    assert loaded.num_classes == CLASSES
    assert loaded.weights.keys() == given.keys()
    left = {section.name for section in loaded.missing}
    assert left == {section.name for section in network(ALL_ON) if section.kind == "shortcut"} | {
        "neck_down8_sam",
        "neck_up16_sam",
        "neck_up32_sam",
    }


def test_counts_are_said_of_what_does_not_fit(folder: Path) -> None:
    sections = network()
    written(folder / "whole.weights", sections)
    count = weights_length.count_floats(sections)
    whole = (folder / "whole.weights").read_bytes()
    path = folder / "wrong.weights"

    path.write_bytes(whole + b"\0" * 8)
    with pytest.raises(WeightsError, match=rf"expected {count:,} floats for 3 classes, got {count + 2:,}: 2 are left"):
        convert.read(path, sections, num_classes=CLASSES)
    with pytest.raises(WeightsError, match="2 are left over after 3 classes"):
        convert.read(path, sections)

    path.write_bytes(whole[:-4])
    with pytest.raises(
        WeightsError, match=rf"got {count - 1:,}: 1 are missing, and it ends inside layer \d+ \(head32_"
    ):
        convert.read(path, sections, num_classes=CLASSES)

    path.write_bytes(whole[: 20 + 4 * 130])  # layer 0 has 124: 4 x 4 + 3 x 3 x 3 x 4
    with pytest.raises(WeightsError, match=r"it ends inside layer 1 \(backbone_stage1_down\), after 6 of its 160"):
        convert.read(path, sections)
    with pytest.raises(ValueError, match="num_classes: expected at least 1, got 0"):
        convert.read(path, sections, num_classes=0)


def test_a_file_of_another_network_is_refused(folder: Path) -> None:
    written(folder / "sam.weights", network(DetectorConfig(width=0.05, depth=0.1, sam=True)))
    with pytest.raises(WeightsError, match="are left over"):
        convert.read(folder / "sam.weights", network(), num_classes=CLASSES)


def test_numbers_that_no_training_leaves_are_refused(folder: Path) -> None:
    sections = network()
    written(folder / "whole.weights", sections)
    content = bytearray((folder / "whole.weights").read_bytes())
    path = folder / "wrong.weights"
    content[20:24] = struct.pack("<f", float("nan"))
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="layer 0: backbone_stem_norm/beta: expected finite numbers, got 1 of 4"):
        convert.read(path, sections)
    content[20:24] = struct.pack("<f", 1.0)
    content[20 + 12 * 4 : 20 + 13 * 4] = struct.pack("<f", -0.5)  # behind beta, gamma and mean of four filters
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"moving_variance: expected variances of 0 or more, got -0\.5"):
        convert.read(path, sections)


def test_floats_in_the_wrong_order_of_bytes_are_refused(folder: Path) -> None:
    sections = network()
    written(folder / "whole.weights", sections)
    content = (folder / "whole.weights").read_bytes()
    swapped = np.frombuffer(content[20:], "<f4").astype(">f4").tobytes()
    path = folder / "wrong.weights"
    path.write_bytes(content[:20] + swapped)
    with pytest.raises(WeightsError, match=r"expected (finite numbers|variances)"):
        convert.read(path, sections)


def test_only_the_weights_of_the_network_are_written(folder: Path) -> None:
    sections = network()
    given = drawn(sections)
    path = folder / "never.weights"
    without = {name: values for name, values in given.items() if name != "head8_output/bias"}
    with pytest.raises(WeightsError, match="1 do not fit, such as head8_output/bias"):
        convert.write(path, sections, without)
    with pytest.raises(WeightsError, match="1 do not fit, such as wing/kernel"):
        convert.write(path, sections, {**given, "wing/kernel": np.zeros(3, np.float32)})
    with pytest.raises(WeightsError, match=r"head8_output/bias: expected shape \(24,\), got \(27,\)"):
        convert.write(path, sections, {**given, "head8_output/bias": np.zeros(27, np.float32)})
    assert not path.exists()


@given(data=st.data())
def test_a_damaged_file_is_refused_or_read_whole(folder: Path, data: st.DataObject) -> None:
    sections = network()
    whole = folder / "fuzzed.weights"
    if not whole.exists():
        written(whole, sections)
    content = bytearray(whole.read_bytes())
    length = data.draw(st.integers(0, len(content)), label="length")
    content = content[:length] + data.draw(st.binary(max_size=64), label="tail")
    for place in data.draw(st.lists(st.integers(0, max(len(content) - 1, 0)), max_size=4), label="places"):
        if place < len(content):
            content[place] ^= data.draw(st.integers(1, 255), label="flip")
    path = folder / "damaged.weights"
    path.unlink(missing_ok=True)  # a file written over is flushed to the disk at once, which takes long
    path.write_bytes(content)
    try:
        loaded = convert.read(path, sections)
    except WeightsError as refused:
        told = str(refused)
    else:
        held = sum(values.size for values in loaded.weights.values())
        assert held == (len(content) - 20) // 4 or held == (len(content) - 16) // 4
        assert all(np.isfinite(values).all() for values in loaded.weights.values())
        return
    assert told.startswith(f"{path}: ")
    assert len(told) < 1000
