"""Problems with links, displays, terminals, locales and folders never stop the work."""

import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evolve.__main__ import main
from evolve.records import progress
from evolve.records.journal import Journal, events
from evolve.records.state import fold

SCRIPT = str(Path(__file__).with_name("simulated_command.py"))
SHAPE = ["--population", "6", "--elites", "2", "--children", "2", "--generations", "1", "--tracking-uri", "none"]
medium = pytest.mark.medium  # processes of their own, a second each


def run(*words: str, cwd: Path, before: tuple[str, ...] = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """The command on simulated trials in a process of its own."""
    environment = {"SIMULATED_FAILURES": "0.2", **os.environ, **options.pop("environment", {})}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 120, **options}
    command = [*before, sys.executable, SCRIPT, *words]
    return subprocess.run(command, cwd=cwd, env=environment, text=True, errors="surrogateescape", **options)


def through_a_shell(redirected: str, *words: str, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return run(*words, cwd=cwd, before=("bash", "-c", f'exec "$@" {redirected}', "bash"), **options)


@pytest.fixture
def plain_user() -> tuple[str, ...]:
    """The words before a command that make it obey file permissions: none for a plain user, setpriv for root."""
    if os.geteuid() != 0:
        return ()
    bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    if shutil.which("setpriv") is None or subprocess.run([*bare, "true"], capture_output=True).returncode != 0:
        pytest.skip("root, whom no permission stops, and without setpriv")
    return bare


@contextlib.contextmanager
def unwritable(*folders: Path) -> Iterator[None]:
    """Make the folders and everything in them read-only."""
    inside = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    for path in inside:
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        yield
    finally:
        for path in inside:
            path.chmod(path.stat().st_mode | 0o200)


@pytest.fixture
def killed(undisturbed: Any, tmp_path: Path) -> Path:
    """The directory of a search whose process was killed: its last events are only in SQLite's log."""
    directory = tmp_path / "killed"
    written = events(undisturbed.journal)[:40]
    with Journal(tmp_path / "alive") as journal:
        for event in written:
            journal._connection.execute(
                "INSERT INTO events (time, kind, uid, payload) VALUES (?, ?, ?, ?)",
                (event.time, event.kind, event.uid, json.dumps(event.payload)),
            )
        shutil.copytree(tmp_path / "alive", directory)
    assert (directory / "journal.db-wal").stat().st_size > 0
    return directory


@medium
def test_a_search_elsewhere_needs_nothing_here(tmp_path: Path, plain_user: tuple[str, ...]) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    with unwritable(here):
        done = run("search", "--out", str(elsewhere / "s"), *SHAPE, cwd=here, before=plain_user)
    assert done.returncode == 0, done.stderr
    assert "verdict: " in done.stdout
    assert f"note: runs/latest does not lead to {elsewhere / 's'}: " in done.stdout
    assert done.stderr == ""


def block_by_a_folder(runs: Path) -> None:
    (runs / "latest").mkdir(parents=True)


def block_by_a_file(runs: Path) -> None:
    runs.touch()


def block_by_a_circle(runs: Path) -> None:
    runs.mkdir()
    (runs / "latest").symlink_to("other")
    (runs / "other").symlink_to("latest")


def block_by_nothing_behind_it(runs: Path) -> None:
    runs.mkdir()
    (runs / "latest").symlink_to("nowhere")


def block_by_a_broken_journal(runs: Path) -> None:
    (runs / "old").mkdir(parents=True)
    (runs / "old" / "journal.db").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    (runs / "latest").symlink_to("old")


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (block_by_a_folder, "runs/latest is not a link: it is left as it is, and does not lead to s"),
        (block_by_a_file, "runs/latest does not lead to s: "),
        (block_by_a_circle, None),
        (block_by_nothing_behind_it, None),
        (block_by_a_broken_journal, "the latest search cannot be read: "),
    ],
)
def test_whatever_stands_at_runs_latest(
    block: Any, says: str | None, simulated: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    block(Path("runs"))
    assert main(["search", "--out", "s", *SHAPE]) == 0
    said = capsys.readouterr().out
    assert "verdict: " in said
    if says is None:
        assert Path("runs/latest").resolve() == Path("s").resolve()
    else:
        assert f"note: {says}" in said


@medium
def test_a_finished_search_is_read_where_nothing_can_be_written(
    undisturbed: Any, tmp_path: Path, plain_user: tuple[str, ...]
) -> None:
    directory = shutil.copytree(undisturbed.journal.parent, tmp_path / "s")
    shutil.copy(undisturbed.journal.parent / "winner.yaml", directory)
    with unwritable(tmp_path):
        done = {
            words[0]: run(*words, cwd=tmp_path, before=plain_user)
            for words in (
                ("status", "s", "--json"),
                ("lineage", "s", "--json"),
                ("winner", "s"),
                ("replay", "s", "g000-000", "--json"),
            )
        }
    assert json.loads(done["status"].stdout)["state"] == "finished"
    assert len(json.loads(done["lineage"].stdout)["individuals"]) == len(undisturbed.state.individuals)
    assert done["winner"].stdout == (directory / "winner.yaml").read_text()
    assert "begun from Python" in done["replay"].stderr  # this error does not come from the disk
    assert sorted(path.name for path in directory.iterdir()) == sorted(
        path.name for path in undisturbed.journal.parent.iterdir()
    )


@medium
@pytest.mark.parametrize("index", [True, False], ids=["with the log's index", "without it"])
def test_a_killed_search_is_read_there_too_with_all_that_it_wrote(
    index: bool, killed: Path, plain_user: tuple[str, ...]
) -> None:
    if not index:
        (killed / "journal.db-shm").unlink()
    with unwritable(killed.parent):
        done = run("status", "killed", "--json", cwd=killed.parent, before=plain_user)
    assert done.returncode == 0, done.stderr
    expected = fold(events(killed / "journal.db"))
    assert json.loads(done.stdout)["trials"]["proposed"] == expected.counts["proposed"] + expected.counts["running"]


@medium
def test_a_replay_on_a_disk_that_cannot_be_written(tmp_path: Path, plain_user: tuple[str, ...]) -> None:
    assert run("search", "--out", "s", *SHAPE, cwd=tmp_path).returncode == 0
    with unwritable(tmp_path):
        done = run("replay", "s", "g000-000", "--json", cwd=tmp_path, before=plain_user)
    assert json.loads(done.stdout)["equal"] is True, done.stderr


@medium
def test_in_a_folder_that_was_deleted(undisturbed: Any, killed: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    leaving = ("bash", "-c", f'rmdir "{gone}"; exec "$@"', "bash")
    done = run("status", str(killed), cwd=gone, before=leaving)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"resume {killed}" in done.stdout
    gone.mkdir()
    done = run("search", "--out", str(tmp_path / "s"), *SHAPE[:-2], cwd=gone, before=leaving)  # with MLflow's place
    assert done.returncode == 0, done.stderr
    assert "verdict: " in done.stdout


@medium
@pytest.mark.parametrize(
    "environment",
    [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "0", "LC_ALL": "C"}],
    ids=str,
)
def test_names_that_the_locale_does_not_have(environment: dict[str, str], tmp_path: Path) -> None:
    done = run("search", "--out", "über ✓", *SHAPE, cwd=tmp_path, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "final training: " in done.stdout
    assert (tmp_path / "über ✓" / "winner.yaml").is_file()
    raw = os.fsdecode(b"caf\xe9")  # a name from another machine's file system
    done = run("search", "--out", raw, *SHAPE, cwd=tmp_path, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / raw / "winner.yaml").is_file()


@medium
@pytest.mark.parametrize("redirected", [">&-", ">/dev/full", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_stdout_that_takes_nothing_stops_no_search(redirected: str, tmp_path: Path) -> None:
    done = through_a_shell(redirected, "search", "--out", "s", *SHAPE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert fold(events(tmp_path / "s" / "journal.db")).phase == "finished"
    assert run("status", "s", cwd=tmp_path).returncode == 0  # the journal has no stray output of ours


@medium
def test_a_reader_that_has_enough_stops_no_search(tmp_path: Path) -> None:
    done = run(
        "search",
        "--out",
        "s",
        *SHAPE,
        cwd=tmp_path,
        before=("bash", "-c", '"$@" | head -n1; exit ${PIPESTATUS[0]}', "bash"),
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
    assert fold(events(tmp_path / "s" / "journal.db")).phase == "finished"


@medium
def test_an_answer_that_cannot_be_written_is_no_success(undisturbed: Any, tmp_path: Path) -> None:
    directory = str(undisturbed.journal.parent)
    for words in (("status", directory), ("status", directory, "--json"), ("lineage", directory), ("doctor",)):
        done = through_a_shell(">/dev/full", *words, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr == (
            "evolve: stdout: expected it to take the whole answer, got: [Errno 28] No space left on device\n"
        )
    done = through_a_shell("| head -n1", "lineage", directory, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@medium
def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, SCRIPT, "search", "--out", "s", *SHAPE],
        cwd=tmp_path,
        env={**os.environ, "TERM": "dumb"},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # Linux reports the end of a terminal this way
        while piece := os.read(ours, 65536):
            said += piece
    os.close(ours)
    assert process.wait(60) == 0
    assert b"\x1b" not in said
    assert b"generation 1 closed" in said
    assert b" finished: fitness " in said


@medium
@pytest.mark.parametrize("leave", ["HOME", "PATH", "all"])
def test_the_doctor_answers_with_an_empty_environment(leave: str, tmp_path: Path) -> None:
    environment = {} if leave == "all" else {name: value for name, value in os.environ.items() if name != leave}
    nobody = [sys.executable, "-m", "evolve", "doctor", "--json"]
    done = subprocess.run(nobody, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert len(json.loads(done.stdout)["checks"]) == 11, done.stderr


def test_a_resume_needs_no_temporary_folder(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "--out", "s", *SHAPE]) == 0

    def none(*_: object, **__: object) -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "mkdtemp", none)
    assert main(["resume", "s", "--generations", "2"]) == 0, capsys.readouterr().err


def test_a_display_that_fails_is_said_once_and_the_search_goes_on(
    house: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(progress.Display):
        def show(self, event: object, state: object) -> None:
            raise KeyError("a bug")

    display = progress.FailsafeDisplay(Broken())
    state = house.run(display=display)
    assert state.phase == "finished"
    said = capsys.readouterr().err
    assert said == "note: progress is not shown any more (KeyError: 'a bug'); the search goes on\n"
    display.note("a sentence")
    display.interrupted(Path("s"))
    assert capsys.readouterr().err.splitlines() == ["a sentence", progress.how_to_resume(Path("s"))]


def test_embedded_data_goes_to_the_cache_where_runs_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evolve import objective

    (tmp_path / "runs").touch()  # where a folder is expected
    images = {"train": 1, "val": 1, "test": 1}
    monkeypatch.setenv("YOLOV4_EVOLVE_CACHE", "off")
    with pytest.raises(OSError, match="runs"):
        objective.write_embedded_data(tmp_path / "runs" / "digits", images=images)
    monkeypatch.setenv("YOLOV4_EVOLVE_CACHE", str(tmp_path / "cache"))
    assert objective.write_embedded_data(tmp_path / "runs" / "digits", images=images) == tmp_path / "cache" / "digits"
    assert (tmp_path / "cache" / "digits" / "data.yaml").is_file()
