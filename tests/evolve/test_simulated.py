"""The simulated objective follows the rules of the real one: its results depend on the spec alone."""

import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from evolve import simulated
from evolve.genetics import recipe as recipes
from evolve.genetics import seeding
from evolve.genetics import space as spaces
from evolve.genetics.genome import Individual
from evolve.trial import Measurement, Objective, ObjectiveFactory, Setting, TrialDiverged, TrialSpec
from evolve.trial_config import check_space

SPACE = spaces.parse(simulated.SPACE, "simulated.SPACE")
STEPS = 90
INDIVIDUALS = seeding.first_generation(SPACE, recipes.load("fast"), 0)


def spec_of(individual: Individual, *, start: int = 0, stop: int = STEPS, seed: int | None = None) -> TrialSpec:
    config: Mapping[str, Setting] = {**SPACE.trial, **individual.genome}
    return TrialSpec(individual.uid, config, individual.seed if seed is None else seed, stop, start_step=start)


def scores(measurements: list[Measurement]) -> Mapping[str, float]:
    return measurements[-1].scores


def test_its_space_is_one_of_real_addresses() -> None:
    genes: dict[str, list[Setting]] = {
        gene: [domain.from_unit(0.0), domain.from_unit(1.0)] for gene, domain in SPACE.genes.items()
    }
    check_space(SPACE.name, SPACE.trial, genes)


def test_measurements_are_as_the_interface_says() -> None:
    spec = TrialSpec("u", {**SPACE.trial, **SPACE.defaults()}, 7, 30, evaluate_splits=("val", "test"))
    measurements = list(simulated.simulated_objective()(spec))
    assert [m.step for m in measurements] == [15, 30]
    assert measurements[0].scores == {}
    last = measurements[-1].scores
    assert set(last) == {f"{s}/{m}" for s in ("val", "test") for m in ("map50_95", "map50", "map75")}
    assert all(0.0 <= value <= 1.0 for value in last.values())
    assert last["val/map50"] > last["val/map50_95"]
    assert last["val/map50_95"] != last["test/map50_95"]
    for m in measurements:
        assert set(m.losses) == {"box", "objectness", "class", "total"}
        assert m.losses["total"] == pytest.approx(m.losses["box"] + m.losses["objectness"] + m.losses["class"])
        assert m.seconds["train"] >= 0
        assert m.traces == 0
    assert measurements[1].losses["total"] < measurements[0].losses["total"]


def test_a_trial_in_pieces_gives_what_it_gives_in_one_go_whatever_ran_before() -> None:
    whole = [scores(list(simulated.simulated_objective()(spec_of(i)))) for i in INDIVIDUALS[:20]]
    used = simulated.simulated_objective()
    pieces = []
    for individual in INDIVIDUALS[:20]:
        for start, stop in ((0, 10), (10, 30), (30, 90)):
            last = list(used(spec_of(individual, start=start, stop=stop)))
        pieces.append(scores(last))
    assert pieces == whole


def test_another_process_gives_the_same_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from evolve import simulated; from evolve.genetics import space\n"
        "from evolve.trial import TrialSpec\n"
        "s = space.parse(simulated.SPACE, 's'); o = simulated.simulated_objective()\n"
        "print(repr(list(o(TrialSpec('u', {**s.trial, **s.defaults()}, 7, 90)))[-1].scores))\n"
        "print({'tensorflow', 'ray', 'keras', 'mlflow', 'pandas', 'scipy'} & set(sys.modules))"
    )
    root = Path(__file__).resolve().parents[2]
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root).stdout
    here = list(simulated.simulated_objective()(TrialSpec("u", {**SPACE.trial, **SPACE.defaults()}, 7, 90)))
    assert lines.splitlines() == [repr(here[-1].scores), "set()"]


def test_longer_is_better_and_noise_is_the_seed_s() -> None:
    exact = simulated.simulated_objective(noise=0.0)
    for individual in INDIVIDUALS[:20]:
        curve = [scores(list(exact(spec_of(individual, stop=stop))))["val/map50_95"] for stop in (10, 30, 90)]
        assert curve == sorted(curve)
        one, other = (scores(list(exact(spec_of(individual, seed=seed)))) for seed in (1, 2))
        assert one == other
    noisy = simulated.simulated_objective(noise=0.02)
    values = [scores(list(noisy(spec_of(INDIVIDUALS[0], seed=seed))))["val/map50_95"] for seed in range(400)]
    assert statistics.stdev(values) == pytest.approx(0.02, rel=0.15)  # 400 draws: off by 3.5 %


def test_it_is_worth_searching() -> None:
    """The defaults are neither best nor worst; genomes differ far more than seeds; early rungs mislead a little."""
    objective = simulated.simulated_objective()
    final = [scores(list(objective(spec_of(i))))["val/map50_95"] for i in INDIVIDUALS]
    early = [scores(list(objective(spec_of(i, stop=10))))["val/map50_95"] for i in INDIVIDUALS]
    assert min(final) < final[0] < max(final)
    assert statistics.stdev(final) > 3 * 0.01
    order = sorted(range(100), key=lambda place: final[place])
    assert order != sorted(range(100), key=lambda place: early[place])
    assert statistics.correlation(final, early) > 0.5


def failure(objective: Objective, spec: TrialSpec) -> str:
    try:
        list(objective(spec))
    except (TrialDiverged, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def test_failures_are_keyed_by_the_genome() -> None:
    objective = simulated.simulated_objective(failures=0.3)
    first = [failure(objective, spec_of(individual, seed=1)) for individual in INDIVIDUALS]
    assert first == [failure(objective, spec_of(individual, seed=2)) for individual in INDIVIDUALS]
    failed = [text for text in first if text]
    assert len(failed) == pytest.approx(30, abs=15)  # of 100 at 0.3: off by 4.6
    kinds = {text.partition(" at step ")[0] for text in failed}
    assert kinds == {"TrialDiverged: the box loss is nan", "RuntimeError: simulated crash"}
    assert all(1 <= int(text.rpartition(" ")[2]) <= STEPS for text in failed)
    sound = simulated.simulated_objective()
    assert not any(failure(sound, spec_of(individual)) for individual in INDIVIDUALS)


def test_a_piece_before_the_failing_step_succeeds() -> None:
    objective = simulated.simulated_objective(failures=1.0)
    for individual in INDIVIDUALS[:20]:
        with pytest.raises((TrialDiverged, RuntimeError)) as caught:
            list(objective(spec_of(individual)))
        step = int(str(caught.value).rpartition(" ")[2])
        if step > 1:
            assert list(objective(spec_of(individual, stop=step - 1)))
            with pytest.raises((TrialDiverged, RuntimeError)):
                list(objective(spec_of(individual, start=step - 1, stop=step)))


def test_wrong_specs_and_settings_are_refused() -> None:
    objective = ObjectiveFactory("evolve.simulated:simulated_objective", {"noise": 0.0}).make()
    with pytest.raises(ValueError, match=r"u: expected a value of gene 'augment.mosaic_prob', got None"):
        list(objective(TrialSpec("u", {"train.steps": 90}, 0, 90)))
    with pytest.raises(ValueError, match=r"expected 0 <= start_step < stop_step <= train.steps, got 0, 91, 90"):
        list(objective(spec_of(INDIVIDUALS[0], stop=91)))
    with pytest.raises(ValueError, match="expected noise >= 0, failures in 0 to 1"):
        simulated.simulated_objective(failures=2.0)
