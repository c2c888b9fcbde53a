"""Prepares a search's Task from data, model and space, and checks it before anything heavy is imported."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evolve import space_checks, techniques
from evolve.data_description import DataDescription
from evolve.file_names import RUNS
from evolve.genetics import space as spaces
from evolve.genetics.genome import Genome
from evolve.genetics.space import SearchSpace
from evolve.objective import SCORES, describe_data, write_embedded_data
from evolve.process.terminal import InputError as InputError
from evolve.starting_weights import describe_weights, differing_settings, inspect_weights
from evolve.trial import ObjectiveFactory, Setting
from evolve.trial_config import ADDRESSES, STEPS, TrialConfig
from model import presets
from model.config import NOT_IN_TINY, RELEASED, RELEASED_MASKS

SPACES = Path(__file__).resolve().parent.parent / "search_spaces"
EMBEDDED_SPACE = SPACES / "embedded.yaml"
SMALL_SPACE = SPACES / "yolov4_small.yaml"
FULL_SPACE = SPACES / "yolov4.yaml"
EMBEDDED_BASE = SPACES / "embedded_base.keras"
# In these rooms a preset does not change settings that the space has fixed.
ROOMS_OF_THE_SPACE = ("train", "augment", "optimizer", "input")
# A preset does change these: how a gradient is shortened goes with the loss that the preset brings.
CLIPPING = ("optimizer.max_gradient_norm", "optimizer.spike_factor")
# (setting, its fixed value that switches a technique off) -> genes that then have no effect.
DEAD_GENES: Mapping[tuple[str, Setting], tuple[str, ...]] = {
    ("detector.variant", "yolov4-tiny"): (
        "detector.scale_xy_8",
        "detector.shortcut_gain",
        "detector.shortcut_normalization",
        "detector.dropblock_size",
    ),
    ("detector.dropblock_place", "none"): ("regularization.dropblock_rate", "regularization.dropblock_ramp_share"),
    ("regularization.dropblock_rate", 0.0): ("regularization.dropblock_ramp_share",),
    ("regularization.sat_prob", 0.0): ("regularization.sat_strength",),
    ("optimizer.policy", "steps"): ("optimizer.final_learning_rate_share",),
    ("augment.mosaic_prob", 0.0): ("augment.mosaic_min_offset", "augment.mosaic_off_share"),
}
# Keys of the description that are arguments of the objective too
OBJECTIVES_DATA = ("class_names", "anchors", "fingerprint", "format", "weights", "weights_fingerprint", "weights_cfg")
EMBEDDED_DATA = RUNS / "digits"
FORMATS = ("coco", "voc", "yolo")

# Darknet's rule for custom data (README "How to train"): 2000 x classes, at least 6000, in steps of batch 64.
STEPS_PER_CLASS = 2000
LEAST_STEPS = 6000
RULE_BATCH = 64


@dataclass(frozen=True)
class TaskRequest:
    """The flags of the command line; None: not given. Paths may be strings; InputError for values of a wrong type."""

    data: Path | None = None  # None: the embedded data set
    format: str | None = None  # of the data: voc, coco or yolo; None: the detected one
    space: Path | None = None  # a YAML file, or module:NAME
    variant: str | None = None  # a released network, of RELEASED
    preset: str | None = None  # published settings, of search_spaces/presets
    weights: str | None = None  # a checkpoint of ours, a Darknet file, or "none"
    cfg: Path | None = None  # of Darknet's weights, if it is not beside them
    size: int | None = None
    batch: int | None = None
    steps: int | None = None
    share: float = 1.0  # of the schedule: the full budget stops there, the schedule keeps its length
    settings: Mapping[str, str] = field(default_factory=dict)  # --set gene=value
    gpu: bool = False

    def __post_init__(self) -> None:
        for name in ("data", "space"):
            value = getattr(self, name)
            if isinstance(value, str):
                object.__setattr__(self, name, Path(value))
            elif not isinstance(value, Path | None):
                raise InputError(f"--{name}: expected a path, got {value!r}")
        if isinstance(self.weights, Path):
            object.__setattr__(self, "weights", str(self.weights))
        for name in ("size", "batch", "steps"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InputError(f"--{name}: expected a whole number of at least 1, got {value!r}")
        if isinstance(self.share, bool) or not isinstance(self.share, int | float) or not 0 < self.share <= 1:
            raise InputError(f"--share: expected a share of the schedule above 0, at most 1, got {self.share!r}")
        if self.format not in (None, *FORMATS):
            raise InputError(f"--format: expected one of {', '.join(FORMATS)}, got {self.format!r}")


@dataclass(frozen=True)
class Task:
    """Everything that a search needs to know about what it trains.

    space: with every trial setting filled in. steps: the full budget in optimizer steps. description: what the journal
    keeps of data and weights. notes: sentences for the terminal. state_bytes: size of a trial's state on disk while it
    waits at a rung; 0 if unknown. search_notes: more sentences, which concern a search alone.
    """

    space: SearchSpace
    factory: ObjectiveFactory
    description: dict[str, Any]
    steps: int
    notes: tuple[str, ...]
    state_bytes: int = 0
    search_notes: tuple[str, ...] = ()

    @property
    def data(self) -> DataDescription:
        """The description, typed."""
        return DataDescription(self.description)

    def config_of(self, genome: Genome) -> dict[str, Setting]:
        """The whole effective configuration of a trial with this genome, by address."""
        return TrialConfig.from_settings({**self.space.trial, **dict(genome)}).settings()


def prepare(request: TaskRequest, *, threads: int = 1) -> Task:
    """Check the request, read the data set and make the task; InputError or the reader's own error, one sentence."""
    path = request.space or _default_space(request)
    own, space_notes = load_space(path)
    space = _with_settings(own, request)
    if request.data is not None and not request.data.exists():  # if it is a file, the reader's error says so
        raise InputError(f"--data {request.data}: expected a folder that holds a labelled data set, got none there")
    space_checks.check_genes(space)
    space_checks.check_fitness(space, SCORES)
    base = TrialConfig.from_settings({**space.trial, **dict(space.defaults())})
    _weights(request, base, ())  # refused before any data is drawn or read
    if request.data is None and request.format is not None:
        raise InputError(f"--format {request.format}: expected --data beside it")
    root = request.data if request.data is not None else write_embedded_data(EMBEDDED_DATA)
    description = describe_data(
        root, size=base.train.size, fit=base.input.fit, detector=base.detector, format=request.format
    )
    description["embedded"] = request.data is None
    description |= _weights(request, base, description["class_names"])
    by_rule = _takes_darknets_schedule(own, space, request, description["weights"])
    schedule = _schedule(base, len(description["class_names"]), by_rule) if request.steps is None else request.steps
    space = space.with_gene_fixed("train.steps", schedule)
    asked = request.steps is not None or STEPS in request.settings
    if asked or by_rule or (space.final_steps or 0) <= schedule:  # final trainings are as long as a trial's schedule
        space = replace(space, final_steps=None)
    steps = max(1, math.ceil(request.share * schedule - 1e-9))
    factory = ObjectiveFactory(
        "evolve.objective:detection_objective",
        {
            "data": description["path"],
            **{name: description[name] for name in OBJECTIVES_DATA},
            "masks": base.detector.own_masks,
            "threads": threads,
            "gpu": request.gpu,
        },
    )
    notes = (*_notes(request, path, base, description, schedule, steps, by_rule), *space_notes)
    state_bytes = space_checks.largest_state(space, len(description["class_names"]))
    return Task(space, factory, description, steps, notes, state_bytes, _known_set_notes(own, space))


