"""A winner as Darknet's .cfg: its network and every setting that Darknet has a key for; comments list the rest."""

from evolve.trial_config import STEPS, TrialConfig, post_config
from evolve.verdict.winner import Winner, WinnerError
from model.darknet import cfg_settings, exporter
from model.network import scales


def render(winner: Winner) -> str:
    """The cfg's text, to train the winner with Darknet itself; WinnerError for what a cfg cannot express."""
    config = TrialConfig.from_settings(winner.config)
    class_names, anchors = (winner.data.plain.get(name) for name in ("class_names", "anchors"))
    if not isinstance(class_names, list) or not isinstance(anchors, list):
        raise WinnerError(f"data: expected class_names and anchors as lists, got {class_names!r} and {anchors!r}")
    num_anchors = scales.number_of_anchors(scales.of_config(config.detector))
    if len(anchors) != num_anchors or not all(isinstance(pair, list) and len(pair) == 2 for pair in anchors):
        raise WinnerError(f"data: anchors: expected {num_anchors} pairs for {config.detector.variant}, got {anchors!r}")
    post = {f"post.{name}": value for name, value in winner.post.items()}
    counted = {} if winner.positives is None else {cfg_settings.POSITIVES: winner.positives}
    length = {} if winner.final_steps is None else {STEPS: winner.final_steps}
    try:
        post_config(winner.post)
        return exporter.render(
            config.detector,
            [str(name) for name in class_names],
            [(float(width), float(height)) for width, height in anchors],
            height=config.train.size,
            width=config.train.size,
            fit=config.input.fit,
            settings={**winner.config, **length, **post, **counted},
        )
    except ValueError as error:
        raise WinnerError(f"--format darknet: {error}") from error
