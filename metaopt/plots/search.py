"""How the search went: regret, curves, the Pareto set."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from metaopt.figures.account import Account
from metaopt.figures.values import Range, curves, progress, shown, thinned
from metaopt.objective import Objective
from metaopt.plots.style import LIGHT, Canvas, Drawing, label, legend, limit, whole_numbers
from metaopt.trial import State, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS, LINES, STEPS = 2000, 120, 200
"""At most so many trials are drawn as dots, or as curves; and so many points of a curve."""
SIZES = ((50, 6.0), (300, 4.5), (1500, 3.0), (math.inf, 2.0))
"""How large dots are, in points, of which there are at most so many."""
KEPT = {True: ("trial", "blue"), False: ("exceeds a constraint", "grey")}
"""By whether a trial is feasible: what it is called, and its colour."""
PAIRS = 6
EARLY = {State.STOPPED, State.PAUSED}


def named(objective: Objective) -> str:
    """The name of its axis."""
    return f"{label(objective.metric)} ({objective.goal})"


def regret(account: Account) -> Drawing:
    """The trials' values as they ended, and the best so far, for each objective."""
    told = [progress(account, index) for index in range(len(account.history.objectives))]

    def paint(canvas: Canvas) -> None:
        rows = canvas.subplots(len(told), 1, squeeze=False, sharex=True)[:, 0]
        for axes, each, goal in zip(rows, told, account.history.objectives, strict=True):
            view = shown(each.values, goal.sign)
            limit(axes, view)
            points = list(zip(each.ended, each.values, each.feasible, strict=True))
            for good, kind in KEPT.items():
                dots(axes, [(x, y) for x, y, feasible in points if feasible is good], view, kind, len(points))
            best = (each.ended, [view.clip(v) for v in each.best])
            axes.plot(*best, color=LIGHT["best"], linewidth=1.6, drawstyle="steps-post", label="best so far")
            axes.set_ylabel(named(goal))
        legend(canvas)
        whole_numbers(rows[-1], "x")
        rows[-1].set(xlabel="trials that have ended", xlim=(0, len(account.ended) + 0.5))

    note = "Each trial's value in the order in which they ended. A triangle at the edge is a value beyond it."
    return Drawing("Regret", 0.8 + 2.4 * len(told), paint, note)


def dots(axes: "Axes", points: Sequence[tuple[float, float]], view: Range, kind: tuple[str, str], of: int) -> None:
    """``points`` (x, y), of so many; those beyond the ends of ``view`` as triangles at the edge; ``kind``: see KEPT."""
    name, colour = kind
    size = next(size for most, size in SIZES if of <= most)
    look: dict[str, Any] = {"linestyle": "none", "color": LIGHT[colour], "markeredgewidth": 0.0, "alpha": 0.7}
    groups = {
        "o": [(x, y) for x, y in points if view.low <= y <= view.high],
        "v": [(x, view.low) for x, y in points if y < view.low],
        "^": [(x, view.high) for x, y in points if y > view.high],
    }
    for marker, those in groups.items():
        if those:
            text = name if marker == "o" else "_"
            drawn = zip(*thinned(those, DOTS), strict=True)
            axes.plot(*drawn, marker=marker, markersize=size, clip_on=False, label=text, **look)


def learning(account: Account) -> Drawing:
    """The curves of the first objective's metric."""
    goal = account.history.objective
    trials, many = curves(account, LINES)
    if not trials:
        problem = f"no trial has reported {goal.metric} more than once"
        raise account.nothing(problem)
    told = {trial.number: thinned(trial.curve(goal.metric), STEPS) for trial in trials}
    view = shown((value for curve in told.values() for _, value in curve), goal.sign)
    best = account.history.best
    looks = {
        "completed": ("pale", [t for t in trials if t.state is State.COMPLETED and t is not best]),
        "failed or running": ("grey", [t for t in trials if t.state not in {State.COMPLETED, *EARLY}]),
        "stopped early, or paused": ("amber", [t for t in trials if t.state in EARLY]),
        "best": ("best", [t for t in trials if t is best]),
    }

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        limit(axes, view)
        for name, (colour, those) in looks.items():
            width = 2.0 if name == "best" else 0.9
            for at, trial in enumerate(those):
                line = axes.plot(*zip(*told[trial.number], strict=True), color=LIGHT[colour], linewidth=width)
                line[0].set_label("_" if at else name)
        if all(float(step).is_integer() for curve in told.values() for step, _ in curve):
            whole_numbers(axes, "x")
        axes.set(xlabel="step", ylabel=named(goal))
        legend(canvas)

    some = f" {len(trials)} of {many}: the best, and others evenly." if len(trials) < many else ""
    return Drawing("Curves", 3.2, paint, f"What the scripts have said of {goal.metric}.{some}")


def pareto(account: Account) -> Drawing:
    """Two objectives at a time."""
    goals = account.history.objectives
    if len(goals) < 2:  # noqa: PLR2004 - it is of two, at least
        problem = "it has one objective, so no Pareto set"
        raise account.nothing(problem, "Plot its regret instead.")
    trials, front = account.completed, account.history.pareto
    pairs = list(combinations(range(len(goals)), 2))[:PAIRS]
    columns = min(len(pairs), 3)
    rows = -(-len(pairs) // columns)

    def paint(canvas: Canvas) -> None:
        grid = canvas.subplots(rows, columns, squeeze=False).ravel()
        for axes, (one, other) in zip(grid, pairs, strict=False):
            _pair(axes, (one, other), account, trials, front)
        for axes in grid[len(pairs) :]:
            axes.set_axis_off()
        legend(canvas)

    return Drawing(
        "Pareto set",
        0.7 + (3.4 if columns == 1 else 2.6) * rows,
        paint,
        "Those trials that no other one dominates. At the edge: a value beyond it.",
    )


def _pair(
    axes: "Axes", pair: tuple[int, int], account: Account, trials: Sequence[Trial], front: Sequence[Trial]
) -> None:
    across, up = (account.history.objectives[index] for index in pair)
    wide, high = (
        shown((t.objectives[index] for t in trials), account.history.objectives[index].sign) for index in pair
    )
    limit(axes, wide, "x")
    limit(axes, high)

    def at(those: Sequence[Trial]) -> list[tuple[float, float]]:
        return [(wide.clip(t.objectives[pair[0]]), high.clip(t.objectives[pair[1]])) for t in those]

    kept = {trial.number for trial in front}
    others = [trial for trial in trials if trial.number not in kept]
    for good, kind in KEPT.items():
        dots(axes, at([trial for trial in others if trial.feasible is good]), high, kind, len(trials))
    if front:
        line = sorted(at(front))
        style = "-" if len(account.history.objectives) == 2 else "none"  # noqa: PLR2004 - else it is no line
        steps = "steps-post" if across.goal == "minimize" else "steps-pre"
        look: dict[str, Any] = {"color": LIGHT["best"], "linewidth": 1.2, "linestyle": style, "drawstyle": steps}
        axes.plot(*zip(*line, strict=True), marker="o", markersize=5, label="Pareto set", **look)
    axes.set(xlabel=named(across), ylabel=named(up))
