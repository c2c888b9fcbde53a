"""search and resume: prepare the task, wire executor, tracker and display to the loop, say what came out."""

import json
import os
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from evolve import fitness, progress, search, start, task, winner
from evolve.commands import places
from evolve.execution import resources
from evolve.execution.executor import Executor
from evolve.genetics import recipe as recipes
from evolve.genetics import seeding
from evolve.genetics.genome import DEFAULTS
from evolve.genetics.recipe import Recipe
from evolve.records import credentials, forecast, tracking_uri
from evolve.records.journal import JournalError, holds_search
from evolve.records.state import Outcome, SearchState
from evolve.records.tracker import NullTracker, Tracker
from evolve.task import SPACES, InputError, Task, TaskRequest
from evolve.terminal import WorkFailed, command, complain, say, short, table, working
from evolve.trial import GpuNotUsable, ObjectiveFactory

RECIPE_FLAGS = ("population", "elites", "children", "generations", "candidates", "seeding")
NO_TRACKING = "none"


@dataclass(frozen=True)
class Machine:
    """What trials run on."""

    workers: int
    threads: int  # of each
    gpus_per_trial: float
    address: str | None

    @property
    def gpu(self) -> bool:
        """Whether trials use GPUs."""
        return self.gpus_per_trial > 0

    def executor(
        self, factory: ObjectiveFactory, search_id: str | None = None, note: Callable[[str], None] = complain
    ) -> Executor:
        """Start the workers; Ray is loaded here. `note` gets a sentence when something is waited for."""
        from evolve.execution.ray_executor import RayExecutor

        with _address_is_input():
            return RayExecutor(
                factory,
                workers=self.workers,
                gpus_per_trial=self.gpus_per_trial,
                threads=self.threads,
                address=self.address,
                search_id=search_id,
                note=note,
            )

    def reach(self) -> None:
        """InputError unless the cluster at the address lets us in; nothing is started there."""
        if self.address is None:
            return
        from evolve.execution import ray_cluster

        with (
            _address_is_input(),
            ray_cluster.initialised(
                self.address,
                workers=self.workers,
                threads=self.threads,
                gpus_per_trial=self.gpus_per_trial,
                note=complain,
            ),
        ):
            pass


@contextmanager
def _address_is_input() -> Iterator[None]:
    """A cluster that cannot be reached is a wrong --address."""
    try:
        yield
    except ConnectionError as error:
        raise InputError(str(error)) from error


def new(arguments: Namespace) -> int:
    """Run a new search."""
    directory = places.new_directory(arguments.out, arguments.seed)
    machine = machine_for(arguments)
    tracking = _tracking_store(arguments.tracking_uri)
    request = TaskRequest(
        data=arguments.data,
        format=arguments.format,
        space=arguments.space,
        variant=arguments.variant,
        preset=arguments.preset,
        weights=arguments.weights,
        cfg=arguments.cfg,
        size=arguments.size,
        batch=arguments.batch,
        steps=arguments.steps,
        share=arguments.share,
        settings=settings_of(arguments.set),
        gpu=machine.gpu,
    )
    prepared = task.prepare(request, threads=machine.threads)
    recipe = _recipe(arguments, prepared)
    plain = _plain_request(request, machine, arguments.tracking_uri)
    checked = start.check(
        prepared, directory, recipe=recipe, seed=arguments.seed, workers=machine.workers, request=plain
    )
    notes = (places.note_on_latest(), None if tracking is None else _untracked(tracking))
    for sentence in (*(f"note: {note}" for note in notes if note is not None), *prepared.notes):
        say(sentence)
    for sentence in (*_plan(recipe, prepared, machine), *checked):
        say(sentence)
    if arguments.dry_run:
        machine.reach()
        say(f"dry run: nothing was started; it would go to {directory}")
        return 0
    tracked = _Tracked(tracking)
    means = _means(prepared, machine, tracked)
    with places.made_directory(arguments.out, arguments.seed) as directory, _searching(directory):
        say(f"search directory: {directory}")
        means = replace(means, begun=lambda: _point_latest(directory, means.display))
        state = search.run(prepared, directory, recipe=recipe, seed=arguments.seed, means=means, request=plain)
    return _report(state, directory, tracked)


def resume(arguments: Namespace) -> int:
    """Go on with a search where it stopped."""
    directory: Path = arguments.directory
    state = places.read_state(directory)
    machine = machine_as_before(state, arguments.workers, arguments.address)
    if not (directory / search.SPACE_FILE).is_file():
        search.write_space(directory, state)
    prepared = task_as_before(state, directory, arguments)
    tracked = _tracked_as_before(state, arguments.tracking_uri)
    with _searching(directory):
        means = _means(prepared, machine, tracked)
        state = search.resume(prepared, directory, generations=arguments.generations, means=means)
    return _report(state, directory, tracked)


