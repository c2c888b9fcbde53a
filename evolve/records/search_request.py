"""The flags of `evolve search` that a journal keeps, so that a resume can prepare the same task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class SearchRequest:
    """What a resume needs beside the space file in the search directory; None: not given."""

    data: str | None = None  # the folder of the data set; None: the embedded one
    format: str | None = None
    size: int | None = None
    batch: int | None = None
    steps: int | None = None
    share: float = 1.0
    gpus_per_trial: float | None = None  # None only in a search that was begun from Python
    address: str | None = None  # of a Ray cluster
    tracking_uri: str | None = None  # without its password
    tracking_password: bool = False  # whether there was one
    warm_start: Sequence[str] = ()  # winner files; a resume needs none, as the journal has their sets

    @classmethod
    def parse(cls, plain: Mapping[str, Any]) -> "SearchRequest":
        """The request in a journal; a search from Python may have kept other values, which are left out."""
        return cls(**{field.name: plain[field.name] for field in fields(cls) if field.name in plain})
