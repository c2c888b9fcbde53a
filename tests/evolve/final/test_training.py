"""A training in pieces ends the same wherever it is cut, keeps few files, and refuses what is not the same training."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.execution.local_executor import LocalExecutor
from evolve.final import folder
from evolve.final.folder import Request
from evolve.final.training import Training
from evolve.process.terminal import InputError
from evolve.trial import Measurement, Report, TrialSpec

STEPS = 60
AP = {"val/map50_95": 1.0}
# The score rises, then falls: the best one is not the last.
SCORES = {step: 0.5 - abs(step - 30) / 100 for step in range(1, STEPS + 1)}


class Chain:
    """Weights are a number that each step changes in a way that depends on all steps before. Stops where it is told."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.begun: list[int] = []

    def make(self) -> "Chain":
        return self

    def __call__(self, spec: TrialSpec) -> Iterator[Report]:
        assert spec.state_dir is not None
        self.begun.append(spec.start_step)
        weights = spec.seed
        if spec.start_step:
            weights = int((spec.state_dir / f"state-{spec.start_step}.txt").read_text())
        for step in range(spec.start_step + 1, spec.stop_step + 1):
            weights = (weights * 1_103_515_245 + step) % 2**31
            if step == self.stop_at:
                raise KeyboardInterrupt
        if spec.stop_step < STEPS:
            (spec.state_dir / f"state-{spec.stop_step}.txt").write_text(str(weights))
            assert len(list(spec.state_dir.glob("state-*"))) <= 3  # the last two, and the one that is written
        if spec.checkpoint is not None:
            spec.checkpoint.write_text(f"{spec.stop_step} {weights}")
        scores = {f"{split}/map50_95": SCORES[spec.stop_step] for split in spec.evaluate_splits}
        yield Measurement(spec.stop_step, {"total": weights / 2**31}, scores, {"train": 1.0})


def training(out: Path) -> Training:
    unfinished = out / "unfinished"
    unfinished.mkdir(parents=True, exist_ok=True)
    spec = TrialSpec("defaults", {"train.steps": STEPS}, seed=7, stop_step=STEPS, checkpoint=out / "detector.keras")
    return Training(spec, unfinished, AP)


def run(out: Path, chain: Chain) -> Training:
    made = training(out)
    with LocalExecutor(chain) as executor:  # type: ignore[arg-type]
        assert made.run(executor, lambda _point: None) is None
    return made


def files(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in out.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, dict[str, str]]:
    out = tmp_path_factory.mktemp("undisturbed")
    return run(out, Chain()), files(out)


def test_it_keeps_last_best_and_the_curve(undisturbed: tuple[Training, dict[str, str]]) -> None:
    made, kept = undisturbed
    assert set(kept) == {"detector.keras", "best.keras", "curve.csv"}
    assert kept["detector.keras"].startswith("60 ")
    assert kept["best.keras"].startswith("30 ")
    assert len(kept["curve.csv"].splitlines()) == 1 + 30
    assert [point.step for point in made.points if point.scores] == [10, 20, 30, 40, 50, 60]


