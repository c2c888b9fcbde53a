"""`python -m model predict`: what a detector sees in pictures, folders of them, or arrays."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.commands.shared import (
    add_post,
    add_size,
    add_weights,
    find_weights,
    finish,
    load_keras,
    post_of,
    print_json,
    progress,
    say,
    tell,
)

if TYPE_CHECKING:
    from model.commands.weights import Weights
    from model.config import PostConfig
    from model.detection.detector import Network
    from model.detection.predict import Detections

SHOWN_SCORE = 0.25  # Darknet's threshold for what people look at


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's options."""
    command = subparsers.add_parser("predict", help="what a detector sees in pictures")
    command.add_argument(
        "images", nargs="+", metavar="IMAGE",
        help="a picture, a folder of pictures, a pattern such as 'in/**/*.jpg', or a .npy file of float32 [h, w, 3], "
        "RGB in 0..1, at the network's size",
    )  # fmt: skip
    add_weights(command)
    add_size(command, "the file's")
    command.add_argument("--fit", choices=("stretch", "letterbox"), help="default: the file's; stretch for Darknet's")
    command.add_argument("--out", type=Path, metavar="DIR", help="draw the boxes on copies of the pictures there")
    command.add_argument(
        "--heads", type=Path, metavar="FILE.npz",
        help="the raw output maps of one picture as arrays stride_8, stride_16, stride_32",
    )  # fmt: skip
    add_post(command, SHOWN_SCORE)
    finish(command, run)


def run(options: argparse.Namespace) -> int:
    """What saved weights see in pictures."""
    weights = find_weights(options.weights, options)
    size = weights.size(options.size)
    post = post_of(options, weights, SHOWN_SCORE)
    from model.commands import images

    paths = images.expand(options.images)
    # Every picture is opened before TensorFlow is, so that a wrong name shows at once.
    named = {Path(name) for name in options.images}
    sources = images.check(paths, named, size if weights.fixed_size or options.size else None, _skip)
    paths = [source.path for source in sources]
    _check_heads(options.heads, paths)
    targets = drawing_targets(paths, options.out)
    if options.weights.suffix != ".onnx":  # whose runtime needs no TensorFlow: seconds less to wait
        load_keras()
    network = weights.load()
    documents = []
    for source in progress(sources, len(sources), "looking at pictures", lines=not options.json):
        try:
            image = source.fitted(size, options.fit or weights.fit)
        except ValueError as error:  # what the header did not show
            if source.named:
                raise
            _skip(error)
            continue
        found = _look(network, image, post, options.heads)
        documents.append({"image": str(source.path), "detections": _plain(found, weights.class_names)})
        if not options.json:
            _print_picture(documents[-1])
        if source.path in targets:
            _draw(image.picture, found, weights, targets[source.path])
    if not documents:
        raise ValueError(f"{', '.join(options.images)}: expected pictures that can be read, got none")
    if options.json:
        print_json(documents)
    return 0


def _skip(error: ValueError) -> None:
    """A file of a folder or pattern that is no picture is left out, with a word."""
    tell(f"{error}; skipped")


def _look(network: "Network", image: Any, post: "PostConfig", heads: Path | None) -> "Detections":
    """One picture's detections in its own pixels; its raw maps are kept where asked for."""
    from model.detection import predict

    if heads is not None:
        import numpy as np

        np.savez(heads, **network.maps(image.network[None]))  # type: ignore[arg-type]  # its names are any
    height, width = image.picture.shape[:2]
    return predict.to_picture(network.detect(image.network[None], post)[0], image.transform, width, height)


def _check_heads(target: Path | None, paths: Sequence[Path]) -> None:
    if target is None:
        return
    if len(paths) != 1:
        raise ValueError(f"--heads {target}: expected one picture, as it holds one's maps, got {len(paths)}")
    if target.suffix != ".npz":
        raise ValueError(f"--heads {target}: expected a name that ends in .npz")
    if not target.parent.is_dir():
        raise ValueError(f"--heads {target}: expected a folder that exists, got {target.parent}")


def drawing_targets(images: Sequence[Path], folder: Path | None) -> dict[Path, Path]:
    """Where the drawn copy of each picture goes; two of one name, or the folder of the originals, are refused."""
    if folder is None:
        return {}
    targets: dict[Path, Path] = {}
    taken: set[Path] = set()
    for path in dict.fromkeys(images):
        target = folder / f"{path.stem}.png"
        if target in taken:
            raise ValueError(f"--out {folder}: expected pictures of different names, got two called {path.stem}")
        if target.resolve() == path.resolve():
            raise ValueError(f"--out {folder}: expected another folder than the pictures', {path} would be overwritten")
        targets[path] = target
        taken.add(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--out {folder}: expected a folder to write to: {error.strerror}") from error
    return targets


def _plain(found: "Detections", class_names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"box": [round(edge, 2) for edge in box], "class": class_names[number], "score": round(score, 6)}
        for box, number, score in zip(found.boxes.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True)
    ]


def _print_picture(document: dict[str, Any]) -> None:
    say(f"{document['image']}: {len(document['detections'])} found")
    for one in document["detections"]:
        say(f"  {one['class']}  {one['score']:.3f}  " + " ".join(f"{edge:.1f}" for edge in one["box"]))


def _draw(picture: Any, found: "Detections", weights: "Weights", target: Path) -> None:
    """A copy of the picture (RGB) with boxes, classes and scores, as PNG."""
    import cv2

    from model.detection import drawing

    drawn = drawing.draw(picture, found, weights.class_names)
    done, content = cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"{target}: could not be encoded")
    target.write_bytes(content.tobytes())
