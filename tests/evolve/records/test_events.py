"""The codec of the journal's events: nothing is lost, and what is damaged is named."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import pytest

from evolve.records import events
from evolve.records.journal import Event, JournalError

STORED = [
    Event(*json.loads(line))
    for line in (Path(__file__).parent / "stored" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_every_class_has_a_kind_of_its_own_and_the_stored_journal_has_all_that_there_were_but_a_failed_search() -> None:
    assert set(events.KINDS.values()) == set(get_args(events.JournalEvent))
    assert len(events.KIND_OF) == len(events.KINDS)
    assert set(events.KINDS) - {row.kind for row in STORED} == {"search_failed", "verdict_planned"}


@pytest.mark.parametrize("row", STORED, ids=lambda row: f"{row.id}-{row.kind}")
def test_an_event_is_written_as_it_was_read_to_the_letter(row: Event) -> None:
    decoded = events.decode(row)
    assert decoded is not None
    again = events.encode(decoded)
    assert (again.kind, again.uid) == (row.kind, row.uid)
    assert json.dumps(again.payload) == json.dumps(row.payload)


def test_a_kind_or_a_key_of_a_later_version_changes_nothing() -> None:
    assert events.decode(Event(9, 0.0, "trial_praised", "g000-000", {"by": "someone"})) is None
    [row] = [row for row in STORED if row.kind == "trial_stopped"][:1]
    assert events.decode(replace(row, payload={**row.payload, "mood": "sad"})) == events.decode(row)


# kind -> the keys that journals of earlier versions lack
EARLIER = {
    "attempt_lost": ["cause"],
    "confirm_measured": ["kind", "reason", "traceback", "post"],
    "winner_chosen": ["metric", "validation", "map50_95"],
    "search_resumed": ["workers", "generations"],
    "trial_failed": ["traceback"],
}


@pytest.mark.parametrize(("kind", "keys"), EARLIER.items())
def test_what_earlier_versions_lack_has_a_default(kind: str, keys: list[str]) -> None:
    for row in STORED:
        if row.kind == kind:
            kept = {name: value for name, value in row.payload.items() if name not in keys}
            decoded = events.decode(replace(row, payload=kept))
            defaults = {field.name: field.default for field in fields(events.KINDS[kind])}
            assert {name: getattr(decoded, name) for name in keys} == {name: defaults[name] for name in keys}


def test_the_numbers_that_earlier_versions_wrote_as_null_are_left_out() -> None:
    [row] = [row for row in STORED if row.kind == "measured"][:1]
    decoded = events.decode(replace(row, payload={**row.payload, "losses": {"box": None, "total": 1}}))
    assert isinstance(decoded, events.TrialMeasured)
    assert decoded.losses == {"total": 1.0}


CREATED = STORED[0].payload


@pytest.mark.parametrize(
    ("kind", "payload", "sentence"),
    [
        ("search_created", {**CREATED, "data": 5}, "journal: expected a mapping, got 5"),
        ("search_created", {**CREATED, "versions": ["3.11"]}, "journal: expected a mapping, got ['3.11']"),
        ("generation_opened", {}, "journal: event 7 (generation_opened): expected the key 'generation', got none"),
        (
            "trial_stopped",
            {"step": "soon"},
            "journal: event 7 (trial_stopped): step: expected a valid integer, unable to parse string as an integer, "
            "got 'soon'",
        ),
        (
            "search_created",
            {**CREATED, "recipe": {"name": "fast", "elites": 0}},
            "journal: event 7 (search_created): recipe 'fast': expected elites to be at least 1, got elites=0",
        ),
        (
            "search_created",
            {**CREATED, "space": {"name": "s"}},
            "journal: event 7 (search_created): space: expected the key 'genes', got name",
        ),
        (
            "trial_proposed",
            {**STORED[2].payload, "genome": {"gene": None}},
            "journal: event 7 (trial_proposed): gene 'gene': expected a number, a word or true/false, got None",
        ),
    ],
)
def test_a_damaged_payload_is_named_in_one_sentence(kind: str, payload: dict[str, Any], sentence: str) -> None:
    with pytest.raises(JournalError) as raised:
        events.decode(Event(7, 0.0, kind, "g000-000", payload))
    assert str(raised.value) == sentence
