"""Marks the tests of model/ that load TensorFlow as medium; `make check` does not even import them."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
# numpy and the standard library are enough for these; a new file counts as one that needs the network
LIGHT = {
    "test_average_precision.py",
    "test_evaluate.py",
    "test_picture_grid.py",
    "test_predict.py",
    "test_presets.py",
    "test_scales.py",
    "test_schedule.py",
    "test_shared.py",
}
ROOMS = ("commands", "detection", "export", "network", "training")
FOLDERS = (HERE, *(HERE / room for room in ROOMS))  # that of Darknet has a list of its own


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore the other files if no medium test is wanted: importing TensorFlow takes 7 to 20 seconds."""
    unwanted = "not medium" in str(config.getoption("markexpr"))
    is_test = collection_path.name.startswith("test_")
    return True if unwanted and is_test and collection_path.name not in LIGHT else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the other files."""
    for item in items:
        if item.path.parent in FOLDERS and item.path.name not in LIGHT:
            item.add_marker(pytest.mark.medium)
