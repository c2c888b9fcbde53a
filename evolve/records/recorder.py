"""Writes each event of a search once: on a resume, a decision that the journal has already is compared with it.

The loop of a resumed search makes all decisions again from the beginning. Each of them goes through
`ensure`: if the journal has it, both must be equal; if the journal lacks it (the process was killed
before, or between two events of one decision), it is written now.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from evolve.records import events
from evolve.records.events import JournalEvent, decode, encode
from evolve.records.journal import Event, Journal, JournalError, NewEvent
from evolve.records.state import SearchState, begin, fold

# Class -> the fields that tell its events apart.
IDENTITY: dict[type[JournalEvent], tuple[str, ...]] = {
    events.GenerationOpened: ("generation",),
    events.TrialProposed: ("uid",),
    events.RungReached: ("uid", "step"),
    events.TrialStopped: ("uid",),
    events.TrialFinished: ("uid",),
    events.TrialFailed: ("uid",),
    events.GenerationClosed: ("generation",),
    events.Confirmation: ("uid",),
}
# Payload keys that may differ when the same search is repeated.
UNREPEATABLE = frozenset({"seconds", "reason", "traceback"})


class EventLog(Protocol):
    """The part of a journal that a recorder needs."""

    def append(self, new_events: Sequence[NewEvent]) -> list[Event]:
        """Write the events."""
        ...

    def events(self) -> list[Event]:
        """All events so far."""
        ...


class InMemoryJournal:
    """A copy of a journal in memory: decisions are compared with it, and nothing is written to the disk."""

    def __init__(self, journal: Journal) -> None:
        self._events = journal.events()

    def append(self, new_events: Sequence[NewEvent]) -> list[Event]:
        """Keep the events in memory."""
        last = self._events[-1]
        written = [
            Event(last.id + count, last.time, new.kind, new.uid, json.loads(json.dumps(new.payload)))
            for count, new in enumerate(new_events, start=1)
        ]
        self._events += written
        return written

    def events(self) -> list[Event]:
        """All events so far."""
        return list(self._events)


Listener = Callable[[Event, SearchState], None]
Key = tuple[object, ...]


class Recorder:
    """The journal together with the state folded from it. Listeners get each event after it is on the disk."""

    def __init__(self, journal: EventLog, listeners: Iterable[Listener] = ()) -> None:
        self._journal = journal
        self._listeners = tuple(listeners)
        self._known: dict[Key, Mapping[str, object]] = {}
        journalled = journal.events()
        for event in journalled:
            self._remember(event)
        self._state: SearchState | None = fold(journalled) if journalled else None

    @property
    def state(self) -> SearchState:
        """The state folded from all events so far."""
        if self._state is None:
            raise JournalError("journal: expected a search, got no event yet")
        return self._state

    def events(self) -> list[Event]:
        """All events in the journal."""
        return self._journal.events()

    def append(self, event: JournalEvent) -> None:
        """Write one event, whether or not the journal has an equal one."""
        self._write([encode(event)])

    def ensure(self, *decided: JournalEvent) -> None:
        """Write those events that the journal lacks, in one transaction; JournalError if one differs from its own."""
        missing = []
        for event in decided:
            known = self._known.get(_key(event))
            if known is None:
                missing.append(encode(event))
            else:
                _check_equal(encode(event), known)
        self._write(missing)

    def _write(self, new_events: list[NewEvent]) -> None:
        for event in self._journal.append(new_events):
            self._remember(event)
            if self._state is None:
                self._state = begin(event)
            else:
                self._state.apply(event)
            for listener in self._listeners:
                listener(event, self._state)

    def _remember(self, event: Event) -> None:
        decoded = decode(event)
        if decoded is not None and type(decoded) in IDENTITY:
            self._known[_key(decoded)] = event.payload


def _key(event: JournalEvent) -> Key:
    return (type(event), *(getattr(event, name) for name in IDENTITY[type(event)]))


def _check_equal(new: NewEvent, known: Mapping[str, object]) -> None:
    payload = json.loads(json.dumps(new.payload))  # with lists instead of tuples, as the journal has it
    for name in sorted({*payload, *known} - UNREPEATABLE):
        now, then = payload.get(name), known.get(name)
        if now != then:
            subject = new.uid or f"generation {payload.get('generation')}"
            raise JournalError(
                f"{subject}: this program decides otherwise than the journal says: {new.kind} has {name} {now!r} "
                f"now, {then!r} in the journal; go on with the version of the program that began the search"
            )
