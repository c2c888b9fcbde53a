"""The command status: prints the state of a search, read without a lock."""

import json
import time
from argparse import Namespace
from dataclasses import asdict

from evolve.commands.search_folders import read_state
from evolve.process.terminal import command, duration, say
from evolve.records import lineage, progress, rungs
from evolve.records.journal import is_held


def status(arguments: Namespace) -> int:
    """Print the state of a search."""
    state = read_state(arguments.directory)
    now = lineage.status(state, held=is_held(arguments.directory), now=time.time())
    if arguments.json:
        say(json.dumps(asdict(now)))
        return 0
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in now.trials.items())
    best = state.best
    say(f"search {state.search_id} (recipe {state.recipe.name}): {now.state}")
    say(f"generation {state.generation} of {state.generations}; trials: {counts}")
    say("best: none yet" if best is None else f"best: {best.uid} with fitness {best.fitness:.4f}")
    if state.confirmations:
        of_planned = "" if state.outcome is not None else f" of at most {now.confirmations.planned}"
        say(f"confirmations: {now.confirmations.done}{of_planned} done, {now.confirmations.failed} failed")
    spent = ", ".join(f"{name} {duration(seconds)}" for name, seconds in sorted(state.worker_seconds().items()))
    say(f"worker time: {spent}")
    if state.shortened_share is not None:
        say(f"gradients: {progress.shortened(state.shortened_share)}")
    for line in rungs.in_words(state, now.rungs):
        say(line)
    eta = "" if now.eta_seconds is None else f", about {duration(now.eta_seconds)} left"
    say(f"elapsed: {duration(state.elapsed_seconds())}{eta}")
    if state.reason:
        say(f"reason: {state.reason}")
    if state.outcome is not None:
        say(f"winner: {state.outcome.uid}")
        for sentence in (state.outcome.verdict, *now.known.values()):
            say(f"verdict: {sentence}")
    if now.state == "interrupted":
        say(f"go on with: {command('evolve', 'resume', arguments.directory)}")
    return 0
