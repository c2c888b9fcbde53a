"""The `evolve` command: parses and wires, decides nothing. Each command's body is imported when it runs.

Exit codes: 0 done, 1 work that failed, 2 wrong input, 130 stopped by Ctrl-C, SIGTERM or SIGHUP.
Whatever is raised before the work begins is judged by its type; what is raised in it arrives as WorkFailed.
"""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from evolve.process import credentials, signals, terminal
from evolve.process.terminal import WorkFailed
from evolve.trial import GpuNotUsable

DONE, FAILED, WRONG_INPUT = 0, 1, 2
ANSWERS = ("status:status", "lineage:family", "winner:winner", "replay:replay", "doctor")  # stdout is their work
LONGEST_SENTENCE = 1000  # characters of an error: a value that came may be a million long
LATEST = Path("runs/latest")
INPUT_ERRORS = (ValueError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, GpuNotUsable)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; --help has the rest."""

    def error(self, message: str) -> NoReturn:
        shown = " ".join(credentials.public_words(message.split(" ")))  # what was typed, which may be an address
        terminal.complain(f"{self.prog}: {shown} (see {self.prog} --help)")
        raise SystemExit(WRONG_INPUT)


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. Without words (those of the shell are taken) a stop ends the process."""
    terminal.begin()
    arguments = parser().parse_args(words)
    with signals.caught(_say_stopped):
        try:
            code = _body(arguments.body)(arguments)
        except KeyboardInterrupt as asked:
            if not signals.is_explained():
                _say_stopped(str(asked))
            if words is None:
                signals.end_process()
            return signals.STOPPED
        except Exception as error:
            if arguments.debug:
                raise
            terminal.complain(f"evolve: {_sentence(error)}")
            return WRONG_INPUT if isinstance(error, INPUT_ERRORS) else FAILED
    unsaid = terminal.write_error()
    if code == DONE and arguments.body in ANSWERS and unsaid is not None:
        terminal.complain(f"evolve: stdout: expected it to take the whole answer, got: {unsaid}")
        return FAILED
    return code


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = _Parser(prog="evolve", description="Genetic search for YOLOv4 hyperparameters on your own data.")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    every = _Parser(add_help=False)
    every.add_argument("--debug", action="store_true", help="show the traceback of an error")

    def command(name: str, body: str, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, parents=[every], help=text, description=text)
        made.set_defaults(body=body)
        return made

    _search(command("search", "search:new", "Start a new search; without --data on the embedded data set."))
    _resume(command("resume", "search:resume", "Go on with a search exactly where it stopped."))
    status = command("status", "status:status", "Say where a search stands.")
    _directory(status)
    _json(status)
    lineage = command("lineage", "lineage:family", "Show who came from whom, and the winner's ancestors.")
    _directory(lineage)
    lineage.add_argument("--trial", metavar="UID", help="this individual and its ancestors alone")
    _json(lineage)
    winner = command("winner", "winner:winner", "Print the winner's file, which is enough to train it.")
    _directory(winner)
    winner.add_argument("--out", type=_path, metavar="FILE", help="write it there instead")
    winner.add_argument(
        "--format",
        choices=("yaml", "darknet"),
        default="yaml",
        help="winner.yaml (the default), or a cfg to train with Darknet",
    )
    _train(command("train", "train:train", "Train a winner at full length and keep the detector."))
    _replay(command("replay", "replay:replay", "Train one individual again and compare its score."))
    doctor = command("doctor", "doctor", "Check this machine: packages, GPUs, memory, disk.")
    _json(doctor)
    return top


def _search(command: argparse.ArgumentParser) -> None:
    data = command.add_argument_group("data and model")
    data.add_argument(
        "--data", type=_path, metavar="DIR", help="a labelled data set: Pascal VOC, COCO, YOLO or Darknet"
    )
    _format(data)
    data.add_argument("--space", type=_path, metavar="FILE", help="the genes and what all trials share (YAML)")
    data.add_argument(
        "--variant", metavar="V", help="the network of a released cfg, at full width: yolov4 or yolov4-tiny"
    )
    data.add_argument("--preset", metavar="P", help="published values as defaults: darknet (the cfg) or paper (all on)")
    data.add_argument(
        "--weights", metavar="FILE", help="every trial starts from it: a checkpoint, Darknet's .weights, or none"
    )
    _cfg(data)
    data.add_argument("--size", type=_count, metavar="S", help="side of the network's input, a multiple of 32")
    data.add_argument("--batch", type=_count, metavar="B", help="pictures a step")
    data.add_argument("--steps", type=_count, metavar="N", help="length of a trial's schedule, optimizer steps")
    data.add_argument("--share", type=float, default=1.0, metavar="0..1", help="stop all trials at this share of it")
    data.add_argument(
        "--set", action="append", default=[], metavar="GENE=VALUE", help="fix a gene or setting; repeatable"
    )
    recipe = command.add_argument_group("the search")
    recipe.add_argument("--recipe", metavar="NAME", help="fast (rungs, the default) or seed (all at full budget)")
    recipe.add_argument("--population", type=_count, metavar="N", help="individuals of the first generation")
    recipe.add_argument(
        "--seeding",
        choices=("random", "defaults"),
        help="beside the defaults in it: random ones (the default), or mutants of the defaults",
    )
    recipe.add_argument("--elites", type=_count, metavar="N", help="the best that are kept and have children")
    recipe.add_argument("--children", type=_count, metavar="N", help="children of each elite")
    recipe.add_argument("--generations", type=_count_or_none, metavar="N", help="child generations after the first")
    recipe.add_argument(
        "--candidates", type=_count, metavar="M", help="the best that are trained again, to choose the winner"
    )
    recipe.add_argument("--seed", type=_count_or_none, default=0, metavar="S", help="equal seeds, equal searches (0)")
    machine = command.add_argument_group("where it runs")
    machine.add_argument("--workers", type=_count, metavar="N", help="trials at once (one a core, or one a GPU)")
    machine.add_argument("--gpus-per-trial", type=_share, metavar="X", help="GPUs of a trial, 0.5 for two on one")
    machine.add_argument("--cpu", action="store_true", help="leave GPUs alone")
    machine.add_argument("--address", metavar="RAY", help="a running Ray cluster: auto or HOST:PORT")
    output = command.add_argument_group("what comes out")
    output.add_argument("--out", type=_path, metavar="DIR", help="search directory (runs/TIME-sSEED)")
    output.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store (runs/mlflow.db), or none; no password is kept"
    )
    output.add_argument("--dry-run", action="store_true", help="check everything, say what would run, and stop")


