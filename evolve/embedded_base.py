"""Makes the base checkpoint that embedded trials start from: `python -m evolve.embedded_base --out FILE`.

A detector trained from scratch on scenes of the "base" slice of the handwritten digits, which shares no digit
with the scenes that `make evolve` searches on. A trial takes over every layer but the three output maps, as a
user of the full model starts from a backbone and neck trained elsewhere. Its settings were tuned by hand.
"""

import argparse
import sys
from pathlib import Path

from evolve import objective, task
from evolve.genetics import space as spaces
from evolve.trial import TrialSpec
from evolve.trial_config import TrialConfig

DATA = Path("runs") / "digits-base"
STEPS = 3000
SETTINGS = {
    "optimizer.learning_rate": 0.02,
    "optimizer.burn_in_share": 0.1,
    "optimizer.norm_momentum": 0.97,
    "loss.box_weight": 4.0,
    "augment.mosaic_prob": 0.3,
    "augment.mosaic_off_share": 0.2,
}


def main() -> int:
    """Train and write the checkpoint; prints losses as they come and the scores at the end."""
    parser = argparse.ArgumentParser(prog="python -m evolve.embedded_base", description=__doc__)
    parser.add_argument("--out", type=Path, default=task.EMBEDDED_BASE, help="checkpoint to write (%(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="optimizer steps (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    space = spaces.load(task.EMBEDDED_SPACE)
    settings = {**space.trial, **dict(space.defaults()), **SETTINGS, "train.steps": arguments.steps}
    config = TrialConfig.from_settings(settings)
    root = objective.write_embedded_data(DATA, slice_name="base")
    described = objective.describe_data(root, size=config.train.size, fit=config.input.fit)
    train = objective.detection_objective(
        data=described["path"],
        class_names=described["class_names"],
        anchors=described["anchors"],
        fingerprint=described["fingerprint"],
        threads=arguments.threads,
    )
    spec = TrialSpec("base", config.settings(), arguments.seed, arguments.steps, checkpoint=arguments.out)
    for measurement in train(spec):
        numbers = {**measurement.losses, **measurement.scores}
        print(f"step {measurement.step}: " + ", ".join(f"{name} {value:.3f}" for name, value in numbers.items()))
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
