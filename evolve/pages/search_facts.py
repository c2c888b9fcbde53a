"""Facts about individuals that both pages show: status as seen now, gain over a parent, the winner's path."""

from dataclasses import dataclass
from functools import cached_property

from evolve.genetics.genome import Genome
from evolve.records import lineage
from evolve.records.lineage import Status
from evolve.records.state import IndividualRecord, SearchState
from evolve.trial import TrialStatus

IN_WORDS = {
    TrialStatus.FINISHED: "finished",
    TrialStatus.STOPPED_EARLY: "stopped early",
    TrialStatus.FAILED: "failed",
    TrialStatus.RUNNING: "running",
    TrialStatus.PROPOSED: "waiting",
}


@dataclass(frozen=True)
class GainAtStep:
    """A child's score minus its parent's, both at the last step at which both have one."""

    value: float
    step: int


@dataclass(frozen=True)
class SearchFacts:
    """A search as its pages show it. held: whether a living process writes its journal."""

    state: SearchState
    held: bool

    @cached_property
    def status(self) -> Status:
        """The search's status at its last event, so that the same journal always gives the same page."""
        return lineage.status(self.state, held=self.held, now=self.state.last_at)

    @property
    def headline(self) -> str:
        """The verdict; before there is one, where the search stands."""
        state = self.state
        if state.outcome is not None:
            return f"Winner {state.outcome.uid}: {state.outcome.verdict}"
        if self.status.state == "failed":
            return f"The search failed: {state.reason}"
        best = "no fitness yet"
        if state.best is not None:
            best = f"best so far {state.best.uid} with fitness {state.best.fitness:.4f}"
        word = "is still running" if self.status.state == "running" else "was interrupted and can go on"
        return f"No verdict yet: the search {word} (generation {state.generation} of {state.generations}, {best})"

    @cached_property
    def elites(self) -> frozenset[str]:
        """The uids that were an elite of any generation."""
        return frozenset(uid for elites in self.state.closed.values() for uid in elites)

    @cached_property
    def leader(self) -> str | None:
        """The state's leader, which is looked up once for a page: the best of thousands takes a sort."""
        return self.state.leader

    @cached_property
    def path(self) -> tuple[str, ...]:
        """The uids of the leader and its ancestors, oldest first."""
        if self.leader is None:
            return ()
        return tuple(record.uid for record in lineage.ancestors(self.state, self.leader)[::-1])

    def status_of(self, record: IndividualRecord) -> TrialStatus:
        """The individual's status; without a living process a running trial waits to be leased again."""
        if record.status is TrialStatus.RUNNING and self.status.state != "running":
            return TrialStatus.PROPOSED
        return record.status

    def position(self, gene: str, genome: Genome) -> float | None:
        """A gene's position in its range, 0 to 1; None if the space does not have that value."""
        try:
            return round(self.state.space.genes[gene].to_unit(genome[gene]), 4)
        except (KeyError, ValueError):
            return None

    def generation(self, number: int) -> list[IndividualRecord]:
        """The individuals of a generation in the order of their slots."""
        return self._by_generation.get(number, [])

    @cached_property
    def _by_generation(self) -> dict[int, list[IndividualRecord]]:
        generations: dict[int, list[IndividualRecord]] = {}
        for record in self.state.individuals.values():
            generations.setdefault(record.generation, []).append(record)
        return generations


def gain(child: IndividualRecord, parent: IndividualRecord) -> GainAtStep | None:
    """The child's gain over a parent; None if there is no step at which both have a score."""
    common = child.rungs.keys() & parent.rungs.keys()
    if not common:
        return None
    step = max(common)
    return GainAtStep(child.rungs[step] - parent.rungs[step], step)


def last_score(record: IndividualRecord) -> tuple[int, float] | None:
    """The last step with a score, and the score; None before the first rung."""
    return max(record.rungs.items(), default=None)


def rank_key(record: IndividualRecord) -> tuple[bool, float, int, float, str]:
    """Sorts individuals, best first: by fitness, then by the last rung and the score there, ties by uid."""
    step, value = last_score(record) or (0, 0.0)
    return record.fitness is None, -(record.fitness or 0.0), -step, -value, record.uid
