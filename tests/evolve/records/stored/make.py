"""Makes journal.jsonl and expected.jsonl: a simulated search with all that a journal can hold, and what it says.

    python tests/evolve/records/stored/make.py

The search has rungs, failures, attempts that were lost, an interruption and a resume, candidates, a verdict with tuned
NMS, and more generations after its end. What differs between machines is replaced: times, hosts, tracebacks, versions.
Both files were written by the program that still kept payloads as plain mappings (November 2026). Do not write them
again to make a test pass: they stand for the journals that people have.
"""

import itertools
import json
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from evolve import search, task
from evolve.commands import outcome, task_request
from evolve.execution.executor import Ended, LeaseEvent
from evolve.execution.local_executor import LocalExecutor
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.records import forecast, lineage, progress
from evolve.records.journal import Event, events
from evolve.records.projection import Projection
from evolve.records.state import SearchState, fold
from evolve.simulated import SPACE, simulated_objective
from evolve.task import Task, TaskRequest
from evolve.trial import Failure, Measurement, Objective, ObjectiveFactory, TrialSpec, TunedPost
from evolve.verdict import winner

FOLDER = Path(__file__).resolve().parent
JOURNAL, EXPECTED = FOLDER / "journal.jsonl", FOLDER / "expected.jsonl"
FIRST_TIME = 1_800_000_000.0
FAILURES = 0.3  # share of genomes that fail at some step
SEED, EXTENDED_TO = 5, 2
CUTS = (15, 69, 88)  # events: in a generation, interrupted, in the confirmations
POST = TunedPost(
    settings={"nms": "diou", "nms_iou": 0.55, "nms_beta": 0.8},
    fixed={"fitness": 0.25, "val/map50_95": 0.25},
    tuned={"fitness": 0.26, "val/map50_95": 0.26},
)
REQUEST = {
    "data": "/data/things",
    "format": None,
    "size": None,
    "batch": None,
    "steps": 90,
    "share": 1.0,
    "gpus_per_trial": 0.0,
    "address": None,
    "tracking_uri": "http://somebody@tracking.example:5000",
    "tracking_password": True,
}


def make_task() -> Task:
    description = {
        "path": "/data/things",
        "format": "coco",
        "fingerprint": "simulated",
        "class_names": ["thing", "other thing"],
        "anchors": [[8.0, 8.0], [16.0, 24.0]],
        "images": {"train": 8, "val": 4, "test": 4},
        "boxes": {"train": 20, "val": 9, "test": 11},
        "problems": {"empty_label_file": 2},
        "embedded": False,
        "weights": "/data/embedded_base.keras",
        "weights_fingerprint": "0123456789abcdef",
        "weights_cfg": None,
        "taken_over": "all but the classes",
    }
    factory = ObjectiveFactory("evolve.simulated:simulated_objective", {"failures": FAILURES})
    fitness = {"val/map50": 0.5, "val/map75": 0.5}
    return Task(spaces.parse({**SPACE, "fitness": fitness}, "simulated"), factory, description, 90, ())


def make_recipe(generations: int) -> recipes.Recipe:
    changes = {"population": 6, "elites": 2, "children": 2, "candidates": 3, "confirm_seeds": 2}
    then = {"screening": 1, "seeding": "random", "controls": 0}  # of fast, when the journal was written
    return recipes.load("fast", {**changes, **then, "generations": generations})


@dataclass
class Scripted:
    """The simulated objective; a spec that asks for tuned NMS gets POST, and Ctrl-C comes at one piece."""

    stopped_at: tuple[str, int] = ("", 0)
    inner: Objective = field(default_factory=lambda: simulated_objective(failures=FAILURES))

    def make(self) -> "Scripted":
        return self

    def __call__(self, spec: TrialSpec) -> Iterator[Measurement]:
        for measurement in self.inner(spec):
            if spec.uid == "g001-001/choice-seed-1":
                raise RuntimeError("a confirmation that fails")
            if (spec.uid, measurement.step) == self.stopped_at:
                self.stopped_at = ("", 0)
                raise KeyboardInterrupt
            last = measurement.step == spec.stop_step
            plain = replace(measurement, seconds={"train": 0.5, "evaluate": 0.25})
            yield replace(plain, post=POST) if last and spec.tune_post else plain


class Losing(LocalExecutor):
    """Loses the first attempts at some pieces: (uid, attempt) -> the failure."""

    lost: dict[tuple[str, int], Failure]

    def poll(self, timeout_seconds: float) -> list[LeaseEvent]:
        polled = list(super().poll(timeout_seconds))
        for event in polled:
            failure = self.lost.pop((event.lease.spec.uid, event.lease.attempt), None)
            if failure is not None:
                self._release()
                return [event, Ended(event.lease, failure)]
        return polled