def load_space(path: Path) -> tuple[SearchSpace, tuple[str, ...]]:
    """The search space in a YAML file, or in Python as module:NAME; and sentences for the terminal."""
    if ":" not in str(path) or path.exists():
        return spaces.load(path), ()
    from evolve import tune_space  # imports Ray, which takes seconds

    return tune_space.load(str(path), TrialConfig().settings())


def _default_space(request: TaskRequest) -> Path:
    if request.data is None:
        return EMBEDDED_SPACE
    return FULL_SPACE if request.gpu else SMALL_SPACE


def _with_settings(space: SearchSpace, request: TaskRequest) -> SearchSpace:
    """The space with --variant, --preset, --size, --batch and --set applied, in this order."""
    if request.variant is not None:
        space = _with_values(space, variant_settings(request.variant))
        if request.variant == "yolov4-tiny":
            for name, only_value in NOT_IN_TINY.items():
                space = space.with_gene_fixed(f"detector.{name}", only_value)
    if request.preset is not None:
        values = preset_settings(request.preset)
        if space.trial.get("detector.variant") == "yolov4-tiny":
            if request.preset != "darknet":
                raise InputError(f"--preset: expected darknet, as yolov4-tiny has no other, got {request.preset!r}")
            values = {address: value for address, value in values.items() if not address.startswith("detector.")}
        # What a space fixes for its data (a mirrored digit has another meaning), length and batch stays.
        own = {address for address in space.trial if address.partition(".")[0] in ROOMS_OF_THE_SPACE}
        own -= set(CLIPPING)
        space = _with_values(space, {address: value for address, value in values.items() if address not in own})
    if request.size is not None:
        space = space.with_gene_fixed("train.size", request.size).with_gene_fixed("train.sizes", [request.size])
    if request.batch is not None:
        space = space.with_gene_fixed("train.batch", request.batch)
        for address in ("train.subdivisions", "train.mini_batches_at_once"):
            if isinstance(parts := space.trial.get(address), int):
                space = space.with_gene_fixed(address, math.gcd(parts, request.batch))
    for address, text in request.settings.items():
        if address not in ADDRESSES:
            known = ", ".join(sorted(space.genes))
            raise InputError(f"--set {address}={text}: no gene or trial setting of that name; the genes are {known}")
        space = space.with_gene_fixed(address, text)
    return _as_in_the_weights(_without_dead_genes(space), request)


