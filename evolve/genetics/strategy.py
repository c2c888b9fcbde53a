"""The strategy: ask() for decisions, tell() the results. A state machine without clock, files or processes.

Hard barrier: a rung is decided when all trials that entered it have a result, and a generation is bred when the
last rung of the one before is decided. So the order in which trials end decides nothing, and a fresh strategy
that is told the results of a search makes the same decisions again: that is how a search resumes. It is given the
individuals that the search has bred already, and does not breed them again: the last bits of the model that screens
offspring may differ on another machine or with another number of threads.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from types import MappingProxyType

from evolve.genetics import early_stopping, operators, screening, seeding, selection
from evolve.genetics.genome import (
    Genome,
    Individual,
    control_generator,
    random_generator,
    screening_generator,
    trial_seed,
    uid_of,
)
from evolve.genetics.recipe import Recipe
from evolve.genetics.screening import Screen, Trial
from evolve.genetics.space import SearchSpace


@dataclass(frozen=True)
class GenerationOpened:
    """These individuals were bred; the generation begins."""

    generation: int
    individuals: tuple[Individual, ...]


@dataclass(frozen=True)
class Assigned:
    """The individual may train from start_step to stop_step."""

    uid: str
    rung: int  # 0, 1, ...
    start_step: int
    stop_step: int
    last: bool  # whether stop_step is the full budget


@dataclass(frozen=True)
class Stopped:
    """The individual was not promoted from the rung at this step."""

    uid: str
    step: int


@dataclass(frozen=True)
class GenerationClosed:
    """All trials of the generation are over; these are its elites, best first."""

    generation: int
    elites: tuple[str, ...]


@dataclass(frozen=True)
class SearchEnded:
    """Nothing more is bred. `winner` is the best by fitness, None if no individual reached its full budget."""

    winner: str | None
    reason: str


Decision = GenerationOpened | Assigned | Stopped | GenerationClosed | SearchEnded


class Strategy:
    """Breeds generations and promotes their individuals from rung to rung; elites stay and get children.

    warm_starts: genomes that the first generation has beside the defaults (genetics/seeding.py).
    opened: the individuals that this search has bred before, by uid; their genomes are taken from here.
    """

    def __init__(
        self,
        space: SearchSpace,
        recipe: Recipe,
        seed: int,
        steps: int,
        *,
        warm_starts: Sequence[Genome] = (),
        opened: Mapping[str, Individual] = MappingProxyType({}),
    ) -> None:
        if seed < 0:
            raise ValueError(f"expected a seed of 0 or more, got seed={seed}")
        self._space, self._recipe, self._seed, self._opened = space, recipe, seed, opened
        self._steps = recipe.rung_steps(steps)
        self._decisions: list[Decision] = []  # those that ask() has not returned yet
        self._individuals: dict[str, Individual] = {}
        self._scores: dict[str, dict[int, float]] = {}
        self._fitness: dict[str, float] = {}
        self._genomes: set[Genome] = set()
        self._elites: tuple[str, ...] = ()
        self._ended = False
        self._rung = 0
        self._entered: tuple[str, ...] = ()  # uids on the current rung, by slot
        self._told: dict[str, float | None] = {}  # uid -> its result on the current rung; None: it failed
        self._controls: set[str] = set()  # uids of this generation that go on whatever their scores
        self._control_share: Fraction | None = None  # of the trials below a cut; None before the generation's first one
        first_generation = seeding.first_generation(space, recipe, seed, warm_starts)
        self._open(0, [self._as_opened(first) for first in first_generation])

    @property
    def generation(self) -> int:
        """The number of the generation that trains now, or trained last."""
        return self._generation

    @property
    def ended(self) -> bool:
        """Whether the search is over."""
        return self._ended

    @property
    def individuals(self) -> Mapping[str, Individual]:
        """All individuals so far, by uid."""
        return MappingProxyType(self._individuals)

    @property
    def scores(self) -> Mapping[str, Mapping[int, float]]:
        """The scores told so far: uid -> step -> score."""
        return MappingProxyType(self._scores)

    @property
    def fitness(self) -> Mapping[str, float]:
        """The scores at the full budget: uid -> fitness."""
        return MappingProxyType(self._fitness)

    def ask(self) -> list[Decision]:
        """The decisions since the last call, in order; empty while results are awaited."""
        decisions, self._decisions = self._decisions, []
        return decisions

    def tell(self, uid: str, step: int, score: float | None) -> None:
        """Take in the result of an assigned piece: the score at its stop step; None if the trial failed before."""
        expected = self._steps[self._rung]
        if self._ended or uid not in self._entered or step != expected:
            raise ValueError(f"{uid}: expected a trial assigned to reach step {expected}, got step {step}")
        if uid in self._told:
            raise ValueError(f"{uid}: expected one result at step {step}, got a second one")
        if score is not None and not math.isfinite(score):
            raise ValueError(f"{uid}: expected a finite score at step {step}, or None for a failed trial, got {score}")
        self._told[uid] = score
        if score is not None:
            self._scores[uid][step] = score
        if len(self._told) == len(self._entered):
            self._decide_rung()

    def _decide_rung(self) -> None:
        """All trials on the rung have a result: promote the best, draw controls, or close the generation."""
        alive = {uid: score for uid, score in self._told.items() if score is not None}
        step = self._steps[self._rung]
        if self._rung == len(self._steps) - 1:
            self._fitness.update(alive)
            self._close(alive)
            return
        competing = [uid for uid in self._entered if uid not in self._controls]
        scores = {uid: alive[uid] for uid in competing if uid in alive}
        promoted = early_stopping.promoted(scores, len(competing), self._recipe.keep, self._recipe.elites)
        self._controls |= self._draw_controls([uid for uid in scores if uid not in promoted], len(competing))
        go_on = alive.keys() & {*promoted, *self._controls}
        self._decisions += [Stopped(uid, step) for uid in self._entered if uid in alive and uid not in go_on]
        if go_on:
            self._assign(self._rung + 1, (uid for uid in self._entered if uid in go_on))
        else:
            self._close({})

    def _draw_controls(self, below: list[str], entered: int) -> set[str]:
        """Draw controls among the trials below the cut, which are in the order of their slots."""
        if not below:
            return set()
        if self._control_share is None:
            self._control_share = early_stopping.control_share(len(below), entered, self._recipe.controls)
        rng = control_generator(self._seed, self._generation, self._rung)
        count = early_stopping.num_controls(len(below), self._control_share)
        return {below[index] for index in rng.choice(len(below), count, replace=False)}

    def _assign(self, rung: int, uids: Iterable[str]) -> None:
        self._rung, self._entered, self._told = rung, tuple(uids), {}
        start, stop = (0, *self._steps)[rung], self._steps[rung]
        last = rung == len(self._steps) - 1
        self._decisions += [Assigned(uid, rung, start, stop, last) for uid in self._entered]

    def _open(self, generation: int, individuals: list[Individual]) -> None:
        self._generation = generation
        self._controls, self._control_share = set(), None
        for individual in individuals:
            self._individuals[individual.uid] = individual
            self._scores[individual.uid] = {}
            self._genomes.add(individual.genome)
        self._decisions.append(GenerationOpened(generation, tuple(individuals)))
        self._assign(0, (individual.uid for individual in individuals))

    def _close(self, finished: Mapping[str, float]) -> None:
        """Choose the elites of the generation; breed the next one or end."""
        candidates = {**{uid: self._fitness[uid] for uid in self._elites}, **finished}
        self._elites = selection.elites(candidates, self._recipe.elites)
        self._decisions.append(GenerationClosed(self._generation, self._elites))
        if not self._elites:
            self._end("no individual reached its full budget")
        elif self._generation == self._recipe.generations:
            self._end("all generations are done")
        else:
            try:
                children = self._breed(self._generation + 1)
            except operators.SpaceExhausted as error:
                self._end(str(error))
            else:
                self._open(self._generation + 1, children)

    def _breed(self, generation: int) -> list[Individual]:
        """Exactly `children` children of each elite, in the elites' order; all their genomes are new."""
        parents = [uid for uid in self._elites for _ in range(self._recipe.children)]
        uids = [uid_of(generation, slot) for slot in range(len(parents))]
        screen = None if all(uid in self._opened for uid in uids) else self._screen(generation)
        seen = set(self._genomes)
        children = []
        for slot, (uid, parent) in enumerate(zip(uids, parents, strict=True)):
            known = self._opened.get(uid)
            genome, predicted = (
                (known.genome, known.predicted) if known else self._child(parent, generation, slot, seen, screen)
            )
            seen.add(genome)
            children.append(
                Individual(
                    uid=uid,
                    genome=genome,
                    parents=(parent,),
                    generation=generation,
                    slot=slot,
                    operator=operators.MUTATION,
                    seed=trial_seed(self._seed, generation, slot),
                    predicted=predicted,
                )
            )
        return children

    def _screen(self, generation: int) -> Screen | None:
        """The model that chooses this generation's children among mutants; None if it is not asked."""
        if self._recipe.screening == 1:
            return None
        trials = [
            Trial(individual.generation, individual.genome, self._scores[uid], individual.predicted)
            for uid, individual in self._individuals.items()
        ]
        if not screening.is_trusted(trials, self._steps, generation - 1):
            return None
        return screening.screen_from(self._space, trials, self._steps)

    def _child(
        self, parent: str, generation: int, slot: int, seen: set[Genome], screen: Screen | None
    ) -> tuple[Genome, float | None]:
        """A child whose genome is not in `seen`, and the fitness predicted for it if it was screened.

        The first mutant is the child that there would be without a screen.
        """
        genome, space = self._individuals[parent].genome, self._space
        rate, strength = self._recipe.mutation_rate, self._recipe.mutation_strength
        rng = random_generator(self._seed, generation, slot)
        first = operators.new_child(parent, genome, space, rng, seen, rate=rate, strength=strength)
        if screen is None:
            return first, None
        mutate = partial(operators.MUTATIONS[operators.MUTATION], genome, space, rate=rate, strength=strength)
        draws = range(1, self._recipe.screening)
        others = (mutate(screening_generator(self._seed, generation, slot, draw)) for draw in draws)
        return screen.best([first, *(other for other in others if other not in seen)])

    def _as_opened(self, individual: Individual) -> Individual:
        """The individual with the genome that it had when the search bred it before."""
        known = self._opened.get(individual.uid)
        return individual if known is None else replace(individual, genome=known.genome)

    def _end(self, reason: str) -> None:
        self._ended = True
        self._decisions.append(SearchEnded(self._elites[0] if self._elites else None, reason))
