"""Input that means harm: refused in a sentence, without reading other files or taking the memory it asks for."""

import json
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data import __main__ as commands
from data.dataset import DatasetError
from data.sets import read

Make = Callable[..., Path]
GOOD = "1 0.5 0.5 0.5 0.2\n"
SPLITS = {"train": {"a": GOOD, "b": GOOD}, "val": {"c": GOOD}, "test": {"d": GOOD}}
LISTS = {"train": "a\nb\n", "val": "c\n", "test": "d\n"}

ALLOWED_MB = 600  # of address space beyond what the libraries take

EXPANSION = (
    "<!DOCTYPE x [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{i} '{f'&a{i - 1};' * 10}'>" for i in range(1, 11))
    + "]><annotation><object><name>&a10;</name></object></annotation>"
)
QUADRATIC = f"<!DOCTYPE x [<!ENTITY a '{'x' * 50_000}'>]><annotation><a>{'&a;' * 50_000}</a></annotation>"
EXTERNAL = (
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><annotation><object><name>&e;</name></object></annotation>"
)
REMOTE = "<!DOCTYPE x [<!ENTITY % e SYSTEM 'http://127.0.0.1:9/x.dtd'> %e;]><annotation/>"


def problems_within_memory(root: Path) -> list[str]:
    """The kinds of problems that `data check` finds in a process of its own with a limit on its memory."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(ALLOWED_MB), str(root)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode in (0, 2), done.stderr
    assert "MemoryError" not in done.stderr
    kinds = [problem["kind"] for problem in json.loads(done.stdout)["problems"]]
    return [kind for kind in kinds if kind != "near_duplicate"]  # pictures made here are


LIMITED = """
import resource, sys
from data.sets import check, read; from data import __main__
with open("/proc/self/statm") as statm:
    held = int(statm.read().split()[0]) * resource.getpagesize()
