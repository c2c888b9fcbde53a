"""The command winner: prints the winner file or writes a copy."""

import contextlib
from argparse import Namespace
from pathlib import Path

from evolve.commands.search_folders import read_state
from evolve.file_names import RUNS, WINNER_FILE
from evolve.process.terminal import command, complain, say


def winner(arguments: Namespace) -> int:
    """Print the winner file of a finished search, or copy it."""
    from evolve.verdict import winner as winners

    state = read_state(arguments.directory)
    path = arguments.directory / WINNER_FILE
    if state.outcome is None or not path.is_file():
        complain(
            f"evolve: {arguments.directory}: expected a search with a winner, it has none yet (it is {state.phase})"
        )
        return 1
    winners.check_belongs_to(state, winners.read(path), path)
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
    if (tuning := state.nms_confirmation(state.outcome.uid)) is not None and tuning.post is not None:
        say(f"NMS: {winners.nms_line(tuning.post)}")
    use = command("evolve", "train", out, "--data", "DIR", "--out", "DIR")
    if darknet:
        use = command("darknet", "detector", "train", "obj.data", out)
    say(f"written to {out}; train it with{' Darknet' if darknet else ''}: {use}")
    return 0


def _winner_text(path: Path, *, darknet: bool) -> str:
    """The text that `evolve winner` writes for a winner file; an error if training would refuse the file."""
    from evolve.verdict import winner as winners

    winner_read = winners.read(path)
    if not darknet:
        return path.read_text(encoding="utf-8")
    from evolve.verdict import winner_cfg

    return winner_cfg.render(winner_read)


def _check_replaceable(out: Path, text: str, directory: Path, *, darknet: bool) -> None:
    """WinnerError if `out` exists and is not an unchanged winner file: it may have been edited, or be the only copy.

    It is compared with the winners of the searches beside this one and in runs/.
    """
    from evolve.verdict.winner import WinnerError

    if not out.is_file() or out.read_bytes() == text.encode():
        return
    for path in sorted({*directory.resolve().parent.glob(f"*/{WINNER_FILE}"), *RUNS.glob(f"*/{WINNER_FILE}")}):
        with contextlib.suppress(ValueError, OSError):  # a damaged winner file of another search is passed over
            if out.read_bytes() == _winner_text(path, darknet=darknet).encode():
                return
    raise WinnerError(
        f"--out {out}: expected nothing there, or the winner of a search as it was written; this file is another, "
        f"perhaps changed by hand, and is left as it is: move it away, or choose another --out"
        + ("" if darknet else f"; to train it: {command('evolve', 'train', out, '--out', 'DIR')}")
    )
