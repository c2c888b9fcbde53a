"""Wrong input is refused before anything is written, the same from the command line and from Python.

The simulated commands share the checks with the real ones; what only the real task knows is at the end.
"""

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evolve import search, task
from evolve.__main__ import main
from evolve.checks import launch
from evolve.commands import machine, search_folders, tracking
from evolve.execution import resources
from evolve.genetics import recipe as recipes
from evolve.genetics import space as spaces
from evolve.records import tracking_uri
from evolve.records.journal import JournalError, events
from evolve.records.mlflow_tracker import MlflowTracker
from evolve.records.state import fold
from evolve.simulated import SPACE
from evolve.task import InputError, Task, TaskRequest
from evolve.trial import Measurement, ObjectiveFactory, TrialSpec

House = Any

SHAPE = ["--population", "6", "--elites", "2", "--children", "2", "--generations", "1"]
TARGET = "evolve.simulated:simulated_objective"


def space_of(**changes: object) -> spaces.SearchSpace:
    return spaces.parse({**SPACE, **changes}, "simulated")


def genes(**lines: object) -> spaces.SearchSpace:
    trial = {"train.steps": 90}
    return space_of(genes={name.replace("__", "."): line for name, line in lines.items()}, trial=trial)


def linear(low: float, high: float, default: float) -> dict[str, object]:
    return {"scale": "linear", "low": low, "high": high, "default": default}


def task_of(**lines: object) -> Task:
    return Task(genes(**lines), ObjectiveFactory(TARGET), {"fingerprint": "simulated"}, 90, ())


def with_(**changes: object) -> Callable[[Task], Task]:
    return lambda one: replace(one, **changes)  # type: ignore[arg-type]


def factory(target: str, **arguments: object) -> Callable[[Task], Task]:
    return with_(factory=ObjectiveFactory(target, arguments))


# (a wrong task, the message about it)
WRONG_TASKS: list[tuple[Callable[[Task], Task], str]] = [
    (
        with_(space=space_of(fitness={"val/mAP50": 1})),
        "simulated: fitness: expected scores out of val/map50_95, val/map50, val/map75, got 'val/mAP50'",
    ),
    (with_(space=space_of(fitness={"val/map50": 0.5, "val/": 0.5})), "got 'val/'"),
    (with_(space=genes(loss__boxes=linear(0, 1, 0))), "simulated: gene 'loss.boxes' is no setting of a trial"),
    (
        with_(space=genes(optimizer__momentum=linear(0.5, 1.5, 0.9))),
        "gene 'optimizer.momentum' at 1.5: optimizer.momentum: expected 0 <= momentum < 1, got 1.5",
    ),
    (with_(space=space_of(trial={"train.batch": 0})), "simulated: trial: train.batch: expected at least 1, got 0"),
    (
        with_(
            space=genes(augment__cutmix_min_side=linear(0.1, 0.8, 0.3), augment__cutmix_max_side=linear(0.5, 1, 0.8))
        ),
        "genes 'augment.cutmix_max_side' at 0.5 and 'augment.cutmix_min_side' at 0.8: augment.cutmix_max_side: "
        "expected 0.8 to 1, got 0.5",
    ),
    (
        with_(space=genes(train__subdivisions={"scale": "integer", "low": 1, "high": 64, "default": 32})),
        "simulated: expected ranges of genes of which every combination is valid, got one (",
    ),
    (with_(steps=0), "steps: expected a whole number of at least 1, got 0"),
    (with_(steps=2.5), "steps: expected a whole number of at least 1, got 2.5"),
    (with_(steps=91), "steps: expected a full budget of at most train.steps, the length of the schedule (90), got 91"),
    (with_(description={"images": {1, 2}}), "description: 'images': expected plain values that JSON can hold, got:"),
    (with_(description={"x": float("nan")}), "description: 'x': expected plain values that JSON can hold, got:"),
    (factory("nonsense"), "objective: expected 'module:function', got 'nonsense'"),
    (factory("no_such_module:make"), "objective 'no_such_module:make': expected one that can be imported, got: No mod"),
    (factory("evolve.simulated:make"), "expected one that can be imported, got: module 'evolve.simulated' has no"),
    (factory(TARGET, noises=1), "expected arguments that it takes, got: got an unexpected keyword argument 'noises'"),
    (factory("evolve.objective:detection_objective"), "expected arguments that it takes, got: missing a required"),
]