limit = held + (int(sys.argv[1]) << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
sys.exit(__main__.main(["check", sys.argv[2], "--json"]))
"""


@pytest.mark.parametrize("text", [EXPANSION, QUADRATIC, EXTERNAL, REMOTE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(tmp_path: Path, make_voc: Make, xml, text: str, encoding: str) -> None:
    good = xml(("dog", 1, 1, 9, 9))
    root = make_voc(tmp_path, dict.fromkeys("abcd", good), LISTS)
    (root / "Annotations" / "b.xml").write_bytes(text.encode(encoding))
    assert problems_within_memory(root) == ["broken_annotation"]
    (problem,) = read.load(root, strict=False).problems
    assert "without entities, refused" in problem.detail
    assert "root:" not in problem.detail  # nothing of /etc/passwd
    with pytest.raises(DatasetError, match="without entities"):
        read.load(root)


def test_a_hundred_thousand_brackets(tmp_path: Path, make_voc: Make, xml) -> None:
    good = xml(("dog", 1, 1, 9, 9))
    deep = f"<annotation>{'<a>' * 100_000}{'</a>' * 100_000}</annotation>"
    root = make_voc(tmp_path, dict.fromkeys("abcd", good) | {"b": deep}, LISTS)
    assert problems_within_memory(root) == []  # an annotation without objects


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system ['touch HIT']", "!!python/name:os.system", "!!binary aGk=", "!mine x"]
)
def test_yaml_tags_make_no_objects(tmp_path: Path, make_yolo: Make, monkeypatch: pytest.MonkeyPatch, tag: str) -> None:
    monkeypatch.chdir(tmp_path)
    root = make_yolo(tmp_path / "x", SPLITS, f"names: [cat, {tag}]\n")
    with pytest.raises(DatasetError, match=r"data\.yaml"):
        read.load(root)
    assert not (tmp_path / "HIT").exists()


SECRETS = ["../secret/s.png", "/etc/passwd", "{root}/secret/s.png", "..\\secret\\s.png", "images/../../secret/s.png"]


@pytest.mark.parametrize("name", SECRETS)
def test_no_name_leads_out_of_the_data_set(
    tmp_path: Path, make_coco: Make, make_voc: Make, make_yolo: Make, make_picture, xml, name: str
) -> None:
    make_picture(tmp_path / "secret" / "s.png")
    (tmp_path / "secret" / "s.txt").write_text(GOOD)
    (tmp_path / "secret" / "s.xml").write_text(xml(("dog", 1, 1, 9, 9)))
    name = name.format(root=tmp_path)
    box = (90, 10, 12, 20, 6)
    coco = make_coco(tmp_path / "coco", {"train": {"a": [box], "b": [box], "e": [box]}})
    path = coco / "train" / "_annotations.coco.json"
    document = json.loads(path.read_text())
    document["images"].append({"id": 1, "file_name": name})
    path.write_text(json.dumps(document))
    voc = make_voc(tmp_path / "voc", dict.fromkeys("abcd", xml(("dog", 1, 1, 9, 9))), LISTS | {"train": f"a\n{name}\n"})
    yolo = make_yolo(tmp_path / "yolo", SPLITS, "names: [cat, dog]\ntrain: train.txt\n")
    (yolo / "train.txt").write_text(f"train/images/a.png\n{name}\n")
    for root in (coco, voc, yolo):
        dataset = read.load(root)
        for examples in dataset.splits.values():
            assert all(e.path.resolve().is_relative_to(root.resolve()) for e in examples)
        assert "missing_picture" in [problem.kind for problem in dataset.problems]


@pytest.mark.parametrize(
    "path", ["../secret", "{root}/secret", "train/../../secret", "/", "a/" * 5000, "x" * 500, "'\\0'"]
)
def test_no_path_of_data_yaml_leads_out(
    tmp_path: Path, make_yolo: Make, make_picture: Callable[..., None], path: str
) -> None:
    make_picture(tmp_path / "secret" / "s.png")
    text = path.format(root=tmp_path)
    for key in ("train", "val", "path", "names"):
        root = make_yolo(tmp_path / key, SPLITS, f"{key}: {text}\nnames: [cat, dog]\n")
        dataset, sentence = None, ""
        try:
            dataset = read.load(root)
        except DatasetError as error:
            sentence = str(error)
        assert len(sentence) < 500 + len(str(root))
        for examples in dataset.splits.values() if dataset else ():
            assert {e.path.name for e in examples} <= {"a.png", "b.png", "c.png", "d.png"}


def png(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)), b"\0\0\0\0IEND\xaeB`\x82"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_huge_declared_sizes(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, SPLITS)
    (root / "train" / "images" / "b.png").write_bytes(png(2**31 - 1, 2**31 - 1))
    (root / "train" / "images" / "e.png").write_bytes(png(100_000, 100_000))
    with (root / "train" / "images" / "f.jpg").open("wb") as file:
        file.truncate(1 << 40)  # a hole of a terabyte
    with (root / "train" / "labels" / "a.txt").open("wb") as file:
        file.truncate(1 << 40)
    kinds = problems_within_memory(root)
    assert sorted(kinds) == ["broken_annotation", "broken_picture", "broken_picture", "broken_picture"]


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".xml", ".txt", ".names", ".data"])
def test_huge_files_beside_the_labels(tmp_path: Path, make_yolo: Make, suffix: str) -> None:
    root = make_yolo(tmp_path, SPLITS)
    with (root / f"more{suffix}").open("wb") as file:
        file.truncate(1 << 40)
    problems_within_memory(root)  # does not end for want of memory


def test_a_huge_size_in_the_labels_means_nothing(tmp_path: Path, make_voc: Make, make_coco: Make, xml) -> None:
    text = xml(("dog", 1, 1, 9, 9)).replace("<width>0</width>", f"<width>{'9' * 30}</width><height>9999999999</height>")
    root = make_voc(tmp_path / "voc", dict.fromkeys("abcd", text), LISTS)
    assert {(e.width, e.height) for found in read.load(root).splits.values() for e in found} == {(40, 30)}
    coco = make_coco(tmp_path / "coco", {s: {"a": [(3, 1, 1, 9, 9)]} for s in ("train", "val", "test")})
    path = coco / "val" / "_annotations.coco.json"
    path.write_text(path.read_text().replace('"width": 40', '"width": 1e300'))
    assert [p.kind for p in read.load(coco).problems] == ["wrong_size"]


def test_names_with_markup_are_printed_as_they_are(
    tmp_path: Path, make_yolo: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    splits = SPLITS | {"train": {"[red]a[bold]": "9 .5 .5 .1 .1\n", "b\udcff": "\n", "c": GOOD}}
    root = make_yolo(tmp_path, splits, "names: ['[bold]x', '[/y]']\n")
    assert commands.main(["check", str(root)]) == 0
    shown = capsys.readouterr().out
    assert "train/labels/[red]a[bold].txt: line 1" in shown
    assert "classes: [bold]x, [/y]" in shown
    assert commands.main(["check", str(root), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 2


def test_memory_limits_work_here() -> None:
    """The limit that the other tests rely on stops what takes more."""
    code = LIMITED.replace("sys.exit(", "bytearray(800 << 20); sys.exit(")
    done = subprocess.run([sys.executable, "-c", code, str(ALLOWED_MB), "."], capture_output=True, text=True)
    assert "MemoryError" in done.stderr
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


KEYS = [
    "id",
    "image_id",
    "category_id",
    "bbox",
    "iscrowd",
    "segmentation",
    "name",
    "supercategory",
    "width",
    "file_name",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


def read_or_sentence(root: Path, format: str) -> None:
    """Reading ends in a data set or in one sentence, whatever the labels hold."""
    try:
        dataset = read.load(root, format, strict=False)
    except DatasetError:
        return
    for examples in dataset.splits.values():
        for example in examples:
            assert np.isfinite(example.boxes).all()
            assert (example.boxes[:, 2:] > example.boxes[:, :2]).all()
            assert ((example.classes >= 0) & (example.classes < len(dataset.class_names))).all()


def fuzzed(function: Callable[..., None]) -> Callable[..., None]:
    return settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])(function)


PIECES = st.sampled_from(
    (
        "0 0.5 0.5 0.5 0.5\n|-1 |1e400 |nan |\r|<annotation>|<object>|<name>|</name>|<bndbox>|<xmin>9</xmin>|"
        "<!DOCTYPE x>|&x;|names: |[a, b]\n|train: |../|classes = 2\n|- x\n|&a |*a|{|}|\0|\xff\xfe|\xb0\xa1|\xef\xbb\xbf"
    )
    .encode("latin-1")
    .split(b"|")
)
CONTENT = st.binary(max_size=60) | st.lists(PIECES, max_size=12).map(b"".join)
TARGETS = {
    "yolo": ["train/labels/a.txt", "data.yaml", "train.txt", "obj.data", "classes.txt"],
    "voc": ["Annotations/a.xml", "ImageSets/Main/train.txt", "labelmap.txt"],
    "coco": ["train/_annotations.coco.json", "more.json"],
}


@fuzzed
@given(st.data())
@pytest.mark.parametrize(("format", "place"), [(f, place) for f, places in TARGETS.items() for place in places])
def test_any_bytes_are_read_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory,
    make_coco: Make,
    make_voc: Make,
    make_yolo: Make,
    xml,
    format: str,
    place: str,
    data: st.DataObject,
) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    if format == "yolo":
        make_yolo(root, SPLITS)
        if not place.endswith(("yaml", "a.txt")):
            (root / "data.yaml").unlink()
    elif format == "voc":
        make_voc(root, dict.fromkeys("abcd", xml(("dog", 1, 1, 9, 9))), LISTS)
    else:
        make_coco(root, {"train": {"a": [(3, 1, 1, 9, 9)]}, "val": {"b": [(3, 1, 1, 9, 9)]}})
    (root / place).write_bytes(data.draw(CONTENT))
    read_or_sentence(root, format)


@fuzzed
@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(["images", "annotations", "categories"], JSON)),
    st.lists(
        st.fixed_dictionaries(
            {"id": JSON, "file_name": st.just("a.png") | JSON}, optional={"width": JSON, "height": JSON}
        )
    ),
    st.lists(
        st.dictionaries(st.sampled_from(KEYS), st.integers(-1, 60) | st.lists(st.floats(-9, 50), max_size=5) | JSON)
    ),
)
def test_any_json_is_read_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory,
    make_coco: Make,
    changed: dict[str, object],
    images: list[object],
    annotations: list[object],
) -> None:
    root = make_coco(tmp_path_factory.mktemp("fuzz"), {"train": {"a": [(3, 1, 1, 9, 9)]}, "val": {"b": []}})
    path = root / "train" / "_annotations.coco.json"
    document = json.loads(path.read_text())
    document["images"] += images
    document["annotations"] += annotations
    path.write_text(json.dumps(document | changed))
    read_or_sentence(root, "coco")
