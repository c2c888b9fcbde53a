"""Damaged pictures whose header is whole: found when a data set is read, named, and not trained on."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from data import __main__ as commands
from data.dataset import DatasetError, Example, Problem
from data.pictures import decoder_messages, looks, picture_files
from data.sets import check, read

Make = Callable[..., Path]
GOOD = "1 0.5 0.5 0.5 0.2\n"
NOISE = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
SMOOTH = cv2.resize(NOISE[:12, :16], (320, 240), interpolation=cv2.INTER_CUBIC)


def encoded(suffix: str, options: tuple[int, ...] = (), image: np.ndarray = SMOOTH) -> bytes:
    return cv2.imencode(suffix, image, options)[1].tobytes()


def zeros_in_the_middle(content: bytes) -> bytes:
    return content[: len(content) // 3] + bytes(60) + content[len(content) // 3 + 60 :]


def ones_in_the_middle(content: bytes) -> bytes:
    return zeros_in_the_middle(content).replace(bytes(60), b"\xff" * 60)


def without_its_second_half(content: bytes) -> bytes:
    """With the end marker all the same, as cameras and repair tools leave them."""
    return content[: len(content) // 2] + b"\xff\xd9"


PROGRESSIVE = (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
DAMAGED = {
    "a PNG of a wrong checksum": (".png", zeros_in_the_middle(encoded(".png"))),
    "a JPEG without its second half": (".jpg", without_its_second_half(encoded(".jpg", image=NOISE))),
    "a progressive JPEG without its second half": (".jpg", without_its_second_half(encoded(".jpg", PROGRESSIVE))),
    "a TIFF (LZW) with codes that mean nothing": (".tif", ones_in_the_middle(encoded(".tif", image=NOISE))),
    "half a BMP": (".bmp", encoded(".bmp")[:5000]),
}


@pytest.fixture
def make(tmp_path: Path, make_yolo: Make) -> Callable[[str, bytes], Path]:
    """A data set of eight whole pictures and one more in train, of this content."""

    def make(suffix: str, content: bytes) -> Path:
        root = make_yolo(
            tmp_path / "mine", {"train": dict.fromkeys("abcd", GOOD), "val": {"e": GOOD}, "test": {"f": GOOD}}
        )
        for number, path in enumerate(sorted(root.rglob("*.png"))):
            path.write_bytes(encoded(".png", image=np.roll(NOISE, 20 * number, axis=1)))
        (root / f"train/images/x{suffix}").write_bytes(content)
        (root / "train/labels/x.txt").write_text(GOOD)
        return root

    return make


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_picture_is_named_and_left_out(
    make: Callable[[str, bytes], Path], capfd: pytest.CaptureFixture[str], what: str
) -> None:
    suffix, content = DAMAGED[what]
    root = make(suffix, content)
    picture_files.picture_info(root / f"train/images/x{suffix}")  # its header is whole
    dataset = read.load(root)
    assert [(p.kind, p.file) for p in dataset.problems] == [("broken_picture", f"train/images/x{suffix}")]
    assert [e.path.stem for e in dataset.splits["train"]] == ["a", "b", "c", "d"]
    assert commands.main(["check", str(root), "--json"]) == 0
    said = capfd.readouterr()
    assert [p["file"] for p in json.loads(said.out)["problems"]] == [f"train/images/x{suffix}"]
    assert said.err == ""  # a decoder's own words name no file: they are in the problem


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (encoded(".gif"), "a GIF"),
        (b"\0\0\0\x18ftypheic" + bytes(90), "a HEIC photo"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a pointer of Git LFS"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (encoded(".tif")[:5000], "a TIFF without a size, or one that was cut short"),
        (bytes(500), "a file of zeros alone"),
    ],
)
def test_what_a_file_is_instead_of_a_picture_is_reported(
    make: Callable[[str, bytes], Path], content: bytes, kind: str
) -> None:
    (problem,) = read.load(make(".jpg", content)).problems
    assert problem.kind == "broken_picture"
    assert problem.detail.startswith(f"expected a picture, got {kind}")


@pytest.mark.parametrize("length", [20, 100, 3000])
def test_a_webp_that_was_cut_short(make: Callable[[str, bytes], Path], length: int) -> None:
    root = make(".webp", encoded(".webp", image=NOISE)[:-length])
    with pytest.raises(DatasetError, match=r"x\.webp: expected a whole picture, got a file that was cut short"):
        read.load(root)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".png", ()), (".jpg", ()), (".jpg", PROGRESSIVE), (".tif", ()), (".bmp", ()), (".webp", ()), (".jfif", ())],
)
def test_whole_pictures_stay(make: Callable[[str, bytes], Path], suffix: str, options: tuple[int, ...]) -> None:
    dataset = read.load(make(suffix, encoded(".jpg" if suffix == ".jfif" else suffix, options)))
    assert dataset.problems == ()
    assert len(dataset.splits["train"]) == 5
    assert all(example.thumbnail is not None for example in dataset.splits["train"])


def test_the_decoders_words_are_reported(make: Callable[[str, bytes], Path]) -> None:
    for what, words in (
        ("a PNG of a wrong checksum", "cannot be decoded: IDAT: CRC error"),
        ("a JPEG without its second half", "a part cannot be decoded: premature end of data segment"),
    ):
        root = make(*DAMAGED[what])
        assert words in read.load(root).problems[0].detail
        (root.rename(root.with_name(what)))


def test_bytes_before_the_end_marker_are_only_reported(make: Callable[[str, bytes], Path]) -> None:
    whole = encoded(".jpg")
    dataset = read.load(make(".jpg", whole[:-2] + bytes(30) + b"\xff\xd9"))
    assert [(p.kind, p.file) for p in dataset.problems] == [("decoder_warning", "train/images/x.jpg")]
    assert "extraneous bytes before marker 0xd9" in dataset.problems[0].detail
    assert len(dataset.splits["train"]) == 5


def test_a_split_of_damaged_pictures_alone_is_refused(make: Callable[[str, bytes], Path]) -> None:
    root = make(*DAMAGED["a PNG of a wrong checksum"])
    (root / "val/images/e.png").write_bytes(DAMAGED["a PNG of a wrong checksum"][1])
    with pytest.raises(DatasetError, match="split 'val': expected at least one usable labelled picture, got none"):
        read.load(root)
    assert check.check_dataset(root).error is not None


def test_another_size_than_that_of_the_header(make: Callable[[str, bytes], Path]) -> None:
    dataset = read.load(make(".png", encoded(".png")))
    example = replace(dataset.splits["train"][0], width=640)
    (look,) = looks.take([example])
    assert look.finding == Problem(
        "broken_picture", "", "expected 640x240 pixels, as its header says, got another number"
    )


def test_they_are_decoded_once_per_machine(
    make: Callable[[str, bytes], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = read.load_own_splits(make(*DAMAGED["a PNG of a wrong checksum"]), strict=False)
    damaged = replace(dataset.splits["train"][0], path=dataset.root / "train/images/x.png")
    damaged = replace(damaged, digest=picture_files.digest_of(damaged.path.read_bytes()), thumbnail=None)
    dataset = replace(dataset, splits={"train": (*dataset.splits["train"], damaged)})
    where = {"YOLOV4_EVOLVE_CACHE": str(tmp_path / "cache")}
    decoded: list[int] = []
    real = looks.take

    def counted(examples: list[Example]) -> list[looks.Look]:
        decoded.append(len(examples))
        return real(examples)

    monkeypatch.setattr(looks, "take", counted)
    answers = [looks.without_damaged_pictures(dataset, where, min_pictures=2) for _ in range(2)]
    assert decoded == [5]
    for splits, problems in answers:
        assert [e.path.stem for e in splits["train"]] == ["a", "b", "c", "d"]
        assert [p.file for p in problems] == ["train/images/x.png"]
    (file,) = (tmp_path / "cache" / "looks").iterdir()
    for broken in ("", "{}", "[[9, 'x']]", '[[99, "broken_picture", "x"]]', '[[true, "a", "b"]]', "[" * 100_000):
        file.write_text(broken)
        assert len(looks.without_damaged_pictures(dataset, where, min_pictures=2)[1]) == 1
    assert decoded == [5] * 7
    looks.without_damaged_pictures(dataset, {"YOLOV4_EVOLVE_CACHE": "off"}, min_pictures=2)
    assert decoded == [5] * 8


def test_what_others_say_meanwhile_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        os.write(2, b"Corrupt JPEG data: bad Huffman code\nsomebody else's line\n")
        return 7

    result, said = decoder_messages.during(work)
    assert result == 7
    assert decoder_messages.complaint(said) == "bad Huffman code"
    assert capfd.readouterr().err == "somebody else's line\n"


def test_the_descriptor_is_given_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        os.write(2, b"before\n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decoder_messages.during(work)
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"


def test_warnings_are_no_complaints() -> None:
    assert decoder_messages.complaint("libpng warning: iCCP: known incorrect sRGB profile\n") is None


def test_a_data_set_of_pointers_says_so(tmp_path: Path, make_yolo: Make) -> None:
    root = make_yolo(tmp_path, {"train": {"a": GOOD, "b": GOOD}, "val": {"c": GOOD}, "test": {"d": GOOD}})
    for path in root.rglob("*.png"):
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(
        DatasetError,
        match=r"usable labelled picture, got none: 4 x broken_picture, .* pointer of Git LFS \(`git lfs pull",
    ):
        read.load(root)


def test_a_full_disk_does_not_stop_the_work(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def refused() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("data.pictures.decoder_messages.tempfile.TemporaryFile", refused)
    before = len(list(Path("/dev/fd").iterdir()))
    assert decoder_messages.during(lambda: 7) == (7, "")
    assert len(list(Path("/dev/fd").iterdir())) == before  # none is left open
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