def means(ticks: Callable[[], float], stopped_at: tuple[str, int] = ("", 0)) -> search.Means:
    executor = Losing(Scripted(stopped_at))  # type: ignore[arg-type]
    gone, hung = Failure("node_lost", "its node left the cluster"), Failure("hung", "no sign of life for 600 s")
    executor.lost = {
        ("g000-001", 1): gone,
        ("g000-001", 2): Failure("worker_lost", "its process died"),
        ("g001-000", 1): hung,
        ("g001-000", 2): hung,
        ("g001-000", 3): hung,  # the second one after a resume
        ("g000-000/test-seed-1", 1): gone,
    }
    return search.Means(make_executor=lambda _search_id: executor, workers=2, clock=ticks)


def scrubbed(kind: str, payload: dict[str, object]) -> dict[str, object]:
    """The payload without what differs between machines."""
    if kind == "search_created":
        payload |= {"search_id": "20270115T080000-s5-abcd", "versions": {"python": "3.11.2", "yolov4-evolve": "0.1.0"}}
    if kind == "attempt_started":
        payload["node"] = "host/1234"
    if payload.get("traceback"):
        payload["traceback"] = "Traceback (most recent call last):\n  ...\nRuntimeError: simulated\n"
    return payload


def run(directory: Path) -> None:
    """Run the search in a new directory: it is interrupted, resumed, ended, and extended by a generation."""
    count = itertools.count()

    def ticks() -> float:
        return FIRST_TIME + next(count) / 4

    made, first = make_task(), means(ticks, ("g001-001", 20))
    try:
        search.run(made, directory, recipe=make_recipe(1), seed=SEED, means=first, request=REQUEST)
    except KeyboardInterrupt:
        next(itertools.islice(count, 400, None))  # 100 s pass
    search.resume(made, directory, means=means(ticks))
    search.resume(made, directory, generations=EXTENDED_TO, means=means(ticks))


def lines(directory: Path) -> list[str]:
    """The journal of a search directory, one JSON array an event."""
    return [
        json.dumps([event.id, event.time, event.kind, event.uid, scrubbed(event.kind, dict(event.payload))])
        for event in events(directory / "journal.db")
    ]


def stored_events() -> list[Event]:
    """The events of the stored journal."""
    return [Event(*json.loads(line)) for line in JOURNAL.read_text(encoding="utf-8").splitlines()]


def requested(state: SearchState) -> dict[str, object]:
    """What a resume of the search asks for: the task, without the folder of the program, and the machine."""
    asked: list[TaskRequest] = []
    prepare = task.prepare
    task.prepare = lambda request, threads: asked.append(request)  # type: ignore[assignment, misc]
    try:
        task_request.task_as_before(state, Path("s"), Namespace(data=None, weights=None, cfg=None))
    finally:
        task.prepare = prepare
    plain = {name: value if isinstance(value, dict) else str(value) for name, value in asdict(asked[0]).items()}
    machine = {name: str(value) for name, value in asdict(task_request.machine_as_before(state)).items()}
    return {**plain, "weights": Path(str(plain["weights"])).name, "machine": machine}


def told(journalled: Sequence[Event]) -> dict[str, object]:
    """Everything that the program tells of a search, from its journal alone."""
    state, projection = fold(journalled), Projection()
    shown = fold(journalled[:1])
    display = [progress.line_of(journalled[0], shown)]
    projection.apply(journalled[0])
    for event in journalled[1:]:
        shown.apply(event)
        projection.apply(event)
        display.append(progress.line_of(event, shown))
    ended = state.outcome is not None
    return {
        "status": asdict(lineage.status(state, held=False, now=FIRST_TIME + 1000)),
        "running": asdict(lineage.status(state, held=True, now=FIRST_TIME + 1000)),
        "summary": progress.summary(state, FIRST_TIME + 1000),
        "lineage": lineage.family_tree(state),
        "generations": lineage.generations(state),
        "display": display,
        "mlflow": [asdict(update) for update in projection.updates.pending],
        "planned": [forecast.expected_confirmations(state), forecast.remaining_steps(state)],
        "winner.yaml": winner.content(state, make_task()) if ended else None,
        "tables": [*outcome.candidate_tables(state), *outcome.outcome_tables(state)],
        "request": requested(state),
        "sessions": [state.started_at, state.session_at, state.earlier_seconds, state.earlier_capacity, state.workers],
        "lost": sorted([*key, count] for key, count in state.lost.items()),
        "confirmed_before": state.confirmed_before,
        "last_id": state.last_id,
    }


def as_text(value: object) -> str:
    """JSON with floats to nine digits: the last ones differ between the mathematics of processors."""
    return json.dumps(_rounded(json.loads(json.dumps(value))))


def all_told() -> list[str]:
    """What the program tells of the stored journal and of its beginnings, one line a piece of it."""
    journalled = stored_events()
    return [
        as_text([count, name, value])
        for count in (*CUTS, len(journalled))
        for name, value in told(journalled[:count]).items()
    ]


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return {name: _rounded(item) for name, item in value.items()} if isinstance(value, dict) else value


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder) / "s")
        JOURNAL.write_text("\n".join(lines(Path(folder) / "s")) + "\n", encoding="utf-8")
    EXPECTED.write_text("\n".join(all_told()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
