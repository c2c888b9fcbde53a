"""How well the rungs of a search rank trials by their fitness so far, as values and in words."""

from evolve.genetics import rung_correlation
from evolve.genetics.rung_correlation import FEWEST_TRIALS, RungCorrelation, RungTrial
from evolve.records.state import SearchState
from evolve.trial import TrialStatus

LEAST_CORRELATION = 0.3  # below this a rung is said to rank poorly


def correlations(state: SearchState) -> list[RungCorrelation]:
    """The rank correlation with the fitness of each rung before the last, over the closed generations."""
    generations: dict[int, dict[str, RungTrial]] = {generation: {} for generation in sorted(state.closed)}
    for uid, record in state.individuals.items():
        if record.generation in generations:
            stopped = record.status is TrialStatus.STOPPED_EARLY
            generations[record.generation][uid] = RungTrial(record.generation, record.rungs, stopped)
    recipe, steps = state.recipe, state.recipe.rung_steps(state.steps)
    return rung_correlation.correlations(list(generations.values()), steps, recipe.keep, recipe.elites, state.seed)


def in_words(state: SearchState, computed: list[RungCorrelation] | None = None) -> list[str]:
    """A line for each rung before the last, and one on those that are not shown to rank; none without rungs.

    computed: the state's correlations, if the caller has them already; their bootstrap takes a while.
    """
    rungs = correlations(state) if computed is None else computed
    known = [rung for rung in rungs if rung.rank_correlation is not None]
    if rungs and not known:
        return [f"rungs: how well they rank trials is not known: {_why_not(state, rungs[0].trials)}"]
    lines = [
        f"rung at step {rung.step}: rank correlation with the fitness {_figures(rung)}; "
        f"{rung.trials} trials, {rung.controls} of them controls"
        for rung in known
    ]
    doubt = doubt_about(rungs)
    return lines if doubt is None else [*lines, doubt]


def doubt_about(rungs: list[RungCorrelation]) -> str | None:
    """A sentence on the rungs whose interval includes 0 or whose correlation is low; None if there are none."""
    doubtful = [
        rung
        for rung in rungs
        if rung.rank_correlation is not None
        and rung.interval is not None
        and (rung.interval[0] <= 0 or rung.rank_correlation < LEAST_CORRELATION)
    ]
    if not doubtful:
        return None
    named = ", ".join(f"step {rung.step} ({_figures(rung)})" for rung in doubtful)
    return (
        f"rungs that are not shown to rank trials by their fitness: {named}; a search with later rungs "
        "(key rungs of the recipe in the space file) would stop fewer good trials"
    )


def _figures(rung: RungCorrelation) -> str:
    between = "" if rung.interval is None else f", {rung.interval[0]:+.2f} to {rung.interval[1]:+.2f}"
    return f"{rung.rank_correlation:+.2f}{between}"


def _why_not(state: SearchState, trials: int) -> str:
    if not state.closed:
        return "no generation is over yet"
    if trials >= FEWEST_TRIALS:
        return "the scores do not differ"
    if state.recipe.controls == 0:
        return "trials that a rung stops are not trained on (recipe key controls), and the promoted alone would mislead"
    return (
        f"{FEWEST_TRIALS} trials with a fitness are needed, and {trials} can be used "
        "(a generation has at most one control for ten trials)"
    )