def _point_latest(directory: Path, display: progress.Display) -> None:
    note = places.point_latest(directory)
    if note is not None:
        display.note(f"note: {note}")


@contextmanager
def _searching(directory: Path) -> Iterator[None]:
    """An error in here leaves a search that can go on, if it had begun; what is wrong with its means says so itself."""
    try:
        with working(JournalError, GpuNotUsable, InputError):
            yield
    except WorkFailed as failed:
        go_on = f"; go on with: {command('evolve', 'resume', directory)}" if holds_search(directory) else ""
        raise WorkFailed(f"{failed}{go_on}") from failed.__cause__


def machine_for(arguments: Namespace) -> Machine:
    """Workers, threads and GPUs from the flags and from what is in sight."""
    share: float | None = arguments.gpus_per_trial
    if arguments.cpu and share:
        raise InputError(f"--cpu and --gpus-per-trial {share:g}: expected one of the two")
    if share is not None and share > 1 and not share.is_integer():
        raise InputError(f"--gpus-per-trial {share:g}: expected a share of one GPU, or whole ones")
    if arguments.address is not None and arguments.workers is None:
        raise InputError(
            f"--address {arguments.address}: expected --workers N with it, how many trials run at once there"
        )
    if arguments.address is not None:
        resources.check_address(arguments.address)
    if share is None:
        share = 0.0 if arguments.cpu or not resources.gpus_in_sight() else 1.0
    if arguments.workers is None:
        workers, threads = resources.default_workers(share, share == 0)
    else:
        workers = arguments.workers
        if share > 0 and arguments.address is None:
            resources.check_gpus(workers, share)
        threads = 1 if share == 0 else max(1, resources.cpu_count() // workers)
    return Machine(workers, threads, share, arguments.address)


def settings_of(pairs: list[str]) -> dict[str, str]:
    """The --set flags as a mapping."""
    settings: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise InputError(f"--set {pair}: expected gene=value")
        settings[name] = value
    return settings


def task_as_before(state: SearchState, directory: Path, arguments: Namespace) -> Task:
    """The task of an existing search, prepared again; --data and --weights say where the same things lie now."""
    request = _request_as_before(state, directory, arguments.data, arguments.weights, arguments.cfg)
    return task.prepare(request, threads=state.threads)


def weights_as_before(data: Mapping[str, object], given: str | None) -> str:
    """The base weights of a search by what its journal keeps of its data: the same file, wherever it lies now."""
    known = data.get("weights")
    if given is not None or known is None:
        return given or "none"
    shipped = SPACES / Path(str(known)).name  # found in another checkout too
    for path in (Path(str(known)), shipped):
        if path.is_file():
            return str(path)
    raise InputError(
        f"weights {known}: expected the file that the search began from, it is gone; --weights FILE says where it lies"
    )


def cfg_as_before(data: Mapping[str, object], given_weights: str | None, given: Path | None) -> Path | None:
    """The cfg of a search's base weights, where they are Darknet's; None: it is looked for beside them."""
    known = data.get("weights_cfg")
    if given is not None or known is None or given_weights is not None or not Path(str(known)).is_file():
        return given
    return Path(str(known))


def machine_as_before(state: SearchState, workers: int | None = None, address: str | None = None) -> Machine:
    """The machine of an existing search: the threads of a trial stay, the workers and their place may change."""
    request = state.request
    if address is not None:
        resources.check_address(address)
    address = address or _text(request.get("address"))
    gpus = float(str(request.get("gpus_per_trial", 0.0)))
    return Machine(workers or state.workers, state.threads, gpus, address)


def _recipe(arguments: Namespace, prepared: Task) -> Recipe:
    overrides = {name: getattr(arguments, name) for name in RECIPE_FLAGS}
    return recipes.load(arguments.recipe or prepared.space.recipe, overrides)


def _plan(recipe: Recipe, prepared: Task, machine: Machine) -> list[str]:
    """What is going to run."""
    children = recipe.elites * recipe.children
    rungs = ", ".join(str(step) for step in recipe.rung_steps(prepared.steps))
    total = forecast.planned_steps(recipe, prepared.steps)
    where = f"{machine.gpus_per_trial:g} GPU each" if machine.gpu else f"CPU, {machine.threads} thread each"
    first = "the defaults and mutants of them" if recipe.seeding == seeding.MUTANTS else "the defaults and random ones"
    return [
        f"recipe: {recipe.name}: {recipe.population} individuals ({first}), the best {recipe.elites} kept, "
        f"{recipe.children} mutants of each, {recipe.generations} child generations: "
        f"{recipe.population + recipe.generations * children} trials compared at steps {rungs}",
        f"genes: {len(prepared.space.genes)}; steps in all: at most {total}",
        _confirming(recipe, prepared.steps),
        f"workers: {machine.workers} ({where})",
    ]


def _confirming(recipe: Recipe, steps: int) -> str:
    """What is trained again at the end, and what it costs."""
    count, seeds = forecast.trainings(recipe), recipe.confirm_seeds
    who = f"winner and defaults with {seeds} fresh seeds for the verdict"
    if recipe.candidates > 1:
        choice = f"the best {recipe.candidates} with {seeds} fresh seeds to choose the winner"
        who = f"{choice}, then winner and defaults with {seeds} others for the verdict"
    return f"confirmed at the end, by {count} full trainings ({count * steps} of the steps): {who}"


def _means(prepared: Task, machine: Machine, tracked: "_Tracked") -> search.Means:
    display = progress.for_terminal()

    def make_executor(search_id: str) -> Executor:
        display.note(f"starting {machine.workers} workers")
        return machine.executor(prepared.factory, search_id, display.note)

    return search.Means(
        make_executor=make_executor,
        make_tracker=tracked.make,
        display=display,
        workers=machine.workers,
    )


class _Tracked:
    """Makes the tracker of a search, and remembers it for what it has to say at the end."""

    def __init__(self, uri: str | None) -> None:
        self._uri = uri  # None: no tracking
        self._tracker: Tracker | None = None

    def make(self, journal_path: Path) -> Tracker:
        """The tracker of this journal; MLflow is loaded by its thread."""
        if self._uri is None:
            return NullTracker()
        from evolve.records.mlflow_tracker import MlflowTracker

        self._tracker = MlflowTracker(journal_path, self._uri)
        return self._tracker

    @property
    def problem(self) -> str | None:
        """What could not be shown, in one sentence."""
        found: str | None = getattr(self._tracker, "problem", None)
        return found


def _tracking_store(given: str | None) -> str | None:
    """The address that a new search tracks to; None for no tracking. ValueError if it cannot be one."""
    if given == NO_TRACKING:
        return None
    try:
        uri = places.tracking_uri(given)
    except OSError as error:
        complain(f"note: not shown in MLflow: {places.TRACKING_STORE}: {error}")
        return None
    tracking_uri.check(uri)
    return uri


def _tracked_if_possible(given: str | None) -> _Tracked:
    """The tracking of an existing search; an address that cannot be one is said, and does not keep it from going on."""
    if given == NO_TRACKING:
        return _Tracked(None)
    try:
        uri = places.tracking_uri(given)
        tracking_uri.check(uri)
    except OSError as error:
        complain(f"note: not shown in MLflow: {places.TRACKING_STORE}: {error}")
        return _Tracked(None)
    except ValueError as error:
        complain(f"note: not tracked: {error}")
        return _Tracked(None)
    return _Tracked(uri)


def _untracked(uri: str) -> str | None:
    """A sentence on a tracking store that cannot be written now."""
    problem = tracking_uri.unreachable(uri)
    return None if problem is None else f"tracking store: {problem}; the search goes on without it, and sends it later"


def _tracked_as_before(state: SearchState, given: str | None) -> _Tracked:
    """The tracker of the store that is given now, else of the search's own; what it lacks to get in is said."""
    uri = given or _text(state.request.get("tracking_uri"))
    if uri is not None and state.request.get("tracking_password"):
        variables = credentials.lacking(credentials.with_password(uri, os.environ), os.environ)
        if variables and uri != NO_TRACKING:
            place, names = credentials.public(uri), " or ".join(variables)
            complain(f"note: no password of {place} is in the journal; give --tracking-uri again, or set {names}")
    return _tracked_if_possible(uri)


def _plain_request(request: TaskRequest, machine: Machine, tracking: str | None) -> dict[str, object]:
    """What a resume needs to prepare the same task; the space lies in the search directory."""
    return {
        "data": None if request.data is None else str(request.data.resolve()),
        "format": request.format,
        "size": request.size,
        "batch": request.batch,
        "steps": request.steps,
        "share": request.share,
        "gpus_per_trial": machine.gpus_per_trial,
        "address": machine.address,
        "tracking_uri": None if tracking is None else credentials.public(tracking),
        "tracking_password": tracking is not None and credentials.has_secret(tracking),  # it had one: not kept
    }


def _request_as_before(
    state: SearchState, directory: Path, data: Path | None, weights: str | None, cfg: Path | None
) -> TaskRequest:
    plain: Mapping[str, object] = json.loads(json.dumps(state.request))
    if "gpus_per_trial" not in plain:
        raise InputError(f"{directory}: expected a search begun by `evolve search`; this one was begun from Python")
    known = plain["data"]
    return TaskRequest(
        data=data or (None if known is None else Path(str(known))),
        format=None if known is None else _text(state.data.get("format")),
        space=directory / search.SPACE_FILE,
        weights=weights_as_before(state.data, weights),
        cfg=cfg_as_before(state.data, weights, cfg),
        size=_whole(plain["size"]),
        batch=_whole(plain["batch"]),
        steps=_whole(plain["steps"]),
        share=float(str(plain["share"])),
        gpu=float(str(plain["gpus_per_trial"])) > 0,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))


