"""Being asked to stop: Ctrl-C, SIGTERM from a scheduler and SIGHUP from a closed terminal all end a command in order.

The first signal raises StopAsked in the main thread. Later ones change nothing: what is under way is the end, and it
has a bound. When that is over (a tracker or Ray itself hangs), what must be done is done, and the process ends.
A SIGHUP that was ignored from the start, as under nohup, stays ignored.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from types import FrameType
from typing import Any

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED = 130  # exit code
HEARING_SECONDS = 0.1  # between two looks whether a block that holds signals is over
# From the first signal on, whatever hangs. Then what must be done is done; some schedulers kill after ten.
LAST_SECONDS = 8.0

Handler = Callable[[int, FrameType | None], Any] | int | None


class StopAsked(KeyboardInterrupt):
    """A signal asked this process to stop; its text says which."""


class _Ending:
    """The bound on how long the end of a command may take, from the first signal on. said: people know how to go on."""

    def __init__(self, word: Callable[[str], None]) -> None:
        self.said = False
        self._word = word
        self._over = threading.Event()
        self.name = ""  # of the first signal, once it has come

    def begin(self, number: int) -> None:
        """A signal has come; later calls change nothing."""
        if not self.name:
            self.name = _name(number)
            threading.Thread(target=self._wait, name="last-resort", daemon=True).start()

    def over(self) -> None:
        """The command has ended by itself."""
        self._over.set()

    def _wait(self) -> None:
        if self._over.wait(LAST_SECONDS):
            return
        leave(lambda: None if self.said else self._word(self.name))


_at_last: list[Callable[[], None]] = []  # what is still to be done when the time is over
_endings: list[_Ending] = []  # of the commands that catch signals now: one, or none


@contextmanager
def caught(word: Callable[[str], None] = lambda _name: None) -> Iterator[None]:
    """Inside, signals that ask to stop raise StopAsked, once; afterwards they are given back to whoever had them.

    word: says how to go on, given the signal's name, where the end is cut off and nobody has said it (see `said`).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = _handlers()
    ending = _Ending(word)

    def stop(number: int, _frame: FrameType | None) -> None:
        ending.begin(number)
        for other in before:
            signal.signal(other, _say_stopping)
        raise StopAsked(_name(number))

    for number in before:
        signal.signal(number, stop)
    _endings.append(ending)
    try:
        yield
    finally:
        ending.over()
        _endings.remove(ending)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held(*, says: bool = True) -> Iterator[None]:
    """Inside, signals that ask to stop wait for the end of the block: a library cut in the middle leaves things behind.

    says: the first one is answered by a word at once, for blocks that take seconds. A library's own handlers for them
    are not installed, and processes that it starts do not hear the terminal close.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = _handlers()
    install = signal.signal

    def note(number: int, frame: FrameType | None = None) -> None:
        if says or came:
            _say_stopping(number, frame)
        came.append(number)
        for ending in _endings:
            ending.begin(number)

    def install_others(number: int, handler: Handler) -> Handler:
        return before[number] if number in before else install(number, handler)

    for number in before:
        install(number, note)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    signal.signal = install_others  # type: ignore[assignment]
    try:
        with _hearing_hangups(note) if says and signal.SIGHUP in before else nullcontext():
            yield
    finally:
        signal.signal = install
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)  # a SIGHUP that came meanwhile is noted now
        for number, handler in before.items():
            install(number, handler)
        if came and before[came[0]] is not _say_stopping:
            signal.raise_signal(came[0])


@contextmanager
def _hearing_hangups(note: Callable[[int], None]) -> Iterator[None]:
    """Note a SIGHUP at once though it is blocked, so that the bound on the end begins when it comes."""
    if sys.platform == "darwin":  # which cannot wait for a signal with a bound: there it is noted when the block ends
        yield
        return
    over = threading.Event()

    def wait() -> None:
        while not over.is_set():
            if signal.sigtimedwait([signal.SIGHUP], HEARING_SECONDS) is not None:
                note(signal.SIGHUP)

    thread = threading.Thread(target=wait, name="hang-ups", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def asked() -> str:
    """Name of the signal that asked the running command to stop, or "Ctrl-C"; empty if none has come."""
    return _endings[-1].name if _endings else ""


def said() -> None:
    """People know how to go on after this stop."""
    for ending in _endings:
        ending.said = True


def is_said() -> bool:
    """Whether they know."""
    return any(ending.said for ending in _endings)


@contextmanager
def at_last(action: Callable[[], None]) -> Iterator[None]:
    """Inside, a process whose end takes too long does this before it is cut off."""
    _at_last.append(action)
    try:
        yield
    finally:
        _at_last.remove(action)


def leave(word: Callable[[], None] = lambda: None) -> None:
    """End the process after a stop. What hangs at the interpreter's end (a tracker's threads) is not waited for.

    What must be done at last and is not over by now is done first, then the last word is said.
    """
    for action in (*reversed(_at_last), word):
        with suppress(Exception):  # nobody is left to hear of it, and the next action counts too
            action()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a terminal that was closed
            stream.flush()
    os._exit(STOPPED)


def _name(number: int) -> str:
    """What people call a signal."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def _handlers() -> dict[int, Handler]:
    """Who has the signals now; a SIGHUP that is ignored is not among them, nor what was set beside Python."""
    found: dict[int, Handler] = {int(number): signal.getsignal(number) for number in ASKING}
    if found[signal.SIGHUP] == signal.SIG_IGN:
        del found[signal.SIGHUP]
    return {number: handler for number, handler in found.items() if handler is not None}


def _say_stopping(_number: int, _frame: FrameType | None) -> None:
    with suppress(OSError):  # not through sys.stderr: it may be in the middle of a line
        os.write(2, b"evolve: stopping\n")