def _without_dead_genes(space: SearchSpace) -> SearchSpace:
    """The space without genes that have no effect because a fixed setting switches their technique off."""
    for (switch, off), genes in DEAD_GENES.items():
        if space.trial.get(switch) == off:
            for address in genes:
                if address in space.genes:
                    space = space.with_gene_fixed(address, space.genes[address].default)
    return space


def _as_in_the_weights(space: SearchSpace, request: TaskRequest) -> SearchSpace:
    """The space with settings that keep the weights meaningful, unless the user has set them.

    MiWRC begins as the mean of its inputs. Weights that were trained with plain sums need sums, which a gain of 2 gives
    for the two inputs of a residual unit (docs/yolov4.md). Anchors are assigned to the output maps as in the weights:
    with another number of them on a map, the weights of that map would be lost.
    """
    path = _given_weights(request)
    if path is None:
        return space
    detector, set_already = inspect_weights(path, request.cfg).detector, {*space.trial, *space.genes}
    weighted = space.trial.get("detector.shortcut", "add") != "add"
    if weighted and detector.shortcut == "add" and "detector.shortcut_gain" not in set_already:
        space = space.with_gene_fixed("detector.shortcut_gain", 2.0)
    same_variant = space.trial.get("detector.variant", "yolov4") == detector.variant  # another one is refused later
    if same_variant and detector.masks != RELEASED_MASKS and "detector.masks" not in set_already:
        space = space.with_gene_fixed("detector.masks", detector.masks)
    return space


def _known_set_notes(loaded: SearchSpace, space: SearchSpace) -> tuple[str, ...]:
    """What is no longer in the known sets of the space's file, as it is the same in every training."""
    notes = []
    for name, values in loaded.known.items():
        left = space.known.get(name, {})
        fixed = ", ".join(gene for gene in values if gene not in left)
        if fixed:
            out = "" if left else ", and so it equals the defaults and is left out"
            notes.append(f"known set {name}: its value of {fixed} gives way to the one that all trainings have{out}")
    return tuple(notes)


def _given_weights(request: TaskRequest) -> Path | None:
    """The file of --weights, if it exists."""
    path = Path(request.weights) if request.weights not in (None, "none") else None
    return path.resolve() if path is not None and path.is_file() else None


def variant_settings(name: str) -> dict[str, Setting]:
    """The network of a released cfg, by address: no SAM, no MiWRC, leaky neck."""
    if name not in RELEASED:
        raise InputError(f"--variant: expected one of {', '.join(RELEASED)}, got {name!r}")
    released = TrialConfig(detector=RELEASED[name]).settings()
    # Without its masks, which are the default: the masks of the weights may replace them.
    network = {address: value for address, value in released.items() if address.startswith("detector.")}
    return {address: value for address, value in network.items() if address != "detector.masks"}


def preset_settings(name: str) -> dict[str, Setting]:
    """Published settings by address, from search_spaces/presets/NAME.yaml, which has the source of each."""
    try:
        return presets.load(name)
    except ValueError as error:
        raise InputError(f"--{error}") from error


def _with_values(space: SearchSpace, values: Mapping[str, Setting]) -> SearchSpace:
    """The space with these values: as defaults of genes whose domain includes them, else as fixed settings."""
    for address, value in values.items():
        gene = space.genes.get(address)
        try:
            if gene is not None:
                space = replace(space, genes={**space.genes, address: replace(gene, default=value)})  # type: ignore[arg-type]
                continue
        except ValueError:
            pass  # outside the gene's range: the published value is fixed instead
        space = space.with_gene_fixed(address, value)
    return space


