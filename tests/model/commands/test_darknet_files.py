"""A Darknet detector with its own anchors and masks, in every command that reads weights.

Expected, by hand: all kernels are 0, so a map is its bias at every cell. Of stride 16 the second anchor of the mask
shows its class with tx = ty = tw = th = 0, so in each of 6 x 10 cells there is a box of that anchor's very size around
the cell's middle: 0.5 cells in, whatever the grid sensitivity. With mask=0,1,2 that is anchor 1, 9 x 11 pixels; with
the released mask=1,2,3 it would be anchor 2, 12 x 16.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from model import __main__ as command
from model import checkpoint
from model.config import YOLOV4_TINY, DetectorConfig
from model.darknet import cfg, convert, topology

pytestmark = pytest.mark.medium

ANCHORS = ((5.0, 6.0), (9.0, 11.0), (12.0, 16.0), (20.0, 24.0), (33.0, 40.0), (60.0, 80.0))
CUSTOM = replace(YOLOV4_TINY, width=0.125, masks="0,1,2/3,4,5")  # cfg/yolov4-tiny-custom.cfg's masks
UNEVEN = replace(YOLOV4_TINY, width=0.125, masks="0,1/5,2,3,4")
HEIGHT, WIDTH = 96, 160
PREDICT = ("predict", "picture.png", "--json", "--weights")


def write_weights(path: Path, config: DetectorConfig) -> None:
    sections = topology.sections(config, 2)
    given = {part.name: np.zeros(convert.keras_shape(part), np.float32) for s in sections for part in s.stored}
    for name in ("head16_output/bias", "head32_output/bias"):
        given[name].reshape(-1, 7)[:, 4:] = -20
    given["head16_output/bias"].reshape(-1, 7)[1, 4:] = [20, -20, 20]  # of the second anchor: objectness, pan
    path.parent.mkdir(parents=True, exist_ok=True)
    convert.write(path, sections, given)


@pytest.fixture(params=[CUSTOM, UNEVEN], ids=["custom", "uneven"])
def project(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DetectorConfig:
    """Files as Darknet writes them: backup/mine_best.weights, cfg/mine.cfg, data/obj.names; and a picture."""
    config: DetectorConfig = request.param
    write_weights(tmp_path / "backup" / "mine_best.weights", config)
    (tmp_path / "cfg").mkdir()
    text = cfg.render(topology.sections(config, 2), height=HEIGHT, width=WIDTH, anchors=ANCHORS)
    (tmp_path / "cfg" / "mine.cfg").write_text(text)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "obj.names").write_text("pot\npan\n")
    cv2.imwrite(str(tmp_path / "picture.png"), np.full((HEIGHT, WIDTH, 3), 99, np.uint8))
    monkeypatch.chdir(tmp_path)
    return config


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    """Run a command; returns what it wrote to stdout and stderr."""

    def main(*words: object) -> tuple[str, str]:
        code = command.main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert code == 0, err
        return out, err

    return main


def check_boxes(document: str, names: tuple[str, str] = ("pot", "pan")) -> None:
    (picture,) = json.loads(document)
    cells = [(16 * (column + 0.5), 16 * (row + 0.5)) for row in range(HEIGHT // 16) for column in range(WIDTH // 16)]
    expected = sorted([x - 4.5, y - 5.5, x + 4.5, y + 5.5] for x, y in cells)
    found = sorted(one["box"] for one in picture["detections"])
    np.testing.assert_allclose(found, expected, atol=0.011)  # two decimals
    assert {one["class"] for one in picture["detections"]} == {names[1]}


NOTE = "backup/mine_best.weights: its cfg is cfg/mine.cfg; its class names are those of data/obj.names\n"


def test_predict_finds_cfg_and_names(project: DetectorConfig, run: Callable[..., tuple[str, str]]) -> None:
    out, err = run(*PREDICT, "backup/mine_best.weights")
    check_boxes(out)
    assert err == NOTE
    (Path("cfg") / "mine.cfg").rename("moved.cfg")
    (Path("data") / "obj.names").rename("moved.names")
    out, err = run(*PREDICT, "backup/mine_best.weights", "--cfg", "moved.cfg", "--names", "moved.names")
    check_boxes(out)
    assert err == ""


def test_a_checkpoint_keeps_them_and_gives_them_back(
    project: DetectorConfig, run: Callable[..., tuple[str, str]]
) -> None:
    out, err = run("convert", "backup/mine_best.weights", "mine.keras")
    assert (out, err) == ("backup/mine_best.weights -> mine.keras: 2 classes\n", NOTE)
    info = checkpoint.read_info(Path("mine.keras"))
    assert (info.detector, info.anchors, info.shape, info.class_names) == (
        project,
        ANCHORS,
        (HEIGHT, WIDTH),
        ("pot", "pan"),
    )
    check_boxes(run(*PREDICT, "mine.keras")[0])
    run("convert", "mine.keras", "again.weights")
    assert Path("again.weights").read_bytes()[20:] == Path("backup/mine_best.weights").read_bytes()[20:]
    theirs, ours = (
        [line for line in Path(name).read_text().splitlines() if line.startswith(("mask", "anchors", "num"))]
        for name in ("cfg/mine.cfg", "again.cfg")
    )
    assert theirs == ours
    check_boxes(run(*PREDICT, "again.weights")[0])


@pytest.mark.parametrize(
    ("form", "out"),
    [
        ("onnx", "mine.onnx"),
        ("saved_model", "folder"),
        ("darknet", "other.weights"),
        pytest.param("tflite", "mine.tflite", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("decoded", [False, True])
def test_exports_show_the_same_boxes(
    form: str, out: str, decoded: bool, project: DetectorConfig, run: Callable[..., tuple[str, str]]
) -> None:
    if decoded and form == "darknet":
        return  # its files hold only weights
    run("export", "backup/mine_best.weights", "--to", form, "--out", out, *(["--decode"] if decoded else []))
    found, err = run(*PREDICT, out)
    check_boxes(found)
    assert err == ""


def test_evaluate_scores_the_very_boxes(project: DetectorConfig, run: Callable[..., tuple[str, str]]) -> None:
    lines = [
        f"0 {(column + 0.5) * 16 / WIDTH} {(row + 0.5) * 16 / HEIGHT} {9 / WIDTH} {11 / HEIGHT}\n"
        for row in range(HEIGHT // 16)
        for column in range(WIDTH // 16)
    ]
    for split, number in (("train", 0), ("train", 1), ("val", 2)):
        for kind in ("images", "labels"):
            Path("set", kind, split).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(f"set/images/{split}/{number}.png", np.full((HEIGHT, WIDTH, 3), 50 + 50 * number, np.uint8))
        Path("set", "labels", split, f"{number}.txt").write_text("".join(lines))
    Path("set", "data.yaml").write_text("train: images/train\nval: images/val\nnc: 1\nnames: [pan]\n")
    out, err = run("evaluate", "--weights", "backup/mine_best.weights", "--data", "set", "--json")
    found = json.loads(out)
    # a box of 12 x 16 pixels would have an IoU of 99 / 192 with them
    assert (found["map50_95"], found["images"]) == (pytest.approx(1.0), 1)
    assert err.startswith(NOTE)


def test_a_partial_file_starts_a_checkpoint(project: DetectorConfig, run: Callable[..., tuple[str, str]]) -> None:
    sections = topology.sections(project, 2)
    first = next(place for place, section in enumerate(sections) if section.name == "head32_output")
    floats = sum(section.count for section in sections[:first])
    Path("mine.conv.29").write_bytes(Path("backup/mine_best.weights").read_bytes()[: 20 + 4 * floats])
    out, err = run("convert", "mine.conv.29", "start.keras")
    fresh = [line.split()[-3] for line in out.splitlines()[1:]]
    assert fresh == ["head32_output", "neck_raise", "head16", "head16_output"]
    assert err == NOTE.replace("backup/mine_best.weights", "mine.conv.29")
    info = checkpoint.read_info(Path("start.keras"))
    assert (info.detector, info.anchors, info.class_names) == (project, ANCHORS, ("pot", "pan"))
    bias = checkpoint.read_weights(Path("start.keras"))["head16_output/bias"].reshape(-1, 7)
    assert len(bias) == len(project.own_masks[0])  # type: ignore[index]
    np.testing.assert_allclose(bias[:, 4], np.log(0.01 / 0.99), rtol=1e-5)  # the prior, of each anchor


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("backup/mine_best.weights", "--cfg", "absent.cfg"), "absent.cfg: expected a Darknet cfg, got nothing there"),
        (("backup/mine_best.weights", "--cfg", "data/obj.names"), "line 1: expected key=value in a section, got 'pot'"),
        (
            ("backup/mine_best.weights", "--names", "cfg/mine.cfg"),
            "--names cfg/mine.cfg: expected one class name per line",
        ),
        (("backup/mine_best.weights", "--names", "absent.names"), "--names absent.names: expected a text file"),
        (("backup/mine_best.weights", "--classes", "3"), "--classes: expected 2, as cfg/mine.cfg says, got 3"),
        (("backup/mine_best.weights", "--variant", "yolov4"), "--variant: expected yolov4-tiny, as cfg/mine.cfg says"),
        (("cfg/mine.cfg",), "cfg/mine.cfg: expected weights, got a cfg, which holds none"),
        (("data/obj.names",), "data/obj.names: expected a checkpoint (.keras), a Darknet file (.weights) or"),
        (("cut.weights",), "cut.weights: expected"),
        (("empty.weights",), "empty.weights: expected a header of 16 or 20 bytes and weights, got 0 bytes"),
        (("picture.weights",), "picture.weights: expected a version like 0.2 at its start"),
        (("absent_best.weights",), "absent_best.weights: expected a Darknet file (.weights), got nothing there"),
        (
            ("mine.keras", "--cfg", "cfg/mine.cfg"),
            "--cfg cfg/mine.cfg: expected only with a Darknet file (.weights)",
        ),
    ],
)
def test_wrong_files_are_one_sentence(
    words: tuple[str, ...], said: str, project: DetectorConfig, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Path("backup/mine_best.weights").read_bytes()
    for name, content in (
        ("cut.weights", whole[: len(whole) // 2]),
        ("empty.weights", b""),
        ("picture.weights", Path("picture.png").read_bytes()),
        ("mine.keras", weights.read_bytes()),
    ):
        Path(name).write_bytes(content)
    for start in (["predict", "picture.png", "--weights"], ["export"]):
        end = [] if start[0] == "predict" else ["--to", "onnx", "--out", "a.onnx"]
        assert command.main([*start, *words, *end]) == 2
        out, err = capsys.readouterr()
        assert said in err
        assert (out, err.count("\n")) == ("", 1)


def test_help_names_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("evaluate", "predict", "export", "convert"):
        with pytest.raises(SystemExit):
            command.main([name, "--help"])
        told: Any = capsys.readouterr().out
        assert all(f"--{option} " in told for option in ("cfg", "names", "variant", "classes")), name
