"""Makes the golden modules importable; tests that need only numpy run in `make check`, the others are medium."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
NEED_KERAS = {"test_network.py", "test_convert_command.py", "test_full.py"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Like the conftest of the folder above, but here the heavy files are listed and the others are light."""
    if not collection_path.name.startswith("test_"):
        return None
    return "not medium" in str(config.getoption("markexpr")) and collection_path.name in NEED_KERAS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that load TensorFlow."""
    for item in items:
        if item.path.parent == HERE and item.path.name in NEED_KERAS:
            item.add_marker(pytest.mark.medium)


@pytest.fixture(scope="session", autouse=True)
def golden() -> Iterator[Path]:
    """The folder of golden files; its modules `cases` and `seeded` are importable during the session."""
    sys.path.insert(0, str(GOLDEN))
    yield GOLDEN
    sys.path.remove(str(GOLDEN))
