"""The command report: writes the pages of a search from its journal, and opens them in a browser."""

import json
import os
import webbrowser
from argparse import Namespace

from evolve.commands.dashboard import can_open
from evolve.commands.search_folders import read_state
from evolve.process.terminal import InputError, WorkFailed, say
from evolve.records.journal import is_held


def report(arguments: Namespace) -> int:
    """Write report.html and lineage.html, print their paths, and open them if there is a screen."""
    state = read_state(arguments.directory)
    folder = arguments.directory if arguments.out is None else arguments.out
    if not folder.is_dir():
        raise InputError(f"--out {folder}: expected a folder that exists, found none")
    from evolve.pages.write import write  # pandas takes a second to load: only once the search is known to be there

    try:
        pages = write(folder, state, held=is_held(arguments.directory))
    except OSError as error:
        why = error.strerror or str(error)
        raise WorkFailed(f"{folder}: expected to write the pages there, got: {why}; --out DIR takes another") from error
    paths = {"report": pages.report.resolve(), "lineage": pages.lineage.resolve()}
    if arguments.json:
        say(json.dumps({name: str(path) for name, path in paths.items()}))
        return 0
    for name, path in paths.items():
        say(f"{name}: {path}")
    if arguments.open and can_open(os.environ):
        for path in reversed(paths.values()):  # the report last, so that it is in front
            webbrowser.open(path.as_uri())
    return 0
