"""The commands search and resume: prepare the task, connect executor, tracker and display to the loop."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from evolve import search, task
from evolve.checks import launch
from evolve.commands import outcome, search_folders, task_request
from evolve.commands.machine import Machine, machine_for
from evolve.commands.tracking import SearchTracking, tracking_as_before, tracking_store, unreachable_note
from evolve.execution.executor import Executor
from evolve.file_names import SPACE_FILE
from evolve.genetics import recipe as recipes
from evolve.genetics import seeding
from evolve.genetics.recipe import Recipe
from evolve.process.terminal import WorkFailed, command, say, working
from evolve.records import forecast, progress
from evolve.records.journal import JournalError, holds_search
from evolve.task import InputError, Task
from evolve.trial import GpuNotUsable
from evolve.verdict import warm_start

FIRST_GENERATION = {
    seeding.MIXED: "the defaults, mutants of them and random ones",
    seeding.RANDOM: "the defaults and random ones",
    seeding.MUTANTS: "the defaults and mutants of them",
}
RECIPE_FLAGS = ("population", "elites", "children", "generations", "candidates", "seeding")


def new(arguments: Namespace) -> int:
    """Run a new search."""
    directory = search_folders.new_directory(arguments.out, arguments.seed)
    machine = machine_for(arguments)
    store = tracking_store(arguments.tracking_uri)
    request = task_request.request_of(arguments, gpu=machine.gpu, share=arguments.share)
    winner_files = warm_start.read(arguments.warm_start)  # before the data set, which may take long
    prepared = task.prepare(request, threads=machine.threads)
    recipe = _recipe(arguments, prepared)
    plain = asdict(task_request.request_to_keep(request, machine, arguments.tracking_uri, arguments.warm_start))
    warm = warm_start.fit(winner_files, prepared)
    checked = launch.check(
        prepared,
        directory,
        recipe=recipe,
        seed=arguments.seed,
        workers=machine.workers,
        request=plain,
        warm_starts=warm.genomes,
    )
    notes = (search_folders.note_on_latest(), None if store is None else unreachable_note(store))
    for sentence in (*(f"note: {note}" for note in notes if note is not None), *prepared.notes, *prepared.search_notes):
        say(sentence)
    for sentence in (*warm.notes, *_describe_search(recipe, prepared, machine, len(warm.genomes)), *checked):
        say(sentence)
    if arguments.dry_run:
        machine.reach()
        say(f"dry run: nothing was started; it would go to {directory}")
        return 0
    tracking = SearchTracking(store)
    means = _means(prepared, machine, tracking)
    with search_folders.created_directory(arguments.out, arguments.seed) as directory, _searching(directory):
        say(f"search directory: {directory}")
        means = replace(means, begun=lambda: _point_latest(directory, means.display))
        state = search.run(
            prepared,
            directory,
            recipe=recipe,
            seed=arguments.seed,
            means=means,
            request=plain,
            warm_starts=warm.genomes,
        )
    return outcome.say_outcome(state, directory, tracking)


def resume(arguments: Namespace) -> int:
    """Go on with a search where it stopped."""
    directory: Path = arguments.directory
    state = search_folders.read_state(directory)
    machine = task_request.machine_as_before(state, arguments.workers, arguments.address)
    if not (directory / SPACE_FILE).is_file():
        search.write_space(directory, state)
    prepared = task_request.task_as_before(state, directory, arguments)
    tracking = tracking_as_before(state, arguments.tracking_uri)
    with _searching(directory):
        means = _means(prepared, machine, tracking)
        state = search.resume(prepared, directory, generations=arguments.generations, means=means)
    return outcome.say_outcome(state, directory, tracking)


def _point_latest(directory: Path, display: progress.Display) -> None:
    note = search_folders.point_latest(directory)
    if note is not None:
        display.note(f"note: {note}")


@contextmanager
def _searching(directory: Path) -> Iterator[None]:
    """Add the resume command to the errors of a search that has begun, except journal, GPU and input errors."""
    try:
        with working(JournalError, GpuNotUsable, InputError):
            yield
    except WorkFailed as failed:
        go_on = f"; go on with: {command('evolve', 'resume', directory)}" if holds_search(directory) else ""
        raise WorkFailed(f"{failed}{go_on}") from failed.__cause__


def _recipe(arguments: Namespace, prepared: Task) -> Recipe:
    overrides = {name: getattr(arguments, name) for name in RECIPE_FLAGS}
    return recipes.load(arguments.recipe or prepared.space.recipe, overrides)


def _describe_search(recipe: Recipe, prepared: Task, machine: Machine, warm_starts: int) -> list[str]:
    """Sentences on what the search will run."""
    first = FIRST_GENERATION[recipe.seeding]
    if warm_starts:
        first = f"{first}; {warm_starts} warm start{'s' if warm_starts > 1 else ''} among them"
    children = recipe.elites * recipe.children
    rungs = ", ".join(str(step) for step in recipe.rung_steps(prepared.steps))
    total = forecast.planned_steps(recipe, prepared.steps, len(prepared.space.known))
    screened = f" (each the best of {recipe.screening} by a model of the trials so far)" if recipe.screening > 1 else ""
    where = f"{machine.gpus_per_trial:g} GPU each" if machine.gpu else f"CPU, {machine.threads} thread each"
    return [
        f"recipe: {recipe.name}: {recipe.population} individuals ({first}), "
        f"the best {recipe.elites} kept, {recipe.children} mutants of each{screened}, "
        f"{recipe.generations} child generations: "
        f"{recipe.population + recipe.generations * children} trials compared at steps {rungs}",
        *_describe_controls(recipe, prepared.steps),
        f"genes: {len(prepared.space.genes)}; steps in all: at most {total}",
        _describe_confirm_stage(recipe, prepared),
        f"workers: {machine.workers} ({where})",
    ]


def _describe_controls(recipe: Recipe, steps: int) -> list[str]:
    """A sentence on the first generation's control trials, if it has any."""
    *_, finishing = recipe.planned_trials(recipe.population, steps)
    *_, promoted = replace(recipe, controls=0).planned_trials(recipe.population, steps)
    count = finishing - promoted
    if count == 0:
        return []
    return [f"controls: {count} trials a generation that a rung would stop are trained on, to see how well rungs rank"]


