"""Stop signals: Ctrl-C, SIGTERM from a scheduler and SIGHUP from a closed terminal all end a command in order.

So does `evolve stop`, which sends none (records/stop_request.py).

The first signal raises StopAsked in the main thread. Later ones change nothing: the command is ending already, within
a bounded time. After that (a tracker or Ray itself hangs), the actions of before_cutoff run, and the process ends.
A SIGHUP that was ignored from the start, as under nohup, stays ignored.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType
from typing import Any, NoReturn

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED = 130  # exit code
HANGUP_POLL_SECONDS = 0.1  # between two checks whether a block that holds signals is over
# From the first signal until the process is cut off; some schedulers kill after ten.
CUTOFF_SECONDS = 8.0

Handler = Callable[[int, FrameType | None], Any] | int | None


class StopAsked(KeyboardInterrupt):
    """A signal or a person asked this process to stop; its text names the signal or the command."""


class _Ending:
    """Bounds the time that a command takes to end after the first signal.

    explained: whether the user was told how to go on. explain: tells it at the cutoff, given the signal's name.
    """

    def __init__(self, explain: Callable[[str], None]) -> None:
        self.explained = False
        self._explain = explain
        self._over = threading.Event()
        self.name = ""  # of the first signal or command, once it has come

    def begin(self, name: str) -> None:
        """Start the time at the first signal; later calls change nothing. name: the signal's or the command's."""
        if not self.name:
            self.name = name
            threading.Thread(target=self._wait, name="last-resort", daemon=True).start()

    def over(self) -> None:
        """Stop the time: the command has ended by itself."""
        self._over.set()

    def _wait(self) -> None:
        if self._over.wait(CUTOFF_SECONDS):
            return
        end_process(lambda: None if self.explained else self._explain(self.name))


_before_cutoff: list[Callable[[], None]] = []  # actions to run before the process is cut off
_open_endings: list[_Ending] = []  # of the command that catches signals now: one, or none


@contextmanager
def caught(explain: Callable[[str], None] = lambda _name: None) -> Iterator[None]:
    """Inside, the first stop signal raises StopAsked; afterwards the earlier handlers are restored.

    explain: tells the user how to go on, given the signal's name, if the end is cut off before mark_explained.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier_handlers = _handlers()
    ending = _Ending(explain)

    def stop(signum: int, _frame: FrameType | None) -> None:
        ending.begin(_name(signum))
        for caught_signum in earlier_handlers:
            signal.signal(caught_signum, _say_stopping)
        raise StopAsked(ending.name)

    for signum in earlier_handlers:
        signal.signal(signum, stop)
    _open_endings.append(ending)
    try:
        yield
    finally:
        ending.over()
        _open_endings.remove(ending)
        for signum, handler in earlier_handlers.items():
            signal.signal(signum, handler)


@contextmanager
def held(*, announce: bool = True) -> Iterator[None]:
    """Hold stop signals back until the block ends: a library that is interrupted in the middle leaves things behind.

    announce: write "stopping" at the first one, for blocks that take seconds. Handlers that a library installs for
    these signals are ignored, and processes that it starts do not get SIGHUP.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    earlier_handlers = _handlers()
    install = signal.signal

    def note(signum: int, frame: FrameType | None = None) -> None:
        if announce or arrived:
            _say_stopping(signum, frame)
        arrived.append(signum)
        for ending in _open_endings:
            ending.begin(_name(signum))

    def install_others(signum: int, handler: Handler) -> Handler:
        return earlier_handlers[signum] if signum in earlier_handlers else install(signum, handler)

    for signum in earlier_handlers:
        install(signum, note)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    signal.signal = install_others  # type: ignore[assignment]
    try:
        with _noting_hangups(note) if announce and signal.SIGHUP in earlier_handlers else nullcontext():
            yield
    finally:
        signal.signal = install
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)  # a SIGHUP that arrived meanwhile is noted now
        for signum, handler in earlier_handlers.items():
            install(signum, handler)
        if arrived and earlier_handlers[arrived[0]] is not _say_stopping:
            signal.raise_signal(arrived[0])


@contextmanager
def _noting_hangups(note: Callable[[int], None]) -> Iterator[None]:
    """Note a SIGHUP at once although it is blocked, so that the time to end starts when it arrives."""
    if sys.platform == "darwin":  # has no sigtimedwait: there a SIGHUP is noted when the block ends
        yield
        return
    over = threading.Event()

    def wait() -> None:
        while not over.is_set():
            if signal.sigtimedwait([signal.SIGHUP], HANGUP_POLL_SECONDS) is not None:
                note(signal.SIGHUP)

    thread = threading.Thread(target=wait, name="hang-ups", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def stop(by: str) -> NoReturn:
    """Raise StopAsked as if a signal had come: later signals change nothing, and the end is bounded. Main thread only.

    by: what asked, such as the name of a command. Outside `caught` it only raises.
    """
    for ending in _open_endings:
        ending.begin(by)
        for signum in _handlers():
            signal.signal(signum, _say_stopping)
    raise StopAsked(by)


def stop_signal() -> str:
    """The name of the signal that asked the running command to stop, or "Ctrl-C"; empty if there was none."""
    return _open_endings[-1].name if _open_endings else ""


def mark_explained() -> None:
    """Note that the user was told how to go on after this stop."""
    for ending in _open_endings:
        ending.explained = True


def is_explained() -> bool:
    """Whether the user was told how to go on."""
    return any(ending.explained for ending in _open_endings)


@contextmanager
def before_cutoff(action: Callable[[], None]) -> Iterator[None]:
    """Inside, the action runs before the process is cut off, if its end takes too long."""
    _before_cutoff.append(action)
    try:
        yield
    finally:
        _before_cutoff.remove(action)


def end_process(explain: Callable[[], None] = lambda: None) -> None:
    """End the process after a stop, without waiting for what hangs at the interpreter's end (a tracker's threads).

    First runs the actions of open before_cutoff blocks, then `explain`.
    """
    for action in (*reversed(_before_cutoff), explain):
        with suppress(Exception):  # the error could not be reported, and the next action must run
            action()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the terminal was closed
            stream.flush()
    os._exit(STOPPED)


def _name(signum: int) -> str:
    """The name that users know a signal by."""
    return "Ctrl-C" if signum == signal.SIGINT else signal.Signals(signum).name


def _handlers() -> dict[int, Handler]:
    """The present handlers of the stop signals, without an ignored SIGHUP and without handlers set outside Python."""
    handlers: dict[int, Handler] = {int(signum): signal.getsignal(signum) for signum in STOP_SIGNALS}
    if handlers[signal.SIGHUP] == signal.SIG_IGN:
        del handlers[signal.SIGHUP]
    return {signum: handler for signum, handler in handlers.items() if handler is not None}


def _say_stopping(_signum: int, _frame: FrameType | None) -> None:
    with suppress(OSError):  # not through sys.stderr: it may be in the middle of a line
        os.write(2, b"evolve: stopping\n")
