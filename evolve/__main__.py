"""The `evolve` command: parses the command line and calls a command's function, which is imported only then.

Exit codes: 0 done, 1 work that failed, 2 wrong input, 130 stopped by Ctrl-C, SIGTERM or SIGHUP.
The type of an error before the work begins decides between 1 and 2; an error during the work is a WorkFailed.
"""

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from evolve.file_names import LATEST
from evolve.process import credentials, signals, terminal
from evolve.process.terminal import WorkFailed
from evolve.trial import GpuNotUsable

DONE, FAILED, WRONG_INPUT = 0, 1, 2
# These fail if stdout takes not all of what they print.
ANSWERS = (
    "status:status",
    "watch:watch",
    "lineage:family",
    "report:report",
    "winner:winner",
    "replay:replay",
    "doctor",
    "completion:completion",
)
LONGEST_SENTENCE = 1000  # characters of an error message: it may quote a value of a million
INPUT_ERRORS = (ValueError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError, GpuNotUsable)


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line in one sentence that refers to --help."""

    def error(self, message: str) -> NoReturn:
        shown = " ".join(credentials.public_words(message.split(" ")))  # it quotes what was typed: perhaps a password
        terminal.complain(f"{self.prog}: {shown} (see {self.prog} --help)")
        raise SystemExit(WRONG_INPUT)


def main(words: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. words: None for the shell's; then a stop signal ends the process."""
    terminal.begin()
    arguments = parser().parse_args(words)
    with signals.caught(_say_stopped):
        try:
            code = _body(arguments.body)(arguments)
        except KeyboardInterrupt as stopped:
            if not signals.is_explained():
                _say_stopped(str(stopped))
            if words is None:
                signals.end_process()
            return signals.STOPPED
        except Exception as error:
            if arguments.debug:
                raise
            terminal.complain(f"evolve: {_sentence(error)}")
            return WRONG_INPUT if isinstance(error, INPUT_ERRORS) else FAILED
    write_error = terminal.write_error()
    if code == DONE and arguments.body in ANSWERS and write_error is not None:
        terminal.complain(f"evolve: stdout: expected it to take the whole answer, got: {write_error}")
        return FAILED
    return code


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = _Parser(prog="evolve", description="Genetic search for YOLOv4 hyperparameters on your own data.")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    common = _Parser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")

    def command(name: str, body: str, text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = commands.add_parser(name, parents=[common], help=text, description=text)
        parser.set_defaults(body=body)
        return parser

    _search(command("search", "search:new", "Start a new search; without --data it uses the embedded data set."))
    _resume(command("resume", "search:resume", "Go on with a search exactly where it stopped."))
    _stop(command("stop", "stop:stop", "Ask a running search to stop, and leave it so that it can be resumed."))
    status = command("status", "status:status", "Print the state of a search.")
    _directory(status)
    _json(status)
    _directory(command("watch", "watch:watch", "Show a search that another process or machine runs, until it ends."))
    _lineage(command("lineage", "lineage:family", "Print the winner's ancestors and the genes that changed."))
    report = command("report", "report:report", "Write report.html and lineage.html of a search, and open them.")
    _directory(report)
    report.add_argument("--out", type=_path, metavar="DIR", help="write them into this folder (the search directory)")
    report.add_argument("--no-open", dest="open", action="store_false", help="open no browser")
    _json(report)
    winner = command("winner", "winner:winner", "Print the winner file, which is enough to train the winner.")
    _directory(winner)
    winner.add_argument("--out", type=_path, metavar="FILE", help="write it to this file instead")
    winner.add_argument(
        "--format",
        choices=("yaml", "darknet"),
        default="yaml",
        help="winner.yaml (the default), or a cfg to train with Darknet",
    )
    _train(
        command(
            "train",
            "train:train",
            "Train a winner, or the defaults without a search. Started again, it goes on.",
        )
    )
    _replay(command("replay", "replay:replay", "Train one individual again and compare its score."))
    doctor = command("doctor", "doctor", "Check this machine: packages, GPUs, memory, disk.")
    _json(doctor)
    completion = command("completion", "completion:completion", "Print a script that completes evolve's words.")
    completion.add_argument("shell", choices=("bash", "zsh"), help='use it with: eval "$(evolve completion bash)"')
    completion.set_defaults(parser=top)
    return top


def _search(command: argparse.ArgumentParser) -> None:
    data = command.add_argument_group("data and model")
    data.add_argument(
        "--data", type=_path, metavar="DIR", help="a labelled data set: Pascal VOC, COCO, YOLO or Darknet"
    )
    _format(data)
    _model(data)
    data.add_argument(
        "--weights",
        metavar="FILE",
        help="weights that every trial starts from: a checkpoint, Darknet's .weights, or none",
    )
    _cfg(data)
    data.add_argument("--steps", type=_count, metavar="N", help="length of a trial's schedule in optimizer steps")
    data.add_argument(
        "--share", type=float, default=1.0, metavar="0..1", help="stop all trials at this share of the schedule"
    )
    recipe = command.add_argument_group("the search")
    recipe.add_argument("--recipe", metavar="NAME", help="fast (rungs, the default) or seed (all at full budget)")
    recipe.add_argument("--population", type=_count, metavar="N", help="individuals of the first generation")
    recipe.add_argument(
        "--seeding",
        choices=("mixed", "random", "defaults"),
        help="how the first generation is filled beside the defaults: random sets, mutants of the defaults, or mixed",
    )
    recipe.add_argument(
        "--warm-start",
        type=_path,
        nargs="+",
        action="extend",
        default=[],
        metavar="WINNER.yaml",
        help="winner files of other searches: their sets are in the first generation too",
    )
    recipe.add_argument("--elites", type=_count, metavar="N", help="number of the best that are kept and have children")
    recipe.add_argument("--children", type=_count, metavar="N", help="children of each elite")
    recipe.add_argument("--generations", type=_count_or_none, metavar="N", help="child generations after the first")
    recipe.add_argument(
        "--candidates", type=_count, metavar="M", help="number of the best that are trained again to choose the winner"
    )
    recipe.add_argument(
        "--seed", type=_count_or_none, default=0, metavar="S", help="equal seeds give equal searches (0)"
    )
    machine = command.add_argument_group("where it runs")
    machine.add_argument("--workers", type=_count, metavar="N", help="trials at once (one per core, or one per GPU)")
    machine.add_argument("--gpus-per-trial", type=_share, metavar="X", help="GPUs per trial; 0.5: two trials share one")
    machine.add_argument("--cpu", action="store_true", help="use no GPU")
    machine.add_argument("--address", metavar="RAY", help="a running Ray cluster: auto or HOST:PORT")
    output = command.add_argument_group("what comes out")
    output.add_argument("--out", type=_path, metavar="DIR", help="search directory (runs/TIME-sSEED)")
    output.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store (runs/mlflow.db), or none; its password is not kept"
    )
    output.add_argument("--dry-run", action="store_true", help="check everything, print what would run, and stop")