def _describe_confirm_stage(recipe: Recipe, prepared: Task) -> str:
    """A sentence on what is trained again at the end, and its cost."""
    known, (least, most) = prepared.space.known, recipe.verdict_seeds
    fewest, count = (forecast.planned_confirmations(recipe, len(known), seeds) for seeds in (least, most))
    *others, last = ("winner", "defaults", *known)
    compared = f"{', '.join(others)} and {last}"
    who = f"{compared} with {_between(least, most)} fresh seeds for the verdict"
    if recipe.candidates > 1:
        choice = f"the best {recipe.candidates} with {recipe.confirm_seeds} fresh seeds to choose the winner"
        who = f"{choice}, then {compared} with {_between(least, most)} others for the verdict"
    enough = (
        f", as many as a gain of {recipe.verdict.gain:g} needs to show in the noise of these" if least < most else ""
    )
    steps = _between(fewest * prepared.steps, count * prepared.steps)
    return f"confirmed at the end, by {_between(fewest, count)} full trainings ({steps} of the steps): {who}{enough}"


def _between(least: int, most: int) -> str:
    return str(most) if least == most else f"{least} to {most}"


def _means(prepared: Task, machine: Machine, tracking: SearchTracking) -> search.Means:
    display = progress.for_terminal()

    def make_executor(search_id: str) -> Executor:
        display.note(f"starting {machine.workers} workers")
        return machine.executor(prepared.factory, search_id, display.note)

    return search.Means(
        make_executor=make_executor,
        make_tracker=tracking.make,
        display=display,
        workers=machine.workers,
    )
