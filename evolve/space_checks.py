"""Checks of a search space against the trials: its genes, its fitness, the size of the largest state."""

import math
from collections.abc import Sequence

from evolve import objective
from evolve.genetics.domains import Choice, Domain
from evolve.genetics.space import SearchSpace
from evolve.trial import Setting
from evolve.trial_config import TrialConfig, check_space

BURN_IN = "optimizer.burn_in_share"


def check_genes(space: SearchSpace) -> None:
    """ValueError unless every address exists and the genes' extreme values are valid settings of a trial."""
    values = {gene: extremes(domain) for gene, domain in space.genes.items()}
    check_space(space.name, space.trial, values, dict(space.defaults()))


def check_fitness(space: SearchSpace, scores: Sequence[str] | None) -> None:
    """ValueError unless the objective reports all scores of the fitness. scores: None if they are not known."""
    if scores is None:
        return
    known = [f"val/{name}" for name in scores]
    for name in space.fitness:
        if name not in known:
            raise ValueError(f"{space.name}: fitness: expected scores out of {', '.join(known)}, got {name!r}")


def largest_state(space: SearchSpace, num_classes: int) -> int:
    """The size in bytes of the largest state that a trial of the space can have."""
    settings = {**space.trial, **space.defaults()}
    for address, domain in space.genes.items():
        if address.startswith("detector.") or address == "optimizer.ema_decay":
            sizes = {
                value: objective.state_bytes(TrialConfig.from_settings({**settings, address: value}), num_classes)
                for value in extremes(domain)
            }
            settings[address] = max(sizes, key=sizes.__getitem__)
    return objective.state_bytes(TrialConfig.from_settings(settings), num_classes)


def latest_burn_in(space: SearchSpace, schedule: int) -> int:
    """The step at which the longest burn-in of a trial of the space ends. schedule: its length in steps."""
    settings = {**space.trial, **space.defaults()}
    domain = space.genes.get(BURN_IN)
    shares = [settings.get(BURN_IN)] if domain is None else extremes(domain)
    configs = [TrialConfig.from_settings({} if share is None else {BURN_IN: share}) for share in shares]
    return max(math.ceil(config.optimizer.burn_in_share * schedule) for config in configs)


def extremes(domain: Domain) -> list[Setting]:
    """Representative values of a gene: every choice, or both ends of the range and the default."""
    if isinstance(domain, Choice):
        return list(domain.values)
    return [domain.from_unit(0.0), domain.from_unit(1.0), domain.default]