def _report(state: SearchState, directory: Path, tracked: _Tracked) -> int:
    """What came out, and what to do with it; the exit code."""
    if tracked.problem:
        complain(f"note: {tracked.problem}; the journal has everything")
    if state.phase == "failed" or state.outcome is None:
        complain(f"evolve: search failed: {state.reason}")
        return 1
    for part in (*candidate_tables(state), *outcome_tables(state)):
        say(f"\n{part}")
    path = directory / winner.WINNER_FILE
    embedded = state.data.get("embedded")
    data = [] if embedded else ["--data", state.data.get("path"), *places.format_flag(state)]
    say(f"\nverdict: {state.outcome.verdict}")
    if (tuning := state.tuned(state.outcome.uid)) is not None and tuning.post is not None:
        say(f"NMS: {winner.nms_line(tuning.post)}")
    say(f"winner: {path}{_in_words(state.outcome)}")
    say("dashboard: make dashboard")
    by_hand = command("evolve", "train", path, *data, "--out", directory / "final")
    say(f"final training: {'make train, or: ' if places.is_latest(directory) else ''}{by_hand}")
    return 0


def _in_words(outcome: Outcome) -> str:
    """What a winner is that came out below the defaults."""
    if outcome.gain is None or float(str(outcome.gain["mean"])) >= 0:
        return ""
    return " (the best that was found; the defaults have the better mean)"


