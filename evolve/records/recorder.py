"""Writes a search's events, and nothing twice: what a resume finds in the journal is checked instead of written.

The loop of a resumed search decides everything again from the beginning. Each of its decisions goes
through `ensure`: one that the journal holds must be equal to it, one that it lacks (the process was
killed before, or between two events of one decision) is written now.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from evolve.records.journal import Event, Journal, JournalError, NewEvent
from evolve.records.state import SearchState, begin, fold

# What identifies an event of these kinds among its kind, beside its uid.
IDENTITY: dict[str, tuple[str, ...]] = {
    "generation_opened": ("generation",),
    "trial_proposed": (),
    "rung_reached": ("step",),
    "trial_stopped": (),
    "trial_finished": (),
    "trial_failed": (),
    "generation_closed": ("generation",),
    "confirm_measured": (),
}
# What two runs of one search may differ in.
UNREPEATABLE = frozenset({"seconds", "reason", "traceback"})


class Writer(Protocol):
    """What a recorder needs of a journal."""

    def append(self, entries: Sequence[NewEvent]) -> list[Event]:
        """Write the entries."""
        ...

    def events(self) -> list[Event]:
        """All events so far."""
        ...


class Rehearsal:
    """A journal in memory that begins as another stands: decisions are checked against it, nothing is written."""

    def __init__(self, journal: Journal) -> None:
        self._events = journal.events()

    def append(self, entries: Sequence[NewEvent]) -> list[Event]:
        """Remember the entries."""
        last = self._events[-1]
        written = [
            Event(last.id + place, last.time, entry.kind, entry.uid, json.loads(json.dumps(entry.payload)))
            for place, entry in enumerate(entries, start=1)
        ]
        self._events += written
        return written

    def events(self) -> list[Event]:
        """All events so far."""
        return list(self._events)


Listener = Callable[[Event, SearchState], None]
Key = tuple[object, ...]


class Recorder:
    """The journal and its fold, moving together. Listeners see each event after it is on the disk."""

    def __init__(self, journal: Writer, listeners: Iterable[Listener] = ()) -> None:
        self._journal = journal
        self._listeners = tuple(listeners)
        self._known: dict[Key, Mapping[str, object]] = {}
        earlier = journal.events()
        for event in earlier:
            self._remember(event)
        self._state: SearchState | None = fold(earlier) if earlier else None

    @property
    def state(self) -> SearchState:
        """The fold of the journal as it stands."""
        if self._state is None:
            raise JournalError("journal: expected a search, got no event yet")
        return self._state

    def events(self) -> list[Event]:
        """All events in the journal."""
        return self._journal.events()

    def append(self, kind: str, uid: str | None = None, **payload: object) -> None:
        """Write an event that happens now."""
        self._write([NewEvent(kind, uid, payload)])

    def ensure(self, *entries: NewEvent) -> None:
        """Write those of the entries that the journal lacks, in one transaction; JournalError when one differs."""
        missing = []
        for entry in entries:
            known = self._known.get(_key(entry.kind, entry.uid, entry.payload))
            if known is None:
                missing.append(entry)
            else:
                _check_equal(entry, known)
        self._write(missing)

    def _write(self, entries: list[NewEvent]) -> None:
        for event in self._journal.append(entries):
            self._remember(event)
            if self._state is None:
                self._state = begin(event)
            else:
                self._state.apply(event)
            for listener in self._listeners:
                listener(event, self._state)

    def _remember(self, event: Event) -> None:
        if event.kind in IDENTITY:
            self._known[_key(event.kind, event.uid, event.payload)] = event.payload


def _key(kind: str, uid: str | None, payload: Mapping[str, object]) -> Key:
    return (kind, uid, *(payload[name] for name in IDENTITY[kind]))


def _check_equal(entry: NewEvent, known: Mapping[str, object]) -> None:
    for name in sorted({*entry.payload, *known} - UNREPEATABLE):
        now, then = _plain(entry.payload.get(name)), _plain(known.get(name))
        if now != then:
            subject = entry.uid or f"generation {entry.payload.get('generation')}"
            raise JournalError(
                f"{subject}: this program decides otherwise than the journal says: {entry.kind} has {name} {now!r} "
                f"now, {then!r} in the journal; go on with the version of the program that began the search"
            )


def _plain(value: object) -> object:
    """Tuples and lists are one to JSON."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    return value
