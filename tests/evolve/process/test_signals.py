"""Stop signals, each test in a process of its own: caught, held, ignored, and bounded."""

import signal
import subprocess
import sys

import pytest

from evolve.process import signals

# Prints READY, waits to be stopped, and prints which signal stopped it.
CAUGHT = """
import time
from evolve.process import signals
with signals.caught():
    try:
        print("READY", flush=True)
        time.sleep(60)
        print("not stopped")
    except KeyboardInterrupt as asked:
        print(type(asked).__name__, asked, flush=True)
        {end}
"""
# As above, inside a library that installs its own handlers and must not be interrupted in the middle.
HELD = """
import os, signal, subprocess, sys, time
from evolve.process import signals
with signals.caught():
    try:
        with signals.held():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            print("READY", flush=True)
            sys.stdin.readline()
            os.kill(child.pid, signal.SIGHUP)
            time.sleep(0.2)
            print("child", child.poll())
            child.kill()
            print("whole", flush=True)
        print("not stopped")
    except KeyboardInterrupt as asked:
        print(type(asked).__name__, asked, flush=True)
"""
# Its end hangs. Of its before_cutoff actions one fails, one is over already, and one must still run.
HANGING = """
import time
from evolve.process import signals
def fail(): raise OSError("no")
signals.CUTOFF_SECONDS = 0.5
with signals.caught(), signals.before_cutoff(lambda: print("done")), signals.before_cutoff(fail):
    with signals.before_cutoff(lambda: print("over")):
        pass
    try:
        print("READY", flush=True)
        time.sleep(60)
    finally:
        time.sleep(60)
"""


def start(program: str, *, ignoring: signal.Signals | None = None) -> subprocess.Popen[str]:
    """Start the program and wait until it is ready."""

    def ignore() -> None:
        if ignoring is not None:
            signal.signal(ignoring, signal.SIG_IGN)

    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=ignore,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "READY\n"
    return process


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")]
)
def test_each_of_them_is_an_exception_with_its_name(number: signal.Signals, name: str) -> None:
    process = start(CAUGHT.format(end="pass"))
    process.send_signal(number)
    assert process.communicate(timeout=30) == (f"StopAsked {name}\n", "")
    assert process.returncode == 0


def test_under_nohup_the_end_of_the_terminal_stops_nothing() -> None:
    process = start(CAUGHT.format(end="pass").replace("sleep(60)", "sleep(1)"), ignoring=signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=30) == ("not stopped\n", "")


def test_a_second_one_does_not_cut_the_end_short() -> None:
    end = "print('ending', flush=True); time.sleep(2); print('ended', flush=True)"
    process = start(CAUGHT.format(end=end))
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["StopAsked Ctrl-C\n", "ending\n"]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
    said, complaint = process.communicate(timeout=30)
    assert (said, process.returncode) == ("ended\n", 0)
    assert set(complaint.splitlines()) == {"evolve: stopping"}


def test_an_end_that_hangs_is_cut_off_when_what_must_be_done_is_done() -> None:
    process = start(HANGING)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30) == ("done\n", "")
    assert process.returncode == 130


@pytest.mark.parametrize("heard", [False, True])
def test_an_end_that_is_cut_off_has_a_last_word_unless_all_is_said(heard: bool) -> None:
    """Also if the signal was held back for a library until then."""
    program = HANGING.replace("signals.caught()", "signals.caught(lambda name: print('by', name))")
    program = program.replace('print("READY"', f"{'signals.mark_explained()' if heard else 'pass'}; print('READY'")
    program = program.replace('READY"', "READY'")
    held = program.replace("    try:\n", "    with signals.held():\n").replace(
        "    finally:\n        time.sleep(60)", ""
    )
    for one, complains in ((program, ""), (held, "evolve: stopping\n")):
        process = start(one)
        process.send_signal(signal.SIGHUP)
        said, complaint = process.communicate(timeout=30)
        assert (process.returncode, complaint) == (130, complains)
        assert said == ("done\n" if heard else "done\nby SIGHUP\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_library_is_not_cut_in_the_middle(number: signal.Signals) -> None:
    process = start(HELD)
    process.send_signal(number)
    said, _ = process.communicate("go on\n", timeout=30)
    # The library's own handler for SIGTERM would have ended the process; its child does not get SIGHUP.
    assert said.splitlines()[:2] == ["child None", "whole"]
    assert said.splitlines()[2:] == [f"StopAsked {'Ctrl-C' if number == signal.SIGINT else number.name}"]
    assert process.returncode == 0


def test_under_nohup_a_library_hears_nothing_of_the_terminal() -> None:
    process = start(HELD, ignoring=signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    assert process.communicate("go on\n", timeout=30) == ("child None\nwhole\nnot stopped\n", "")


def test_handlers_are_given_back() -> None:
    before = [signal.getsignal(number) for number in signals.STOP_SIGNALS]
    installed = signal.signal
    with signals.caught(), signals.held():
        assert [signal.getsignal(number) for number in signals.STOP_SIGNALS] != before
    assert [signal.getsignal(number) for number in signals.STOP_SIGNALS] == before
    assert signal.signal is installed


def test_in_another_thread_than_the_main_one_nothing_is_caught_and_all_works() -> None:
    program = (
        "import threading\nfrom evolve.process import signals\n"
        "def work():\n    with signals.caught(), signals.held():\n        print('worked')\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("worked\n", "")
