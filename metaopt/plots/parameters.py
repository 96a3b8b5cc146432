"""What the parameters have to do with it: importance, parallel coordinates, slices."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metaopt.errors import NoResult
from metaopt.figures.account import Account
from metaopt.figures.values import Range, shown, spread, thinned
from metaopt.objective import Objective
from metaopt.optimizers.sensitivity import Sensitivity, sensitivity
from metaopt.optimizers.tried import centre
from metaopt.plots.search import KEPT, dots, named
from metaopt.plots.style import LIGHT, Canvas, Drawing, label, legend, limit, whole_numbers
from metaopt.scalars import counted
from metaopt.space import Categorical, Integer, Normal, Parameter, Real
from metaopt.trial import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST = 5
"""So many completed trials are needed to say which parameters matter."""
MOST = 12
"""So many parameters are drawn: of more, those that matter most."""
LINES, DOTS = 240, 400
BESIDE = 8
"""So many names have room on an axis."""
BELOW = -0.12
"""Where a parameter is drawn that is not active."""


def shares(account: Account, index: int = 0) -> Sensitivity:
    """How much each searched parameter matters for the objective with this index; raises NoResult."""
    goal = account.history.objectives[index]
    tried = [(trial.params, goal.sign * trial.objectives[index]) for trial in account.completed]
    found = sensitivity(account.space, tried) if len(tried) >= FEWEST else None
    if found is None:
        few = f"{counted(len(tried), 'trial')}, and {FEWEST} are needed" if len(tried) < FEWEST else "all are alike"
        problem = f"nobody can say which parameters matter: {few}"
        raise account.nothing(problem)
    return found


def importance(account: Account) -> Drawing:
    """The total and the first-order share of each parameter, for each objective."""
    goals = account.history.objectives
    told = [shares(account, index) for index in range(len(goals))]
    names = [each.name for each in account.space.searched]
    order = sorted(range(len(names)), key=lambda column: -max(each.total[column] for each in told))[:MOST]

    def paint(canvas: Canvas) -> None:
        columns = canvas.subplots(1, len(goals), squeeze=False, sharey=True)[0]
        for axes, goal, each in zip(columns, goals, told, strict=True):
            rows = range(len(order))
            axes.barh(rows, each.total[order], height=0.62, color=LIGHT["pale"], label="with interactions")
            axes.barh(rows, each.first[order], height=0.62, color=LIGHT["blue"], label="alone")
            axes.set(xlim=(0.0, 1.0), yticks=rows, yticklabels=[label(names[column]) for column in order])
            axes.set(xlabel=f"share of the variance of {label(goal.metric)}", ylim=(len(order) - 0.5, -0.5))
            axes.grid(visible=False, axis="y")
        legend(canvas)

    parts = [f"{max(each.explained, 0.0):.0%} for {goal.metric}" for goal, each in zip(goals, told, strict=True)]
    note = (
        "Sobol' indices over the whole space, of a Gaussian process fitted to the completed trials. So much of the "
        f"variance of trials that are left out it explains: {', '.join(parts)}. The less that is, the less this says."
    )
    return Drawing("Importance", 1.0 + 0.3 * len(order), paint, note)


def drawn(account: Account) -> Sequence[Parameter]:
    """The searched parameters, or of many those that matter most, as far as that is known."""
    searched = account.space.searched
    if len(searched) <= MOST:
        return searched
    try:
        total = shares(account).total
    except NoResult:
        return searched[:MOST]
    kept = sorted(range(len(searched)), key=lambda column: -total[column])[:MOST]
    return [searched[column] for column in sorted(kept)]


def slices(account: Account) -> Drawing:
    """The first objective over each parameter."""
    goal, parameters = account.history.objective, drawn(account)
    trials = account.ranked
    view = shown((trial.objectives[0] for trial in trials), goal.sign)
    columns = min(len(parameters), 4)
    rows = -(-len(parameters) // columns)

    def paint(canvas: Canvas) -> None:
        grid = canvas.subplots(rows, columns, squeeze=False, sharey=True)
        for axes, parameter in zip(grid.ravel(), parameters, strict=False):
            limit(axes, view)
            _slice(axes, parameter, trials, view)
        for axes in grid.ravel()[len(parameters) :]:
            axes.set_axis_off()
        for row in grid:
            row[0].set_ylabel(named(goal))
        legend(canvas)

    some = sum(min(sum(trial.feasible is good for trial in trials), DOTS) for good in KEPT)
    note = f"The trials' {goal.metric} over each parameter.{_of(some, trials)}"
    return Drawing("Slices", 0.6 + 2.1 * rows, paint, note)


def _slice(axes: "Axes", parameter: Parameter, trials: Sequence[Trial], view: Range) -> None:
    those = [trial for trial in trials if parameter.name in trial.params and _fits(parameter, trial)]
    for good, kind in KEPT.items():
        some = thinned([trial for trial in those if trial.feasible is good], DOTS)
        places = [(_across(parameter, trial), trial.objectives[0]) for trial in some]
        dots(axes, places, view, kind, len(trials))
    if those and those[0] is trials[0]:
        at = _across(parameter, those[0]), view.clip(those[0].objectives[0])
        axes.plot(*at, marker="D", markersize=6, color=LIGHT["best"], linestyle="none", label="best")
    if isinstance(parameter, Categorical):
        names = [label(each, 12) for each in parameter.choices]
        turned = sum(map(len, names)) > 18  # noqa: PLR2004 - characters beside each other
        axes.set(xlim=(-0.6, len(names) - 0.4), xticks=range(len(names)))
        axes.set_xticklabels(names, rotation=40 * turned, ha="right" if turned else "center")
    elif isinstance(parameter, Integer | Real | Normal):
        limit(axes, _prior(parameter), "x", 4)
        if isinstance(parameter, Integer) and not parameter.log:
            whole_numbers(axes, "x")
    axes.set_xlabel(label(parameter.name))


def _of(some: int, trials: Sequence[Trial]) -> str:
    """That not all are shown, if so."""
    return f" {some} of {len(trials)}, by their values evenly." if some < len(trials) else ""


def _prior(parameter: Integer | Real | Normal) -> Range:
    """All that a parameter may be, and a little more."""
    ends = [float(parameter.from_unit(end)) for end in (0.0, 1.0)]
    return spread(*ends, log=parameter.log)


def _fits(parameter: Parameter, trial: Trial) -> bool:
    return parameter.contains(trial.params[parameter.name])


def _across(parameter: Parameter, trial: Trial) -> float:
    """Where a trial is drawn: a choice beside its place, so that equal ones are told apart."""
    value = trial.params[parameter.name]
    if isinstance(parameter, Categorical):
        cell = parameter.to_unit(value) * parameter.cells - 0.5
        return cell + ((trial.number * 0.618034) % 1.0 - 0.5) * 0.45
    return float(value)  # type: ignore[arg-type]  # a number, as it fits


def parallel(account: Account) -> Drawing:
    """All parameters of each trial, and its objectives."""
    parameters, goals, trials = drawn(account), account.history.objectives, account.ranked
    best = len(account.history.pareto) if len(goals) > 1 else -(-len(trials) // 10)
    views = [shown((t.objectives[i] for t in trials), goal.sign) for i, goal in enumerate(goals)]
    groups = {
        "others": ("grey", thinned(trials[best:], LINES // 2)),
        "better half": ("pale", thinned(trials[best : len(trials) // 2], LINES // 2)),
        ("Pareto set" if len(goals) > 1 else "best tenth"): ("best", thinned(trials[:best], LINES // 5)),
    }

    def heights(trial: Trial) -> list[float]:
        known = [
            each.to_unit(trial.params[each.name]) if each.name in trial.params and _fits(each, trial) else BELOW
            for each in parameters
        ]
        return known + [view.share(value) for view, value in zip(views, trial.objectives, strict=True)]

    def paint(canvas: Canvas) -> None:
        axes = canvas.subplots()
        for name, (colour, those) in groups.items():
            look: Any = {"linewidth": 1.2} if colour == "best" else {"linewidth": 0.7, "alpha": 0.8}
            for at, trial in enumerate(those):
                axes.plot(heights(trial), color=LIGHT[colour], label="_" if at else name, **look)
        _uprights(axes, parameters, goals, views)
        legend(canvas)

    some = len({trial.number for _, those in groups.values() for trial in those})
    note = f"A line is a trial, from what it was given to what it came to.{_of(some, trials)}"
    note += " Below an axis: that parameter is not active." * any(each.when for each in parameters)
    return Drawing("Parallel coordinates", 3.6, paint, note)


def _uprights(
    axes: "Axes", parameters: Sequence[Parameter], goals: Sequence[Objective], views: Sequence[Range]
) -> None:
    """The axes that stand beside each other, and their names."""
    for at, ticks in enumerate([*map(_ticks, parameters), *map(_ends, views)]):
        _upright(axes, at, ticks)
    names = [label(each, 14) for each in (*(each.name for each in parameters), *(goal.metric for goal in goals))]
    turned = len(names) > BESIDE
    lowest = BELOW if any(each.when for each in parameters) else 0.0
    axes.set(yticks=[], ylim=(lowest - 0.06, 1.06), xlim=(-0.35, len(names) - 0.45), xticks=range(len(names)))
    axes.set_xticklabels(names, rotation=30 * turned, ha="right" if turned else "center")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _upright(axes: "Axes", at: int, ticks: Mapping[float, str]) -> None:
    axes.axvline(at, ymin=0.0, ymax=1.0, color=LIGHT["muted"], linewidth=0.8)
    box = {"facecolor": LIGHT["ground"], "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
    for height, text in ticks.items():
        axes.text(at + 0.03, height, text, va="center", fontsize=7.5, bbox=box, zorder=5)


def _ticks(parameter: Parameter) -> Mapping[float, str]:
    """Some values of a parameter, by where they are."""
    cells = parameter.cells
    few = cells is not None and cells <= BESIDE
    shares = [centre(parameter, cell) for cell in range(cells or 0)] if few else [0.0, 0.25, 0.5, 0.75, 1.0]
    return {share: label(parameter.from_unit(share), 12) for share in shares}


def _ends(view: Range) -> Mapping[float, str]:
    return {0.0: label(float(f"{view.low:.2g}")), 1.0: label(float(f"{view.high:.2g}"))}