@settings(max_examples=8)
@given(cuts=st.lists(st.integers(1, STEPS), max_size=4))
def test_wherever_it_is_cut_it_ends_the_same(
    cuts: list[int], undisturbed: tuple[Training, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = tmp_path_factory.mktemp("cut")
    for cut in cuts:
        before = training(out).step
        if cut > before:
            with pytest.raises(KeyboardInterrupt):
                run(out, Chain(cut))
        made = training(out)
        assert made.step >= before
        assert made.step == max(before, (cut - 1) // 2 * 2)  # pieces of two steps
        assert len(list((out / "unfinished").glob("state-*"))) <= 2
    chain = Chain()
    made = run(out, chain)
    assert files(out) == undisturbed[1]
    assert made.points == undisturbed[0].points
    assert made.measured == undisturbed[0].measured
    assert len(chain.begun) == (STEPS - max([0, *((cut - 1) // 2 * 2 for cut in cuts)])) // 2  # no piece twice


def test_a_kill_between_a_result_and_what_follows_from_it_is_made_up_for(
    undisturbed: tuple[Training, dict[str, str]], tmp_path: Path
) -> None:
    """The worker wrote state, detector and result of step 30; nobody saw them."""
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Chain(29))
    piece = next(piece for piece in training(tmp_path)._pieces if piece.stop_step == 30)
    from evolve.execution.attempt import run_attempt
    from evolve.execution.executor import Lease

    list(run_attempt(Chain(), Lease(piece, 1)))
    assert (tmp_path / "unfinished" / "detector-30.keras").is_file()
    made = training(tmp_path)
    assert made.step == 30
    assert (tmp_path / "best.keras").read_text().startswith("30 ")
    run(tmp_path, Chain())
    assert files(tmp_path) == undisturbed[1]


def test_when_the_last_is_the_best_both_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCORES, STEPS, 0.9)
    run(tmp_path, Chain())
    assert (tmp_path / "best.keras").read_text() == (tmp_path / "detector.keras").read_text()


REQUEST = Request("training-1", 5.0, {"config": {"train.steps": 60}, "seed": 7}, {"threads": 2})


def begun(out: Path, request: Request = REQUEST) -> Request:
    with folder.held(out) as unfinished:
        return folder.begin(out, unfinished, request)


def test_the_same_request_goes_on_under_its_first_id(tmp_path: Path) -> None:
    assert begun(tmp_path) == REQUEST
    later = replace(REQUEST, id="training-2", began=9.0, surroundings={"threads": 4})
    assert begun(tmp_path, later) == REQUEST
    changed = folder.changed_surroundings(REQUEST, later)
    assert changed is not None
    assert "threads was 2, is 4" in changed


def test_another_request_is_refused_by_name_once_something_is_done(tmp_path: Path) -> None:
    begun(tmp_path)
    other = replace(REQUEST, asked={**REQUEST.asked, "config": {"train.steps": 90}})
    (tmp_path / "unfinished" / "result-2.json").write_text("{}")
    with pytest.raises(InputError, match=r"another request: config: train.steps was 60, is 90; expected the same"):
        begun(tmp_path, other)
    assert begun(tmp_path) == REQUEST
    (tmp_path / "unfinished" / "result-2.json").unlink()  # nothing is done: the other one may begin
    (tmp_path / "unfinished" / "state-2.npz").touch()
    assert begun(tmp_path, other) == other
    assert not (tmp_path / "unfinished" / "state-2.npz").exists()


def test_a_finished_training_is_refused(tmp_path: Path) -> None:
    with folder.held(tmp_path) as unfinished:
        folder.begin(tmp_path, unfinished, REQUEST)
        folder.finish(tmp_path, {"steps": 60})
    assert [path.name for path in tmp_path.iterdir()] == ["training.json"]
    with pytest.raises(InputError, match="holds a finished training already"):
        folder.check(tmp_path)
    with pytest.raises(InputError, match="holds a finished training already"):
        begun(tmp_path)


def test_files_that_a_kill_left_half_written_are_removed(tmp_path: Path) -> None:
    begun(tmp_path)
    for place in (tmp_path / "unfinished" / ".unfinished-ab12", tmp_path / ".unfinished-cd34"):
        place.mkdir()
        (place / "state-4.npz").touch()
    begun(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["lock", "request.json", "unfinished"]


def test_a_damaged_request_is_named(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "unfinished" / "request.json").write_text("[1")
    with pytest.raises(InputError, match=r"request\.json: expected the request of a training"):
        begun(tmp_path)


def test_two_processes_cannot_train_in_one_folder(tmp_path: Path) -> None:
    words = (
        "import sys\nfrom pathlib import Path\nfrom evolve.final import folder\n"
        f"with folder.held(Path({str(tmp_path)!r})):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdin is not None
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"no process trains, but one does: host .*, pid {other.pid}"):
            begun(tmp_path)
    finally:
        other.stdin.close()
        other.wait(timeout=60)
    assert begun(tmp_path) == REQUEST