def _resume(command: argparse.ArgumentParser) -> None:
    _directory(command)
    command.add_argument(
        "--generations",
        type=_count_or_none,
        metavar="N",
        help="raise the number of child generations; a finished search goes on, too",
    )
    command.add_argument("--workers", type=_count, metavar="N", help="trials at once (as before)")
    command.add_argument("--data", type=_path, metavar="DIR", help="the present path of the same data set")
    _same_weights(command)
    command.add_argument("--address", metavar="RAY", help="a running Ray cluster: auto or HOST:PORT (as before)")
    command.add_argument("--tracking-uri", metavar="URI", help="MLflow store, with its password (as before), or none")


def _stop(command: argparse.ArgumentParser) -> None:
    _directory(command, required=True)
    command.add_argument(
        "--now",
        action="store_true",
        help="do not wait until running trials are at their next rung: what was begun is trained again on a resume",
    )


def _lineage(command: argparse.ArgumentParser) -> None:
    _directory(command)
    shown = command.add_mutually_exclusive_group()
    shown.add_argument("--trial", metavar="UID", help="the ancestors of this individual instead of the winner's")
    shown.add_argument("--all", action="store_true", help="also a table of all individuals for each generation")
    _json(command)


def _train(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "winner",
        type=_path,
        metavar="WINNER.yaml",
        nargs="?",
        help="written by a search, or by evolve winner; without it the defaults of a space are trained",
    )
    command.add_argument("--data", type=_path, metavar="DIR", help="the data set (the one of the search)")
    _format(command)
    command.add_argument(
        "--weights", metavar="FILE", help="a checkpoint or Darknet's .weights to start from, or none (as in the search)"
    )
    _cfg(command)
    command.add_argument(
        "--out",
        type=_path,
        required=True,
        metavar="DIR",
        help="a folder for the detector: a new one, or that of the same training to go on with it",
    )
    command.add_argument("--steps", type=_count, metavar="N", help="another length of the schedule")
    command.add_argument("--cpu", action="store_true", help="leave GPUs alone")
    command.add_argument("--tracking-uri", metavar="URI", help="MLflow store (runs/mlflow.db), or none")
    plain = command.add_argument_group("without WINNER.yaml: what is trained, as in a search")
    _model(plain)
    plain.add_argument("--seed", type=_count_or_none, metavar="S", help="equal seeds, equal trainings (0)")


def _replay(command: argparse.ArgumentParser) -> None:
    _directory(command, required=True)
    command.add_argument("uid", metavar="UID", help="the individual, such as g001-042, or a confirmation of one")
    command.add_argument("--data", type=_path, metavar="DIR", help="the present path of the same data set")
    _same_weights(command)
    _json(command)


def _format(command: argparse._ActionsContainer) -> None:
    command.add_argument("--format", choices=("coco", "voc", "yolo"), help="format of the data set (detected)")


def _model(command: argparse._ActionsContainer) -> None:
    """What is trained, beside data and weights."""
    command.add_argument(
        "--space",
        type=_path,
        metavar="FILE|MODULE:NAME",
        help="the genes, and the settings that all trials share: a YAML file, or a dict in Python",
    )
    command.add_argument(
        "--variant", metavar="V", help="the network of a released cfg, at full width: yolov4 or yolov4-tiny"
    )
    command.add_argument(
        "--preset", metavar="P", help="published values as defaults: darknet (the cfg) or paper (all on)"
    )
    command.add_argument("--size", type=_count, metavar="S", help="side of the network's input, a multiple of 32")
    command.add_argument("--batch", type=_count, metavar="B", help="pictures per optimizer step")
    command.add_argument(
        "--set", action="append", default=[], metavar="GENE=VALUE", help="fix a gene or setting; repeatable"
    )


def _same_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument("--weights", metavar="FILE", help="the present path of the same weights")
    _cfg(command)


def _cfg(command: argparse._ActionsContainer) -> None:
    command.add_argument(
        "--cfg",
        type=_path,
        metavar="FILE",
        help="the cfg of Darknet's .weights (the file beside it with the same name)",
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
    if not text.strip():  # from a shell variable that is not set; Path("") would be the working directory
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
    """Tell how to go on, for commands other than a search, which names its own resume command."""
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
