"""The command status: prints the state of a search, read without a lock."""

import json
import time
from argparse import Namespace
from typing import cast

from evolve.commands.search_folders import read_state
from evolve.process.terminal import command, duration, say
from evolve.records import lineage
from evolve.records.journal import is_held


def status(arguments: Namespace) -> int:
    """Print the state of a search."""
    state = read_state(arguments.directory)
    plain = lineage.status(state, held=is_held(arguments.directory), now=time.time())
    if arguments.json:
        say(json.dumps(plain))
        return 0
    left, trials = plain["eta_seconds"], cast(dict[str, int], plain["trials"])
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in trials.items())
    best = state.best
    say(f"search {state.search_id} (recipe {state.recipe_name}): {plain['state']}")
    say(f"generation {state.generation} of {state.generations}; trials: {counts}")
    say("best: none yet" if best is None else f"best: {best.uid} with fitness {best.fitness:.4f}")
    if state.confirmations:
        confirmations = cast(dict[str, int], plain["confirmations"])
        of_planned = "" if state.outcome is not None else f" of at most {confirmations['planned']}"
        say(f"confirmations: {confirmations['done']}{of_planned} done, {confirmations['failed']} failed")
    spent = ", ".join(f"{name} {duration(seconds)}" for name, seconds in sorted(state.worker_seconds().items()))
    say(f"worker time: {spent}")
    eta = f", about {duration(left)} left" if isinstance(left, float) else ""
    say(f"elapsed: {duration(state.elapsed_seconds())}{eta}")
    if state.reason:
        say(f"reason: {state.reason}")
    if state.outcome is not None:
        say(f"winner: {state.outcome.uid}")
        say(f"verdict: {state.outcome.verdict}")
    if plain["state"] == "interrupted":
        say(f"go on with: {command('evolve', 'resume', arguments.directory)}")
    return 0
