"""What trials run on: workers, threads and GPUs, from the flags and from the visible GPUs and cores."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from evolve.execution import resources
from evolve.execution.executor import Executor
from evolve.process.terminal import complain
from evolve.task import InputError
from evolve.trial import ObjectiveFactory


@dataclass(frozen=True)
class Machine:
    """The workers of a search, and what each of them gets."""

    workers: int
    threads: int  # per worker
    gpus_per_trial: float
    address: str | None

    @property
    def gpu(self) -> bool:
        """Whether trials use GPUs."""
        return self.gpus_per_trial > 0

    def executor(
        self, factory: ObjectiveFactory, search_id: str | None = None, note: Callable[[str], None] = complain
    ) -> Executor:
        """Start the workers on Ray, which is imported here. `note` gets a sentence when workers are waited for."""
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
        """InputError unless the cluster at the address can be joined; starts nothing there."""
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
    """Turn ConnectionError into InputError: a cluster that cannot be reached is a wrong --address."""
    try:
        yield
    except ConnectionError as error:
        raise InputError(str(error)) from error


def machine_for(arguments: Namespace) -> Machine:
    """The machine that the flags describe; visible GPUs and cores are the defaults. InputError if they do not fit."""
    share: float | None = arguments.gpus_per_trial
    if arguments.cpu and share:
        raise InputError(f"--cpu and --gpus-per-trial {share:g}: expected one of the two")
    if share is not None and share > 1 and not share.is_integer():
        raise InputError(f"--gpus-per-trial {share:g}: expected a share of one GPU, or whole ones")
    if arguments.address is not None and arguments.workers is None:
        raise InputError(
            f"--address {arguments.address}: expected --workers N with it: how many trials run at once on the cluster"
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