def _weights(request: TaskRequest, base: TrialConfig, class_names: Sequence[str]) -> dict[str, str | None]:
    """What trials start from: a given file, else the shipped base if it has the same network, else scratch."""
    names = ("weights", "weights_fingerprint", "weights_cfg", "taken_over")
    scratch: dict[str, str | None] = dict.fromkeys(names)
    if request.cfg is not None and request.weights in (None, "none"):
        raise InputError(f"--cfg {request.cfg}: expected --weights with a Darknet file beside it")
    if request.weights == "none":
        return scratch
    if request.weights is None:
        if differing_settings(EMBEDDED_BASE, base.detector):
            return scratch
        return describe_weights(EMBEDDED_BASE, base.detector, class_names)
    path = Path(request.weights)
    if not path.is_file():
        raise InputError(
            f"--weights {path}: expected a checkpoint (.keras), a Darknet file (.weights) or 'none', got no such file"
        )
    return describe_weights(path.resolve(), base.detector, class_names, request.cfg)


def _takes_darknets_schedule(own: SearchSpace, space: SearchSpace, request: TaskRequest, weights: str | None) -> bool:
    """Whether the schedule follows Darknet's rule, because neither the user nor the space gives a length that fits.

    The length in the shipped spaces is one of fine-tuning from the shipped base: a network that cannot start there
    (--variant) would hardly begin to learn in it. own: the space before the flags were applied. A named space that
    never fitted the base says with its length how long training from scratch takes.
    """
    if request.steps is not None or "train.steps" in request.settings:
        return False
    if "train.steps" not in space.trial:
        return True
    if weights is not None:
        return False
    if request.data is not None and request.space is None:
        return True
    return _fits_the_base(own) and not _fits_the_base(space)  # the flags took the start away


def _fits_the_base(space: SearchSpace) -> bool:
    """Whether the space's network is that of the shipped base checkpoint."""
    settings = {**space.trial, **dict(space.defaults())}
    network = {address: value for address, value in settings.items() if address.startswith("detector.")}
    return not differing_settings(EMBEDDED_BASE, TrialConfig.from_settings(network).detector)


def _schedule(base: TrialConfig, classes: int, by_rule: bool) -> int:
    """Length of the schedule in steps: the space's, or that of Darknet's rule."""
    if not by_rule:
        return base.train.steps
    images = max(STEPS_PER_CLASS * classes, LEAST_STEPS) * RULE_BATCH
    return math.ceil(images / base.train.batch)


def _why_not_the_base(request: TaskRequest, base: TrialConfig) -> str:
    """Which settings keep trials from starting from the shipped base; empty if its width or depth differ anyway."""
    differing = differing_settings(EMBEDDED_BASE, base.detector)
    if request.weights == "none" or {"detector.width", "detector.depth"} & set(differing):
        return ""
    return f" (the shipped base is of another network: {', '.join(differing)})"


def _notes(
    request: TaskRequest,
    path: Path,
    base: TrialConfig,
    description: Mapping[str, Any],
    schedule: int,
    steps: int,
    by_rule: bool,
) -> tuple[str, ...]:
    images = ", ".join(f"{count} {split}" for split, count in description["images"].items())
    what = "embedded handwritten digits" if request.data is None else str(request.data)
    notes = [
        f"data: {what}: {len(description['class_names'])} classes, images: {images}",
        f"space: {path.name}; model: {base.detector.variant} x{base.detector.width:g} wide, "
        f"x{base.detector.depth:g} deep, {base.train.size} px, batch {base.train.batch}",
        f"full budget: {steps} optimizer steps"
        + ("" if steps == schedule else f", the first {request.share:.0%} of a schedule of {schedule}")
        + (
            f" (Darknet's rule: at batch {RULE_BATCH} max({STEPS_PER_CLASS} x classes, {LEAST_STEPS}))"
            if by_rule
            else ""
        ),
    ]
    notes += [f"data: {count} x {kind} (see `python -m data check`)" for kind, count in description["problems"].items()]
    if request.data is not None and not request.gpu and request.space is None and request.variant is None:
        notes.append("no GPU in use: a small model is trained, because the full one takes over 10 s a step on a CPU")
    off = techniques.switched_off(base.settings())
    notes.append(
        "techniques of the paper: " + (f"all on but {', '.join(off)}" if off else "all on") + " (docs/yolov4.md)"
    )
    if description["weights"] is None:
        notes.append(
            "weights: none: every trial starts from scratch, which costs several times the steps of fine-tuning; "
            "--weights FILE starts from a checkpoint" + _why_not_the_base(request, base)
        )
    else:
        notes.append(f"weights: from {Path(description['weights']).name}: {description['taken_over']}")
        weights = Path(description["weights"])
        if note := inspect_weights(weights, request.cfg).note:
            notes.append(f"weights: {note}")
        differing = differing_settings(weights, base.detector, request.cfg)
        if differing:
            notes.append(f"weights: trained with other values of {', '.join(differing)}; what they lack starts fresh")
        if base.detector.shortcut_gain != 1.0:
            gain = base.detector.shortcut_gain
            notes.append(f"weights: residual connections begin as the mean of their inputs times {gain:g}")
    return tuple(notes)
