"""Writes each event of a search once: on a resume, a decision that the journal has already is compared with it.

The loop of a resumed search makes all decisions again from the beginning. Each of them goes through
`ensure`: if the journal has it, both must be equal; if the journal lacks it (the process was killed
before, or between two events of one decision), it is written now.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from evolve.records.journal import Event, Journal, JournalError, NewEvent
from evolve.records.state import SearchState, begin, fold

# Kind -> the payload keys that, beside the uid, tell its events apart.
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
        events = journal.events()
        for event in events:
            self._remember(event)
        self._state: SearchState | None = fold(events) if events else None

    @property
    def state(self) -> SearchState:
        """The state folded from all events so far."""
        if self._state is None:
            raise JournalError("journal: expected a search, got no event yet")
        return self._state

    def events(self) -> list[Event]:
        """All events in the journal."""
        return self._journal.events()

    def append(self, kind: str, uid: str | None = None, **payload: object) -> None:
        """Write one event, whether or not the journal has an equal one."""
        self._write([NewEvent(kind, uid, payload)])

    def ensure(self, *new_events: NewEvent) -> None:
        """Write those events that the journal lacks, in one transaction; JournalError if one differs from its own."""
        missing = []
        for new in new_events:
            known = self._known.get(_key(new.kind, new.uid, new.payload))
            if known is None:
                missing.append(new)
            else:
                _check_equal(new, known)
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
        if event.kind in IDENTITY:
            self._known[_key(event.kind, event.uid, event.payload)] = event.payload


def _key(kind: str, uid: str | None, payload: Mapping[str, object]) -> Key:
    return (kind, uid, *(payload[name] for name in IDENTITY[kind]))


def _check_equal(new: NewEvent, known: Mapping[str, object]) -> None:
    for name in sorted({*new.payload, *known} - UNREPEATABLE):
        now, then = _plain(new.payload.get(name)), _plain(known.get(name))
        if now != then:
            subject = new.uid or f"generation {new.payload.get('generation')}"
            raise JournalError(
                f"{subject}: this program decides otherwise than the journal says: {new.kind} has {name} {now!r} "
                f"now, {then!r} in the journal; go on with the version of the program that began the search"
            )


def _plain(value: object) -> object:
    """The value with lists instead of tuples, which are the same in JSON."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return value
