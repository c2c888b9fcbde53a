"""The live view at a terminal: what stands on the screen in the end, whatever is printed meanwhile."""

import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from evolve.records import progress
from evolve.records.journal import events
from evolve.records.state import fold

SHAPE = ["--population", "8", "--elites", "2", "--children", "3", "--generations", "1", "--tracking-uri", "none"]
HEAD = r"generation \d of 1( \| (rung \d of 3 \(step \d+\): \d+ of \d+ trials|confirming \d+ of \d+))?"
pytestmark = pytest.mark.medium


def log_of(screen: list[str]) -> list[str]:
    """The lines of the log on the screen; a long one may go on in the next line."""
    return [line for line in screen if re.match(r"\d\d:\d\d:\d\d ", line)]


def test_the_view_stands_below_the_log_and_goes_at_the_end(at_a_terminal: Callable[..., Any]) -> None:
    terminal = at_a_terminal("search", "--out", "s", *SHAPE, SIMULATED_SLEEP="0.1")
    for pattern in (r"rung 1 of 3 \(step 10\)", r"rung [23] of 3", r"confirming [1-9]"):
        terminal.read_until(pattern + r"[^\x1b]*busy[^\x1b]*left[^\x1b]*\d/\d+")
        *_, head, trials, best, workers, running = terminal.screen()
        assert re.fullmatch(HEAD, head), head
        assert re.fullmatch(r"trials: 1 running, \d+ waiting, \d+ finished, \d+ stopped early, \d+ failed", trials), (
            trials
        )
        assert best == "best: no individual has reached its full budget yet" or re.fullmatch(
            r"best 0\.\d{4}: g\d{3}-\d{3}( from g\d{3}-\d{3})* \(\w+\)", best
        )
        assert re.fullmatch(r"workers: 2, \d+% busy \| elapsed \d+ s \| about \d+ (s|min) left", workers)
        assert re.fullmatch(r"g\d{3}-\d{3}(/\w+-seed-\d)? \d+/\d+", running)
    assert terminal.read_to_the_end() == 0
    screen = terminal.screen()
    assert not [line for line in screen if "busy" in line or re.fullmatch(HEAD, line)]  # nothing of the view is left
    written = log_of(screen)
    assert len([line for line in written if " generation 1 closed: " in line]) == 1
    assert not [line for line in written if " finished: " in line and "the best so far" not in line]
    assert any(line.startswith("verdict: ") for line in screen)


def test_errors_and_prints_go_above_the_view_whole(undisturbed: Any, at_a_terminal: Callable[..., Any]) -> None:
    """A process prints to both streams while the view is on the screen, a line longer than the screen too."""
    long = "a sentence of many words " * 6 + "ends here"
    code = f"""
import sys
from pathlib import Path
from evolve.process.terminal import complain, say
from evolve.records import progress
from evolve.records.journal import events
from evolve.records.state import begin
first, *others = events(Path({str(undisturbed.journal)!r}))
state, display = begin(first), progress.for_terminal()
for count, event in enumerate(others):
    state.apply(event)
    display.show(event, state)
    display.running({{"g000-001": count}})
    display._display._next = 0.0  # a refresh at each event
    display.tick(state)
    if count % 10 == 0:
        complain(f"error {{count}}")
        say(f"words {{count}}")
        print("half ", end="")
        print(f"a line {{count}}")
        display.note({long!r})
display.close()
say("the end")
"""
    terminal = at_a_terminal("-c", code, script=False)
    assert terminal.read_to_the_end() == 0
    screen = terminal.screen()
    counts = range(0, len(events(undisturbed.journal)) - 1, 10)
    said = [line for line in screen if line.startswith(("error", "words", "half"))]
    assert said == [f"{word} {count}" for count in counts for word in ("error", "words", "half a line")]
    assert "".join(line.ljust(80) for line in screen).count(long.strip()) == len(counts)
    assert not [line for line in screen if "busy" in line]
    assert screen[-1] == "the end"


def test_without_colours(at_a_terminal: Callable[..., Any]) -> None:
    colours = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-79]|4[0-79]|9[0-7]|10[0-7]|38|48)(?:;[0-9]+)*m")
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        name = f"s{coloured}"
        terminal = at_a_terminal("search", "--out", name, *SHAPE, SIMULATED_FAILURES="0.5", **environment)
        assert terminal.read_to_the_end() == 0
        assert " failed: " in terminal.raw
        assert bool(colours.search(terminal.raw)) == coloured


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "latin-1"])
def test_a_terminal_that_lacks_characters(encoding: str, at_a_terminal: Callable[..., Any]) -> None:
    code = """
from evolve.process.terminal import complain
from evolve.records import progress
display = progress.for_terminal()
display.note("datensätze ✓")
complain("fehler ✓")
display.close()
"""
    terminal = at_a_terminal("-c", code, script=False, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert terminal.read_to_the_end() == 0
    said = [line for line in terminal.screen() if line]
    assert re.fullmatch(r"\d\d:\d\d:\d\d \d{4}-\d\d-\d\d datens(\\xe4|ä)tze \\u2713", said[0])
    assert said[1:] == [r"fehler \u2713"]


def test_stderr_elsewhere_stays_there(undisturbed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    display = progress.LiveDisplay()
    state = fold(events(undisturbed.journal))
    display.note("a sentence")
    display.tick(state)
    sys.stderr.write("an error\n")
    display.close()
    display.note("after the end")
    captured = capsys.readouterr()
    assert captured.err == "an error\n"
    assert captured.out.endswith(" after the end\n")
    assert captured.out.count("\x1b[?25l") == captured.out.count("\x1b[?25h")


def test_a_display_that_fails_gives_stderr_back_before_it_says_so(at_a_terminal: Callable[..., Any]) -> None:
    code = """
import sys
from evolve.records import progress
display = progress.for_terminal()
display.note("a sentence")
display.show(None, None)
print("still here")
"""
    terminal = at_a_terminal("-c", code, script=False)
    assert terminal.read_to_the_end() == 0
    assert terminal.raw.count("progress is not shown any more") == 1
    assert terminal.raw.index("\x1b[?25h") < terminal.raw.index("progress is not shown any more")
    assert terminal.screen()[-1] == "still here"