@pytest.mark.parametrize(("change", "complaint"), WRONG_TASKS, ids=[said[:60] for _, said in WRONG_TASKS])
def test_a_wrong_task_is_refused_by_both_entrances_before_anything_is_written(
    change: Callable[[Task], Task],
    complaint: str,
    simulated: Any,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    watched = house.watched()
    with pytest.raises(InputError) as refused:
        search.run(change(house.task()), Path("p"), recipe=house.recipe(), seed=0, means=watched.means())
    assert complaint in str(refused.value)
    prepare = simulated.prepare
    monkeypatch.setattr(task, "prepare", lambda *given, **others: change(prepare(*given, **others)))
    for more in ([], ["--dry-run"]):
        assert main(["search", "--out", "c", *SHAPE, *more]) == 2
        said = capsys.readouterr().err
        assert complaint in said
        assert len(said.strip().splitlines()) == 1
    assert watched.started == []
    assert list(Path().iterdir()) == []


small = recipes.load("fast", {"population": 6, "elites": 2, "children": 2, "generations": 1})
few = {"scale": "choice", "values": [0.8, 0.9], "default": 0.9}
narrow = {"scale": "integer", "low": 1, "high": 64, "default": 32}
WRONG_ARGUMENTS: list[tuple[dict[str, object], str]] = [
    ({"seed": -1}, "seed: expected a whole number of at least 0, got -1"),
    ({"seed": 1.5}, "seed: expected a whole number of at least 0, got 1.5"),
    ({"seed": True}, "seed: expected a whole number of at least 0, got True"),
    ({"seed": None}, "seed: expected a whole number of at least 0, got None"),
    ({"recipe": "fast"}, "recipe: expected a Recipe, such as recipe.load('fast'), got 'fast'"),
    ({"recipe": replace(small, population=6.5)}, "population to be a whole number, got 6.5"),
    ({"recipe": replace(small, mutation_rate=True)}, "expected mutation_rate to be a finite number, got True"),
    ({"means": search.Means(workers=0)}, "workers: expected a whole number of at least 1, got 0"),
    ({"request": {"data": Path("x")}}, "request: 'data': expected plain values that JSON can hold, got: "),
    ({"directory": "file"}, "file: expected a directory or nothing there, got a file"),
    ({"directory": "file/below"}, "file/below: expected a path for a directory, but "),
    ({"directory": "x" * 300}, f"{'x' * 300}: expected a path for a directory, got: {os.strerror(errno.ENAMETOOLONG)}"),
    ({"task": task_of(optimizer__momentum=few)}, "as many different genomes as the population of 6, got 2"),
    (
        {
            "task": task_of(train__size_period=narrow),
            "recipe": replace(small, seeding="defaults", population=50, mutation_strength=0.05),
        },
        "in 1000 draws, got only genomes that the search has already; expected a smaller --population",
    ),
]


@pytest.mark.parametrize(("wrong", "complaint"), WRONG_ARGUMENTS, ids=[said[:50] for _, said in WRONG_ARGUMENTS])
def test_a_wrong_argument_from_python_is_refused_before_anything_is_written(
    wrong: dict[str, object], complaint: str, house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    given: dict[str, Any] = {"task": house.task(), "directory": "p", "recipe": small, "seed": 0, **wrong}
    with pytest.raises(InputError) as refused:
        search.run(given.pop("task"), given.pop("directory"), **given)
    assert complaint in str(refused.value)
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_a_directory_that_cannot_be_written_is_refused(
    simulated: Any, house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(launch.os, "access", lambda path, mode: False)  # the user who runs the tests may be root
    with pytest.raises(InputError, match=r"p: expected a directory that can be written, but .* cannot"):
        search.run(house.task(), Path("p"), recipe=small, seed=0)
    assert main(["search", "--out", "c", *SHAPE]) == 2
    assert "c: expected a directory that can be written" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_a_directory_may_be_named_by_a_word(house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    state = search.run(house.task(), "p", recipe=small, seed=0)  # type: ignore[arg-type]
    assert state.phase == "finished"
    with pytest.raises(JournalError, match="p: expected no search there, got one; go on with: evolve resume p"):
        search.run(house.task(), "p", recipe=small, seed=0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"generations": "3"}, "generations: expected a whole number of at least 0, got '3'"),
        ({"generations": 2.0}, "generations: expected a whole number of at least 0, got 2.0"),
        ({"means": search.Means(workers=-1)}, "workers: expected a whole number of at least 1, got -1"),
        ({"directory": "nowhere"}, "nowhere: expected the directory of a search, found none there"),
        ({"directory": "."}, r"\.: expected the directory of a search, found none there"),
    ],
)
def test_a_wrong_resume_from_python_is_refused_before_anything_is_written(
    wrong: dict[str, Any], complaint: str, house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    search.run(house.task(), Path("p"), recipe=small, seed=0)
    before = events(Path("p/journal.db"))
    with pytest.raises(ValueError, match=f"^{complaint}"):
        search.resume(house.task(), **{"directory": Path("p"), **wrong})
    assert events(Path("p/journal.db")) == before
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("flag", ["--out", "--data", "--space"])
def test_an_empty_path_is_refused(flag: str, simulated: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["search", flag, "", *SHAPE])
    assert f"argument {flag}: expected a path, got ''" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_true_is_no_number(house: House) -> None:
    own = replace(house.task(), space=space_of(trial={"train.steps": 90, "train.batch": True}))
    with pytest.raises(InputError, match=r"trial: train\.batch: expected a whole number, got True"):
        search.run(own, house.path / "s", recipe=small, seed=0)


# --- the tracking store


@pytest.mark.parametrize("uri", ["mlruns", "htp://x", "", "http://", "sqlite:///:memory:"])
def test_a_wrong_tracking_store_is_refused_by_both_entrances(
    uri: str, simulated: Any, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    means = house.watched().means(make_tracker=lambda journal: MlflowTracker(journal, uri))
    with pytest.raises(ValueError, match=r"tracking store: expected .*, got"):
        search.run(house.task(), Path("p"), recipe=small, seed=0, means=means)
    for more in ([], ["--dry-run"]):
        assert main(["search", "--out", "c", "--tracking-uri", uri, *SHAPE, *more]) == 2
        assert f"got {uri!r}" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_a_tracking_store_that_is_down_is_said_and_stops_nothing(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracking.SearchTracking, "make", lambda *_: search.NullTracker())
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert main(["search", "--dry-run", "--tracking-uri", f"http://127.0.0.1:{port}", *SHAPE]) == 0
        assert "tracking store" not in capsys.readouterr().out
    for more in (["--dry-run"], []):
        assert main(["search", "--out", "c", "--tracking-uri", f"http://u:secret@127.0.0.1:{port}", *SHAPE, *more]) == 0
        said = capsys.readouterr().out
        assert f"note: tracking store: nothing answers at http://127.0.0.1:{port}: " in said
        assert "the search goes on without it" in said
        assert "secret" not in said


def test_a_search_that_began_with_a_wrong_tracking_store_goes_on_without_it(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:  # as an earlier version would have begun it
        patch.setattr(tracking_uri, "check", lambda _uri: None)
        patch.setattr(tracking.SearchTracking, "make", lambda *_: search.NullTracker())
        assert main(["search", "--out", "c", "--tracking-uri", "mlruns", *SHAPE]) == 0
    capsys.readouterr()
    assert main(["resume", "c", "--generations", "2"]) == 0
    assert "note: not tracked: tracking store: expected http://" in capsys.readouterr().err


# --- the cluster


CLUSTER = """
import sys
import time
from pathlib import Path

import simulated_command  # beside the tests

from evolve import search, task
from evolve.__main__ import main
from evolve.execution.ray_executor import RayExecutor
from evolve.genetics import recipe

address, entrance, *words = sys.argv[1:]
task.prepare = simulated_command.prepare
if entrance == "command":
    sys.exit(main(["search", "--out", "c", "--address", address, "--workers", "2", *words]))
own = simulated_command.prepare(task.TaskRequest())
means = search.Means(make_executor=lambda name: RayExecutor(own.factory, workers=2, address=address, search_id=name))
search.run(own, Path("c"), recipe=recipe.load("fast"), seed=0, means=means)
"""


@pytest.mark.medium
@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-host.invalid:6379"])
@pytest.mark.parametrize("entrance", ["command", "command --dry-run", "python"])
def test_an_address_where_nothing_answers_is_refused_by_both_entrances(
    address: str, entrance: str, tmp_path: Path
) -> None:
    """In a process of its own: Ray may be initialised in this one."""
    tests = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-c", CLUSTER, address, *entrance.split(), *SHAPE, "--tracking-uri", "none"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": tests},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert f"--address {address}: nothing answers there: " in done.stderr
    if entrance != "python":
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_share_of_gpus_that_ray_cannot_lease_is_refused(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resources, "gpus_in_sight", lambda: ["one", "two", "three", "four"])
    assert main(["search", "--gpus-per-trial", "1.5", *SHAPE]) == 2
    assert "--gpus-per-trial 1.5: expected a share of one GPU, or whole ones" in capsys.readouterr().err
    assert main(["search", "--gpus-per-trial", "2", "--dry-run", *SHAPE]) == 0


# --- the disk


def disk_of(free: float) -> Callable[[object], SimpleNamespace]:
    return lambda _path: SimpleNamespace(total=1e15, used=0, free=free)


@pytest.mark.parametrize(
    ("free", "refused", "noted"),
    # 6 individuals with a state of 1 GB each wait at the first rung; at the second 2 have two states each
    [(5.9e9, True, False), (6.1e9, False, True), (7.4e9, False, True), (7.6e9, False, False)],
)
def test_states_that_do_not_fit_are_refused_and_little_room_is_said(
    free: float,
    refused: bool,
    noted: bool,
    simulated: Any,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", disk_of(free))
    prepare = simulated.prepare
    monkeypatch.setattr(task, "prepare", lambda *a, **k: replace(prepare(*a, **k), state_bytes=10**9))
    heavy = replace(house.task(), state_bytes=10**9)
    sentence = "6 GB for at most 6 states of trials at once, 1 GB each"
    for more in (["--dry-run"], []):
        assert main(["search", "--out", "c", *SHAPE, "--tracking-uri", "none", *more]) == (2 if refused else 0)
        said = capsys.readouterr()
        if refused:
            assert f"c: expected 6 GB of free disk for {sentence[9:]}, got 5.9 GB; expected a smaller" in said.err
            assert "--recipe seed" in said.err
        else:
            assert f"disk: {sentence}; " in said.out
            assert ("note: little disk is left beside that in c" in said.out) is noted
    if refused:
        with pytest.raises(InputError, match="expected 6 GB of free disk"):
            search.run(heavy, Path("p"), recipe=small, seed=0)
        assert list(Path().iterdir()) == []
        main(["search", "--out", "c", "--recipe", "seed", *SHAPE, "--tracking-uri", "none"])
        assert "disk" not in capsys.readouterr().out  # without rungs nothing waits
    else:
        assert search.run(heavy, Path("p"), recipe=small, seed=0).phase == "finished"


def test_a_population_that_has_no_room_is_refused_before_it_is_made(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million individuals take minutes to make, and terabytes to keep."""

    def made(*_arguments: object) -> Any:
        raise AssertionError("the population was made")

    monkeypatch.setattr(launch.seeding, "first_generation", made)
    monkeypatch.setattr(shutil, "disk_usage", disk_of(5.9e9))
    with pytest.raises(InputError, match="of free disk"):
        search.run(replace(house.task(), state_bytes=10**9), Path("p"), recipe=small, seed=0)


def test_a_detector_that_does_not_fit_is_refused_before_its_training(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "--out", "c", *SHAPE, "--tracking-uri", "none"]) == 0
    prepare = simulated.prepare
    monkeypatch.setattr(task, "prepare", lambda *a, **k: replace(prepare(*a, **k), state_bytes=10**9))
    monkeypatch.setattr(shutil, "disk_usage", disk_of(5e8))
    capsys.readouterr()
    assert main(["train", "c/winner.yaml", "--out", "o", "--cpu"]) == 2
    assert "o: expected 4.5 GB of free disk for it, got 0.5 GB" in capsys.readouterr().err
    assert not Path("o").exists()


# --- what only the first result shows


class Silent:
    """An objective whose module has no SCORES."""

    def make(self) -> "Silent":
        return self

    def __call__(self, spec: TrialSpec) -> Iterator[Measurement]:
        score = float("nan") if spec.uid == "g000-001" else 0.5
        yield Measurement(spec.stop_step, {}, {"val/recall": score, "val/precision": 0.5})


def silent_task(house: House, **fitness: float) -> Task:
    changes = {"fitness": {f"val/{name}": weight for name, weight in fitness.items()}}
    return replace(house.task(), space=space_of(**changes), factory=ObjectiveFactory("json:loads", {"s": ""}))


def test_a_score_that_the_objective_does_not_report_ends_the_search_at_the_first_result(house: House) -> None:
    watched = house.watched(Silent())
    means = watched.means()
    complaint = r"fitness: expected scores that the objective reports \(val/precision, val/recall\), got 'val/recal'"
    with pytest.raises(ValueError, match=complaint):
        search.run(silent_task(house, recal=1), house.path / "s", recipe=small, seed=0, means=means)
    assert len(watched.started) == 1
    assert fold(events(house.path / "s" / "journal.db")).phase == "interrupted"


def test_a_score_that_is_no_number_costs_its_trial_alone(house: House) -> None:
    watched = house.watched(Silent())
    state = search.run(silent_task(house, recall=1), house.path / "s", recipe=small, seed=0, means=watched.means())
    assert state.phase == "finished"
    assert [record.uid for record in state.individuals.values() if record.reason is not None] == ["g000-001"]


# --- the task from command-line flags


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"size": 64.0}, "--size: expected a whole number of at least 1, got 64.0"),
        ({"batch": 0}, "--batch: expected a whole number of at least 1, got 0"),
        ({"steps": True}, "--steps: expected a whole number of at least 1, got True"),
        ({"steps": -3}, "--steps: expected a whole number of at least 1, got -3"),
        ({"share": 0}, "--share: expected a share of the schedule above 0, at most 1, got 0"),
        ({"share": float("nan")}, "--share: expected a share of the schedule above 0, at most 1, got nan"),
        ({"share": "1"}, "--share: expected a share of the schedule above 0, at most 1, got '1'"),
        ({"format": "pascal"}, "--format: expected one of coco, voc, yolo, got 'pascal'"),
        ({"data": 3}, "--data: expected a path, got 3"),
        ({"space": ["x"]}, "--space: expected a path, got ['x']"),
    ],
)
def test_a_request_of_wrong_kinds_is_refused(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        TaskRequest(**wrong)
    assert str(refused.value) == complaint


def test_a_request_takes_paths_as_words() -> None:
    request = TaskRequest(data="somewhere", space="a.yaml", weights=Path("w.keras"))  # type: ignore[arg-type]
    assert (request.data, request.space, request.weights) == (Path("somewhere"), Path("a.yaml"), "w.keras")


@pytest.mark.parametrize("fitness", ["{val/mAP50: 1}", "{val/map50: 0.5, val/map95: 0.5}"])
def test_a_wrong_fitness_is_refused_before_the_data_set_is_read(
    fitness: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(task, "describe_data", lambda *_, **__: pytest.fail("the data set is read"))
    text = task.EMBEDDED_SPACE.read_text(encoding="utf-8")
    Path("mine.yaml").write_text(f"{text}fitness: {fitness}\n", encoding="utf-8")
    for more in ([], ["--dry-run"]):
        assert main(["search", "--cpu", "--space", "mine.yaml", *more]) == 2
        assert "fitness: expected scores out of val/map50_95, val/map50, val/map75, got" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["mine.yaml"]


def test_a_fitness_of_the_objectives_scores_is_searched_by_both_entrances(simulated: Any, house: House) -> None:
    weights = {"val/map50": 0.5, "val/map75": 0.5}
    own = replace(house.task(), space=space_of(fitness=weights))
    assert search.run(own, Path("p"), recipe=small, seed=0).phase == "finished"
    Path("mine.yaml").write_text(json.dumps({**SPACE, "fitness": weights}), encoding="utf-8")
    assert main(["search", "--space", "mine.yaml", "--out", "c", "--tracking-uri", "none", *SHAPE]) == 0


class OneSecond:
    """A clock that always shows the same second, for the names of default folders."""

    gmtime, time = staticmethod(time.gmtime), staticmethod(time.time)

    @staticmethod
    def strftime(_form: str, _now: object) -> str:
        return "T"


def test_searches_that_start_in_one_second_get_a_folder_each(simulated: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_folders, "time", OneSecond)
    Path("runs/T-s0").mkdir(parents=True)  # the folder of another search whose workers are starting
    for _ in range(2):
        assert main(["search", *SHAPE, "--tracking-uri", "none"]) == 0
    journals = sorted(Path("runs").glob("T*/journal.db"))
    assert [path.parent.name for path in journals] == ["T-s0-2", "T-s0-3"]
    assert str(Path("runs/latest").readlink()) == "T-s0-3"


def test_a_search_that_cannot_start_leaves_no_folder_of_its_own(
    simulated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_workers(*_arguments: object) -> Any:
        assert [path.name for path in Path("runs").iterdir()] != []
        raise ConnectionError("no cluster")

    monkeypatch.setattr(machine.Machine, "executor", no_workers)
    assert main(["search", *SHAPE, "--tracking-uri", "none"]) != 0
    assert not Path("runs").exists()
