"""The command replay: trains one individual again and compares its score."""

import json
from argparse import Namespace

from evolve import replay as replays
from evolve.commands import search_folders, task_request
from evolve.process.terminal import complain, say, working
from evolve.replay import last_step
from evolve.trial import Failure, GpuNotUsable


def replay(arguments: Namespace) -> int:
    """Train one individual again and print whether its result is the same."""
    state = search_folders.read_state(arguments.directory)
    step = last_step(state, arguments.uid)
    machine = task_request.machine_as_before(state, workers=1)
    prepared = task_request.task_as_before(state, arguments.directory, arguments)
    if not arguments.json:
        say(f"replaying {arguments.uid} from step 0 to {step}")
    with working(GpuNotUsable), machine.executor(prepared.factory) as executor:
        replayed = replays.replay(prepared, state, arguments.uid, executor)
    then, now = _result(replayed.journalled, replayed.failure_then), _result(replayed.repeated, replayed.failure)
    sentence = f"journalled: {then}; repeated: {now}; equal: {replayed.equal}"
    if arguments.json:
        say(json.dumps(replayed.to_plain()))
        if replayed.failure_then is not None or replayed.failure is not None:
            complain(sentence)
    else:
        say(sentence)
    return 0 if replayed.equal else 1


def _result(score: float | None, failure: Failure | None) -> str:
    if failure is None:
        return repr(score)
    return f"failed ({f'{failure.kind}: ' if failure.kind else ''}{failure.reason})"
