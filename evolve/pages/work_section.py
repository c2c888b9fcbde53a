"""The report's sections on cost: what workers did with their time, and what the search ran with."""

from evolve.pages.figures import BLUE, FILLED, GREEN, GREY, ORANGE, Figure, Trace, title
from evolve.pages.markup import escaped, short, table
from evolve.pages.search_facts import SearchFacts
from evolve.pages.section import Section
from evolve.process.terminal import duration
from evolve.records.state import total_seconds

COLOURS = {"train": BLUE, "evaluate": GREEN, "failed": ORANGE, "idle": GREY}
KINDS = {
    "prepare": "reading data and making the objective",
    "data": "waiting for pictures",
    "train": "training",
    "compile": "tracing and compiling",
    "evaluate": "evaluating",
    "checkpoint": "writing and reading states",
    "tune": "tuning the winner's NMS",
    "failed": "attempts that failed",
    "idle": "not working on a trial",
}


def cost(facts: SearchFacts) -> Section | None:
    """What workers did with their time, by kind of work and by generation."""
    seconds = {kind: spent for kind, spent in facts.status.worker_seconds.items() if spent > 0}
    total = sum(seconds.values())
    if not total:
        return None
    kinds = sorted(seconds, key=lambda kind: -seconds[kind])
    rows = [[kind, KINDS.get(kind), duration(seconds[kind]), f"{seconds[kind] / total:.1%}"] for kind in kinds]
    data: list[Trace] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": kind,
            "x": [seconds[kind] / total * 100],
            "y": ["workers"],
            "marker": {"color": COLOURS.get(kind, FILLED)},
            "hovertemplate": f"{escaped(kind)}: {duration(seconds[kind])} (%{{x:.1f}} %)<extra></extra>",
        }
        for kind in kinds
    ]
    layout = {
        "barmode": "stack",
        "xaxis": {**title("share of the workers' time, %"), "range": [0, 100]},
        "yaxis": {"showticklabels": False},
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "traceorder": "normal"},
    }
    at_work = 1 - seconds.get("idle", 0.0) / total
    text = f"<p>Trials took {at_work:.0%} of the workers' time.</p>"
    figure = Figure("cost", "Share of the workers' time by kind of work", data, layout, 190)
    head = ["kind", "what it is", "time", "share"]
    return Section(
        "cost",
        "Cost and use of the workers",
        [text, figure, table(head, rows, label="Worker time"), *_by_generation(facts)],
    )


def _by_generation(facts: SearchFacts) -> list[str]:
    rows: list[list[object]] = []
    for generation in range(facts.state.generation + 1):
        records = facts.generation(generation)
        finished = sum(one.seconds for one in records if one.fitness is not None)
        rows.append([f"generation {generation}", duration(sum(one.seconds for one in records)), duration(finished)])
    confirmations = total_seconds(one.seconds for one in facts.state.confirmations.values())
    if confirmations:
        rows.append(["trainings with fresh seeds", duration(sum(confirmations.values())), ""])
    return [
        "<h3>By generation</h3>",
        table(["", "worker time", "of it on finished trials"], rows, label="Worker time by generation"),
    ]


def settings(facts: SearchFacts) -> Section:
    """What the search ran with."""
    state = facts.state
    rows: list[list[object]] = [
        ["search", state.search_id],
        ["seed", state.seed],
        ["full budget", f"{state.steps} steps"],
        ["space", f"{state.space.name}, {len(state.space.genes)} genes"],
        ["data set", state.data.path],
        ["base weights", state.data.weights],
        ["workers", state.workers],
        ["threads of a trial", state.threads],
    ]
    recipe = state.recipe.to_plain()
    if isinstance(seeds := recipe.pop("verdict", None), dict):
        recipe |= {f"verdict {name}": value for name, value in seeds.items()}
    rows += [[f"recipe: {name}", _text(value)] for name, value in recipe.items()]
    rows += [[f"version: {name}", version] for name, version in sorted(state.versions.items())]
    return Section("settings", "What it ran with", [table(["setting", "value"], rows, label="Settings")])


def _text(value: object) -> str:
    return ", ".join(map(short, value)) if isinstance(value, list | tuple) else short(value)