def candidate_tables(state: SearchState) -> list[str]:
    """The candidates as they stood when the winner was chosen; none where there was no choice."""
    if state.choice is None:
        return []
    keys = ("uid", "fitness", "mean", "shrunk", "seeds", "failed")
    head: list[object] = ["candidate", "fitness in the search", "with fresh seeds", "shrunk mean", "seeds", "failed"]
    return [table([head, *[[one[key] for key in keys] for one in state.choice.candidates]])]


def outcome_tables(state: SearchState) -> list[str]:
    """The winner against the defaults: scores, then the genes in which they differ."""
    outcome = state.outcome
    if outcome is None:
        return []
    ours, defaults = state.individuals[outcome.uid], state.individuals[DEFAULTS]
    scores: list[list[object]] = [["", f"winner {ours.uid}", f"defaults {defaults.uid}"]]
    scores.append(["fitness in the search", ours.fitness, defaults.fitness])
    counts = [str(one["seeds"]) for one in (outcome.confirmed, outcome.defaults) if one is not None]
    seeds = f"{' and '.join(dict.fromkeys(counts)) or 'no'} fresh seeds"
    judged = {"confirmed": outcome.confirmed, "defaults": outcome.defaults, "validation": outcome.validation}
    scores += _compared(judged, outcome.split, outcome.metric, seeds)
    if outcome.map50_95 is not None:
        scores += _compared(outcome.map50_95, outcome.split, fitness.IN_WORDS[fitness.AP], "the same runs")
    genes: list[list[object]] = [["gene", "winner", "defaults"]]
    genes += [
        [gene, short(value), short(defaults.genome[gene])]
        for gene, value in ours.genome.items()
        if value != defaults.genome[gene]
    ]
    return [table(scores), *([table(genes)] if len(genes) > 1 else [])]


def _compared(compared: Mapping[str, object], split: str, metric: str, runs: str) -> list[list[object]]:
    """Winner and defaults in one metric: on the split of the verdict, and on validation."""
    ours, others, validation = (
        cast(Mapping[str, object] | None, compared[name]) for name in ("confirmed", "defaults", "validation")
    )
    rows: list[list[object]] = [[f"{split} {metric}, {runs}", _mean(ours), _mean(others)]]
    if validation is not None and split != "val":
        both = [cast(Mapping[str, object] | None, validation[name]) for name in ("winner", "defaults")]
        rows.append([f"val {metric}, the same runs", *map(_mean, both)])
    return rows


def _mean(summary: Mapping[str, object] | None) -> str:
    if summary is None:
        return "-"
    spread = summary["interval"]
    between = f" ({spread[0]:.4f} to {spread[1]:.4f})" if isinstance(spread, list) else ""
    return f"{summary['mean']:.4f}{between}"
