"""Trackers show a search while it runs. They read the journal, and the search never waits for them."""

from typing import Protocol


class Tracker(Protocol):
    """Shows the journal somewhere else; everything it shows can be rebuilt from the journal."""

    @property
    def problem(self) -> str | None:
        """What could not be shown, in one sentence for the end of the command; None if everything was."""
        ...

    def start(self) -> None:
        """Begin; must return at once, whatever the state of the tracking server."""
        ...

    def notify(self) -> None:
        """Called when new events are in the journal; must return at once."""
        ...

    def close(self, timeout_seconds: float) -> None:
        """Send what is left, but give up after the timeout; the next session sends the rest."""
        ...


class NullTracker:
    """Shows nothing."""

    problem = None

    def start(self) -> None:
        """Nothing to begin."""

    def notify(self) -> None:
        """Nothing to send."""

    def close(self, timeout_seconds: float) -> None:
        """Nothing to end."""
