"""The contract of every tracker; a new one joins by its name in TRACKERS."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from evolve import search
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.records import lineage
from evolve.records.journal import Journal, NewEvent, events
from evolve.records.state import SearchState
from evolve.records.tracker import NullTracker, Tracker
from evolve.simulated import SPACE
from evolve.task import Task
from evolve.trial import ObjectiveFactory

STORED = Path(__file__).parents[1] / "records" / "stored" / "journal.jsonl"
PATIENCE_SECONDS = 0.5  # given to a tracker to end
BOUND_SECONDS = 120.0  # of a call that must return at once: far more than a busy machine needs


def _null(_journal: Path, _address: str) -> Tracker:
    return NullTracker()


def _mlflow(journal: Path, _address: str) -> Tracker:
    from evolve.records.mlflow_tracker import MlflowTracker

    return MlflowTracker(journal, f"sqlite:///{journal.parent / 'mlflow.db'}")


def _mlflow_silent(journal: Path, address: str) -> Tracker:
    """MLflow at an address that takes connections and never answers."""
    from evolve.records.mlflow_tracker import MlflowTracker

    return MlflowTracker(journal, address)


def _mlflow_unreachable(journal: Path, _address: str) -> Tracker:
    from evolve.records.mlflow_tracker import MlflowTracker

    return MlflowTracker(journal, "http://127.0.0.1:9")


TRACKERS: dict[str, Callable[[Path, str], Tracker]] = {
    "null": _null,
    "mlflow": _mlflow,
    "mlflow, silent": _mlflow_silent,
    "mlflow, unreachable": _mlflow_unreachable,
}
# MLflow takes 3 s to import
PARAMETERS = [pytest.param(name, marks=() if name == "null" else pytest.mark.medium) for name in TRACKERS]
Make = Callable[[Path], Tracker]


@pytest.fixture(params=PARAMETERS)
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes the tracker of a journal."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        yield lambda journal: TRACKERS[request.param](journal, f"http://127.0.0.1:{silent.getsockname()[1]}")


def stored_journal(directory: Path) -> Path:
    """The journal of a whole search."""
    with Journal(directory) as journal:
        rows = [json.loads(line) for line in STORED.read_text(encoding="utf-8").splitlines()]
        journal.append([NewEvent(kind, uid, payload) for _id, _time, kind, uid, payload in rows])
    return journal.path


def at_once(call: Callable[[], None]) -> None:
    """The call must return, and raise nothing: no test may hang in it."""
    raised: list[BaseException] = []

    def body() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(BOUND_SECONDS)
    assert not thread.is_alive()
    assert not raised


def test_one_that_was_never_started_can_be_closed_twice(make: Make, tmp_path: Path) -> None:
    tracker = make(stored_journal(tmp_path / "s"))
    for _ in range(2):
        at_once(lambda: tracker.close(PATIENCE_SECONDS))
    assert tracker.problem is None


def test_it_never_waits_and_leaves_the_journal_alone(make: Make, tmp_path: Path) -> None:
    path = stored_journal(tmp_path / "s")
    before = events(path)
    tracker = make(path)
    at_once(tracker.start)
    for _ in range(100):
        at_once(tracker.notify)
    for _ in range(2):
        at_once(lambda: tracker.close(PATIENCE_SECONDS))
    assert events(path) == before


def test_what_was_shown_before_can_be_shown_again(make: Make, tmp_path: Path) -> None:
    path = stored_journal(tmp_path / "s")
    before = events(path)
    for _ in range(2):
        tracker = make(path)
        at_once(tracker.start)
        at_once(lambda tracker=tracker: tracker.close(PATIENCE_SECONDS))  # type: ignore[misc]
    assert events(path) == before


@pytest.mark.parametrize("content", [None, b"", b"no database"], ids=["no file", "empty", "garbage"])
def test_a_journal_that_cannot_be_read_is_a_problem_and_no_exception(
    make: Make, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "journal.db"
    if content is not None:
        path.write_bytes(content)
    tracker = make(path)
    at_once(tracker.start)
    at_once(tracker.notify)
    at_once(lambda: tracker.close(PATIENCE_SECONDS))
    assert tracker.problem is None or isinstance(tracker.problem, str)


def test_a_search_ends_as_without_it(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "TRACKER_PATIENCE_SECONDS", PATIENCE_SECONDS)

    def run(name: str, means: search.Means) -> SearchState:
        factory = ObjectiveFactory("evolve.simulated:simulated_objective", {"failures": 0.3})
        task = Task(spaces.parse(SPACE, "simulated"), factory, {"images": {"test": 1}}, 90, ())
        small = recipes.load("fast", {"population": 4, "elites": 1, "children": 2, "generations": 1, "candidates": 1})
        return search.run(task, tmp_path / name, recipe=small, seed=3, means=means)

    shown, hidden = run("shown", search.Means(make_tracker=make)), run("hidden", search.Means())
    assert shown.phase == hidden.phase == "finished"
    essence = [
        [(one.uid, one.genome, one.status, one.rungs, one.fitness) for one in state.individuals.values()]
        for state in (shown, hidden)
    ]
    assert essence[0] == essence[1]
    confirmed = [
        {uid: (one.role, one.seed, one.scores, one.reason) for uid, one in state.confirmations.items()}
        for state in (shown, hidden)
    ]
    assert confirmed[0] == confirmed[1]
    files = [{path.name for path in (tmp_path / name).iterdir()} for name in ("shown", "hidden")]
    assert {name for name in files[0] if "mlflow" not in name and name != "mlartifacts"} == files[1]
    assert lineage.family_tree(shown)["winner"] == lineage.family_tree(hidden)["winner"]