def _resume(command: argparse.ArgumentParser) -> None:
    _directory(command)
    command.add_argument(
        "--generations", type=_count_or_none, metavar="N", help="go on to this number; a finished search too"
    )
    command.add_argument("--workers", type=_count, metavar="N", help="trials at once (as before)")
    command.add_argument("--data", type=_path, metavar="DIR", help="where the same data set lies now")
    _same_weights(command)
    command.add_argument("--address", metavar="RAY", help="a running Ray cluster: auto or HOST:PORT (as before)")
    command.add_argument("--tracking-uri", metavar="URI", help="MLflow store, with its password (as before), or none")


def _train(command: argparse.ArgumentParser) -> None:
    command.add_argument("winner", type=_path, metavar="WINNER.yaml", help="written by a search, or by evolve winner")
    command.add_argument("--data", type=_path, metavar="DIR", help="the data set (the one of the search)")
    _format(command)
    command.add_argument(
        "--weights", metavar="FILE", help="a checkpoint or Darknet's .weights to start from, or none (as in the search)"
    )
    _cfg(command)
    command.add_argument("--out", type=_path, required=True, metavar="DIR", help="a new folder for the detector")
    command.add_argument("--steps", type=_count, metavar="N", help="another length of the schedule")
    command.add_argument("--cpu", action="store_true", help="leave GPUs alone")


def _replay(command: argparse.ArgumentParser) -> None:
    _directory(command, required=True)
    command.add_argument("uid", metavar="UID", help="the individual, such as g001-042, or a confirmation of one")
    command.add_argument("--data", type=_path, metavar="DIR", help="where the same data set lies now")
    _same_weights(command)
    _json(command)


def _format(command: argparse._ActionsContainer) -> None:
    command.add_argument("--format", choices=("coco", "voc", "yolo"), help="read as this instead of the detected one")


def _same_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument("--weights", metavar="FILE", help="where the same weights lie now")
    _cfg(command)


def _cfg(command: argparse._ActionsContainer) -> None:
    command.add_argument(
        "--cfg", type=_path, metavar="FILE", help="of Darknet's .weights: its cfg (the one of its name beside it)"
    )


def _directory(command: argparse.ArgumentParser, required: bool = False) -> None:
    text = "the search directory"
    if required:
        command.add_argument("directory", type=_path, metavar="DIR", help=text)
    else:
        command.add_argument(
            "directory", type=_path, metavar="DIR", nargs="?", default=LATEST, help=f"{text} ({LATEST})"
        )


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")


def _body(name: str) -> Callable[[argparse.Namespace], int]:
    module, _, function = name.partition(":")
    if module == "doctor":
        from evolve.commands import doctor

        return lambda arguments: doctor.run(arguments.json)
    body: Callable[[argparse.Namespace], int] = getattr(import_module(f"evolve.commands.{module}"), function)
    return body


def _path(text: str) -> Path:
    if not text.strip():  # a shell variable that is not set; Path would take it for this folder
        raise argparse.ArgumentTypeError(f"expected a path, got {text!r}")
    return Path(text)


def _count(text: str) -> int:
    return _at_least(text, 1)


def _count_or_none(text: str) -> int:
    return _at_least(text, 0)


def _at_least(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text}")
    return number


def _share(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return number


def _say_stopped(by: str) -> None:
    """How to go on, where the command has not said so: a search has a command of its own for that."""
    terminal.complain(f"evolve: stopped by {by or 'Ctrl-C'}; the same command starts it again")


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).splitlines())  # spaces stay: they may be those of a path
    if len(text) > LONGEST_SENTENCE:
        text = f"{text[: LONGEST_SENTENCE // 2]} ... {text[-LONGEST_SENTENCE // 2 :]}"
    if isinstance(error, INPUT_ERRORS) and text:
        return text
    if isinstance(error, WorkFailed):
        return f"{text} (see --debug)"
    return f"{type(error).__name__}: {text} (--debug shows where)"


if __name__ == "__main__":
    raise SystemExit(main())
