"""Backgrounds of the embedded scenes: gradients, clouds, blobs or stripes, with strokes that are not digits.

Colours are float RGB in 0..255; every function takes the generator it draws from.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Canvas = NDArray[np.float64]

_MOST_STROKES = 4


def background(rng: np.random.Generator, size: int) -> Canvas:
    """Draw a background [size, size, 3] of one kind, with a few strokes that must not be taken for digits."""
    kinds: tuple[Callable[[np.random.Generator, int], Canvas], ...] = (_gradient, _clouds, _blobs, _stripes)
    canvas = kinds[int(rng.integers(len(kinds)))](rng, size)
    for _ in range(int(rng.integers(0, _MOST_STROKES + 1))):
        canvas = _stroke(rng, canvas)
    return canvas


def contrasting(rng: np.random.Generator, behind: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """A random colour whose brightness is `least` or more away from that of `behind`; else the farthest of 64."""
    colours = rng.uniform(0, 255, (64, 3))
    differences = np.abs(_brightness(colours) - _brightness(behind))
    enough = np.flatnonzero(differences >= least)
    return np.asarray(colours[enough[0]] if len(enough) else colours[differences.argmax()])


def _brightness(colour: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(colour @ np.array([0.299, 0.587, 0.114]))


def _colour(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.uniform(20, 235, 3)


def _near(rng: np.random.Generator, colour: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    return np.clip(colour + rng.uniform(-reach, reach, 3), 0, 255)


def _mix(share: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> Canvas:
    return np.asarray(share[..., None] * a + (1 - share[..., None]) * b)


def _ramp(rng: np.random.Generator, size: int) -> NDArray[np.float64]:
    """[size, size], rising from 0 to 1 along a random direction."""
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[0:size, 0:size] / size - 0.5
    along = rows * np.sin(angle) + columns * np.cos(angle)
    return np.asarray((along - along.min()) / np.ptp(along))


def _gradient(rng: np.random.Generator, size: int) -> Canvas:
    colour = _colour(rng)
    return _mix(_ramp(rng, size), colour, _near(rng, colour, 110))


def _clouds(rng: np.random.Generator, size: int) -> Canvas:
    colour = _colour(rng)
    cells = int(rng.integers(3, 9))
    coarse = cv2.resize(rng.random((cells, cells)), (size, size), interpolation=cv2.INTER_CUBIC)
    return _mix(np.clip(coarse, 0, 1), colour, _near(rng, colour, 80))


def _blobs(rng: np.random.Generator, size: int) -> Canvas:
    colour = _colour(rng)
    canvas = np.ascontiguousarray(np.broadcast_to(colour, (size, size, 3)))
    for _ in range(int(rng.integers(3, 8))):
        centre = tuple(int(value) for value in rng.integers(0, size, 2))
        axes = tuple(int(value) for value in rng.integers(size // 12, size // 3, 2))
        near = tuple(float(value) for value in _near(rng, colour, 55))
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, near, -1)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.8, 3)))


def _stripes(rng: np.random.Generator, size: int) -> Canvas:
    colour = _colour(rng)
    waves = np.sin(_ramp(rng, size) * rng.uniform(3, 14) * 2 * np.pi)
    sharp = np.clip(waves * rng.uniform(0.6, 4), -1, 1) / 2 + 0.5
    return _mix(sharp, colour, _near(rng, colour, 55))


def _stroke(rng: np.random.Generator, canvas: Canvas) -> Canvas:
    """Add a thin, half-transparent straight line, bent line or rectangle."""
    size = canvas.shape[0]
    drawn = canvas.copy()
    colour = tuple(float(value) for value in _colour(rng))
    thickness = int(rng.integers(1, 3))
    points = rng.integers(0, size, (3, 2)).astype(np.int32)
    kind = int(rng.integers(3))
    if kind == 0:
        cv2.line(drawn, points[0].tolist(), points[1].tolist(), colour, thickness, cv2.LINE_AA)
    elif kind == 1:
        cv2.polylines(drawn, [points], False, colour, thickness, cv2.LINE_AA)
    else:
        cv2.rectangle(drawn, points[0].tolist(), points[1].tolist(), colour, thickness, cv2.LINE_AA)
    share = rng.uniform(0.3, 0.7)
    return np.asarray(canvas * (1 - share) + drawn * share)
