"""Trackers show a search while it runs. They read the journal and are never waited for."""

from typing import Protocol


class Tracker(Protocol):
    """A projection of the journal somewhere else; what it shows can always be rebuilt from the journal."""

    def start(self) -> None:
        """Begin; must return at once, whatever the state of the tracking server."""
        ...

    def notify(self) -> None:
        """New events are in the journal; must return at once."""
        ...

    def close(self, timeout_seconds: float) -> None:
        """Send what is left, but give up after the timeout; the rest is sent by the next session."""
        ...


class NullTracker:
    """Shows nothing."""

    def start(self) -> None:
        """Nothing to begin."""

    def notify(self) -> None:
        """Nothing to send."""

    def close(self, timeout_seconds: float) -> None:
        """Nothing to end."""
