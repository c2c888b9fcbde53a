"""status, lineage, winner: what a search directory says, read without a lock."""

import contextlib
import json
import time
from argparse import Namespace
from pathlib import Path
from typing import cast

from evolve.commands.places import RUNS, read_state
from evolve.records import lineage
from evolve.records.journal import is_held
from evolve.records.state import IndividualRecord, SearchState
from evolve.terminal import command, complain, duration, say, short, table


def status(arguments: Namespace) -> int:
    """Print where a search stands."""
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
        runs = cast(dict[str, int], plain["confirmations"])
        of = "" if state.outcome is not None else f" of at most {runs['planned']}"
        say(f"confirmations: {runs['done']}{of} done, {runs['failed']} failed")
    spent = ", ".join(f"{name} {duration(seconds)}" for name, seconds in sorted(state.worker_seconds().items()))
    say(f"worker time: {spent}")
    ends = f", about {duration(left)} left" if isinstance(left, float) else ""
    say(f"elapsed: {duration(state.elapsed_seconds())}{ends}")
    if state.reason:
        say(f"reason: {state.reason}")
    if state.outcome is not None:
        say(f"winner: {state.outcome.uid}")
        say(f"verdict: {state.outcome.verdict}")
    if plain["state"] == "interrupted":
        say(f"go on with: {command('evolve', 'resume', arguments.directory)}")
    return 0


def family(arguments: Namespace) -> int:
    """Print who came from whom."""
    state = read_state(arguments.directory)
    if arguments.json:
        say(json.dumps(lineage.family(state, arguments.trial)))
        return 0
    if arguments.trial is not None:
        say(table([ANCESTRY, *_changes(state, arguments.trial)]))
        return 0
    for generation in range(state.generation + 1):
        elites = state.closed.get(generation, ())
        rows: list[list[object]] = [["uid", "parents", "operator", "status", "fitness", "reached", "elite", "reason"]]
        records = [record for record in state.individuals.values() if record.generation == generation]
        rows += [_row(record, elites) for record in records]
        say(f"generation {generation}: {len(records)} individuals, elites: {' '.join(elites) or 'none yet'}")
        say(f"{table(rows)}\n")
    chosen = state.outcome.uid if state.outcome else (state.best.uid if state.best else None)
    if chosen is not None:
        say(f"{'the winner' if state.outcome else 'the best so far'} and its ancestors")
        say(table([ANCESTRY, *_changes(state, chosen)]))
    return 0


def winner(arguments: Namespace) -> int:
    """Print the winner file of a finished search, or copy it."""
    from evolve import winner as winners

    state = read_state(arguments.directory)
    path = arguments.directory / winners.WINNER_FILE
    if state.outcome is None or not path.is_file():
        complain(
            f"evolve: {arguments.directory}: expected a search with a winner, it has none yet (it is {state.phase})"
        )
        return 1
    winners.check_is_of(state, winners.read(path), path)
    darknet = arguments.format == "darknet"
    text = _winner_text(path, darknet=darknet)
    out: Path | None = arguments.out
    if out is None:
        say(text.rstrip())
        return 0
    _check_replaceable(out, text, arguments.directory, darknet=darknet)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    say(f"{state.outcome.uid}: {state.outcome.verdict}")
    if (tuning := state.tuned(state.outcome.uid)) is not None and tuning.post is not None:
        say(f"NMS: {winners.nms_line(tuning.post)}")
    use = command("evolve", "train", out, "--data", "DIR", "--out", "DIR")
    if darknet:
        use = command("darknet", "detector", "train", "obj.data", out)
    say(f"written to {out}; train it with{' Darknet' if darknet else ''}: {use}")
    return 0


def _winner_text(path: Path, *, darknet: bool) -> str:
    """What `evolve winner` writes of a winner file; an error for one that training would refuse."""
    from evolve import winner as winners

    found = winners.read(path)
    if not darknet:
        return path.read_text(encoding="utf-8")
    from evolve import winner_cfg

    return winner_cfg.render(found)


def _check_replaceable(out: Path, text: str, directory: Path, *, darknet: bool) -> None:
    """WinnerError if a file stands there that no search here has written so: then somebody changed it, or has no other.

    Searches here: those beside this one, and those of runs/.
    """
    from evolve.winner import WinnerError

    if not out.is_file() or out.read_bytes() == text.encode():
        return
    for path in sorted({*directory.resolve().parent.glob("*/winner.yaml"), *RUNS.glob("*/winner.yaml")}):
        with contextlib.suppress(ValueError, OSError):  # another search's damaged file: it is no copy of it
            if out.read_bytes() == _winner_text(path, darknet=darknet).encode():
                return
    raise WinnerError(
        f"--out {out}: expected nothing there, or the winner of a search as it was written; this file is another, "
        f"perhaps changed by hand, and is left as it is: move it away, or choose another --out"
        + ("" if darknet else f"; to train it: {command('evolve', 'train', out, '--out', 'DIR')}")
    )


ANCESTRY: list[object] = ["uid", "fitness", "gain", "changed genes"]


def _row(record: IndividualRecord, elites: tuple[str, ...]) -> list[object]:
    reached = "-" if not record.rungs else f"{max(record.rungs)} ({record.rungs[max(record.rungs)]:.4f})"
    mark = "yes" if record.uid in elites else ""
    parents = " ".join(record.parents) or None
    return [
        record.uid,
        parents,
        record.operator,
        str(record.status).replace("_", " "),
        record.fitness,
        reached,
        mark,
        record.reason or "",
    ]


def _changes(state: SearchState, uid: str) -> list[list[object]]:
    """A line for each of the individual and its ancestors: what it has otherwise than its first parent."""
    lines: list[list[object]] = []
    for record in lineage.ancestors(state, uid):
        parent = state.individuals[record.parents[0]].genome if record.parents else None
        changed = (
            record.operator
            if parent is None
            else ", ".join(
                f"{gene} {short(parent[gene])} -> {short(value)}"
                for gene, value in record.genome.items()
                if parent[gene] != value
            )
        )
        before = state.individuals[record.parents[0]].fitness if record.parents else None
        gain = None if record.fitness is None or before is None else f"{record.fitness - before:+.4f}"
        lines.append([record.uid, record.fitness, gain, changed])
    return lines
